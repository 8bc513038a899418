"""gold.product_revenue: revenue per product, day and currency."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

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


def build(fact: DataFrame) -> DataFrame:
    """Grain in: fact_sales. Grain out: (date, sku, currency)."""
    amount = F.coalesce("line_amount", F.lit(0))
    zero = F.lit(0)
    return (
        fact.groupBy("date", "sku", "currency")
        .agg(
            F.sum(F.when(F.col("is_return"), zero).otherwise(amount)).alias("gross"),
            F.sum(F.when(F.col("is_return"), amount).otherwise(zero)).alias("returns"),
            F.sum(amount).alias("net"),
            F.sum("quantity").alias("units"),
            F.count_if(F.col("line_amount").isNull()).alias("unpriced_lines"),
        )
        .select(*TABLE.select())
    )
