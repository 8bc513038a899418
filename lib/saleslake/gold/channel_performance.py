"""gold.channel_performance: orders, customers and revenue per channel, day and currency."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from saleslake.gold.product_revenue import UNITS
from saleslake.gold.unknown import UNKNOWN
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


def build(fact: DataFrame) -> DataFrame:
    """Grain in: fact_sales. Grain out: (date, channel, currency). A day on which something was only paid back has a row without orders."""
    amount, nothing = F.coalesce("line_amount", F.lit(0)), F.lit(0)
    of_order = fact.groupBy("date", "channel", "currency", "source_system", "purchase_id", "user_id").agg(
        F.sum("quantity").alias("units"),
        F.sum(amount).alias("net"),
        F.sum(F.when(F.col("is_refund"), nothing).otherwise(amount)).alias("sold"),
        F.sum(F.when(F.col("is_refund"), amount).otherwise(nothing)).alias("refunded"),
        F.bool_or(~F.col("is_refund")).alias("is_purchase"),
    )
    bought = F.col("is_purchase")
    orders = F.count_distinct(F.when(bought, F.col("source_system")), F.when(bought, F.col("purchase_id")))
    per_channel = of_order.groupBy("date", "channel", "currency").agg(
        orders.alias("orders"),
        F.count_distinct(F.when(bought & (F.col("user_id") != UNKNOWN), F.col("user_id"))).alias("customers"),
        F.sum("units").cast(UNITS).alias("units"),
        F.sum("net").cast(TOTAL).alias("net"),
        F.sum("sold").cast(TOTAL).alias("sold"),
        F.sum("refunded").cast(TOTAL).alias("refunded"),
    )
    # 28 digits and 10 leave the quotient 14 decimals: enough that rounding it again to 4 is exact.
    count = F.nullif(F.col("orders"), F.lit(0)).cast(T.DecimalType(10, 0))
    value = F.col("sold").try_cast(T.DecimalType(28, 4)) / count
    return per_channel.withColumn("average_order_value", value.try_cast(MONEY)).select(*TABLE.select())
