"""Grafana's dashboards as the tests read them: panels, and their queries with what Grafana would put in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from saleslake.config import PROJECT_ROOT

FOLDER = PROJECT_ROOT / "conf" / "grafana" / "dashboards"
NAMES = ("pipeline", "stream", "business")

_PROMETHEUS = {"$job": "saleslake", "$command": ".*", "$instance": ".*", "$__rate_interval": "10s"}
_TIME = re.compile(r"\$__timeFilter\(([a-z.]+)\)")


@dataclass(frozen=True)
class Query:
    """One query of a panel, ready to be asked."""

    panel: str
    ref: str
    text: str


def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def panels(name: str) -> list[dict[str, Any]]:
    """The panels that show something; rows left out."""
    return [panel for panel in load(name)["panels"] if panel["type"] != "row"]


def queries(name: str) -> Iterator[Query]:
    """Every query of a dashboard, its variables filled in."""
    for panel in panels(name):
        for target in panel["targets"]:
            text = target["expr"] if "expr" in target else target["rawSql"]
            yield Query(panel["title"], target["refId"], filled(text))


def filled(text: str) -> str:
    """The query with the sample's time for Grafana's macro, as Grafana writes it, and a value for each variable."""
    text = _TIME.sub(r"\1 BETWEEN '2024-01-15T00:00:00Z' AND '2024-03-15T00:00:00Z'", text)
    for name, value in (_PROMETHEUS | {"$currency": "EUR"}).items():
        text = text.replace(name, value)
    return text


def values_of(query: str) -> str:
    """What Grafana's `label_values(series, label)` asks, as PromQL."""
    found = re.fullmatch(r"label_values\((.*), (\w+)\)", query)
    assert found, query
    return f"count by ({found[2]}) ({filled(found[1])})"
