"""silver.stock: one row a product, its latest stock count."""

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
    judged,
    severities,
    unreadable,
    unreadable_text,
)
from saleslake.silver.reading import LINEAGE, Fields
from saleslake.table import QUANTITY, STRING, TIMESTAMP, Column, Table

TABLE = Table(
    layer="silver",
    name="stock",
    grain="one row a product: its latest count",
    keys=("product_id",),
    columns=(
        Column("product_id", STRING, "sku", nullable=False),
        Column("on_hand", QUANTITY, "units counted", nullable=False),
        Column("counted_at", TIMESTAMP, "when they were counted, UTC; the version time", nullable=False),
        *LINEAGE_COLUMNS,
    ),
    constraints={"key_given": "product_id <> ''"},
    properties=CDF,
)

RULES = (
    *READING_RULES,
    RuleInfo(
        "counted_at_unreadable",
        "error",
        True,
        "counted_at missing or in none of the date formats, or in two that disagree",
    ),
    RuleInfo("quantity_unreadable", "error", True, "on_hand missing or no number"),
    RuleInfo("number_overflow", "error", True, "on_hand does not fit its DECIMAL"),
    RuleInfo("negative_stock", "warn", False, "on_hand below zero"),
    RuleInfo("rounded", "warn", False, "on_hand had more digits than are kept"),
)


def clean(records: DataFrame, source: Source, settings: Settings) -> DataFrame:
    """Grain: one row a record in and out; typed, judged by RULES. Columns: TABLE plus those of quarantine."""
    typed = records.select(
        *LINEAGE,
        *("raw", "header", "unreadable", "extra_fields", "short_fields"),
        values.identifier(F.col("product_id")).alias("product_id"),
        F.col("on_hand").try_cast(QUANTITY).alias("on_hand"),
        F.col("on_hand_text"),
        values.money_problem(F.col("on_hand"), F.col("on_hand_text"), QUANTITY).alias("on_hand_problem"),
        F.coalesce(values.was_rounded(F.col("on_hand"), QUANTITY), F.lit(False)).alias("on_hand_rounded"),
        values.timestamp(F.col("counted_at"), source.date_formats, source.time_zone).alias("counted_at"),
        F.col("counted_at").alias("counted_text"),
    )
    overflow = F.col("on_hand_problem").eqNullSafe(F.lit("overflow"))
    rules = [
        unreadable("counted_at", "counted_text"),
        Rule(
            "quantity_unreadable",
            F.col("on_hand").isNull() & ~overflow,
            unreadable_text("on_hand", F.col("on_hand_text")),
            fixed=True,
        ),
        Rule("number_overflow", overflow, F.lit("on_hand: does not fit"), fixed=True),
        Rule("negative_stock", F.col("on_hand") < 0, F.lit("on_hand: below zero"), "warn"),
        Rule("rounded", F.col("on_hand_rounded"), F.lit("on_hand: more digits than are kept"), "warn"),
    ]
    version = F.col(source.version or "counted_at")
    return judged(
        typed.withColumn("version_time", version),
        F.col("product_id"),
        rules,
        TABLE,
        severities("stock", source, settings),
    )


ENTITY = Entity(
    table=TABLE,
    fields=Fields(("product_id", "counted_at"), ("on_hand",)),
    required=("product_id", "on_hand", "counted_at"),
    rules=RULES,
    clean=clean,
    version_columns=("counted_at",),
)
