"""gold.dim_date: one row a day on which something was sold."""

from __future__ import annotations

from pyspark.sql import DataFrame

from saleslake.engine.sql import on_spark, text_beside
from saleslake.gold import dim_order, fact_sales
from saleslake.gold.gold_table import GoldTable, Input
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

SQL = text_beside(__file__)
"""Inputs: fact_sales, dim_order; of both `date` alone."""


GOLD = GoldTable(
    TABLE,
    SQL,
    (Input(fact_sales.TABLE, {"date": "date"}), Input(dim_order.TABLE, {"date": "date"})),
    scope=("date",),
)


def build(dates: DataFrame) -> DataFrame:
    """Grain in: `date`, may repeat. Grain out: day. Days without a sale are left out: one order dated 9999 must not make 3 million rows."""
    return on_spark(SQL, {"fact_sales": dates, "dim_order": dates.where("FALSE")}).select(*TABLE.select())
