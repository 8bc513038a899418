"""On which days lines of orders lie: each order's own, and of a refund the day on which it was paid back."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from saleslake.changes import Change
from saleslake.gold.sync import date_in
from saleslake.lake import Lake
from saleslake.silver import orders

_LAST = "last_refund_date"


def has_refunds(lake: Lake, version: int) -> bool:
    """Whether silver.orders holds a refund, told by the statistics in its log; where these do not tell: yes."""
    files = pa.table(lake.snapshot(orders.TABLE, version).get_add_actions(flatten=True))
    if files.num_rows == 0:
        return False
    name = f"null_count.{_LAST}"
    if name not in files.column_names:
        return True
    has_none = pc.equal(files.column(name), files.column("num_records"))
    return not pc.all(pc.fill_null(has_none, False)).as_py()


def on_dates(orders_: DataFrame, dates: set[date], with_refunds: bool) -> DataFrame:
    """The orders that may have a line on these dates. `with_refunds`: whether there are any; without, partitions tell."""
    of_their_own = orders_.where(date_in(dates))
    if not with_refunds or not dates:
        return of_their_own
    # Apart from the other half, because a condition on files' statistics joined by OR to one on partitions prunes neither.
    refunded = (F.col(_LAST) >= F.lit(min(dates))) & (F.col("first_refund_date") <= F.lit(max(dates)))
    return of_their_own.unionByName(orders_.where(refunded & ~date_in(dates)))


def of_change(change: Change) -> set[date] | None:
    """Days of all lines of the changed orders, as they were and as they are; None: all."""
    if change.rows is not None:
        return of_rows(change.rows)
    if change.spark_feed is None:
        return None
    paid_back = F.transform("items.refunded_at", lambda at: at.cast("date"))
    days = F.when(F.col(_LAST).isNull(), F.array("date")).otherwise(F.array_union(F.array("date"), paid_back))
    found = change.spark_feed.select(F.explode(days).alias("day")).where("day IS NOT NULL").distinct()
    return {row[0] for row in found.collect()}


def of_rows(rows: pa.Table) -> set[date]:
    """The same of rows of silver.orders in memory."""
    days = set(rows.column("date").unique().to_pylist())
    refunded = rows.filter(pc.is_valid(rows.column(_LAST))).select(["items"])
    if refunded.num_rows:
        with Lake.duck(refunded=refunded) as connection:
            sql = """select distinct cast(line.refunded_at as date) from (select unnest(items) as line from refunded)
                where line.refunded_at is not null"""
            days |= {row[0] for row in connection.execute(sql).fetchall()}
    return days
