"""Folders of this machine's disk that belong to one process: gone with it, or removed by a later one where it was killed.

A file in each is locked while its process lives, and the system frees that lock however the process ends: no pid, which another
process may have by then, needs to be believed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ALIVE = "alive"
_GUARD = ".guard"
_turn = threading.Lock()
"""File locks keep processes apart, not the threads of one."""


class OwnFolder:
    """A folder in `parent` whose name begins with `name`, this process' own until it is closed."""

    def __init__(self, parent: Path, name: str):
        parent.mkdir(parents=True, exist_ok=True)
        self.path = parent / f"{name}-{uuid.uuid4().hex[:8]}"
        with _guarded(parent):  # nobody takes it for left behind before it is locked
            self.path.mkdir()
            self._descriptor = os.open(self.path / _ALIVE, os.O_RDWR | os.O_CREAT, 0o666)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def close(self) -> None:
        """Remove it and all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._descriptor)


def left_behind(parent: Path) -> list[Path]:
    """The folders whose processes are gone."""
    if not parent.is_dir():
        return []
    with _guarded(parent):
        return [folder for folder in sorted(parent.iterdir()) if folder.is_dir() and not _is_alive(folder)]


def remove_left_behind(parent: Path) -> None:
    """Remove what killed processes left there."""
    for folder in left_behind(parent):
        shutil.rmtree(folder, ignore_errors=True)


def _is_alive(folder: Path) -> bool:
    try:
        descriptor = os.open(folder / _ALIVE, os.O_RDWR)
    except FileNotFoundError:
        return False
    except PermissionError:  # another user's: not ours to judge
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def _guarded(parent: Path) -> Iterator[None]:
    descriptor = os.open(parent / _GUARD, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with _turn:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
    finally:
        os.close(descriptor)
