"""gold.customer_purchase_frequency: how often each customer buys, by the sales alone, never by today's date."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import types as T

from saleslake.engine.sql import on_spark, text_beside
from saleslake.gold import fact_sales
from saleslake.gold.gold_table import GoldTable, Input
from saleslake.table import BOOLEAN, LONG, STRING, TIMESTAMP, Column, Table

RATE = T.DecimalType(18, 4)

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

SQL = text_beside(__file__)
"""Input: fact_sales."""


GOLD = GoldTable(TABLE, SQL, (Input(fact_sales.TABLE, {"user_id": "user_id"}),), scope=("user_id",))


def build(fact: DataFrame) -> DataFrame:
    """Grain in: fact_sales. Grain out: customer."""
    return on_spark(SQL, {"fact_sales": fact}).select(*TABLE.select())
