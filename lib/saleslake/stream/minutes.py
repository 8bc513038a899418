"""bronze.events → gold.sales_by_minute: a query of its own, with event time, watermark and bounded state."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.streaming.readwriter import DataStreamWriter

from saleslake import bronze, few, values
from saleslake.config import Settings, Source
from saleslake.gold import sales_by_minute
from saleslake.gold.product_revenue import UNITS
from saleslake.gold.sync_few import Scope, sync_few
from saleslake.lake import Lake
from saleslake.silver.reading import JSON_BOMB, OPTIONS, as_set, line_field, plant, struct_of, theirs, walk
from saleslake.stream.intake import past_time
from saleslake.stream.routes import TIMES, csv_cell, event_sources
from saleslake.table import MONEY, QUANTITY, TOTAL

Handler = Callable[[DataFrame, int], None]


def query(lake: Lake, guard: Callable[[Handler], Handler]) -> DataStreamWriter:
    """The query, not yet started nor given a trigger. `guard` goes around what is done with each micro-batch.

    Its checkpoint lies under the id of the bronze table: another table begins another count.
    """
    table = bronze.table_of(bronze.EVENTS)
    pin = lake.pin(table)
    assert pin is not None
    lake.create(sales_by_minute.TABLE)
    rows = lake.spark.readStream.format("delta").option("maxFilesPerTrigger", 500).load(lake.path(table))
    counted = sales_by_minute.build(events(rows, lake.settings), lake.settings.stream.late_after_seconds)
    return (
        counted.writeStream.queryName("sales_by_minute")
        .outputMode("update")
        .option("checkpointLocation", lake.folder("checkpoints", f"sales_by_minute-{pin[0]}"))
        .foreachBatch(guard(partial(_merge, lake)))
    )


def events(rows: DataFrame, settings: Settings) -> DataFrame:
    """Grain: one row an event whose time and currency can be read and whose time has come. Takes bronze.events."""
    sources = event_sources(settings)
    tree: dict[str, Any] = {}
    for source in sources.values():
        if not source.is_csv:
            _plant_fields(tree, source)
    bomb = F.col("raw").rlike(JSON_BOMB)
    parsed = F.from_json(F.when(~bomb, F.col("raw")), struct_of(tree), OPTIONS)
    records = as_set(rows.where(F.col("kind") == "record"), settings)
    read = records.where(F.col("defect").isNull()).select(
        "source", "raw", "header", "landed_at", "stream_time", F.inline(F.array(F.struct(parsed.alias("_e"))))
    )
    columns: dict[str, Column] = {}
    for name, source in sources.items():
        for column, value in _fields(source, settings).items():
            chosen = F.when(F.col("source") == name, value)
            columns[column] = F.coalesce(columns[column], chosen) if column in columns else chosen
    found = read.select("landed_at", "stream_time", *[value.alias(name) for name, value in columns.items()])
    return found.where(past_time().isNotNull() & F.col("currency").isNotNull())


def _plant_fields(tree: dict[str, Any], source: Source) -> None:
    texts = [TIMES[source.entity], "currency"]
    if source.entity == "orders":
        line: dict[str, Any] = {}
        plant(line, theirs(source, "items.quantity"), QUANTITY)
        plant(line, theirs(source, "items.price"), MONEY)
        plant(tree, theirs(source, "items"), T.ArrayType(struct_of(line)))
        texts.append("order_source")
    else:
        for name, type_ in (("quantity", QUANTITY), ("total_price", MONEY), ("unit_price", MONEY)):
            plant(tree, theirs(source, name), type_)
        texts.append("sales_channel")
    for name in texts:
        plant(tree, theirs(source, name), T.StringType())


def _fields(source: Source, settings: Settings) -> dict[str, Column]:
    """event_time, channel, currency, units and net of an event of this source, NULL where they cannot be read."""

    def text(name: str) -> Column:
        return csv_cell(source, name) if source.is_csv else walk(F.col("_e"), theirs(source, name))

    def number(name: str, type_: T.DataType) -> Column:
        return text(name).try_cast(type_)

    currency = F.coalesce(values.trimmed(text("currency")), F.lit(source.defaults.get("currency")))
    if source.entity == "orders":
        items = walk(F.col("_e"), theirs(source, "items"))
        units = F.aggregate(
            items, F.lit(0).cast(UNITS), lambda sum_, line: _plus(sum_, line_field(line, source, "quantity"), UNITS)
        )
        net = F.aggregate(
            items,
            F.lit(0).cast(TOTAL),
            lambda sum_, line: _plus(
                sum_, line_field(line, source, "quantity") * line_field(line, source, "price"), TOTAL
            ),
        )
        channel = text("order_source")
    else:
        units = number("quantity", QUANTITY).cast(UNITS)
        amount = (number("quantity", QUANTITY) * number("unit_price", MONEY)).try_cast(TOTAL)
        net = F.coalesce(number("total_price", MONEY).cast(TOTAL), amount)
        channel = text("sales_channel")
    return {
        "event_time": values.timestamp(text(TIMES[source.entity]), source.date_formats, source.time_zone),
        "channel": values.channel(channel, settings.channels),
        "currency": values.currency(currency),
        "units": units,
        "net": net,
    }


def _plus(total: Column, value: Column, type_: T.DataType) -> Column:
    return F.try_add(total, F.coalesce(value, F.lit(0))).try_cast(type_)


def _merge(lake: Lake, counted: DataFrame, _: int) -> None:
    """Totals are whole ones, so a batch that runs twice writes the same rows."""
    table = sales_by_minute.TABLE
    with lake.lock("sales_by_minute"):
        rows = counted.persist()
        try:
            count = rows.count()
            if count == 0:
                return
            if few.applies(lake, count):
                expected = rows.toArrow()
                keys = ", ".join(table.keys)
                days = set(expected.column("date").to_pylist())
                sync_few(lake, table, expected, Scope(days, f"({keys}) in (select ({keys}) from expected)"))
            else:
                _merge_many(lake, rows)
        finally:
            rows.unpersist()


def _merge_many(lake: Lake, rows: DataFrame) -> None:
    from delta.tables import DeltaTable

    table = sales_by_minute.TABLE
    target = DeltaTable.forPath(rows.sparkSession, lake.path(table)).alias("t")
    condition = f"t.date = s.date AND {table.same_key}"
    target.merge(rows.coalesce(1).alias("s"), condition).whenMatchedUpdateAll().whenNotMatchedInsertAll().execute()
