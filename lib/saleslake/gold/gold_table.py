"""What a gold table is: its description, its SQL, what it reads, and how a change of what it reads narrows it.

Refresh, rebuild, verify and the generated checks all work from this, so a gold table of one's own is a module, its `.sql`, and a
line in `star.GOLD`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from saleslake.config import Settings
from saleslake.engine.interface import Engine, Frame
from saleslake.table import Table

Frames = Mapping[str, Frame]
"""By the name of a table, its rows."""


def as_they_are(_: Engine, __: Settings, frames: Frames) -> Frames:
    """The SQL's inputs are the tables themselves."""
    return frames


@dataclass(frozen=True)
class Input:
    """A table of silver or gold that a gold table is computed from.

    A change of it concerns the rows of the gold table whose `scope` columns it names, and these are computed from those rows of it:
    `keys` gives each of the columns as an expression over this table's. Where a change concerns others, or the rows are computed from
    all of it, `concerns` is the SQL that finds them, over `change` (rows before and after) and `stored` (the gold table as it is).
    """

    table: Table
    keys: Mapping[str, str] | None = None
    concerns: str = ""

    def concerned(self, scope: tuple[str, ...]) -> str:
        """The SQL that gives the scope of a change: takes `change`, and `stored` where it has `concerns`."""
        if self.keys is None:
            return self.concerns
        columns = ", ".join(f"{self.keys[name]} AS {name}" for name in scope)
        given = " AND ".join(f"{name} IS NOT NULL" for name in scope)
        return f"SELECT {', '.join(scope)} FROM (SELECT DISTINCT {columns} FROM change) WHERE {given}"


@dataclass(frozen=True)
class GoldTable:
    """One gold table. `scope`: the columns by which it is narrowed. Its SQL, given only the rows of some values of these, gives just theirs.

    `references`: column -> the dimension (full name) that has a row for each of its values.

    `made`: the SQL's inputs out of the tables. `always`: SQL of a row of the scope that the query gives whatever it is given.
    """

    table: Table
    sql: str
    inputs: tuple[Input, ...]
    scope: tuple[str, ...]
    made: Callable[[Engine, Settings, Frames], Frames] = as_they_are
    always: str = ""
    references: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.table.full_name

    def computed(self, engine: Engine, settings: Settings, frames: Frames) -> Frame:
        """The table as these rows of its inputs make it: its columns, in its types."""
        return engine.sql(self.sql, **self.made(engine, settings, frames))
