"""Writer locks that last as long as any process that may write under them.

Spark writes in a JVM, with Python beside it; the embedded engine writes in Python alone. A kill can leave either of the two
alive. So the lock `X` is two files, always taken in this order: `X.lock` by Python, then `X.jvm.lock` by the process that may
write: the JVM where there is a session, else Python. Both are POSIX locks, the kind that Java's file locks are too, and end
with their process. Who holds them stands in a third file, `X.holder`.

A process loses its POSIX lock when it closes *any* descriptor of that file. So nothing outside this module opens a lock file,
and a registry lets the threads of a process in one at a time. (See CONTRIBUTING, "Locks".)
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from saleslake.errors import LockTimeout

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_POLL_SECONDS = 0.1
_SAY_SO_AFTER_SECONDS = 2.0
_READERS = ""
"""The holder of a lock held shared: readers have no name, and share it with one another."""


@contextmanager
def writer_lock(
    spark: SparkSession | None, folder: str, name: str, holder: str, timeout_seconds: float
) -> Iterator[None]:
    """Hold the lock `name` of the lakehouse at `folder`. Without a session the writer is this process.

    Threads of one `holder` (a run) share it: they write different tables. Everybody else waits. Once one of them has a
    session, the JVM holds its part too.
    Raises LockTimeout naming the holder when it is not free within `timeout_seconds`.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    lock = _Lock(Path(folder), name)
    with _held(lock, holder, timeout_seconds, lambda: _take(lock, holder, spark), spark):
        yield


@contextmanager
def no_writer(folder: str, name: str, timeout_seconds: float) -> Iterator[None]:
    """Keep the writers of `name` out, for the moment of a look. Needs no right to write. Raises LockTimeout as `writer_lock`."""
    lock = _Lock(Path(folder), name)
    if not lock.by_python.exists():
        yield
        return
    with _held(lock, _READERS, timeout_seconds, lambda: _take_shared(lock)):
        yield


def hand_to_jvm(spark: SparkSession, holder: str) -> None:
    """To be called when a session comes up in a run, before it writes: the locks that `holder` has by now are the JVM's too."""
    for key in list(_holds):
        with _guard_of(key):
            hold = _holds.get(key)
            if hold is not None and hold.holder == holder:
                hold.hand_to(spark)


def holder_of(folder: str, name: str) -> str:
    """Who holds the lock, since when, as a hint: what a killed process wrote stays until the next one. Empty: nobody."""
    return _Lock(Path(folder), name).named()


# --- the registry ----------------------------------------------------------------------------------

Key = tuple[int, int, str]


@dataclass(frozen=True)
class _Lock:
    folder: Path
    name: str

    @property
    def by_python(self) -> Path:
        return self.folder / f"{self.name}.lock"

    @property
    def by_writer(self) -> Path:
        return self.folder / f"{self.name}.jvm.lock"

    @property
    def holder(self) -> Path:
        return self.folder / f"{self.name}.holder"

    def key(self) -> Key:
        """The same for every way to write the folder's path: the system lets a process take its own POSIX lock twice."""
        found = self.folder.stat()
        return found.st_dev, found.st_ino, self.name

    def named(self) -> str:
        try:
            return self.holder.read_text().strip()
        except OSError:
            return ""

    def write_holder(self, text: str) -> None:
        """It is a hint: a full disk must not keep out who may be about to make room."""
        try:
            self.holder.write_text(text)
        except OSError as e:
            structlog.get_logger().warning("lock_holder_not_written", lock=self.name, reason=str(e))


class _Hold:
    """A lock this process holds, and how many threads of the holding run share it."""

    def __init__(self, lock: _Lock, holder: str, by_python: _File | None, by_writer: _File | _JvmFile | None):
        self.lock, self.holder, self.by_python, self.by_writer = lock, holder, by_python, by_writer
        self.sharers = 1

    def hand_to(self, spark: SparkSession) -> None:
        """Nobody gets in between: who wants the second file needs the first one, and that stays ours."""
        if isinstance(self.by_writer, _JvmFile) and self.by_writer.jvm is spark._jvm:
            return
        if self.by_writer is not None:
            self.by_writer.release()
            self.by_writer = None
        try:
            self.by_writer = _JvmFile.take(spark._jvm, self.lock.by_writer)
        finally:
            if self.by_writer is None:
                self.by_writer = _File.take(self.lock.by_writer)
        if not isinstance(self.by_writer, _JvmFile):
            raise LockTimeout(
                f"lock {self.lock.by_writer}: locked by a program that is not saleslake, so Spark cannot write: end it, and run again"
            )

    def release(self) -> None:
        """In the reverse order; the first file in any case, or this process could never take it again."""
        try:
            if self.holder != _READERS:
                self.lock.write_holder("")
            if self.by_writer is not None:
                self.by_writer.release()
        finally:
            if self.by_python is not None:
                self.by_python.release()


_holds: dict[Key, _Hold] = {}
_guards: dict[Key, threading.Lock] = {}
_table_guard = threading.Lock()


def _guard_of(key: Key) -> threading.Lock:
    with _table_guard:
        return _guards.setdefault(key, threading.Lock())


def _forget() -> None:
    """A forked child holds nothing, whatever its parent did: the system gives it no lock, and it must not release one in the
    JVM, which it could. Its parent's threads are not there to open the guards."""
    global _table_guard
    _table_guard = threading.Lock()
    _guards.clear()
    _holds.clear()


os.register_at_fork(after_in_child=_forget)


@contextmanager
def _held(
    lock: _Lock, holder: str, timeout: float, take: Callable[[], _Hold | None], spark: SparkSession | None = None
) -> Iterator[None]:
    key = lock.key()
    hold = _acquire(lock, key, holder, timeout, take, spark)
    try:
        yield
    finally:
        with _guard_of(key):
            if _holds.get(key) is hold:  # or this is a forked child, on its way out of its parent's block
                hold.sharers -= 1
                if hold.sharers == 0:
                    del _holds[key]
                    hold.release()


def _acquire(
    lock: _Lock, key: Key, holder: str, timeout: float, take: Callable[[], _Hold | None], spark: SparkSession | None
) -> _Hold:
    started, said = time.monotonic(), False
    while True:
        with _guard_of(key):
            hold = _holds.get(key)
            if hold is not None and hold.holder == holder:
                if spark is not None:
                    hold.hand_to(spark)
                hold.sharers += 1
                return hold
            if hold is None and (taken := take()):
                _holds[key] = taken
                return taken
        waited = time.monotonic() - started
        if waited >= timeout:
            by = lock.named() or "a process that did not name itself"
            raise LockTimeout(
                f"lock {lock.by_python}: held by {by}; waited {waited:.0f} s (run.lock_timeout_seconds = {timeout:g}): "
                "let that run finish, or stop it"
            )
        if waited > _SAY_SO_AFTER_SECONDS and not said:
            said = True
            structlog.get_logger().warning("waiting_for_lock", lock=lock.name, holder=lock.named())
        time.sleep(_POLL_SECONDS)


# --- the files -------------------------------------------------------------------------------------


def _take(lock: _Lock, holder: str, spark: SparkSession | None) -> _Hold | None:
    by_python = _File.take(lock.by_python)
    if by_python is None:
        return None
    with ExitStack() as undo:
        undo.callback(by_python.release)
        by_writer = _File.take(lock.by_writer) if spark is None else _JvmFile.take(spark._jvm, lock.by_writer)
        if by_writer is None:
            return None
        undo.pop_all()
    lock.write_holder(f"{holder} since {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}\n")
    return _Hold(lock, holder, by_python, by_writer)


def _take_shared(lock: _Lock) -> _Hold | None:
    by_python = _File.take(lock.by_python, shared=True)
    if by_python is None:
        return None
    with ExitStack() as undo:
        undo.callback(by_python.release)
        by_writer = None
        if lock.by_writer.exists():  # where only an older version has written there is none
            by_writer = _File.take(lock.by_writer, shared=True)
            if by_writer is None:
                return None
        undo.pop_all()
    return _Hold(lock, _READERS, by_python, by_writer)


class _File:
    """A file that this process has locked."""

    def __init__(self, descriptor: int):
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path, *, shared: bool = False) -> _File | None:
        """None: another process has it."""
        descriptor = os.open(path, os.O_RDONLY) if shared else os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.lockf(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # POSIX allows either
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor)

    def release(self) -> None:
        os.close(self._descriptor)


class _JvmFile:
    """A file that the JVM has locked.

    The JVM itself keeps it, among its system properties. What it keeps for Python is let go when Python ends (under
    spark-submit, before the JVM does), and could be collected, lock and all, while a commit is still being written.
    """

    def __init__(self, jvm: Any, kept_as: str):
        self.jvm, self._kept_as = jvm, kept_as

    @classmethod
    def take(cls, jvm: Any, path: Path) -> _JvmFile | None:
        """None: another process has it, or another Python's writer in this JVM (opening it again would drop that lock)."""
        kept, name = jvm.java.lang.System.getProperties(), f"saleslake.lock.{path.absolute()}"
        if kept.containsKey(name):
            return None
        file = jvm.java.io.RandomAccessFile(str(path.absolute()), "rw")
        with ExitStack() as undo:
            undo.callback(file.close)
            if file.getChannel().tryLock() is None:
                return None
            kept.put(name, file)
            undo.pop_all()
        return cls(jvm, name)

    def release(self) -> None:
        """A JVM that was killed has released it, and says no more. What the block came to must not hide behind that."""
        try:
            kept = self.jvm.java.lang.System.getProperties()
            kept.get(self._kept_as).close()
            kept.remove(self._kept_as)
        except Exception as e:
            structlog.get_logger().warning("lock_not_released", lock=self._kept_as, reason=str(e)[:200])
