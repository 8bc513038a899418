"""gold.customer_purchase_frequency: how often each customer buys, by the sales alone, never by today's date."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from saleslake.gold.unknown import UNKNOWN
from saleslake.table import BOOLEAN, LONG, STRING, TIMESTAMP, Column, Table

RATE = T.DecimalType(18, 4)
_DAY = 86_400_000_000
_WIDE = T.DecimalType(20, 0)

TABLE = Table(
    layer="gold",
    name="customer_purchase_frequency",
    grain="one row a customer with at least one sale, over all currencies",
    keys=("user_id",),
    columns=(
        Column("user_id", STRING, "dim_user; sales without a customer are left out", nullable=False),
        Column("orders", LONG, "distinct purchases; a refund is none", nullable=False),
        Column("first_purchase_at", TIMESTAMP, "earliest sale, UTC", nullable=False),
        Column("last_purchase_at", TIMESTAMP, "latest sale, UTC", nullable=False),
        Column("mean_days_between", RATE, "(last - first) / (orders - 1), in days; NULL for one order"),
        Column("orders_per_30_days", RATE, "orders / max(1 day, last - first) × 30", nullable=False),
        Column("is_repeat_buyer", BOOLEAN, "more than one order", nullable=False),
    ),
    constraints={"orders_there": "orders > 0", "in_order": "last_purchase_at >= first_purchase_at"},
)


def build(fact: DataFrame) -> DataFrame:
    """Grain in: fact_sales. Grain out: customer."""
    per_customer = (
        fact.where((F.col("user_id") != UNKNOWN) & ~F.col("is_refund"))
        .groupBy("user_id")
        .agg(
            F.count_distinct("source_system", "purchase_id").alias("orders"),
            F.min("created_at").alias("first_purchase_at"),
            F.max("created_at").alias("last_purchase_at"),
        )
    )
    span = F.unix_micros("last_purchase_at") - F.unix_micros("first_purchase_at")
    gaps = F.nullif(F.col("orders") - 1, F.lit(0)) * _DAY
    rate = (F.col("orders") * 30 * _DAY).cast(_WIDE) / F.greatest(span, F.lit(_DAY)).cast(_WIDE)
    return per_customer.withColumns(
        {
            "mean_days_between": (span.cast(_WIDE) / gaps.cast(_WIDE)).try_cast(RATE),
            "orders_per_30_days": rate.try_cast(RATE),
            "is_repeat_buyer": F.col("orders") > 1,
        }
    ).select(*TABLE.select())
