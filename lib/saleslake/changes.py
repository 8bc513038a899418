"""What changed in a table since a reader last looked: by the change feed, or everything where that cannot tell.

Silver reads bronze this way and gold reads silver, so there is one notion of progress: the pin (table id,
version) a reader was last brought up to, in `data/state.json`. Losing a pin means a harmless replay.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import structlog
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from saleslake.lake import Lake
from saleslake.state import Pin
from saleslake.table import Table


@dataclass(frozen=True)
class Change:
    """Change of one table between two pins. `feed` None: unknown, so everything counts as changed."""

    table: Table
    feed: DataFrame | None

    def dates(self) -> set[date] | None:
        """Partitions with a changed row, old and new; None: all."""
        if self.feed is None:
            return None
        return {row[0] for row in self.feed.select("date").distinct().collect()}

    def keys(self, column: str, name: str) -> DataFrame | None:
        """Distinct values of a column among the changed rows, as `name`; None: all."""
        if self.feed is None:
            return None
        return self.feed.select(F.col(column).alias(name)).where(F.col(name).isNotNull()).distinct()


def change_since(lake: Lake, table: Table, seen: Pin | None, now: Pin) -> Change | None:
    """The change of a table from `seen` to `now`; None if there is none."""
    if seen == now:
        return None
    if seen is None or seen[0] != now[0] or seen[1] > now[1]:
        return Change(table, None)
    try:
        feed = (
            lake.spark.read.format("delta")
            .option("readChangeFeed", "true")
            .option("startingVersion", seen[1] + 1)
            .option("endingVersion", now[1])
            .load(lake.path(table))
        )
        feed.limit(1).collect()
        return Change(table, feed)
    except PySparkException as e:
        # After a rebuild, VACUUM or lost files the feed is gone; comparing everything is always right.
        reason = e.getCondition() if hasattr(e, "getCondition") else type(e).__name__
        structlog.get_logger().info("change_feed_unreadable", table=table.full_name, reason=reason)
        return Change(table, None)
