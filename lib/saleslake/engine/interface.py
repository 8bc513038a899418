"""What an engine is: how rows are read, computed by SQL and committed. Nothing above asks which one it has.

A `Frame` is rows that an engine knows and only it can look into: a DataFrame of Spark's, or SQL of DuckDB's. Both are computed
when something is done with them, and anew each time: what is used several times is `kept`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import pyarrow as pa

from saleslake.errors import SaleslakeError

if TYPE_CHECKING:
    from saleslake.table import Table

Frame: TypeAlias = Any
"""Rows of one engine. Only the engine that made it takes it."""
Name = Literal["spark", "embedded"]


class Engine(Protocol):
    """What pipeline, silver, gold and proof work with. Each write is one commit, and is refused where a lease was lost."""

    @property
    def name(self) -> Name:
        """Under which settings, summaries and metrics know it."""
        ...

    def read(self, table: Table, version: int | None = None) -> Frame:
        """A stored table, at a version or now: the table's columns, in its types."""
        ...

    def parquet(self, files: Sequence[str], schema: pa.Schema) -> Frame:
        """Rows of plain Parquet files on the local disk, whose columns are `schema`."""
        ...

    def rows(self, rows: pa.Table) -> Frame:
        """Rows in memory as a frame."""
        ...

    def sql(self, text: str, **inputs: Frame) -> Frame:
        """A query in the SQL that both engines read (the prelude's functions included), its inputs under their names."""
        ...

    def order_lines(self, orders: Frame) -> Frame:
        """silver.orders, those that are sales, one row a line. Columns: see `engine.prelude`."""
        ...

    def matching(self, table: Table, keys: Frame, on: dict[str, str], version: int | None = None) -> Frame:
        """The stored rows for which some row of `keys` agrees: on `{column of keys: expression over the table}`."""
        ...

    def kept(self, frame: Frame) -> AbstractContextManager[Frame]:
        """The frame computed once, however often it is used within the block."""
        ...

    def judged(self, source: str, rows: Frame) -> AbstractContextManager[Frame]:
        """Rows of bronze -> one row a record, judged (`Entity.judged`), computed once for the block."""
        ...

    def fetch(self, frame: Frame) -> pa.Table:
        """All rows of a frame that holds few."""
        ...

    def changes(self, table: Table, first: int, last: int) -> Frame | None:
        """What the commits of these versions changed: the table's columns and `_change_type`, `insert` or `delete`, in no order.

        An update is a delete and an insert. None: the table's log, or files that it names, are there no more.
        """
        ...

    def append(self, table: Table, rows: Frame) -> None:
        """Add rows, of which there are some. The caller holds the table's lock, as for every write."""
        ...

    def add_new(self, table: Table, rows: Frame) -> None:
        """Add rows whose keys the table does not hold, as far as the caller can know: writers without a lock may have been quicker."""
        ...

    def upsert(
        self, table: Table, rows: Frame, deletes: Frame | None, dates: Iterable[date] | None, newer: str | None = None
    ) -> None:
        """Rows in place of those of their keys, and without those whose keys are in `deletes`.

        `dates`: every partition in which a stored row of these keys lies, or one of them will; None: any. `newer`: the condition
        under which a row `s` beats the stored `t`, for writers without a lock.
        """
        ...

    def overwrite(self, table: Table, rows: Frame | None, where: tuple[str, str] | None = None) -> None:
        """Replace the table by one of the present description that holds these rows, without reading a row of it.

        `where` (partition column, value): that partition alone. None for rows: nothing is in it.
        """
        ...

    def compact(self, table: Table) -> tuple[int, int]:
        """Small files into larger ones. Returns how many files it removed and added."""
        ...

    def vacuum(self, table: Table) -> None:
        """Remove files that no version of the last 7 days names."""
        ...

    def close(self) -> None:
        """Give back what it holds of the machine; a session of Spark's is its caller's."""
        ...


class Overtaken(SaleslakeError):
    """Another writer committed first: what was decided may be wrong by now. Reading and deciding anew is right."""


def union(engine: Engine, frames: Sequence[Frame]) -> Frame:
    """The rows of one frame or more, of the same columns in the same order."""
    if len(frames) == 1:
        return frames[0]
    names = {f"part_{n}": frame for n, frame in enumerate(frames)}
    return engine.sql(" UNION ALL ".join(f"SELECT * FROM {name}" for name in names), **names)
