"""gold.dim_product: one row a sku, each field from the most trusted source that has it."""

from __future__ import annotations

from pyspark.sql import DataFrame

from saleslake.config import Settings
from saleslake.engine.interface import Engine
from saleslake.engine.sql import on_spark, text_beside
from saleslake.gold import catalogue, product_revenue
from saleslake.gold.gold_table import Frames, GoldTable, Input
from saleslake.gold.unknown import UNKNOWN
from saleslake.silver import products
from saleslake.table import BOOLEAN, MONEY, STRING, Column, Table

TABLE = Table(
    layer="gold",
    name="dim_product",
    grain="one row a sku: catalogued, or seen only in facts; and the unknown product",
    keys=("sku",),
    columns=(
        Column("sku", STRING, "key; (unknown) is the member that lines without a product refer to", nullable=False),
        Column("name", STRING, "verbatim"),
        Column("category", STRING, "as given"),
        Column("manufacturer", STRING, "as given"),
        Column("price", MONEY, "base price of one unit, in price_currency"),
        Column("price_currency", STRING, "ISO 4217; NULL: the source does not say"),
        Column("is_inferred", BOOLEAN, "no catalogue knows it; the row holds what facts tell", nullable=False),
    ),
    constraints={"key_given": "sku <> ''"},
)

SQL = text_beside(__file__)
"""Inputs: catalogue, product_revenue; of the latter `sku` alone."""


def build(catalogued: DataFrame, skus_in_facts: DataFrame) -> DataFrame:
    """Grain out: sku. `skus_in_facts` (sku) may repeat; those no catalogue knows get a row of their own."""
    return on_spark(SQL, {"catalogue": catalogued, "product_revenue": skus_in_facts}).select(*TABLE.select())


def _made(engine: Engine, settings: Settings, frames: Frames) -> Frames:
    return {"catalogue": catalogue.of(engine, settings, frames), "product_revenue": frames["product_revenue"]}


GOLD = GoldTable(
    TABLE,
    SQL,
    (Input(products.TABLE, {"sku": "sku"}), Input(product_revenue.TABLE, {"sku": "sku"})),
    scope=("sku",),
    made=_made,
    always=f"SELECT '{UNKNOWN}' AS sku",
)
