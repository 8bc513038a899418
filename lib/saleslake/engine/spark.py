"""The Spark engine: DataFrames, `spark.sql`, and Delta's own writers."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Literal
from weakref import WeakSet

import pyarrow as pa
import structlog
from delta import exceptions as conflicts
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from saleslake.engine import prelude
from saleslake.engine.interface import Overtaken
from saleslake.engine.sql import matching, on_spark
from saleslake.errors import first_line
from saleslake.table import Table, date_literals

if TYPE_CHECKING:
    from saleslake.lake import Lake

_MOST_LITERAL_DATES = 1000
_CONFLICTS = (
    conflicts.DeltaConcurrentModificationException,
    conflicts.ConcurrentAppendException,
    conflicts.ConcurrentDeleteReadException,
    conflicts.ConcurrentDeleteDeleteException,
    conflicts.ConcurrentTransactionException,
    conflicts.ConcurrentWriteException,
    conflicts.MetadataChangedException,
)
"""Delta's classes of conflict have no common base in Python."""
_insert_turn = threading.Lock()
"""Threads of this process need not find out by losing that they insert into one table."""


class Spark:
    """See `Engine`. Frames are DataFrames of the lake's session."""

    name: Literal["spark"] = "spark"

    def __init__(self, lake: Lake):
        self.lake = lake
        self._kept: WeakSet[DataFrame] = WeakSet()

    # --- reading -----------------------------------------------------------------------------------

    def read(self, table: Table, version: int | None = None) -> DataFrame:
        return self.lake.read(table, version)

    def parquet(self, files: Sequence[str], schema: pa.Schema) -> DataFrame:
        # Told the schema, Spark need not look for it.
        reader = self.lake.spark.read.schema(from_arrow_schema(schema))
        return reader.parquet(*files) if files else self.rows(schema.empty_table())

    def rows(self, rows: pa.Table) -> DataFrame:
        # No rows may mean no chunks either: Spark asks a chunk for its type.
        return self.lake.spark.createDataFrame(rows if rows.num_rows else rows.schema.empty_table())

    def sql(self, text: str, **inputs: DataFrame) -> DataFrame:
        prelude.for_spark(self.lake.spark)
        return on_spark(text, inputs) if inputs else self.lake.spark.sql(text)

    def order_lines(self, orders: DataFrame) -> DataFrame:
        return self.sql(prelude.ORDER_LINES_SPARK, orders=orders)

    def matching(self, table: Table, keys: DataFrame, on: dict[str, str], version: int | None = None) -> DataFrame:
        return self.sql(matching(on), stored=self.read(table, version), keys=keys)

    @contextmanager
    def kept(self, frame: DataFrame) -> Iterator[DataFrame]:
        if frame in self._kept:
            yield frame
            return
        # Not `persist`: its plan would be part of every plan made of it, analysed anew each time, and gold's tables are made of
        # one another. What nobody refers to any more, Spark's cleaner removes.
        kept = frame.localCheckpoint(eager=False)
        self._kept.add(kept)
        yield kept

    @contextmanager
    def judged(self, source: str, rows: DataFrame) -> Iterator[DataFrame]:
        from saleslake.silver.judge.batches import judged

        # Its plan is short, and by columns it takes less room.
        frame = judged(rows.where(F.col("kind") == "record"), source, self.lake.settings).persist()
        try:
            yield frame
        finally:
            frame.unpersist()

    def fetch(self, frame: DataFrame) -> pa.Table:
        return frame.toArrow()

    def changes(self, table: Table, first: int, last: int) -> DataFrame | None:
        reader = self.lake.spark.read.format("delta").option("readChangeFeed", "true")
        try:
            feed = reader.option("startingVersion", first).option("endingVersion", last).load(self.lake.path(table))
            feed.limit(1).collect()
        except PySparkException as e:
            # After a rebuild, VACUUM or lost files the feed is gone; comparing everything is always right.
            structlog.get_logger().info("change_feed_unreadable", table=table.full_name, reason=e.getCondition())
            return None
        is_new = F.col("_change_type").isin("insert", "update_postimage")
        kind = F.when(is_new, "insert").otherwise("delete").alias("_change_type")
        return feed.select(*table.column_names, kind)

    # --- writing -----------------------------------------------------------------------------------

    def append(self, table: Table, rows: DataFrame) -> None:
        self.lake.append(table, table.laid_out(rows.select(*table.select())))

    def add_new(self, table: Table, rows: DataFrame) -> None:
        if self.lake.settings.silver_writers == "lock":
            self.append(table, rows)
            return
        # Reading all keys in the same transaction is what makes Delta see another's insert of one of them.
        with _insert_turn, _told_if_overtaken(table):
            merge = self.lake.delta(table).alias("t").merge(rows.coalesce(1).alias("s"), table.same_key)
            merge.whenNotMatchedInsertAll().execute()

    def upsert(
        self,
        table: Table,
        rows: DataFrame,
        deletes: DataFrame | None,
        dates: Iterable[date] | None,
        newer: str | None = None,
    ) -> None:
        alone = self.lake.settings.silver_writers == "lock" or newer is None
        source = rows.select(*table.select(), F.lit(False).alias("_delete"))
        if deletes is not None:
            nulls = [F.lit(None).cast(c.type).alias(c.name) for c in table.columns if c.name not in table.keys]
            source = source.unionByName(deletes.select(*table.keys, *nulls, F.lit(True).alias("_delete")))
        condition, days = table.same_key, None if dates is None else set(dates)
        if alone and days is not None and table.partition_by and len(days) <= _MOST_LITERAL_DATES:
            # Old and new dates: pruned to the new ones only, a key whose date moved would stand twice.
            condition = f"t.{table.partition_by[0]} IN ({date_literals(days)}) AND {condition}"
        values: dict[str, str | Column] = {name: f"s.{name}" for name in table.column_names}
        merge = self.lake.delta(table).alias("t").merge(source.alias("s"), condition)
        if deletes is not None:
            merge = merge.whenMatchedDelete("s._delete")
        # Not alone, what is stored may be newer than when it was looked up.
        with _told_if_overtaken(table):
            merge.whenMatchedUpdate(None if alone else newer, values).whenNotMatchedInsert(values=values).execute()

    def overwrite(self, table: Table, rows: DataFrame | None, where: tuple[str, str] | None = None) -> None:
        if where is None:
            self.lake.recreate(table)
            if rows is not None:
                self.append(table, rows)
        elif rows is None:
            self.lake.delta(table).delete(F.col(where[0]) == where[1])
        else:
            self.lake.may_write()
            writer = table.laid_out(rows.select(*table.select())).write.format("delta").mode("overwrite")
            writer.option("replaceWhere", f"{where[0]} = '{where[1]}'").save(self.lake.path(table))

    def compact(self, table: Table) -> tuple[int, int]:
        found = self.lake.delta(table).optimize().executeCompaction().select("metrics.*").collect()[0]
        return found["numFilesRemoved"], found["numFilesAdded"]

    def vacuum(self, table: Table) -> None:
        self.lake.delta(table).vacuum()

    def close(self) -> None:
        """The session is its caller's."""


@contextmanager
def _told_if_overtaken(table: Table) -> Iterator[None]:
    try:
        yield
    except _CONFLICTS as e:
        raise Overtaken(f"{table.full_name}: another writer was quicker ({first_line(e)})") from None
