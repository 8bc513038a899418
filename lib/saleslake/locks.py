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
from typing import Any

import structlog
from pyspark.sql import SparkSession

from saleslake.errors import LockTimeout

_POLL_SECONDS = 0.1
_SAY_SO_AFTER_SECONDS = 2.0
_in_process: dict[str, threading.RLock] = {}
_held: dict[str, int] = {}
_guard = threading.Lock()


@contextmanager
def writer_lock(spark: SparkSession, folder: str, name: str, holder: str, timeout_seconds: float) -> Iterator[None]:
    """Hold the lock `name` of the lakehouse at `folder`; re-entrant within a thread.

    Raises LockTimeout naming the holder when it is not free within `timeout_seconds`.
    """
    path = Path(folder) / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with _guard:
        local = _in_process.setdefault(str(path), threading.RLock())
    if not local.acquire(timeout=max(timeout_seconds, 0.001)):
        raise LockTimeout(f"lock {path}: still held by another thread of this process after {timeout_seconds:g} s")
    try:
        if _held.get(str(path), 0):
            _held[str(path)] += 1
            try:
                yield
            finally:
                _held[str(path)] -= 1
            return
        file, lock = _wait(spark, path, name, timeout_seconds)
        _held[str(path)] = 1
        try:
            path.write_text(f"{holder} since {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}\n")
            yield
        finally:
            _held[str(path)] = 0
            path.write_text("")
            lock.release()
            file.close()
    finally:
        local.release()


def _wait(spark: SparkSession, path: Path, name: str, timeout_seconds: float) -> tuple[Any, Any]:
    jvm: Any = spark._jvm
    file = jvm.java.io.RandomAccessFile(str(path), "rw")
    channel = file.getChannel()
    started, said = time.monotonic(), False
    while True:
        lock = channel.tryLock()
        if lock is not None:
            return file, lock
        waited = time.monotonic() - started
        if waited >= timeout_seconds:
            holder = path.read_text().strip() or "a process that did not name itself"
            file.close()
            raise LockTimeout(
                f"lock {path}: held by {holder}; waited {waited:.0f} s "
                f"(run.lock_timeout_seconds = {timeout_seconds:g}): let that run finish, or stop it"
            )
        if waited > _SAY_SO_AFTER_SECONDS and not said:
            said = True
            structlog.get_logger().warning("waiting_for_lock", lock=name, holder=path.read_text().strip())
        time.sleep(_POLL_SECONDS)
