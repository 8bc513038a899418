"""gold.sales_by_minute: what the stream sold, minute by minute of event time; counted as events arrive.

Unlike every other gold table it counts raw events, duplicates and corrections included, and depends on when they
came: it shows how sales run, and is no account of them.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from saleslake.gold.product_revenue import UNITS
from saleslake.table import DATE, LONG, STRING, TIMESTAMP, TOTAL, Column, Table

TABLE = Table(
    layer="gold",
    name="sales_by_minute",
    grain="one row a minute, channel and currency of the stream's events",
    keys=("minute", "channel", "currency"),
    columns=(
        Column("minute", TIMESTAMP, "start of the minute, UTC", nullable=False),
        Column("channel", STRING, "sales channel", nullable=False),
        Column("currency", STRING, "ISO 4217", nullable=False),
        Column("events", LONG, "events of this minute that came in time, duplicates included", nullable=False),
        Column("units", UNITS, "sum of their quantities, returns included", nullable=False),
        Column("net", TOTAL, "sum of what they say they sold for, without refunds, in currency", nullable=False),
        Column(
            "late_events",
            LONG,
            "events that came too late for their own minute, while the stream stood at this one; in no sum here",
            nullable=False,
        ),
        Column("date", DATE, "date of minute, UTC", nullable=False),
    ),
    partition_by=("date",),
)


def build(events: DataFrame, late_after_seconds: int) -> DataFrame:
    """Grain in: an event (event_time, stream_time, channel, currency, units, net). Grain out: (minute, channel, currency).

    Late: `event_time` < `stream_time` (the greatest event time landed before it) less `late_after_seconds`. The
    watermark that bounds the state can drop none of the others: it is never ahead of `stream_time`.
    """
    delay = F.make_dt_interval(secs=F.lit(late_after_seconds))
    is_late = F.coalesce(F.col("event_time") < F.col("stream_time") - delay, F.lit(False))
    marked = events.select(
        F.when(is_late, F.col("stream_time")).otherwise(F.col("event_time")).alias("time"),
        is_late.alias("is_late"),
        "channel",
        "currency",
        "units",
        "net",
    )
    in_time = ~F.col("is_late")
    counted = (
        marked.withWatermark("time", f"{late_after_seconds} seconds")
        .groupBy(F.window("time", "1 minute").alias("_window"), "channel", "currency")
        .agg(
            F.count_if(in_time).alias("events"),
            F.coalesce(F.sum(F.when(in_time, F.col("units"))), F.lit(0)).alias("units"),
            F.coalesce(F.sum(F.when(in_time, F.col("net"))), F.lit(0)).alias("net"),
            F.count_if("is_late").alias("late_events"),
        )
    )
    minute = F.col("_window.start")
    return counted.withColumns({"minute": minute, "date": F.to_date(minute)}).select(*TABLE.select())
