"""gold.dim_order: one row an order, with what is true of the order as a whole; its amount lives here only."""

from __future__ import annotations

from pyspark.sql import DataFrame

from saleslake.engine.sql import on_spark, text_beside
from saleslake.gold.gold_table import GoldTable, Input
from saleslake.silver import orders
from saleslake.table import BOOLEAN, DATE, MONEY, NAMES, STRING, TIMESTAMP, Column, Table

TABLE = Table(
    layer="gold",
    name="dim_order",
    grain="one row an order of the orders sources",
    keys=("order_id",),
    columns=(
        Column("order_id", STRING, "key", nullable=False),
        Column("user_id", STRING, "dim_user", nullable=False),
        Column(
            "amount", MONEY, "total the source gives, in currency; not a measure of lines: never sum it over fact_sales"
        ),
        Column("currency", STRING, "ISO 4217", nullable=False),
        Column("source", STRING, "metadata.source as given"),
        Column("promo", STRING, "metadata.promo as given"),
        Column("created_at", TIMESTAMP, "when it was placed, UTC", nullable=False),
        Column("status", STRING, "as given, where the source maps one"),
        Column("is_sale", BOOLEAN, "whether its lines are in fact_sales", nullable=False),
        Column("warnings", NAMES, "rules it broke and was kept, e.g. amount_mismatch", nullable=False),
        Column("date", DATE, "date of created_at, UTC; dim_date", nullable=False),
    ),
    partition_by=("date",),
    constraints={"key_given": "order_id <> ''"},
)

SQL = text_beside(__file__)
"""Input: orders."""


GOLD = GoldTable(
    TABLE,
    SQL,
    (Input(orders.TABLE, {"order_id": "order_id"}),),
    scope=("order_id",),
    references={"user_id": "gold.dim_user"},
)


def build(orders_: DataFrame) -> DataFrame:
    """Grain in: silver.orders. Grain out: order."""
    return on_spark(SQL, {"orders": orders_}).select(*TABLE.select())
