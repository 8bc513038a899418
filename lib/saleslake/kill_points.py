"""Named points at which a run can be killed, so that tests can prove that being killed there is harmless.

`SALESLAKE_KILL_AT=after_bronze:2` ends the process, and its JVM, with SIGKILL the second time that point is reached.
Without the variable, which only `make chaos` and tests set, a point does nothing.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

POINTS = (
    "after_landing",
    "before_bronze",
    "after_bronze",
    "after_quarantine",
    "after_silver_write",
    "before_silver_progress",
    "between_silver_and_gold",
    "after_gold_write",
    "before_gold_progress",
    "before_commit_log",
    "before_publish_commit",
)
"""Every point, in the order a run passes them."""

_reached: dict[str, int] = {}
_guard = threading.Lock()


def reached(point: str) -> None:
    """Die here if `SALESLAKE_KILL_AT` says so."""
    wanted = os.environ.get("SALESLAKE_KILL_AT")
    if not wanted:
        return
    assert point in POINTS, point
    name, _, nth = wanted.partition(":")
    with _guard:
        _reached[point] = _reached.get(point, 0) + 1
        if name == point and _reached[point] == int(nth or 1):
            _kill()


def _kill() -> None:
    from pyspark import SparkContext

    gateway: Any = SparkContext._gateway
    if gateway is not None:
        os.kill(int(gateway.jvm.java.lang.ProcessHandle.current().pid()), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
