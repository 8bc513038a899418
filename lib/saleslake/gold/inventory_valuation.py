"""gold.inventory_valuation: what the stock is worth, from the latest count and the sales since."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from saleslake.gold.product_revenue import UNITS
from saleslake.gold.unknown import UNKNOWN
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


def build(products: DataFrame, stock: DataFrame, revenue: DataFrame) -> DataFrame:
    """Grain in: dim_product, silver.stock (product), product_revenue (date, sku, currency). Grain out: sku."""
    counts = stock.select(F.col("product_id").alias("sku"), "on_hand", "counted_at")
    sold = (
        revenue.join(counts, "sku", how="inner")
        .where(F.col("date") > F.to_date("counted_at"))
        .groupBy("sku")
        .agg(F.sum("units").cast(UNITS).alias("sold"))
    )
    everything = products.select("sku", "category", "price", "price_currency").where(F.col("sku") != UNKNOWN)
    counted_only = counts.select("sku").join(everything, "sku", how="left_anti")
    skus = everything.unionByName(counted_only, allowMissingColumns=True)
    joined = skus.join(counts, "sku", how="left").join(sold, "sku", how="left")
    left = (F.col("on_hand") - F.coalesce("sold", F.lit(0))).cast(UNITS)
    value = (left.try_cast(QUANTITY) * F.col("price")).try_cast(TOTAL)
    status = F.when(F.col("on_hand").isNull(), "no_count").when(value.isNull(), "no_price").otherwise("valued")
    return joined.select(
        "sku",
        "category",
        F.col("price_currency").alias("currency"),
        "on_hand",
        "counted_at",
        F.coalesce("sold", F.lit(0)).cast(UNITS).alias("units_sold_since"),
        left.alias("units_left"),
        F.col("price").alias("base_price"),
        value.alias("stock_value"),
        status.alias("status"),
    ).select(*TABLE.select())
