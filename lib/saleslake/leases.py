"""Writer locks where there are no file locks: a lease on an object store.

The lease is an object that its holder replaces every few seconds, each time only if nobody else has. Whoever waits watches
it change, by a clock of his own: unchanged for `storage.lease_seconds` it is a dead holder's, and he takes it, again only if
it is as he saw it. So no two processes take one lease, whatever their clocks say. What a holder does that was stopped for
longer than that, and woke up again, is another matter: see `Lease.check` and the fence in `lake`.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import structlog

from saleslake.errors import LockTimeout, SaleslakeError
from saleslake.state import Cell

_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Record:
    """What stands in a lease. `number` grows by one with each holder; `beat` is new with each renewal; no holder: free."""

    holder: str = ""
    number: int = 0
    beat: str = ""

    def bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()


def read_record(content: bytes) -> Record:
    """Raises ValueError for what is no lease."""
    try:
        return Record(**json.loads(content))
    except TypeError as e:
        raise ValueError(str(e)) from None


class Lease:
    """A lease this process holds, renewed by a thread until `release`."""

    def __init__(self, cell: Cell, name: str, record: Record, seconds: float):
        self.cell, self.name, self.record, self.seconds = cell, name, record, seconds
        self.sharers = 1
        self._renewed = time.monotonic()
        self._lost = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"lease-{name}", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise LockTimeout if the lease may be another's by now: to be asked before each write under it."""
        if self._lost or time.monotonic() - self._renewed > 0.8 * self.seconds:
            self._lost = True
            raise LockTimeout(
                f"lease {self.cell.url}: not renewed for {time.monotonic() - self._renewed:.0f} s (storage.lease_seconds = "
                f"{self.seconds:g}), so another run may hold it: stopped before the next write; run again"
            )

    def release(self) -> None:
        """Free it, if it is still ours. Where that cannot be said to the server, others find out by waiting."""
        self._ended.set()
        self._thread.join()
        if self._lost:
            return
        try:
            self._replace(Record(number=self.record.number))
        except Exception as e:  # what the block came to must not hide behind this
            structlog.get_logger().warning("lease_not_released", lease=self.name, reason=str(e)[:200])

    def _renew(self) -> None:
        while not self._ended.wait(self.seconds / 4):
            started = time.monotonic()
            try:
                if not self._replace(Record(self.record.holder, self.record.number, uuid.uuid4().hex)):
                    self._lost = True
                    structlog.get_logger().error("lease_lost", lease=self.name)
                    return
                # Counted from before the write: whoever waits saw it at some moment after that.
                self._renewed = started
            except Exception as e:  # the server may be away for a moment; `check` says when it was too long
                structlog.get_logger().warning("lease_not_renewed", lease=self.name, reason=str(e)[:200])

    def _replace(self, record: Record) -> bool:
        found = self.cell.read()
        if found is None or found[0] != self.record.bytes() or not self.cell.put(record.bytes(), found[1]):
            return False
        self.record = record
        return True


_held: dict[str, Lease] = {}
_seen: dict[str, tuple[bytes, float]] = {}
"""By URL, another's lease as it was seen last, and since when: for those who look once in a while and do not wait."""
_guard = threading.Lock()


@contextmanager
def leased(
    cell: Cell, name: str, holder: str, timeout: float, seconds: float, taken_over: Callable[[int], None]
) -> Iterator[None]:
    """Hold the lease. Threads of one `holder` (a run) share it. `taken_over` is called, with the lease in hand, where its
    former holder seems dead: what that one may still be writing is to be fenced off.

    Raises LockTimeout naming the holder when it is not free within `timeout` seconds.
    """
    lease = _acquire(cell, name, holder, timeout, seconds, taken_over)
    try:
        yield
    finally:
        with _guard:
            lease.sharers -= 1
            last = lease.sharers == 0
            if last:
                del _held[cell.url]
        if last:
            lease.release()


def check_all(holder: str) -> None:
    """Raise LockTimeout if a lease that this run holds may be another's by now."""
    with _guard:
        mine = [lease for lease in _held.values() if lease.record.holder == holder]
    for lease in mine:
        lease.check()


def _acquire(
    cell: Cell, name: str, holder: str, timeout: float, seconds: float, taken_over: Callable[[int], None]
) -> Lease:
    began, told = time.monotonic(), False
    while True:
        with _guard:
            mine = _held.get(cell.url)
            if mine is not None and mine.record.holder == holder:
                mine.sharers += 1
                return mine
        found = cell.read()
        record = read_record(found[0]) if found else Record()
        dead = bool(found and record.holder) and _unchanged_for(cell.url, found[0] if found else b"") >= seconds
        if not record.holder or dead:
            own = Record(holder, record.number + 1, uuid.uuid4().hex)
            if cell.put(own.bytes(), found[1] if found else None):
                return _keep(Lease(cell, name, own, seconds), taken_over if dead else None)
            continue
        waited = time.monotonic() - began
        if waited >= timeout:
            raise LockTimeout(
                f"lease {cell.url}: held by {record.holder}; waited {waited:.0f} s (run.lock_timeout_seconds = {timeout:g}): "
                f"let that run finish, or stop it; that of a run that was killed is free {seconds:g} s after"
            )
        if waited and not told:
            told = True
            structlog.get_logger().warning("waiting_for_lock", lock=name, holder=record.holder)
        time.sleep(_POLL_SECONDS)


def _unchanged_for(url: str, content: bytes) -> float:
    """For how many seconds this process has seen the lease as it is now."""
    with _guard:
        if url not in _seen or _seen[url][0] != content:
            _seen[url] = (content, time.monotonic())
        return time.monotonic() - _seen[url][1]


def _keep(lease: Lease, taken_over: Callable[[int], None] | None) -> Lease:
    try:
        if taken_over is not None:
            structlog.get_logger().warning("lease_taken_over", lease=lease.name, number=lease.record.number)
            taken_over(lease.record.number)
    except BaseException as e:
        lease.release()
        raise SaleslakeError(f"lease {lease.cell.url}: its former holder's writes could not be fenced off: {e}") from e
    with _guard:
        _held[lease.cell.url] = lease
    return lease
