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

Pin = tuple[str, int]
"""(table id, version)."""


@dataclass
class State:
    """`seen`: per bronze table the pin silver was last brought up to. `refreshed`: the same of gold, per silver table.
    `known`: per table the pin up to which every commit is known to be ours. `rebuild`: tables whose rebuild began
    and did not end. `rules`: fingerprint of the rules the last full decision was made under. `gold`: fingerprint
    of the settings gold was last refreshed under."""

    seen: dict[str, Pin] = field(default_factory=dict)
    refreshed: dict[str, Pin] = field(default_factory=dict)
    known: dict[str, Pin] = field(default_factory=dict)
    rebuild: list[str] = field(default_factory=list)
    rules: str = ""
    gold: str = ""


_guard = threading.Lock()


class StateFile:
    """The file `data/state.json`. Each field is written by whoever holds the lock of what it describes."""

    def __init__(self, path: str):
        self.path = Path(path)

    def load(self) -> State:
        try:
            content = json.loads(self.path.read_text())
            seen, refreshed, known = (
                {k: (str(v[0]), int(v[1])) for k, v in content[name].items()} for name in ("seen", "refreshed", "known")
            )
            rules, gold = str(content["rules"]), str(content.get("gold", ""))
            return State(seen, refreshed, known, list(content["rebuild"]), rules, gold)
        except (OSError, ValueError, KeyError, TypeError, IndexError):
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
