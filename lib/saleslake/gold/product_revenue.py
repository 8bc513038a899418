"""gold.product_revenue: revenue per product, day and currency."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import types as T

from saleslake.engine.sql import on_spark, text_beside
from saleslake.gold import fact_sales
from saleslake.gold.gold_table import GoldTable, Input
from saleslake.table import DATE, LONG, STRING, TOTAL, Column, Table

UNITS = T.DecimalType(38, 3)

TABLE = Table(
    layer="gold",
    name="product_revenue",
    grain="one row a date, sku and currency",
    keys=("date", "sku", "currency"),
    columns=(
        Column("sku", STRING, "dim_product", nullable=False),
        Column("currency", STRING, "ISO 4217", nullable=False),
        Column("gross", TOTAL, "sum of line_amount of lines that are no returns, in currency", nullable=False),
        Column("returns", TOTAL, "sum of line_amount of returns (usually negative), in currency", nullable=False),
        Column("net", TOTAL, "gross + returns, in currency", nullable=False),
        Column("units", UNITS, "sum of quantity, returns included", nullable=False),
        Column("unpriced_lines", LONG, "lines without a price, out of revenue", nullable=False),
        Column("date", DATE, "dim_date", nullable=False),
    ),
    partition_by=("date",),
    constraints={"net_is_gross_and_returns": "net = gross + returns"},
)

SQL = text_beside(__file__)
"""Input: fact_sales."""


GOLD = GoldTable(TABLE, SQL, (Input(fact_sales.TABLE, {"date": "date"}),), scope=("date",))


def build(fact: DataFrame) -> DataFrame:
    """Grain in: fact_sales. Grain out: (date, sku, currency)."""
    return on_spark(SQL, {"fact_sales": fact}).select(*TABLE.select())
