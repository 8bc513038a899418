"""gold.channel_performance: orders, customers and revenue per channel, day and currency."""

from __future__ import annotations

from pyspark.sql import DataFrame

from saleslake.engine.sql import on_spark, text_beside
from saleslake.gold import fact_sales
from saleslake.gold.gold_table import GoldTable, Input
from saleslake.gold.product_revenue import UNITS
from saleslake.table import DATE, LONG, MONEY, STRING, TOTAL, Column, Table

TABLE = Table(
    layer="gold",
    name="channel_performance",
    grain="one row a date, channel and currency",
    keys=("date", "channel", "currency"),
    columns=(
        Column("channel", STRING, "sales channel", nullable=False),
        Column("currency", STRING, "ISO 4217", nullable=False),
        Column("orders", LONG, "distinct purchases; a refund is none", nullable=False),
        Column("customers", LONG, "distinct customers who bought, the unknown one left out", nullable=False),
        Column("units", UNITS, "sum of quantity, returns included", nullable=False),
        Column("net", TOTAL, "sum of line_amount, returns included, in currency", nullable=False),
        Column("refunded", TOTAL, "the refunds in net, in currency: below zero", nullable=False),
        Column(
            "average_order_value",
            MONEY,
            "(net - refunded) / orders, half-up, in currency; NULL: no orders",
        ),
        Column("date", DATE, "dim_date", nullable=False),
    ),
    partition_by=("date",),
    constraints={"no_fewer_than_none": "orders >= 0"},
)

SQL = text_beside(__file__)
"""Input: fact_sales."""


GOLD = GoldTable(TABLE, SQL, (Input(fact_sales.TABLE, {"date": "date"}),), scope=("date",))


def build(fact: DataFrame) -> DataFrame:
    """Grain in: fact_sales. Grain out: (date, channel, currency). A day on which something was only paid back has a row without orders."""
    return on_spark(SQL, {"fact_sales": fact}).select(*TABLE.select())
