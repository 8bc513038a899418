"""silver.transactions: one row a sales transaction, or a line of a file whose rows have no key."""

from __future__ import annotations

from pyspark.sql import Column as SparkColumn
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
    line_key,
    severities,
    unreadable,
    unreadable_text,
    version_unreadable,
)
from saleslake.silver.reading import LINEAGE, Fields
from saleslake.table import BOOLEAN, DATE, MONEY, QUANTITY, STRING, TIMESTAMP, Column, Table

TABLE = Table(
    layer="silver",
    name="transactions",
    grain="one row a transaction by its winning version; for sources keyed by line, one row a line of a file's latest content",
    keys=("transaction_key",),
    columns=(
        Column(
            "transaction_key",
            STRING,
            "transaction_id, or file and line number where the source is keyed by line",
            nullable=False,
        ),
        Column("transaction_id", STRING, "the source's id of the sale", nullable=False),
        Column("customer_id", STRING, "customer; NULL where the record names none"),
        Column("product_id", STRING, "sku; NULL where the record names none"),
        Column("sale_date", TIMESTAMP, "when it was sold, UTC", nullable=False),
        Column("quantity", QUANTITY, "units", nullable=False),
        Column("total_price", MONEY, "total the source gives, in currency"),
        Column("unit_price", MONEY, "price of one unit, in currency, where the source maps one"),
        Column("channel", STRING, "sales_channel by the mapping in conf/; unknown where there is none", nullable=False),
        Column("currency", STRING, "ISO 4217", nullable=False),
        Column("keyed_by_line", BOOLEAN, "whether the key is the place in the file", nullable=False),
        Column("date", DATE, "date of sale_date, UTC", nullable=False),
        *LINEAGE_COLUMNS,
    ),
    partition_by=("date",),
    constraints={
        "key_given": "transaction_key <> ''",
        "currency_code": "regexp_like(currency, '^[A-Z]{3}$')",
        "date_of_sale": "date = CAST(sale_date AS DATE)",
    },
    properties=CDF,
)

RULES = (
    *READING_RULES,
    RuleInfo(
        "sale_date_unreadable",
        "error",
        True,
        "sale_date missing or in none of the date formats, or in two that disagree",
    ),
    RuleInfo("currency_unreadable", "error", True, "no three-letter currency, and no default for the source"),
    RuleInfo("quantity_unreadable", "error", True, "quantity missing or no number"),
    RuleInfo("number_overflow", "error", True, "a total, price or quantity does not fit its DECIMAL"),
    RuleInfo(
        "version_unreadable",
        "error",
        True,
        "the source's version column is unreadable: the version could not be ordered",
    ),
    RuleInfo(
        "price_unreadable",
        "error",
        False,
        "total_price or unit_price is given and no number; warn treats it as not given",
    ),
    RuleInfo("customer_missing", "warn", False, "no customer_id"),
    RuleInfo("product_missing", "warn", False, "no product_id"),
    RuleInfo("return_line", "warn", False, "quantity <= 0, or a price or total < 0"),
    RuleInfo("zero_price", "warn", False, "a price or total of exactly zero"),
    RuleInfo("rounded", "warn", False, "a number had more digits than its DECIMAL keeps"),
)


def clean(records: DataFrame, source: Source, settings: Settings) -> DataFrame:
    """Grain: one row a record in and out; typed, judged by RULES. Columns: TABLE plus those of quarantine."""
    by_line = source.key == "line"
    transaction_id = values.identifier(F.col("transaction_id"))
    key = line_key() if by_line else transaction_id
    numbers = {"quantity": QUANTITY, "total_price": MONEY, "unit_price": MONEY}
    typed = records.select(
        *LINEAGE,
        *("raw", "header", "unreadable", "extra_fields", "short_fields"),
        key.alias("transaction_key"),
        (F.coalesce(transaction_id, key) if by_line else transaction_id).alias("transaction_id"),
        values.identifier(F.col("customer_id")).alias("customer_id"),
        values.identifier(F.col("product_id")).alias("product_id"),
        values.timestamp(F.col("sale_date"), source.date_formats, source.time_zone).alias("sale_date"),
        F.col("sale_date").alias("sale_date_text"),
        *[F.col(name).try_cast(type_).alias(name) for name, type_ in numbers.items()],
        *[values.money_problem(F.col(n), F.col(f"{n}_text"), t).alias(f"{n}_problem") for n, t in numbers.items()],
        *[F.coalesce(values.was_rounded(F.col(n), t), F.lit(False)).alias(f"{n}_rounded") for n, t in numbers.items()],
        F.col("quantity_text"),
        values.channel(F.col("sales_channel"), settings.channels).alias("channel"),
        values.currency(F.col("currency")).alias("currency"),
        F.col("currency").alias("currency_text"),
        values.timestamp(F.col("updated_at"), source.date_formats, source.time_zone).alias("updated_at"),
        F.lit(by_line).alias("keyed_by_line"),
    )
    typed = typed.withColumns({"version_time": configured_version(source), "date": F.to_date("sale_date")})
    return judged(
        typed,
        F.col("transaction_key"),
        _rules(source),
        TABLE,
        severities("transactions", source, settings),
    )


def _rules(source: Source) -> list[Rule]:
    def problem(name: str, kind: str) -> SparkColumn:
        return F.col(f"{name}_problem").eqNullSafe(F.lit(kind))

    prices = ("total_price", "unit_price")
    overflow = problem("quantity", "overflow") | problem("total_price", "overflow") | problem("unit_price", "overflow")
    # Where no total is given, quantity × price is the sale's revenue, and that is money too.
    revenue = F.when(F.col("total_price").isNull(), F.col("quantity") * F.col("unit_price"))
    overflow = overflow | F.coalesce(revenue.isNotNull() & revenue.try_cast(MONEY).isNull(), F.lit(False))
    negative = (
        (F.col("quantity") <= 0)
        | F.coalesce(F.col("total_price") < 0, F.lit(False))
        | F.coalesce(F.col("unit_price") < 0, F.lit(False))
    )
    zero = F.coalesce(F.col("total_price") == 0, F.lit(False)) | F.coalesce(F.col("unit_price") == 0, F.lit(False))
    rounded = F.col("quantity_rounded") | F.col("total_price_rounded") | F.col("unit_price_rounded")
    return [
        unreadable("sale_date", "sale_date_text"),
        unreadable("currency", "currency_text"),
        Rule(
            "quantity_unreadable",
            F.col("quantity").isNull() & ~problem("quantity", "overflow"),
            unreadable_text("quantity", F.col("quantity_text")),
            fixed=True,
        ),
        Rule("number_overflow", overflow, F.lit("a number that does not fit"), fixed=True),
        version_unreadable(source),
        Rule(
            "price_unreadable",
            problem(prices[0], "unreadable") | problem(prices[1], "unreadable"),
            F.lit("a price or total that is no number"),
        ),
        Rule("customer_missing", F.col("customer_id").isNull(), F.lit("customer_id: missing"), "warn"),
        Rule("product_missing", F.col("product_id").isNull(), F.lit("product_id: missing"), "warn"),
        Rule("return_line", negative, F.lit("quantity <= 0, or a price or total < 0"), "warn"),
        Rule("zero_price", zero, F.lit("a price or total of zero"), "warn"),
        Rule("rounded", rounded, F.lit("a number with more digits than are kept"), "warn"),
    ]


ENTITY = Entity(
    table=TABLE,
    fields=Fields(
        ("transaction_id", "customer_id", "product_id", "sale_date", "sales_channel", "currency", "updated_at"),
        ("quantity", "total_price", "unit_price"),
    ),
    required=("transaction_id", "sale_date", "quantity"),
    rules=RULES,
    clean=clean,
    version_columns=("updated_at", "sale_date"),
)
