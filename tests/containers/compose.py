"""The compose file as the tests read it: merged, and with its variables put in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
VARIABLE = re.compile(r"\$\{(\w+)(?:(:?)-([^}]*))?\}")
OUR_IMAGES = ("${SALESLAKE_IMAGE", "${SALESLAKE_AIRFLOW_IMAGE")


def example_lines(*, commented: bool = False) -> dict[str, str]:
    """The assignments of .env.example; `commented`: those that are only offered, too."""
    found = {}
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines():
        match = re.fullmatch(r"# (\w+)=(\S*)" if commented and line.startswith("#") else r"(\w+)=(.*)", line)
        if match:
            found[match[1]] = match[2]
    return found


def services(given: dict[str, str] | None = None) -> dict[str, Any]:
    """Name → service, `${VARIABLE:-default}` replaced by what is given, else by the default."""
    given = given or {}

    def put(match: re.Match[str]) -> str:
        value = given.get(match[1])
        return (match[3] or "") if value is None or (match[2] and not value) else value

    loaded: dict[str, Any] = yaml.safe_load(VARIABLE.sub(put, TEXT))
    return loaded["services"]  # type: ignore[no-any-return]


def raw() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(TEXT)
    return loaded


def ours() -> dict[str, Any]:
    """The services that run the project's own images."""
    return {name: service for name, service in services().items() if "build" in service}
