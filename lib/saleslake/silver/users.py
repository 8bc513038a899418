"""silver.users: one row a user."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from saleslake import values
from saleslake.config import Settings, Source
from saleslake.rules import RuleInfo
from saleslake.silver.contract import (
    CDF,
    LINEAGE_COLUMNS,
    READING_RULES,
    Entity,
    configured_version,
    judged,
    severities,
    unreadable,
    version_unreadable,
)
from saleslake.silver.reading import LINEAGE, Fields
from saleslake.table import STRING, TIMESTAMP, Column, Table

TABLE = Table(
    layer="silver",
    name="users",
    grain="one row a user, by its winning version",
    keys=("user_id",),
    columns=(
        Column("user_id", STRING, "key of the user", nullable=False),
        Column("email", STRING, "as given, trimmed"),
        Column("created_at", TIMESTAMP, "when the account was made, UTC"),
        Column("country", STRING, "as given, trimmed"),
        *LINEAGE_COLUMNS,
    ),
    constraints={"key_given": "user_id <> ''"},
    properties=CDF,
)

RULES = (
    *READING_RULES,
    RuleInfo(
        "created_at_unreadable",
        "error",
        True,
        "created_at given and in none of the date formats, or in two that disagree",
    ),
    RuleInfo(
        "version_unreadable",
        "error",
        True,
        "the source's version column is unreadable: the version could not be ordered",
    ),
)


def clean(records: DataFrame, source: Source, settings: Settings) -> DataFrame:
    """Grain: one row a record in and out; typed, judged by RULES. Columns: TABLE plus those of quarantine."""
    typed = records.select(
        *LINEAGE,
        *("raw", "header", "unreadable", "extra_fields", "short_fields"),
        values.identifier(F.col("user_id")).alias("user_id"),
        values.trimmed(F.col("email")).alias("email"),
        values.timestamp(F.col("created_at"), source.date_formats, source.time_zone).alias("created_at"),
        values.trimmed(F.col("created_at")).alias("created_text"),
        values.timestamp(F.col("updated_at"), source.date_formats, source.time_zone).alias("updated_at"),
        values.trimmed(F.col("country")).alias("country"),
    )
    rules = [
        unreadable("created_at", "created_text", optional=True),
        version_unreadable(source),
    ]
    return judged(
        typed.withColumn("version_time", configured_version(source)),
        F.col("user_id"),
        rules,
        TABLE,
        severities("users", source, settings),
    )


ENTITY = Entity(
    table=TABLE,
    fields=Fields(("user_id", "email", "created_at", "updated_at", "country")),
    required=("user_id",),
    rules=RULES,
    clean=clean,
    version_columns=("updated_at", "created_at"),
)
