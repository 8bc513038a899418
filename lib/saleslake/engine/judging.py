"""Judging without Spark: here where records are few, in a process a core where they are many."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from saleslake.errors import SaleslakeError
from saleslake.machine import cores

if TYPE_CHECKING:
    from saleslake.config import Settings

_JUDGED_HERE = 30_000
"""Records that this process judges while others would only start: about half a second of work."""
_TEXTS = ("raw", "header")
Judge = Callable[[pa.RecordBatch], pa.RecordBatch]


class Judges:
    """What judges the records of one lakehouse."""

    CHUNK = 16_384
    """Records handed on at once."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self._pool: ProcessPoolExecutor | None = None
        self._here: dict[str, Judge] = {}
        self._guard = threading.Lock()

    def judge(self, source: str, rows: pa.RecordBatchReader, folder: Path) -> tuple[list[str], pa.Schema]:
        """Rows of bronze -> files of judged ones in `folder`, and what columns they have. Grain: one row a record.

        `raw` and `header` are those of rejected records alone: of the others nobody asks.
        """
        from saleslake.silver.judge.batches import judge_of
        from saleslake.silver.registry import ENTITIES

        schema = ENTITIES[self.settings.sources[source].entity].judged_arrow
        first, count = [], 0
        for batch in rows:
            first.append(batch)
            count += batch.num_rows
            if count > _JUDGED_HERE:
                return self._in_processes(source, first, rows, folder), schema
        files = [f"{folder}/{n:06d}.parquet" for n, batch in enumerate(first) if batch.num_rows]
        with self._guard:
            judge = self._here.get(source) or self._here.setdefault(source, judge_of(source, self.settings))
        for file, batch in zip(files, (batch for batch in first if batch.num_rows), strict=True):
            _write(judge(batch), file)
        return files, schema

    def _in_processes(
        self, source: str, first: list[pa.RecordBatch], rest: pa.RecordBatchReader, folder: Path
    ) -> list[str]:
        files: list[str] = []
        waiting: deque[Future[None]] = deque()
        try:
            for batch in _chain(first, rest):
                files.append(f"{folder}/{len(files):06d}.parquet")
                with _interrupts_held_back():
                    waiting.append(self._started().submit(_judge_there, source, batch, files[-1]))
                if len(waiting) > 2 * cores():
                    waiting.popleft().result()
            for future in waiting:
                future.result()
        except BrokenProcessPool:
            self.close()
            raise SaleslakeError(
                f"source {source}: a process that judged its records was killed, for lack of memory perhaps: "
                "run again with more memory, or with --engine spark"
            ) from None
        finally:
            for future in waiting:  # of no use to anybody once one has failed
                future.cancel()
        return files

    def _started(self) -> ProcessPoolExecutor:
        with self._guard:
            if self._pool is None:
                # A forked child of a process with DuckDB's or a JVM's threads may hang.
                spawn = multiprocessing.get_context("spawn")
                resource_tracker.ensure_running()  # as it starts, it ends the holding back of interrupts
                self._pool = ProcessPoolExecutor(cores(), spawn, _begin, (self.settings, os.getpid()))
            return self._pool

    def close(self) -> None:
        with self._guard:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)
                self._pool = None


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Ctrl-C in a terminal reaches all processes. Ours answers it; those that it starts here have it held back from their start."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _chain(first: list[pa.RecordBatch], rest: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    while first:
        yield first.pop(0)
    yield from rest


# --- in the other process --------------------------------------------------------------------------

_settings: Any = None
_judges: dict[str, Judge] = {}


def _begin(settings: Settings, parent: int) -> None:
    global _settings
    _settings = settings
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """A parent that is killed tells its children nothing."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _judge_there(source: str, batch: pa.RecordBatch, file: str) -> None:
    from saleslake.silver.judge.batches import judge_of

    judge = _judges.get(source) or _judges.setdefault(source, judge_of(source, _settings))
    _write(judge(batch), file)


def _write(judged: pa.RecordBatch, file: str) -> None:
    is_good = pc.equal(pc.list_value_length(judged.column("reasons")), 0)
    for name in _TEXTS:
        at = judged.schema.get_field_index(name)
        kept = pc.if_else(is_good, pa.scalar(None, judged.schema.field(name).type), judged.column(name))
        judged = judged.set_column(at, judged.schema.field(name), kept)
    pq.write_table(pa.table(judged), file, compression="lz4", write_statistics=False)
