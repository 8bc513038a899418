"""Brings a gold table to what it should be, writing only what differs: nothing different, no new version.

Refresh, rebuild, repair and verify all compare the same way, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from saleslake.lake import Lake
from saleslake.table import Table, date_literals


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


def date_in(dates: Iterable[date]) -> Column:
    """A literal predicate on the partition column, so that only those partitions are listed and read."""
    return F.expr(f"date IN ({date_literals(dates)})") if dates else F.lit(False)


def sync_dates(
    lake: Lake, table: Table, expected: DataFrame, dates: set[date] | None, laid_by_date: bool = False
) -> Written:
    """Make the partitions `dates` (None: all) equal to `expected`, replacing those that differ, in one commit.

    `expected` holds the rows of these dates only. `laid_by_date`: it is read from files of one date each and few of
    them, so a first load need not bring a date's rows together.
    """
    lake.create(table)
    if lake.snapshot(table).count() == 0:
        return _first_load(lake, table, expected, laid_by_date)
    stored = lake.read(table)
    if dates is not None:
        stored = stored.where(date_in(dates))
    expected = expected.persist()
    try:
        new, old = _digests(table, expected), _digests(table, stored)
        differing = {d for d in new.keys() | old.keys() if new.get(d) != old.get(d)}
        if not differing:
            return Written(table.full_name)
        rows = expected.where(date_in(differing))
        lake.may_write()
        table.laid_out(rows).write.format("delta").mode("overwrite").option(
            "replaceWhere", f"date IN ({date_literals(differing)})"
        ).save(lake.path(table))
        return Written(table.full_name, sum(new[d][0] for d in differing if d in new), differing)
    finally:
        expected.unpersist()


def sync_changed(
    lake: Lake,
    table: Table,
    expected: DataFrame,
    of_changed: Callable[[DataFrame], DataFrame],
    dates: set[date],
    only_new: bool,
) -> Written:
    """Make the rows that `of_changed` picks of the table equal to `expected`, which holds no others, in one commit.

    `dates`: where they lie and lay. `only_new`: none of them was there before the change, so what is there is a
    former attempt's, and right; then rows are appended, and nothing is rewritten.
    """
    lake.create(table)
    stored = lake.read(table).where(date_in(dates))
    if only_new:
        held = of_changed(stored.select(*dict.fromkeys((*table.keys, "date"))))
        changed = expected.join(held.select(*table.keys), list(table.keys), how="left_anti").select(*table.select())
        changed = changed.withColumn("_action", F.lit("upsert"))
    else:
        changed = differences(table, expected, of_changed(stored))
    changed = changed.persist()
    try:
        found = changed.groupBy("_action").agg(F.count("*").alias("n"), F.collect_set("date").alias("dates")).collect()
        by_action = {row["_action"]: row for row in found}
        if not by_action:
            return Written(table.full_name)
        rows, deleted = (by_action[a]["n"] if a in by_action else 0 for a in ("upsert", "delete"))
        if only_new:
            lake.append(table, table.laid_out(changed.drop("_action")))
        else:
            _merge_changed(lake, table, changed, dates)
        return Written(table.full_name, rows, dates if not only_new else set(by_action["upsert"]["dates"]), deleted)
    finally:
        changed.unpersist()


def _merge_changed(lake: Lake, table: Table, changed: DataFrame, dates: set[date] | None) -> None:
    condition = table.same_key
    if dates is not None:
        condition = f"t.date IN ({date_literals(dates)}) AND {condition}"
    values: dict[str, str | Column] = {name: f"s.{name}" for name in table.column_names}
    merge = lake.delta(table).alias("t").merge(changed.alias("s"), condition)
    merge = merge.whenMatchedDelete("s._action = 'delete'").whenMatchedUpdate(set=values)
    merge.whenNotMatchedInsert(values=values).execute()


def _first_load(lake: Lake, table: Table, expected: DataFrame, laid_by_date: bool = False) -> Written:
    rows = expected if laid_by_date else table.laid_out(expected)
    lake.append(table, rows)
    snapshot = lake.snapshot(table)
    if not table.partition_by:
        return Written(table.full_name, snapshot.count())
    dates = {date.fromisoformat(p["date"]) for p in snapshot.partitions()}
    return Written(table.full_name, snapshot.count(), dates)


def _digests(table: Table, rows: DataFrame) -> dict[date, tuple[int, int, int]]:
    """Per date the number of rows and two independent 64-bit digests of their set."""
    one = F.xxhash64(*table.column_names)
    two = F.xxhash64(F.lit("saleslake"), *reversed(table.column_names))
    found = rows.groupBy("date").agg(F.count("*"), F.bit_xor(one), F.sum(two.cast("decimal(20,0)")))
    return {row[0]: (row[1], row[2], int(row[3])) for row in found.collect()}


def differences(table: Table, expected: DataFrame, stored: DataFrame) -> DataFrame:
    """Rows by key that differ: TABLE's columns as expected and `_action`, `upsert` or `delete` (not expected)."""
    keys = list(table.keys)
    content = [name for name in table.column_names if name not in keys]
    mine = expected.select(*keys, F.struct(*content).alias("_new"))
    theirs = stored.select(*keys, F.struct(*content).alias("_old"))
    joined = mine.join(theirs, keys, how="full")
    differing = joined.where(~F.col("_new").eqNullSafe(F.col("_old")))
    action = F.when(F.col("_new").isNull(), "delete").otherwise("upsert")
    columns = [F.col(name) if name in keys else F.col("_new")[name].alias(name) for name in table.column_names]
    return differing.select(*columns, action.alias("_action"))


def sync_keys(lake: Lake, table: Table, expected: DataFrame, scope: DataFrame | None = None) -> Written:
    """Make the table equal to `expected` by key, in one MERGE of the rows that differ.

    `scope` (keys): only these keys were computed; rows of other keys stay.
    """
    lake.create(table)
    if lake.snapshot(table).count() == 0:
        return _first_load(lake, table, expected)
    stored = lake.read(table)
    if scope is not None:
        stored = stored.join(F.broadcast(scope), list(table.keys), how="left_semi")
    changed = differences(table, expected, stored).persist()
    try:
        counts = {row["_action"]: row["count"] for row in changed.groupBy("_action").count().collect()}
        if not counts:
            return Written(table.full_name)
        _merge_changed(lake, table, changed, None)
        return Written(table.full_name, counts.get("upsert", 0), deleted=counts.get("delete", 0))
    finally:
        changed.unpersist()


def overwrite(lake: Lake, table: Table, expected: DataFrame) -> Written:
    """Replace the whole table without reading it: the way back when its files are gone or it was edited."""
    lake.recreate(table)
    lake.append(table, table.laid_out(expected))
    snapshot = lake.snapshot(table)
    dates = {date.fromisoformat(p["date"]) for p in snapshot.partitions()} if table.partition_by else set()
    return Written(table.full_name, snapshot.count(), dates)
