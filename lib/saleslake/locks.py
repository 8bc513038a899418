"""Writer locks that last exactly as long as the process that writes.

The lock is a `java.nio` file lock taken in Spark's JVM: the JVM is what writes, and Python may die
before it (see CONTRIBUTING, "Locks"). The holder writes who it is into the file, so a waiter can name it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from saleslake.errors import LockTimeout

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_POLL_SECONDS = 0.1
_SAY_SO_AFTER_SECONDS = 2.0


class _Hold:
    """A lock this process holds, and how many threads of the holding run share it."""

    def __init__(self, holder: str, file: Any, lock: Any):
        self.holder, self.file, self.lock, self.sharers = holder, file, lock, 1


_holds: dict[str, _Hold] = {}
_guards: dict[str, threading.Lock] = {}
_table_guard = threading.Lock()


@contextmanager
def writer_lock(spark: SparkSession, folder: str, name: str, holder: str, timeout_seconds: float) -> Iterator[None]:
    """Hold the lock `name` of the lakehouse at `folder`.

    Threads of one `holder` (a run) share it: they write different tables. Everybody else waits.
    Raises LockTimeout naming the holder when it is not free within `timeout_seconds`.
    """
    path = Path(folder) / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    key = str(path)
    with _table_guard:
        guard = _guards.setdefault(key, threading.Lock())
    _acquire(spark, path, guard, name, holder, timeout_seconds)
    try:
        yield
    finally:
        with guard:
            hold = _holds[key]
            hold.sharers -= 1
            if hold.sharers == 0:
                path.write_text("")
                hold.lock.release()
                hold.file.close()
                del _holds[key]


def _acquire(spark: SparkSession, path: Path, guard: threading.Lock, name: str, holder: str, timeout: float) -> None:
    started, said = time.monotonic(), False
    while True:
        with guard:
            hold = _holds.get(str(path))
            if hold is not None and hold.holder == holder:
                hold.sharers += 1
                return
            if hold is None and (taken := _try(spark, path)):
                _holds[str(path)] = _Hold(holder, *taken)
                path.write_text(f"{holder} since {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}\n")
                return
        waited = time.monotonic() - started
        if waited >= timeout:
            by = path.read_text().strip() or "a process that did not name itself"
            raise LockTimeout(
                f"lock {path}: held by {by}; waited {waited:.0f} s (run.lock_timeout_seconds = {timeout:g}): "
                "let that run finish, or stop it"
            )
        if waited > _SAY_SO_AFTER_SECONDS and not said:
            said = True
            structlog.get_logger().warning("waiting_for_lock", lock=name, holder=path.read_text().strip())
        time.sleep(_POLL_SECONDS)


def _try(spark: SparkSession, path: Path) -> tuple[Any, Any] | None:
    jvm: Any = spark._jvm
    file = jvm.java.io.RandomAccessFile(str(path), "rw")
    lock = file.getChannel().tryLock()
    if lock is None:
        file.close()
        return None
    return file, lock
