"""What the latest run of the stream said of itself; read without Spark."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from saleslake.lake import Lake

FILE = "stream.json"
_SILENT_SECONDS = 60.0
"""How long a stream on another machine, whose process cannot be asked for, counts as running without a word."""


def read(lake: Lake) -> dict[str, Any] | None:
    """The figures of the latest run of the stream, with `running`; None if there was none."""
    path = Path(lake.work(FILE))
    try:
        figures: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return figures | {"running": figures["state"] in ("starting", "running", "stopping") and _runs(figures)}


def _runs(figures: dict[str, Any]) -> bool:
    """By its process; where that is another machine's, or another container's, by when it was last heard of."""
    if figures.get("host", platform.node()) == platform.node():
        return _alive(figures["pid"])
    heard = datetime.fromisoformat(figures["at"].replace("Z", "+00:00"))
    return (datetime.now(UTC) - heard).total_seconds() < _SILENT_SECONDS


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
