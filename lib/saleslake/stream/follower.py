"""Keeps gold up to silver while the stream goes on: refreshes of what came meanwhile, one after another.

Gold remembers which silver versions it was made of, so a refresh that never happened is made up by the next one, of
this run or of another.
"""

from __future__ import annotations

import contextvars
import threading
import time

from saleslake.gold import refresh as gold
from saleslake.pipeline import Batch
from saleslake.stream.health import Health

_PATIENCE = 2.0
"""While the input is behind, gold rests so many times as long as its last refresh took: fewer, larger refreshes."""


class GoldFollower(threading.Thread):
    """A thread that refreshes gold whenever it is told that silver has changed."""

    def __init__(self, batch: Batch, health: Health):
        super().__init__(name="gold", daemon=True)
        self.batch, self.health = batch, health
        self.error: BaseException | None = None
        self._is_behind, self._took = False, 0.0
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._context = contextvars.copy_context()

    def tell(self, *, is_behind: bool) -> None:
        """Silver has changed. `is_behind`: the input has more than a micro-batch takes, so silver should have the cores."""
        self._is_behind = is_behind
        self._changed.set()

    def stop(self) -> None:
        """Refresh what is left, and end."""
        self._stopping.set()
        self._changed.set()
        self.join()

    def run(self) -> None:
        self._context.run(self._follow)

    def _is_anything_there(self) -> bool:
        lake = self.batch.lake
        return any(lake.exists(table) and lake.snapshot(table).count() for table in gold.INPUTS.values())

    def _follow(self) -> None:
        try:
            if self._is_anything_there():
                self.batch.gold()  # what an earlier run left, and what was damaged
            while True:
                self._changed.wait()
                if self._is_behind:
                    self._stopping.wait(_PATIENCE * self._took)
                self._changed.clear()
                stopping = self._stopping.is_set()
                began = time.monotonic()
                written = gold.refresh(self.batch.lake)
                self._took = time.monotonic() - began
                if any(table.anything for table in written):
                    self.health.count(gold_refreshes=1)
                if stopping:
                    return
        except BaseException as e:
            self.error = e
