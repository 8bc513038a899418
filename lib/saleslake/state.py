"""What saleslake remembers between runs that is not in a table: a small JSON file, replaced whole.

Losing it costs time, never data: gold is then compared with silver from scratch.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

Pin = tuple[str, int]
"""(table id, version)."""


@dataclass
class State:
    """`refreshed`: per silver table the pin gold was last brought up to. `known`: per table the pin up to which every
    commit is known to be ours. `rebuild`: tables whose rebuild began and did not end. `rules`: fingerprint of the
    rules the last full decision was made under."""

    refreshed: dict[str, Pin] = field(default_factory=dict)
    known: dict[str, Pin] = field(default_factory=dict)
    rebuild: list[str] = field(default_factory=list)
    rules: str = ""


class StateFile:
    """The file `data/state.json`. Written by whoever holds the lock of what it describes."""

    def __init__(self, path: str):
        self.path = Path(path)

    def load(self) -> State:
        try:
            content = json.loads(self.path.read_text())
            pins = {name: {k: (v[0], int(v[1])) for k, v in content[name].items()} for name in ("refreshed", "known")}
            return State(**pins, rebuild=list(content["rebuild"]), rules=str(content["rules"]))
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            return State()

    def save(self, state: State) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        with partial.open("w") as stream:
            json.dump(asdict(state), stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(self.path)
