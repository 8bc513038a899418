"""gold.dim_product: one row a sku, each field from the most trusted source that has it."""

from __future__ import annotations

import pyarrow as pa
from pyspark.sql import DataFrame

from saleslake.config import Settings
from saleslake.engine.interface import Engine, Frame
from saleslake.engine.sql import on_spark, text_beside
from saleslake.gold import product_revenue
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

CATALOGUE_SQL = text_beside(__file__, "catalogue")
"""Inputs: products, trust (`trust_rows`)."""

_FIELDS = ("name", "category", "manufacturer", "price")


def precedence(settings: Settings) -> dict[str, list[str]]:
    """Per field the product sources in order of trust: as set in `[gold.product_precedence]`, else API before files."""
    sources = {name: s for name, s in settings.sources.items() if s.entity == "products"}
    usual = sorted(sources, key=lambda name: (sources[name].format != "api", name))
    set_ = settings.gold.product_precedence
    return {field: [*set_.get(field, set_.get("default", [])), *usual] for field in _FIELDS}


def trust_rows(trust: dict[str, list[str]]) -> pa.Table:
    """The input `trust` of the catalogue, of what `precedence` gives. Grain: (field, source). Columns: field, source, rank; 0 is trusted most."""
    rows = [(field, source, rank) for field, order in trust.items() for rank, source in enumerate(dict.fromkeys(order))]
    fields, sources, ranks = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table(
        {
            "field": pa.array(fields, pa.string()),
            "source": pa.array(sources, pa.string()),
            "rank": pa.array(ranks, pa.int32()),
        }
    )


def catalogue(products_: DataFrame, trust: dict[str, list[str]]) -> DataFrame:
    """Grain in: silver.products (sku, source). Grain out: sku. Columns: sku, name, category, manufacturer, price, price_currency.

    The currency belongs to the price, so it comes from the source that the price comes from.
    """
    rows = trust_rows(trust)
    # No rows may mean no chunks: Spark asks a chunk for its type.
    trusted = products_.sparkSession.createDataFrame(rows if rows.num_rows else rows.schema.empty_table())
    return on_spark(CATALOGUE_SQL, {"products": products_, "trust": trusted})


def build(catalogued: DataFrame, skus_in_facts: DataFrame) -> DataFrame:
    """Grain out: sku. `skus_in_facts` (sku) may repeat; those no catalogue knows get a row of their own."""
    return on_spark(SQL, {"catalogue": catalogued, "product_revenue": skus_in_facts}).select(*TABLE.select())


def catalogue_of(engine: Engine, settings: Settings, frames: Frames) -> Frame:
    """`catalogue` of the frame `products`, on either engine."""
    trust = engine.rows(trust_rows(precedence(settings)))
    return engine.sql(CATALOGUE_SQL, products=frames["products"], trust=trust)


def _made(engine: Engine, settings: Settings, frames: Frames) -> Frames:
    return {"catalogue": catalogue_of(engine, settings, frames), "product_revenue": frames["product_revenue"]}


GOLD = GoldTable(
    TABLE,
    SQL,
    (Input(products.TABLE, {"sku": "sku"}), Input(product_revenue.TABLE, {"sku": "sku"})),
    scope=("sku",),
    made=_made,
    always=f"SELECT '{UNKNOWN}' AS sku",
)
