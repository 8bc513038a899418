"""How the stream is doing: from Spark's listener and our own steps to the log and `data/stream.json`."""

from __future__ import annotations

import copy
import json
import os
import platform
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from pyspark.sql.streaming.listener import (
    QueryIdleEvent,
    QueryProgressEvent,
    QueryStartedEvent,
    QueryTerminatedEvent,
    StreamingQueryListener,
)

from saleslake.errors import first_line
from saleslake.lake import Lake
from saleslake.stream import figures

EVENTS = "events"
"""The query that lands events."""
_IN_EVENTS = ("input_rows", "input_rows_per_second", "processed_rows_per_second")
"""Figures of that query that `Health.micro_batch` tells, in events."""


class Health:
    """The latest figures of one run of the stream, in a file that `saleslake status` and monitoring read."""

    def __init__(self, lake: Lake, source: str):
        self.path = Path(lake.work(figures.FILE))
        self._guard = threading.Lock()
        self._batch_began = time.monotonic()
        self.figures: dict[str, Any] = {
            "run_id": lake.run_id,
            "pid": os.getpid(),
            "host": platform.node(),
            "source": source,
            "state": "starting",
            "started_at": _now(),
            "last_landed_at": None,
            "queries": {},
            "totals": {
                "batches": 0,
                "records": 0,
                "left_out": 0,
                "quarantined": 0,
                "discarded": 0,
                "gold_refreshes": 0,
            },
            "last_error": None,
        }
        self.update(state="starting")

    def update(self, **changed: Any) -> None:
        """Set figures and write the file anew."""
        with self._guard:
            self.figures.update(changed)
            self._write()

    def count(self, **more: int) -> None:
        """Add to the totals."""
        with self._guard:
            for name, n in more.items():
                self.figures["totals"][name] += n
            if more.get("records"):
                self.figures["last_landed_at"] = _now()
            self._write()

    def query(self, name: str, changed: dict[str, Any]) -> None:
        """The latest figures of one query."""
        with self._guard:
            self.figures["queries"].setdefault(name, {}).update(changed)
            self._write()

    def micro_batch(self, records: int, left_out: int, started: float) -> dict[str, Any]:
        """Note a micro-batch of events that began at `started` (monotonic). Returns its figures.

        Spark counts what it hands over, which may be a file: these count events.
        """
        seconds = time.monotonic() - started
        since, self._batch_began = self._batch_began, started
        events = records + left_out
        figures = {
            "seconds": round(seconds, 3),
            "records": records,
            "input_rows": events,
            "input_rows_per_second": _finite(events / (started - since)) if started > since else None,
            "processed_rows_per_second": _finite(events / seconds) if seconds else None,
        }
        self.query(EVENTS, figures)
        return figures

    def now(self) -> dict[str, Any]:
        """The figures as they are now, for another thread to read."""
        with self._guard:
            return copy.deepcopy(self.figures)

    def _write(self) -> None:
        self.figures["at"] = _now()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        partial.write_text(json.dumps(self.figures, indent=1, default=str))
        partial.replace(self.path)


class Listener(StreamingQueryListener):
    """Takes what Spark tells of its queries to the health file and the log."""

    def __init__(self, health: Health, is_stopping: Callable[[], bool] = lambda: False):
        self.health, self.is_stopping = health, is_stopping
        self.names: dict[str, str] = {}

    def onQueryStarted(self, event: QueryStartedEvent) -> None:
        self.names[str(event.id)] = event.name or str(event.id)

    def onQueryProgress(self, event: QueryProgressEvent) -> None:
        progress = event.progress
        state = progress.stateOperators
        now = {
            "batch_id": progress.batchId,
            "input_rows": progress.numInputRows,
            "input_rows_per_second": _finite(progress.inputRowsPerSecond),
            "processed_rows_per_second": _finite(progress.processedRowsPerSecond),
            "batch_duration_ms": progress.batchDuration,
            "state_rows": sum(operator.numRowsTotal for operator in state),
            "state_bytes": sum(operator.memoryUsedBytes for operator in state),
            "watermark": (progress.eventTime or {}).get("watermark"),
            "at": progress.timestamp,
        }
        name = progress.name or str(progress.id)
        if name == EVENTS:
            now = {figure: value for figure, value in now.items() if figure not in _IN_EVENTS}
        self.health.query(name, now)
        if progress.numInputRows:
            structlog.get_logger().info("stream_progress", query=name, **now)

    def onQueryIdle(self, event: QueryIdleEvent) -> None:
        self.health.query(self.names.get(str(event.id), str(event.id)), {"idle_since": event.timestamp})

    def onQueryTerminated(self, event: QueryTerminatedEvent) -> None:
        # A query that is being stopped ends by an exception of ours; what else goes wrong then is told by the job itself.
        if event.exception and not self.is_stopping():
            self.health.update(last_error=first_line(RuntimeError(event.exception)))


def _finite(number: float | None) -> float | None:
    return None if number is None or number != number or number in (float("inf"), float("-inf")) else round(number, 1)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
