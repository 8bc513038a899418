"""gold.dim_product: one row a sku, each field from the most trusted source that has it."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from saleslake.config import Settings
from saleslake.gold.unknown import UNKNOWN
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

_FIELDS = ("name", "category", "manufacturer", "price")


def precedence(settings: Settings) -> dict[str, list[str]]:
    """Per field the product sources in order of trust: as set in `[gold.product_precedence]`, else API before files."""
    sources = {name: s for name, s in settings.sources.items() if s.entity == "products"}
    usual = sorted(sources, key=lambda name: (sources[name].format != "api", name))
    set_ = settings.gold.product_precedence
    return {field: [*set_.get(field, set_.get("default", [])), *usual] for field in _FIELDS}


def catalogue(products: DataFrame, trust: dict[str, list[str]]) -> DataFrame:
    """Grain in: silver.products (sku, source). Grain out: sku. Columns: sku, name, category, manufacturer, price, price_currency.

    The currency belongs to the price, so it comes from the source that the price comes from.
    """

    def first(field: str, value: Sequence[str]) -> SparkColumn:
        order = list(dict.fromkeys(value))
        # An empty name is verbatim, but no source is trusted for it while another has one.
        given = F.col(field).cast("string") != ""
        return F.coalesce(*[F.max(F.when((F.col("source") == s) & given, F.col(field))) for s in order], F.max(field))

    of_price = list(dict.fromkeys(trust["price"]))
    priced = F.col("price").isNotNull()
    currency = F.lit(None).cast("string")
    for source in reversed(of_price):
        here = F.max(F.when((F.col("source") == source) & priced, F.lit(True)))
        currency = F.when(here, F.max(F.when(F.col("source") == source, F.col("currency")))).otherwise(currency)
    return products.groupBy("sku").agg(
        *[first(f, trust[f]).alias(f) for f in _FIELDS], currency.alias("price_currency")
    )


def build(catalogued: DataFrame, skus_in_facts: DataFrame) -> DataFrame:
    """Grain out: sku. `skus_in_facts` (sku) may repeat; those no catalogue knows get a row of their own."""
    known = catalogued.withColumn("is_inferred", F.lit(False)).where(F.col("sku") != UNKNOWN)
    inferred = skus_in_facts.where(F.col("sku") != UNKNOWN).distinct().join(known, "sku", how="left_anti")
    member = known.sparkSession.range(1).select(F.lit(UNKNOWN).alias("sku"))
    bare = inferred.select("sku").unionByName(member).withColumn("is_inferred", F.lit(True))
    return known.unionByName(bare, allowMissingColumns=True).select(*TABLE.select())
