"""What changed in a table since a reader last looked: by the change feed, or everything where that cannot tell.

Silver reads bronze this way and gold reads silver, so there is one notion of progress: the pin (table id,
version) a reader was last brought up to, in `data/state.json`. Losing a pin means a harmless replay.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

import pyarrow as pa
import structlog
from deltalake.exceptions import DeltaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from saleslake import few
from saleslake.lake import Lake
from saleslake.state import Pin
from saleslake.table import Table

MOST_ROWS = 200_000
"""A change of more rows than this is not read into memory."""


@dataclass(frozen=True)
class Change:
    """Change of one table between two pins. Neither `rows` nor `spark_feed`: unknown, so everything counts as changed."""

    table: Table
    lake: Lake = field(repr=False)
    rows: pa.Table | None = None
    """The change feed, where it has no more than MOST_ROWS: the table's columns, `_change_type` and `_commit_version`."""
    spark_feed: DataFrame | None = None

    @property
    def is_known(self) -> bool:
        return self.rows is not None or self.spark_feed is not None

    @cached_property
    def feed(self) -> DataFrame | None:
        """The change feed as a frame; None: unknown."""
        return few.frame(self.lake, self.rows) if self.rows is not None else self.spark_feed

    def dates(self) -> set[date] | None:
        """Partitions with a changed row, old and new; None: all."""
        if self.rows is not None:
            return set(self.rows.column("date").unique().to_pylist())
        if self.spark_feed is None:
            return None
        return {row[0] for row in self.spark_feed.select("date").distinct().collect()}

    def keys(self, column: str, name: str) -> DataFrame | None:
        """Distinct values of a column among the changed rows, as `name`; None: all."""
        if self.feed is None:
            return None
        return self.feed.select(F.col(column).alias(name)).where(F.col(name).isNotNull()).distinct()

    def few_keys(self, column: str) -> set[str] | None:
        """The same, in memory; None: all, or too many."""
        if self.rows is None:
            return None
        return {value for value in self.rows.column(column).unique().to_pylist() if value is not None}


def change_since(lake: Lake, table: Table, seen: Pin | None, now: Pin) -> Change | None:
    """The change of a table from `seen` to `now`; None if there is none."""
    if seen == now:
        return None
    if seen is None or seen[0] != now[0] or seen[1] > now[1]:
        return Change(table, lake)
    rows = _rows(lake, table, seen[1] + 1, now[1])
    if rows is not None:
        return Change(table, lake, rows=rows)
    try:
        feed = (
            lake.spark.read.format("delta")
            .option("readChangeFeed", "true")
            .option("startingVersion", seen[1] + 1)
            .option("endingVersion", now[1])
            .load(lake.path(table))
        )
        feed.limit(1).collect()
        return Change(table, lake, spark_feed=feed)
    except PySparkException as e:
        # After a rebuild, VACUUM or lost files the feed is gone; comparing everything is always right.
        reason = e.getCondition() if hasattr(e, "getCondition") else type(e).__name__
        structlog.get_logger().info("change_feed_unreadable", table=table.full_name, reason=reason)
        return Change(table, lake)


def _rows(lake: Lake, table: Table, first: int, last: int) -> pa.Table | None:
    """The change feed of these versions, read by delta-rs; None where it is too much, or cannot be read: Spark will say why."""
    try:
        log = lake.snapshot(table)
        reader = pa.RecordBatchReader.from_stream(log.load_cdf(starting_version=first, ending_version=last))
        batches, count = [], 0
        for batch in reader:
            count += batch.num_rows
            if count > MOST_ROWS:
                return None
            batches.append(batch)
    except (DeltaError, OSError, pa.ArrowException):
        return None
    feed = pa.Table.from_batches(batches, schema=reader.schema)
    rows = few.fitted(table, feed)
    rows = rows.append_column("_change_type", feed.column("_change_type").cast(pa.string()))
    return rows.append_column("_commit_version", feed.column("_commit_version").cast(pa.int64()))
