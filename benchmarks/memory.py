"""Memory and processor time of a program with all that it started: Spark's JVM, its Python workers, a pool of processes."""

from __future__ import annotations

import os
import threading
from pathlib import Path

_EVERY_SECONDS = 0.2
_PAGE, _TICKS = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")


class Peak:
    """Greatest memory of a process and all its descendants, sampled; a page that several share counts once (PSS). Linux only."""

    def __init__(self, pid: int):
        self.pid, self._bytes, self._ended = pid, 0, threading.Event()
        self._ticks: dict[int, int] = {}
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    @property
    def megabytes(self) -> int:
        """The greatest so far."""
        return self._bytes // 2**20

    @property
    def cpu_seconds(self) -> float:
        """What all of them took of the processors, to what happened since the last look: on a busy machine it says more than a clock."""
        return sum(self._ticks.values()) / _TICKS

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
            self._ticks |= pids
            # PSS makes the kernel walk all pages, while the program waits; it is at most RSS, which costs nothing.
            if sum(map(_resident, pids)) > self._bytes:
                self._bytes = max(self._bytes, sum(map(_proportional, pids)))


def tree(root: int) -> dict[int, int]:
    """The process and its descendants, each with its ticks of processor time."""
    ticks: dict[int, int] = {}
    children: dict[int, list[int]] = {}
    # Not by pathlib: what looks five times a second, beside what is measured, must cost little.
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit() and (fields := _stat(name)):
            children.setdefault(int(fields[1]), []).append(int(name))
            ticks[int(name)] = int(fields[11]) + int(fields[12])
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return {pid: ticks[pid] for pid in found if pid in ticks}


def _stat(pid: str) -> list[bytes]:
    """Of /proc/PID/stat what follows the name: state, parent, …; nothing where it has ended."""
    try:
        file = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except OSError:
        return []
    try:
        return os.read(file, 4096).rpartition(b")")[2].split()
    except OSError:
        return []
    finally:
        os.close(file)


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
