"""Keeps gold up to silver while the stream goes on, between micro-batches.

Beside a micro-batch a refresh would take twice as long, and so would the micro-batch: an event waits for both.
Gold remembers which silver versions it was made of, so a refresh that never happened is made up by the next one, of
this run or of another.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from saleslake.errors import LockTimeout
from saleslake.gold import refresh, star
from saleslake.gold.sync import Written
from saleslake.pipeline import Batch
from saleslake.stream.health import Health

_PATIENCE = 3.0
"""While the input is behind, gold rests so many times as long as its last refresh took: fewer, larger refreshes."""
_ASK_AGAIN_SECONDS = 2.0
"""After another run's lock was found."""


class GoldFollower:
    """Refreshes gold when silver has changed and it is gold's turn. Not thread-safe: the caller holds the micro-batches' guard."""

    def __init__(self, batch: Batch, health: Health, say: Callable[[str], None] = lambda _: None):
        self.batch, self.health, self.say = batch, health, say
        self._is_behind = False
        self._took = self._ended = self._locked_until = 0.0
        self._due_since: float | None = None
        self._inspected = False

    def start(self) -> None:
        """What an earlier run left is due, and what was damaged."""
        lake = self.batch.lake
        if any(lake.exists(table) and lake.snapshot(table).count() for table in star.INPUTS.values()):
            self.tell(is_behind=False)

    def tell(self, *, is_behind: bool) -> None:
        """Silver has changed. `is_behind`: the input has more than a micro-batch takes, so silver goes first."""
        self._is_behind = is_behind
        self._due_since = self._due_since or time.monotonic()

    @property
    def is_due(self) -> bool:
        rested_at = self._ended + _PATIENCE * self._took if self._is_behind else 0.0
        return self._due_since is not None and time.monotonic() >= max(rested_at, self._locked_until)

    def follow(self) -> None:
        """Refresh gold if it is due. Another run's lock is left for later, and the input goes on, until it has lasted too long."""
        if not self.is_due:
            return
        try:
            with self.batch.lake.lock("gold", timeout_seconds=0):
                self._refresh()
        except LockTimeout as e:
            now = time.monotonic()
            if now - (self._due_since or now) > self.batch.lake.settings.run.lock_timeout_seconds:
                raise
            self._locked_until = now + _ASK_AGAIN_SECONDS
            structlog.get_logger().info("gold_later", reason=str(e))

    def finish(self) -> None:
        """Refresh what is left, waiting for the lock as any run does."""
        if self._due_since is not None:
            self._refresh()

    def _refresh(self) -> None:
        began = time.monotonic()
        if self._inspected:
            written = refresh.refresh(self.batch.lake)
            self.batch.summary.add_written(written)
        else:
            written = self.batch.gold()
        self._inspected, self._due_since = True, None
        self._ended = time.monotonic()
        self._took = self._ended - began
        changed = [table for table in written if table.anything]
        if changed:
            self.health.count(gold_refreshes=1)
            self.batch.summary.gold_refreshes += 1
            self.say(f"gold refreshed in {self._took:.1f} s: {', '.join(map(_told, changed))}")


def _told(table: Written) -> str:
    deleted = f", {table.deleted:,} deleted" if table.deleted else ""
    return f"{table.table.removeprefix('gold.')} {table.rows:,} rows{deleted}"
