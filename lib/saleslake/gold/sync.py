"""Brings a gold table to what it should be, writing only what differs: nothing different, no new version.

Refresh, rebuild, repair and verify all compare the same way, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from saleslake.engine.interface import Frame
from saleslake.lake import Lake
from saleslake.table import Table

Keep = Callable[[Frame], Frame]
"""Has a frame computed once."""


@dataclass
class Written:
    """What one table's refresh wrote: nothing, some dates, or some rows."""

    table: str
    rows: int = 0
    dates: set[date] = field(default_factory=set)
    deleted: int = 0

    @property
    def anything(self) -> bool:
        return bool(self.rows or self.dates or self.deleted)


def differences(table: Table) -> str:
    """Rows that differ, by key. Takes `expected` and `stored`, both with the table's columns.

    Columns: the table's as they should be; the same as they are, with `old_` before their names; `_action`: `insert`, `update`, or
    `delete` for a row that should not be there. What a row lacks on one side is NULL there.
    """
    columns = ", ".join(f"e.{name} AS {name}, s.{name} AS old_{name}" for name in table.column_names)
    same_key = " AND ".join(f"e.{key} = s.{key}" for key in table.keys)
    is_new, is_gone = f"s.{table.keys[0]} IS NULL", f"e.{table.keys[0]} IS NULL"
    differs = " OR ".join(
        f"e.{name} IS DISTINCT FROM s.{name}" for name in table.column_names if name not in table.keys
    )
    return f"""SELECT {columns}, CASE WHEN {is_new} THEN 'insert' WHEN {is_gone} THEN 'delete' ELSE 'update' END AS _action
        FROM expected e FULL JOIN stored s ON {same_key}
        WHERE {is_new} OR {is_gone} OR {differs or "false"}"""


def sync(
    lake: Lake, table: Table, expected: Frame, stored: Frame | None, keep: Keep, is_damaged: bool = False
) -> tuple[Written, Frame | None]:
    """Make the rows `stored` (None: nothing is there) equal to `expected`, in one commit. `is_damaged`: whatever is there goes unread.

    Returns what was written, and the rows before and after (the table's columns), which last as long as what `keep` keeps; None: all
    are new.
    """
    engine = lake.engine
    if stored is None:
        if is_damaged:
            engine.overwrite(table, expected)
        else:
            engine.append(table, expected)
        snapshot = lake.snapshot(table)
        dates = {date.fromisoformat(p["date"]) for p in snapshot.partitions()} if table.partition_by else set()
        return Written(table.full_name, snapshot.count(), dates), None
    changed = keep(engine.sql(differences(table), expected=expected, stored=stored))
    by_date = bool(table.partition_by)
    days = ", array_agg(DISTINCT date) AS dates, array_agg(DISTINCT old_date) AS old_dates" if by_date else ""
    counts = engine.sql(f"SELECT _action, COUNT(*) AS n{days} FROM r GROUP BY _action", r=changed)
    rows = engine.fetch(counts).to_pylist()
    if not rows:
        return Written(table.full_name), None
    found = {row["_action"]: row["n"] for row in rows}
    both = [day for row in rows if by_date for day in (*row["dates"], *row["old_dates"])]
    dates = {day for day in both if day is not None}
    _write(lake, table, changed, found, dates if by_date else None)
    upserted = found.get("insert", 0) + found.get("update", 0)
    columns, old = ", ".join(table.column_names), ", ".join(f"old_{name}" for name in table.column_names)
    feed = f"SELECT {columns} FROM r WHERE _action <> 'delete' UNION ALL SELECT {old} FROM r WHERE _action <> 'insert'"
    return Written(table.full_name, upserted, dates, found.get("delete", 0)), engine.sql(feed, r=changed)


def _write(lake: Lake, table: Table, changed: Frame, found: dict[str, int], dates: set[date] | None) -> None:
    engine = lake.engine
    rows = engine.sql(f"SELECT {', '.join(table.column_names)} FROM r WHERE _action <> 'delete'", r=changed)
    if set(found) == {"insert"}:
        engine.append(table, rows)
        return
    old = ", ".join(f"old_{key} AS {key}" for key in table.keys)
    gone = engine.sql(f"SELECT {old} FROM r WHERE _action = 'delete'", r=changed) if "delete" in found else None
    engine.upsert(table, rows, gone, dates)
