"""bronze.events → gold.sales_by_minute: a query of its own, with event time, watermark and bounded state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.streaming.readwriter import DataStreamWriter

from saleslake import bronze
from saleslake.config import Settings
from saleslake.gold import sales_by_minute
from saleslake.gold.product_revenue import UNITS
from saleslake.gold.sync import sync
from saleslake.lake import Lake
from saleslake.silver.judge.batches import TEXTS, array, typing_of
from saleslake.stream.routes import event_sources, past_time
from saleslake.table import STRING, TIMESTAMP, TOTAL

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


EVENT = T.StructType(
    [T.StructField(name, TIMESTAMP) for name in ("landed_at", "stream_time", "event_time")]
    + [T.StructField(name, STRING) for name in ("channel", "currency")]
    + [T.StructField("units", UNITS), T.StructField("net", TOTAL)]
)
"""units: sum of the quantities; net: what the event says it sold for, in currency, line by line rounded as in gold.fact_sales."""


def events(rows: DataFrame, settings: Settings) -> DataFrame:
    """Grain: one row an event whose time and currency can be read and whose time has come. Columns: EVENT. Takes bronze.events."""
    records = rows.where(F.col("kind") == "record").select("source", *TEXTS, "landed_at", "stream_time")
    return records.mapInArrow(partial(_counted, settings), EVENT)


def _counted(settings: Settings, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    typed = {name: typing_of(name, settings) for name in event_sources(settings)}
    schema = to_arrow_schema(EVENT, timezone="UTC")
    for batch in batches:
        times = [batch.column(name).cast(pa.int64()).to_pylist() for name in ("landed_at", "stream_time")]
        texts = [batch.column(name).to_pylist() for name in ("source", *TEXTS)]
        found = []
        for landed_at, stream_time, source, *text in zip(*times, *texts, strict=True):
            of_source = typed.get(source)
            event = of_source(*text) if of_source else None
            if event is None or event.unreadable is not None or event.currency is None or not event.is_sale:
                continue
            at = past_time(event.sold_at, landed_at)
            if at is not None:
                found.append((landed_at, stream_time, at, event.channel, event.currency, event.units, event.net))
        columns: Iterable[Sequence[Any]] = zip(*found, strict=True) if found else [()] * len(schema)
        arrays = [array(values, field.type) for values, field in zip(columns, schema, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _merge(lake: Lake, counted: DataFrame, _: int) -> None:
    """Totals are whole ones, so a batch that runs twice writes the same rows."""
    table, engine = sales_by_minute.TABLE, lake.engine
    with lake.lock("sales_by_minute"), ExitStack() as stack:
        rows = counted.toArrow()
        if rows.num_rows:
            expected, on = engine.rows(rows), {key: key for key in table.keys}
            stored = engine.matching(table, expected, on)
            sync(lake, table, expected, stored, lambda frame: stack.enter_context(engine.kept(frame)))
