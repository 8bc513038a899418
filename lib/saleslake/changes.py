"""What changed in a table since a reader last looked: by its commits, or everything where they cannot tell.

Silver reads bronze this way and gold reads silver, so there is one notion of progress: the pin (table id,
version) a reader was last brought up to, in `data/state.json`. Losing a pin means a harmless replay.
"""

from __future__ import annotations

from dataclasses import dataclass

from saleslake.engine.interface import Frame
from saleslake.lake import Lake
from saleslake.state import Pin
from saleslake.table import Table


@dataclass(frozen=True)
class Change:
    """Change of one table between two pins."""

    table: Table
    feed: Frame | None = None
    """`Engine.changes`; None: not known, so everything counts as changed."""


def change_since(lake: Lake, table: Table, seen: Pin | None, now: Pin) -> Change | None:
    """The change of a table from `seen` to `now`; None if there is none."""
    if seen == now:
        return None
    if seen is None or seen[0] != now[0] or seen[1] > now[1]:
        return Change(table)
    return Change(table, lake.engine.changes(table, seen[1] + 1, now[1]))
