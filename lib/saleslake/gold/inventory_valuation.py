"""gold.inventory_valuation: what the stock is worth, from the latest count and the sales since."""

from __future__ import annotations

from pyspark.sql import DataFrame

from saleslake.engine.sql import on_spark, text_beside
from saleslake.gold import dim_product, product_revenue
from saleslake.gold.gold_table import GoldTable, Input
from saleslake.gold.product_revenue import UNITS
from saleslake.silver import stock
from saleslake.table import MONEY, QUANTITY, STRING, TIMESTAMP, TOTAL, Column, Table

TABLE = Table(
    layer="gold",
    name="inventory_valuation",
    grain="one row a sku, but for the unknown product",
    keys=("sku",),
    columns=(
        Column("sku", STRING, "dim_product", nullable=False),
        Column("category", STRING, "category of the product"),
        Column("currency", STRING, "currency of the base price; NULL: the source does not say"),
        Column("on_hand", QUANTITY, "units at the latest count; NULL: never counted"),
        Column("counted_at", TIMESTAMP, "when they were counted, UTC; the count stands for the end of that day"),
        Column("units_sold_since", UNITS, "units sold, less returns, on later days", nullable=False),
        Column("units_left", UNITS, "on_hand - units_sold_since; NULL: never counted"),
        Column("base_price", MONEY, "dim_product.price"),
        Column("stock_value", TOTAL, "units_left × base_price, half-up; NULL where status says why"),
        Column("status", STRING, "valued, no_count or no_price", nullable=False),
    ),
    constraints={
        "known_status": "status IN ('valued', 'no_count', 'no_price')",
        "valued_or_not": "(status = 'valued') = (stock_value IS NOT NULL)",
    },
)

SQL = text_beside(__file__)
"""Inputs: dim_product, stock, product_revenue."""


GOLD = GoldTable(
    TABLE,
    SQL,
    (
        Input(dim_product.TABLE, {"sku": "sku"}),
        Input(stock.TABLE, {"sku": "product_id"}),
        Input(product_revenue.TABLE, {"sku": "sku"}),
    ),
    scope=("sku",),
)


def build(products: DataFrame, stock_: DataFrame, revenue: DataFrame) -> DataFrame:
    """Grain in: dim_product, silver.stock (product), product_revenue (date, sku, currency). Grain out: sku."""
    inputs = {"dim_product": products, "stock": stock_, "product_revenue": revenue}
    return on_spark(SQL, inputs).select(*TABLE.select())
