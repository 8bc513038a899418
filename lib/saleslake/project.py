"""Where the files beside the package lie: conf/, sql/, sample_data/, jobs/. The standard library alone: set-up asks before there is more."""

from __future__ import annotations

import os
import shutil
from importlib import resources
from pathlib import Path

FOLDERS = ("conf", "sql", "sample_data", "jobs", "streaming")
CARRIED = "_project"
"""The folder inside the package that a wheel has them in (setup.py)."""
_PACKAGE = Path(__file__).resolve().parent


def find(home: str | None, package: Path) -> Path:
    """`$SALESLAKE_HOME` if it is set; else the checkout that the package is in; else what a wheel carries."""
    if home:
        return Path(home).expanduser().resolve()
    checkout = package.parent.parent
    return checkout if (checkout / "conf" / "saleslake.toml").is_file() else package / CARRIED


ROOT = find(os.environ.get("SALESLAKE_HOME"), _PACKAGE)


def read(*parts: str) -> str:
    """The text of a file below ROOT; of the package's own where the package lies in a zip (`--py-files`), which has no folders."""
    path = ROOT.joinpath(*parts)
    if path.is_file():
        return path.read_text(encoding="utf-8")
    return resources.files("saleslake").joinpath(CARRIED, *parts).read_text(encoding="utf-8")


def lay_out(root: Path = ROOT, package: Path = _PACKAGE) -> list[str]:
    """Copy what a wheel carries to a new `$SALESLAKE_HOME`; returns the folders made. What is there already stays as it is."""
    carried = package / CARRIED
    if root == carried or not carried.is_dir():
        return []
    missing = [name for name in FOLDERS if not (root / name).exists()]
    for name in missing:
        shutil.copytree(carried / name, root / name)
    return missing
