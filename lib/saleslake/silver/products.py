"""silver.products: one row a product and source; gold decides which source is trusted for which field."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from saleslake import values
from saleslake.config import Settings, Source
from saleslake.rules import Rule, RuleInfo
from saleslake.silver.contract import (
    CDF,
    LINEAGE_COLUMNS,
    READING_RULES,
    Entity,
    configured_version,
    judged,
    severities,
    version_unreadable,
)
from saleslake.silver.reading import LINEAGE, Fields
from saleslake.table import MONEY, STRING, Column, Table

TABLE = Table(
    layer="silver",
    name="products",
    grain="one row a product and source, by its winning version",
    keys=("sku", "source"),
    columns=(
        Column("sku", STRING, "key of the product", nullable=False),
        Column("name", STRING, "verbatim"),
        Column("category", STRING, "as given, trimmed"),
        Column("manufacturer", STRING, "as given, trimmed"),
        Column("price", MONEY, "base price of one unit, in currency"),
        Column("currency", STRING, "ISO 4217; NULL where neither record nor configuration gives one"),
        *LINEAGE_COLUMNS,
    ),
    constraints={"key_given": "sku <> ''"},
    properties=CDF,
)

RULES = (
    *READING_RULES,
    RuleInfo("number_overflow", "error", True, "the price does not fit its DECIMAL"),
    RuleInfo(
        "version_unreadable",
        "error",
        True,
        "the source's version column is unreadable: the version could not be ordered",
    ),
    RuleInfo("price_unreadable", "error", False, "the price is given and no number; warn treats it as not given"),
    RuleInfo("price_missing", "warn", False, "no price"),
    RuleInfo("negative_price", "warn", False, "a price below zero"),
    RuleInfo("rounded", "warn", False, "the price had more digits than are kept"),
)


def clean(records: DataFrame, source: Source, settings: Settings) -> DataFrame:
    """Grain: one row a record in and out; typed, judged by RULES. Columns: TABLE plus those of quarantine."""
    typed = records.select(
        *LINEAGE,
        *("raw", "header", "unreadable", "extra_fields", "short_fields"),
        values.identifier(F.col("sku")).alias("sku"),
        "name",
        values.trimmed(F.col("category")).alias("category"),
        values.trimmed(F.col("manufacturer")).alias("manufacturer"),
        F.col("price").try_cast(MONEY).alias("price"),
        values.money_problem(F.col("price"), F.col("price_text"), MONEY).alias("price_problem"),
        F.coalesce(values.was_rounded(F.col("price"), MONEY), F.lit(False)).alias("price_rounded"),
        values.currency(F.col("currency")).alias("currency"),
        values.timestamp(F.col("updated_at"), source.date_formats, source.time_zone).alias("updated_at"),
    )
    problem = F.col("price_problem")
    rules = [
        Rule("number_overflow", problem.eqNullSafe(F.lit("overflow")), F.lit("price: does not fit"), fixed=True),
        version_unreadable(source),
        Rule("price_unreadable", problem.eqNullSafe(F.lit("unreadable")), F.lit("price: is no number")),
        Rule("price_missing", F.col("price").isNull() & problem.isNull(), F.lit("price: missing"), "warn"),
        Rule("negative_price", F.col("price") < 0, F.lit("price: below zero"), "warn"),
        Rule("rounded", F.col("price_rounded"), F.lit("price: more digits than are kept"), "warn"),
    ]
    return judged(
        typed.withColumn("version_time", configured_version(source)),
        F.col("sku"),
        rules,
        TABLE,
        severities("products", source, settings),
    )


ENTITY = Entity(
    table=TABLE,
    fields=Fields(("sku", "name", "category", "manufacturer", "currency", "updated_at"), ("price",)),
    required=("sku",),
    rules=RULES,
    clean=clean,
    version_columns=("updated_at",),
)
