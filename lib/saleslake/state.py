"""What saleslake remembers between runs that is not in a table: a small JSON file, replaced whole.

Losing it costs time, never data: bronze is then decided again and gold compared with silver from scratch.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

Pin = tuple[str, int]
"""(table id, version)."""


class Cell(Protocol):
    """An object that can be compared and swapped."""

    url: str

    def read(self) -> tuple[bytes, str] | None:
        """(content, version of the content); None where there is none."""

    def put(self, content: bytes, seen: str | None) -> bool:
        """Replace the version `seen` (None: nothing there). False, and nothing done, where it is another by now."""


@dataclass
class State:
    """`seen`: per bronze table the pin silver was last brought up to. `refreshed`: the same of gold, per silver table.
    `known`: per table the pin up to which every commit is known to be ours. `rebuild`: tables whose rebuild began
    and did not end. `rules`: fingerprint of the rules the last full decision was made under. `gold`: fingerprint
    of the settings gold was last refreshed under. `refreshing`: a refresh of gold began and has not ended."""

    seen: dict[str, Pin] = field(default_factory=dict)
    refreshed: dict[str, Pin] = field(default_factory=dict)
    known: dict[str, Pin] = field(default_factory=dict)
    rebuild: list[str] = field(default_factory=list)
    rules: str = ""
    gold: str = ""
    refreshing: bool = False


_guard = threading.Lock()


class StateFile:
    """The file `data/state.json`. Each field is written by whoever holds the lock of what it describes."""

    def __init__(self, path: str):
        self.path = Path(path)

    def load(self) -> State:
        try:
            return _parsed(self.path.read_text())
        except OSError:
            return State()

    def update(self, change: Callable[[State], object]) -> None:
        """Load, change, save; one thread, and one process, at a time."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with _guard, self.path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = self.load()
            change(state)
            self._save(state)

    def _save(self, state: State) -> None:
        partial = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        with partial.open("w") as stream:
            json.dump(asdict(state), stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(self.path)


class StateObject:
    """The same on an object store, replaced only if nobody else has."""

    def __init__(self, cell: Cell):
        self.cell = cell

    def load(self) -> State:
        found = self.cell.read()
        return _parsed(found[0].decode()) if found else State()

    def update(self, change: Callable[[State], object]) -> None:
        """Load, change, save; again where another process was quicker."""
        while True:
            found = self.cell.read()
            state = _parsed(found[0].decode()) if found else State()
            change(state)
            content = json.dumps(asdict(state), indent=1).encode()
            if found and found[0] == content:
                return
            if self.cell.put(content, found[1] if found else None):
                return


def _parsed(text: str) -> State:
    try:
        content = json.loads(text)
        seen, refreshed, known = (
            {k: (str(v[0]), int(v[1])) for k, v in content[name].items()} for name in ("seen", "refreshed", "known")
        )
        rules, gold = str(content["rules"]), str(content.get("gold", ""))
        return State(seen, refreshed, known, list(content["rebuild"]), rules, gold, content.get("refreshing") is True)
    except (ValueError, KeyError, TypeError, IndexError):
        return State()
