"""Memory of a program with all that it started: Spark's JVM, its Python workers, a pool of processes."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

_EVERY_SECONDS = 0.2
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Peak:
    """Greatest memory of a process and all its descendants, sampled; a page that several share counts once (PSS). Linux only."""

    def __init__(self, pid: int):
        self.pid, self._bytes, self._ended = pid, 0, threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    @property
    def megabytes(self) -> int:
        """The greatest so far."""
        return self._bytes // 2**20

    def now(self) -> int:
        """Memory at this moment, in MB."""
        return sum(map(_proportional, tree(self.pid))) // 2**20

    def stop(self) -> None:
        """To be called once the process has ended."""
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._ended.wait(_EVERY_SECONDS):
            pids = tree(self.pid)
            # PSS makes the kernel walk all pages, while the program waits; it is at most RSS, which costs nothing.
            if sum(map(_resident, pids)) > self._bytes:
                self._bytes = max(self._bytes, sum(map(_proportional, pids)))


def tree(root: int) -> list[int]:
    """The process and its descendants."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            children.setdefault(_parent(name), []).append(int(name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def _parent(pid: str) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    except OSError:  # it has ended
        return 0


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0


def _proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return _resident(pid)
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
