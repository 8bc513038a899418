"""silver.orders: one row an order, its lines inside, so that an order changes in one atomic write."""

from __future__ import annotations

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from saleslake import values
from saleslake.config import Settings, Source
from saleslake.rules import Rule, RuleInfo
from saleslake.silver import elsewhere
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
from saleslake.table import DATE, INT, MONEY, QUANTITY, STRING, TIMESTAMP, TOTAL, Column, Table

LINE = T.StructType(
    [
        T.StructField("line_number", INT),
        T.StructField("sku", STRING),
        T.StructField("quantity", QUANTITY),
        T.StructField("unit_price", MONEY),
    ]
)
"""line_number: position in the record's own list, from 1. unit_price: as ordered; NULL where the record gives none."""

TABLE = Table(
    layer="silver",
    name="orders",
    grain="one row an order, by its winning version",
    keys=("order_id",),
    columns=(
        Column("order_id", STRING, "key of the order", nullable=False),
        Column("user_id", STRING, "customer; NULL where the record names none"),
        Column("amount", MONEY, "total the source gives for the order, in currency; never summed over lines"),
        Column("currency", STRING, "ISO 4217", nullable=False),
        Column("created_at", TIMESTAMP, "when it was placed, UTC", nullable=False),
        Column("updated_at", TIMESTAMP, "version time the source gives, UTC"),
        Column("order_source", STRING, "metadata.source, trimmed"),
        Column("channel", STRING, "order_source by the mapping in conf/; unknown where there is none", nullable=False),
        Column("promo", STRING, "metadata.promo, verbatim"),
        Column("items", T.ArrayType(LINE), "the order's lines; unit_price NULL where none is given", nullable=False),
        Column("date", DATE, "date of created_at, UTC", nullable=False),
        *LINEAGE_COLUMNS,
    ),
    partition_by=("date",),
    constraints={
        "key_given": "order_id <> ''",
        "currency_code": "regexp_like(currency, '^[A-Z]{3}$')",
        "date_of_creation": "date = CAST(created_at AS DATE)",
    },
    properties=CDF,
)

RULES = (
    *READING_RULES,
    RuleInfo(
        "created_at_unreadable",
        "error",
        True,
        "created_at missing or in none of the date formats, or in two that disagree",
    ),
    RuleInfo(
        "updated_at_unreadable", "error", True, "updated_at given and unreadable: the version could not be ordered"
    ),
    RuleInfo("currency_unreadable", "error", True, "no three-letter currency, and no default for the source"),
    RuleInfo("number_overflow", "error", True, "an amount, price or quantity does not fit its DECIMAL"),
    RuleInfo(
        "line_invalid",
        "error",
        False,
        "a line is no object, or has no sku or no readable quantity; warn keeps the other lines",
    ),
    RuleInfo("price_unreadable", "error", False, "a line's price is given and no number; warn treats it as not given"),
    RuleInfo("items_empty", "error", False, "no lines; warn keeps the header"),
    elsewhere.RULE,
    RuleInfo("user_missing", "warn", False, "no user_id"),
    RuleInfo("amount_missing", "warn", False, "amount missing or no number"),
    RuleInfo(
        "amount_mismatch", "warn", False, "amount differs from the sum of quantity × price by more than the tolerance"
    ),
    RuleInfo("return_line", "warn", False, "a line with quantity <= 0 or price < 0"),
    RuleInfo("zero_price", "warn", False, "a line with a price of exactly zero"),
    RuleInfo("rounded", "warn", False, "a number had more digits than its DECIMAL keeps"),
)

_TEXTS = ("order_id", "user_id", "currency", "created_at", "updated_at", "order_source", "promo")
FIELDS = Fields(_TEXTS, ("amount",), ("sku",), ("quantity", "price"))


def clean(records: DataFrame, source: Source, settings: Settings) -> DataFrame:
    """Grain: one row a record in and out; typed, judged by RULES. Columns: TABLE plus those of quarantine."""
    severity = severities("orders", source, settings)
    typed = _typed(records, source, settings)
    keeps_other_lines = severity.get("line_invalid", "error") == "warn"
    rules = _rules(settings, keeps_other_lines)
    return judged(_with_kept_lines(typed), F.col("order_id"), rules, TABLE, severity)


def _typed(records: DataFrame, source: Source, settings: Settings) -> DataFrame:
    created = values.timestamp(F.col("created_at"), source.date_formats, source.time_zone)
    updated = values.timestamp(F.col("updated_at"), source.date_formats, source.time_zone)
    typed = records.select(
        *LINEAGE,
        *("raw", "header", "unreadable", "extra_fields", "short_fields"),
        values.identifier(F.col("order_id")).alias("order_id"),
        values.identifier(F.col("user_id")).alias("user_id"),
        F.col("amount").try_cast(MONEY).alias("amount"),
        values.money_problem(F.col("amount"), F.col("amount_text"), MONEY).alias("amount_problem"),
        values.was_rounded(F.col("amount"), MONEY).alias("amount_rounded"),
        values.currency(F.col("currency")).alias("currency"),
        F.col("currency").alias("currency_text"),
        created.alias("created_at"),
        F.col("created_at").alias("created_text"),
        updated.alias("updated_at"),
        values.trimmed(F.col("updated_at")).alias("updated_text"),
        values.trimmed(F.col("order_source")).alias("order_source"),
        values.channel(F.col("order_source"), settings.channels).alias("channel"),
        F.col("promo"),
        F.transform("items", _line).alias("lines"),
        *elsewhere.columns(source),
    )
    version = F.col(source.version) if source.version else F.coalesce("updated_at", "created_at")
    return typed.withColumns({"version_time": version, "date": F.to_date("created_at")})


def _line(item: SparkColumn, index: SparkColumn) -> SparkColumn:
    sku = values.identifier(item["sku"])
    quantity, price = item["quantity"].try_cast(QUANTITY), item["price"].try_cast(MONEY)
    qty_problem = F.when(quantity.isNull(), values.money_problem(item["quantity"], item["quantity_text"], QUANTITY))
    price_problem = F.when(price.isNull(), values.money_problem(item["price"], item["price_text"], MONEY))
    problem = F.when(sku.isNotNull() & quantity.isNotNull(), F.lit(None)).otherwise(
        F.when(~item["is_object"], F.lit("is no object"))
        .when(sku.isNull(), F.lit("has no sku"))
        .when(qty_problem.eqNullSafe(F.lit("overflow")), F.lit(None))
        .otherwise(unreadable_text("quantity", item["quantity_text"]))
    )
    return F.struct(
        (index + 1).alias("line_number"),
        sku.alias("sku"),
        quantity.alias("quantity"),
        price.alias("unit_price"),
        problem.alias("problem"),
        (
            qty_problem.eqNullSafe(F.lit("overflow"))
            | price_problem.eqNullSafe(F.lit("overflow"))
            | F.coalesce((quantity * price).isNotNull() & (quantity * price).try_cast(MONEY).isNull(), F.lit(False))
        ).alias("overflow"),
        price_problem.eqNullSafe(F.lit("unreadable")).alias("price_unreadable"),
        F.coalesce(
            values.was_rounded(item["quantity"], QUANTITY) | values.was_rounded(item["price"], MONEY), F.lit(False)
        ).alias("rounded"),
    )


def _with_kept_lines(typed: DataFrame) -> DataFrame:
    kept = F.filter("lines", lambda line: line["problem"].isNull() & ~line["overflow"])
    fields = [f.name for f in LINE.fields]
    slim = F.transform(kept, lambda line: F.struct(*[line[name].alias(name) for name in fields]))
    return typed.withColumn("items", F.coalesce(slim, F.array().cast(T.ArrayType(LINE))))


def _rules(settings: Settings, keeps_other_lines: bool) -> list[Rule]:
    lines = F.col("lines")
    bad_line = F.exists(lines, lambda line: line["problem"].isNotNull())
    no_lines = F.coalesce(F.size(lines), F.lit(0)) <= 0
    if keeps_other_lines:
        no_lines = no_lines | (bad_line & (F.size("items") == 0))
    amount_overflow = F.col("amount_problem").eqNullSafe(F.lit("overflow"))
    tolerance = F.lit(settings.run.amount_tolerance).cast(MONEY)
    zero = F.lit(0).cast(T.DecimalType(38, 7))
    # NULL where the sum exceeds 31 digits: then it differs from every amount.
    total = F.aggregate(
        "items",
        zero,
        lambda sum_, line: F.try_add(
            sum_, line["quantity"] * F.coalesce(line["unit_price"], F.lit(0).cast(MONEY))
        ).try_cast(T.DecimalType(38, 7)),
    )
    total_text = F.coalesce(total.cast(TOTAL).cast("string"), F.lit("total, which is too large"))
    return [
        unreadable("created_at", "created_text"),
        unreadable("updated_at", "updated_text", optional=True),
        unreadable("currency", "currency_text"),
        Rule(
            "number_overflow",
            amount_overflow | F.exists(lines, lambda line: line["overflow"]),
            _line_messages("overflow", amount_overflow),
            fixed=True,
        ),
        Rule("line_invalid", bad_line, _messages(lambda line: line["problem"])),
        Rule(
            "price_unreadable",
            F.exists(lines, lambda line: line["price_unreadable"]),
            _messages(lambda line: F.when(line["price_unreadable"], F.lit("has a price that is no number"))),
        ),
        Rule("items_empty", no_lines, F.lit("items: missing, empty or no array")),
        elsewhere.rule(),
        Rule("user_missing", F.col("user_id").isNull(), F.lit("user_id: missing"), "warn"),
        Rule(
            "amount_missing", F.col("amount").isNull() & ~amount_overflow, F.lit("amount: missing or no number"), "warn"
        ),
        Rule(
            "amount_mismatch",
            F.coalesce(F.abs(F.col("amount") - total) > tolerance, F.col("amount").isNotNull()),
            F.concat(F.lit("amount: differs from its lines' "), total_text),
            "warn",
        ),
        Rule(
            "return_line",
            F.exists("items", lambda line: (line["quantity"] <= 0) | F.coalesce(line["unit_price"] < 0, F.lit(False))),
            F.lit("a line with quantity <= 0 or price < 0"),
            "warn",
        ),
        Rule(
            "zero_price",
            F.exists("items", lambda line: F.coalesce(line["unit_price"] == 0, F.lit(False))),
            F.lit("a line with a price of zero"),
            "warn",
        ),
        Rule(
            "rounded",
            F.coalesce(F.col("amount_rounded"), F.lit(False)) | F.exists(lines, lambda line: line["rounded"]),
            F.lit("a number with more digits than are kept"),
            "warn",
        ),
    ]


def _messages(problem: object) -> SparkColumn:
    """`line 2: has no sku; line 3: is no object`."""

    def of(line: SparkColumn) -> SparkColumn:
        return F.concat(F.lit("line "), line["line_number"].cast("string"), F.lit(": "), problem(line))  # type: ignore[operator]

    return F.array_join(F.filter(F.transform("lines", of), lambda text: text.isNotNull()), "; ")


def _line_messages(flag: str, header: SparkColumn) -> SparkColumn:
    lines = _messages(lambda line: F.when(line[flag], F.lit("a number that does not fit")))
    return F.concat_ws("; ", F.when(header, F.lit("amount: does not fit")), F.when(lines != "", lines))


ENTITY = Entity(
    table=TABLE,
    fields=FIELDS,
    required=("order_id", "created_at", "items"),
    rules=RULES,
    clean=clean,
    version_columns=("updated_at", "created_at"),
)
