"""gold.dim_date: one row a day on which something was sold."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from saleslake.table import BOOLEAN, DATE, INT, STRING, Column, Table

TABLE = Table(
    layer="gold",
    name="dim_date",
    grain="one row a day that an order or a fact refers to",
    keys=("date",),
    columns=(
        Column("date", DATE, "key", nullable=False),
        Column("year", INT, "calendar year", nullable=False),
        Column("quarter", INT, "1 to 4", nullable=False),
        Column("month", INT, "1 to 12", nullable=False),
        Column("day", INT, "day of the month", nullable=False),
        Column("iso_week", INT, "ISO 8601 week", nullable=False),
        Column("weekday", INT, "1 Monday to 7 Sunday", nullable=False),
        Column("month_name", STRING, "2024-01", nullable=False),
        Column("is_weekend", BOOLEAN, "Saturday or Sunday", nullable=False),
    ),
)


def build(dates: DataFrame) -> DataFrame:
    """Grain in: `date`, may repeat. Grain out: day. Days without a sale are left out: one order dated 9999 must not make 3 million rows."""
    day = F.col("date")
    weekday = (F.weekday(day) + 1).cast(INT)
    return (
        dates.select("date")
        .distinct()
        .select(
            day,
            F.year(day).alias("year"),
            F.quarter(day).alias("quarter"),
            F.month(day).alias("month"),
            F.dayofmonth(day).alias("day"),
            F.weekofyear(day).alias("iso_week"),
            weekday.alias("weekday"),
            F.date_format(day, "yyyy-MM").alias("month_name"),
            (weekday >= 6).alias("is_weekend"),
        )
        .select(*TABLE.select())
    )
