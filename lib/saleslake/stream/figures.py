"""What the latest run of the stream said of itself; read without Spark."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from saleslake.lake import Lake

FILE = "stream.json"


def read(lake: Lake) -> dict[str, Any] | None:
    """The figures of the latest run of the stream, with `running`; None if there was none."""
    path = Path(lake.work(FILE))
    try:
        figures: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return figures | {"running": figures["state"] in ("starting", "running", "stopping") and _alive(figures["pid"])}


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
