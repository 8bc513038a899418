"""`sync` for few rows: the same comparison, made in DuckDB, and the same rows written, by delta-rs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa

from saleslake import few
from saleslake.gold.sync import Written
from saleslake.lake import Lake
from saleslake.table import Table


@dataclass(frozen=True)
class Scope:
    """Which stored rows the expected ones stand for: all of these `dates` (None: of all) for which the SQL `where` holds.

    `tables`: what `where` names beside the row.
    """

    dates: set[date] | None = None
    where: str = "true"
    tables: dict[str, pa.Table] = field(default_factory=dict)

    @classmethod
    def of_keys(cls, key: str, values: Iterable[str]) -> Scope:
        """Rows with one of these values of `key`."""
        wanted = pa.table({key: pa.array(sorted(values), pa.string())})
        return cls(where=f"{key} in (select {key} from wanted)", tables={"wanted": wanted})


def sync_few(lake: Lake, table: Table, expected: pa.Table, scope: Scope) -> Written:
    """Make the rows in `scope` equal to `expected`, which holds no others; no commit where nothing differs."""
    lake.create(table)
    names = ", ".join(table.column_names)
    of_key = " and ".join(f"e.{key} = s.{key}" for key in table.keys)
    differs = " or ".join(f"e.{name} is distinct from s.{name}" for name in table.column_names)
    is_new, days = f"s.{table.keys[0]} is null", "e.date, s.date" if table.partition_by else "null, null"
    rows = lake.rows(table, dates=scope.dates if table.partition_by else None)
    with lake.duck(expected=few.numbered(expected), t=rows, **scope.tables) as connection:
        connection.execute(f"create temp table stored as select {names} from t where {scope.where}")
        found = connection.execute(
            f"select e._row, {is_new}, {days} from expected e left join stored s on {of_key} where {is_new} or {differs}"
        ).fetchall()
        gone = connection.execute(f"from stored s anti join expected e on {of_key}").to_arrow_table()
    if not found and not gone.num_rows:
        return Written(table.full_name)
    inserts, updates = (few.picked(expected, (row[0] for row in found if row[1] == new)) for new in (True, False))
    dates = {day for row in found for day in row[2:] if day is not None}
    if table.partition_by:
        dates |= set(gone.column("date").to_pylist())
    few.upsert(lake, table, inserts, updates, gone, dates)
    return Written(table.full_name, len(found), dates, gone.num_rows)
