"""The quick way for ordinary orders, which most are: whole, sold, priced, exact and in range.

What comes out is what `orders.clean` would make of them; what is not certainly ordinary is left to that. Nothing
here looks at one line at a time: Spark interprets its lambdas, and ten times as slow as what it compiles.
"""

from __future__ import annotations

from functools import reduce
from operator import add, and_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from saleslake import values
from saleslake.config import Settings, Source
from saleslake.silver import orders
from saleslake.silver.contract import QUARANTINE_COLUMNS, severities
from saleslake.silver.elsewhere import may_be_marked
from saleslake.silver.reading import LINEAGE, parsed, theirs, walk, with_defaults
from saleslake.table import MONEY, NAMES

_INEXACT = r'"\s*+:\s*+"?+[-+]?+[0-9]*+(?:\.[0-9]{5}|\.?+[0-9]*+[eE][-+0-9])'
"""The value of a field that MONEY might round: a number with five decimals, or with an exponent."""
_UNCLEAN_SKU = "(^|\x01)[ \t\r\n\\[{]|[ \t\r\n](\x01|$)"
_SUMMED = 8
"""Lines whose prices are summed without a lambda; orders with more take one."""
_EXACT_IN_DOUBLE = 9.0e15
_TRIMMED = ("order_id", "user_id", "currency", "created_at", "updated_at", "order_source")


def applies(source: Source) -> bool:
    """Whether the quick way can read this source at all."""
    return not source.is_csv and not set(source.defaults) & set(orders.FIELDS.numbers)


def judge(records: DataFrame, source: Source, settings: Settings) -> DataFrame:
    """Grain: one row a bronze record in and out.

    Columns: those of a cleaned frame, `defect` and `is_ordinary`. Where that is false, only bronze's columns mean
    anything; where it is true, `raw` is NULL: nothing needs it any more.
    """
    frame, record, whole = parsed(records, source, orders.FIELDS, MONEY, unless=F.col("raw").rlike(_INEXACT))
    read = frame.select(
        *LINEAGE,
        *("raw", "header", "defect"),
        *[walk(record, theirs(source, name)).alias(name) for name in orders.FIELDS.texts],
        walk(record, theirs(source, "amount")).alias("amount"),
        walk(record, theirs(source, "items")).alias("lines"),
        whole.alias("whole"),
    )
    read = with_defaults(read, source, orders.FIELDS)
    # In steps, each a projection of its own: within one, Spark computes an expression again for each use under a condition.
    read = read.withColumns({name: F.trim(F.col(name), F.lit(values.WHITESPACE)) for name in _TRIMMED})
    return _judged(_typed(read, source, settings), source, settings)


def _typed(read: DataFrame, source: Source, settings: Settings) -> DataFrame:
    skus, quantities, prices = (
        walk(F.col("lines"), theirs(source, f"items.{name}")) for name in ("sku", "quantity", "price")
    )
    created_at, created_ok = _moment(F.col("created_at"), source)
    updated_at, updated_ok = _moment(F.col("updated_at"), source)
    given = F.col("updated_at") != ""
    typed = read.select(
        *LINEAGE,
        *("raw", "header", "defect", "whole", "amount", "promo", "order_id"),
        F.when((F.col("user_id") != "") & ~_is_nested(F.col("user_id")), F.col("user_id")).alias("user_id"),
        F.upper("currency").alias("currency"),
        created_at.alias("created_at"),
        F.when(given, updated_at).alias("updated_at"),
        (created_ok & (~F.coalesce(given, F.lit(False)) | (updated_ok & updated_at.isNotNull()))).alias("times_ok"),
        F.when(F.col("order_source") != "", F.col("order_source")).alias("order_source"),
        values.channel(F.col("order_source"), settings.channels).alias("channel"),
        F.size("lines").alias("n"),
        skus.alias("skus"),
        quantities.alias("quantities"),
        prices.alias("prices"),
    )
    version = F.col(source.version) if source.version else F.coalesce("updated_at", "created_at")
    line = "array<struct<line_number:int,sku:string,quantity:decimal(18,3),unit_price:decimal(18,4)>>"
    numbers = F.when(F.col("n") > 0, F.sequence(F.lit(1), F.col("n")))
    return typed.withColumns(
        {
            "version_time": version,
            "date": F.to_date("created_at"),
            "items": F.arrays_zip(numbers, "skus", "quantities", "prices").cast(line),
            "total": _total(F.col("n"), F.col("quantities"), F.col("prices")),
        }
    )


def _moment(text: Column, source: Source) -> tuple[Column, Column]:
    """(the moment, whether it is certainly that) of a trimmed text."""
    if source.date_formats == ["iso"] and source.time_zone == "UTC":
        return text.try_cast("timestamp"), values.is_plain_iso(text)
    moment = values.timestamp(text, source.date_formats, source.time_zone)
    return moment, moment.isNotNull()


def _is_nested(text: Column) -> Column:
    return text.startswith("[") | text.startswith("{")


def _total(n: Column, quantities: Column, prices: Column) -> Column:
    """Σ quantity × price in units of 1e-7, as a double: exact while below 9e15, for then every summand is."""
    first = [
        _whole_units(F.get(quantities, F.lit(i)), 1e3) * _whole_units(F.get(prices, F.lit(i)), 1e4)
        for i in range(_SUMMED)
    ]
    few = reduce(add, [F.coalesce(product, F.lit(0.0)) for product in first])
    many = F.aggregate(
        F.zip_with(quantities, prices, lambda q, p: _whole_units(q, 1e3) * _whole_units(p, 1e4)),
        F.lit(0.0),
        lambda sum_, product: sum_ + product,
    )
    return F.when(n <= _SUMMED, few).otherwise(many)


def _whole_units(number: Column, units: float) -> Column:
    return F.rint(number.cast("double") * units)


def _judged(typed: DataFrame, source: Source, settings: Settings) -> DataFrame:
    severity = severities("orders", source, settings)
    raw, quantities, prices = F.col("raw"), F.col("quantities"), F.col("prices")
    amount_key = theirs(source, "amount").split(".")[-1]
    no_amount = F.col("amount").isNull() & ~raw.contains(f'"{amount_key}"') & ~raw.contains("\\u")
    off_by = F.abs(_whole_units(F.col("amount"), 1e4) * 1e3 - F.col("total"))
    warnings = {
        "amount_mismatch": F.coalesce(off_by > float(settings.run.amount_tolerance) * 1e7, F.lit(False)),
        "amount_missing": F.col("amount").isNull(),
        "user_missing": F.col("user_id").isNull(),
    }
    exact_quantity = quantities.cast("array<decimal(18,3)>").cast("array<decimal(18,4)>")
    conditions = [
        F.col("whole") & F.col("defect").isNull(),
        ~may_be_marked(raw, source),
        (F.col("order_id") != "") & ~_is_nested(F.col("order_id")),
        F.col("times_ok") & F.col("created_at").isNotNull(),
        F.col("currency").rlike("^[A-Z]{3}$"),
        F.col("amount").isNotNull() | no_amount,
        F.abs("amount").isNull() | (F.abs("amount") < 10**11),
        F.col("n") > 0,
        # `array_contains` is NULL, and so not false, where the array holds a NULL.
        ~F.array_contains("skus", ""),
        ~F.array_join("skus", "\x01").rlike(_UNCLEAN_SKU),
        ~F.array_contains(quantities, F.lit(0).cast(MONEY)),
        ~F.array_contains(prices, F.lit(0).cast(MONEY)),
        (F.array_min(quantities) > 0) & (F.array_max(quantities) < 10**6),
        (F.array_min(prices) > 0) & (F.array_max(prices) < 10**7),
        quantities == exact_quantity,
        F.col("total") < _EXACT_IN_DOUBLE,
        *[~broken for name, broken in warnings.items() if severity.get(name) == "error"],
    ]
    none = F.array().cast(NAMES)
    named = F.array_compact(F.array(*[F.when(broken, F.lit(name)) for name, broken in warnings.items()]))
    any_warning = reduce(lambda a, b: a | b, warnings.values())
    judged = typed.withColumn("is_ordinary", F.coalesce(reduce(and_, conditions), F.lit(False)))
    return judged.withColumns(
        {
            "raw": F.when(~F.col("is_ordinary"), F.col("raw")),
            "key": F.col("order_id"),
            "reasons": none,
            "details": none,
            "warnings": F.when(any_warning, named).otherwise(none),
        }
    ).select(*orders.TABLE.select(), *QUARANTINE_COLUMNS, "defect", "is_ordinary")


__all__ = ["applies", "judge"]
