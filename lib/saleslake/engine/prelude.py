"""The functions that the shared SQL calls and that each engine defines for itself: where Spark and DuckDB differ, or would be inexact.

| function | of | gives |
|---|---|---|
| product(q, p) | QUANTITY, MONEY | MONEY: q × p, multiplied exactly, rounded once, half-up; NULL beyond MONEY |
| product_total(q, p) | units below 10^16 (else NULL), MONEY | TOTAL: the same |
| ratio(a, b) | TOTAL or whole, whole below 10^34 | MONEY: a / b, exactly, rounded once, half-up; NULL for b = 0 or beyond MONEY |
| per_unit(amount, quantity) | MONEY, QUANTITY | MONEY: amount / quantity, the same |
| micros(t) | moment | BIGINT: µs since 1970 UTC |
| day_of(t) | moment | DATE in UTC |
| iso_weekday(d), iso_week(d) | DATE | INT: 1 Monday to 7 Sunday; ISO 8601 week |
| year_month(d) | DATE of the years 1 to 9999 | text: `2024-01` |
| tags(a), no_tags() | text | array of it alone; empty array of texts |
| tag_count(a) | array of texts | BIGINT: how many it holds |
| has_any(a, b) | arrays of texts | BOOLEAN: whether a text is in both; NULL is in none |
| content_hash(raw, header) | texts | as `saleslake.content.content_hash` |

Half-up is away from zero. NULL in any argument gives NULL, but for tags and content_hash.
"""

from __future__ import annotations

import threading

import duckdb
from pyspark.sql import SparkSession

from saleslake.content import HASH_LENGTH

_COLUMNS_OF_LINES = "order_id, user_id, channel, currency, created_at, date, record_id"

ORDER_LINES_SPARK = f"""
SELECT {_COLUMNS_OF_LINES}, line_number, sku, quantity, given_price, given_amount, refunded_at
FROM orders LATERAL VIEW inline(items) lines AS line_number, sku, quantity, given_price, given_amount, refunded_at
WHERE is_sale
"""
"""Grain in: `orders` (silver.orders). Grain out: line of an order that is a sale, (order_id, line_number); an order without lines has no row.

given_price, given_amount: the item's unit_price and amount, MONEY, in currency, NULL where the record gives none.
refunded_at: NULL but for lines of refunds.
"""

ORDER_LINES_DUCKDB = f"""
SELECT {_COLUMNS_OF_LINES}, line.line_number, line.sku, line.quantity,
       line.unit_price AS given_price, line.amount AS given_amount, line.refunded_at
FROM (SELECT {_COLUMNS_OF_LINES}, unnest(items) AS line FROM orders WHERE is_sale)
"""
"""The same for DuckDB: unnesting is the one thing that both do and write differently."""

_CONTENT = "CASE WHEN header IS NULL THEN raw ELSE concat_ws(chr(10), header, raw) END"

# Macros are pasted in where they are called, so nothing in them may raise, whatever CASE stands around it.
_DUCKDB = {
    # A product of decimals has the digits of the wider one, and raises beyond: 38 hold every product of QUANTITY and MONEY.
    "product(q, p)": "TRY_CAST(CAST(q AS DECIMAL(38, 3)) * CAST(p AS DECIMAL(18, 4)) AS DECIMAL(18, 4))",
    "product_total(q, p)": "TRY_CAST(CAST(TRY_CAST(q AS DECIMAL(19, 3)) AS DECIMAL(38, 3)) * CAST(p AS DECIMAL(18, 4)) AS DECIMAL(38, 4))",
    # `/` of decimals is a double. Whole numbers divide exactly: n and half of d, by d; an odd d's other half cannot reach another quotient.
    "saleslake_rounded(n, d)": "(n + d // 2) // d",
    "saleslake_money(n, is_negative)": """CAST(TRY_CAST(CASE WHEN is_negative THEN -n ELSE n END AS DECIMAL(18, 0))
        * CAST(0.0001 AS DECIMAL(4, 4)) AS DECIMAL(18, 4))""",
    # By way of text, because ten thousand times a TOTAL has too many digits for a decimal.
    "saleslake_units(a)": "CAST(replace(CAST(abs(CAST(a AS DECIMAL(38, 4))) AS VARCHAR), '.', '') AS HUGEINT)",
    "ratio(a, b)": """saleslake_money(saleslake_rounded(saleslake_units(a), nullif(abs(CAST(b AS HUGEINT)), 0)), (a < 0) <> (b < 0))""",
    # Of 18 digits, whole part and decimals fit 64 bits, which is ten times as fast.
    "saleslake_units_of_18(a, one)": "abs(CAST(trunc(a) AS BIGINT) * one + CAST((a - trunc(a)) * one AS BIGINT))",
    "per_unit(amount, quantity)": """saleslake_money(
        saleslake_rounded(CAST(saleslake_units_of_18(CAST(amount AS DECIMAL(18, 4)), 10000) AS HUGEINT) * 1000,
            nullif(saleslake_units_of_18(CAST(quantity AS DECIMAL(18, 3)), 1000), 0)), (amount < 0) <> (quantity < 0))""",
    "micros(t)": "epoch_us(t)",
    # Not by a cast: that depends on the session's time zone.
    "day_of(t)": "CAST(make_timestamp(epoch_us(t)) AS DATE)",
    "iso_weekday(d)": "CAST(isodow(d) AS INTEGER)",
    "iso_week(d)": "CAST(week(d) AS INTEGER)",
    "year_month(d)": "left(CAST(d AS VARCHAR), 7)",
    "tags(a)": "[CAST(a AS VARCHAR)]",
    "no_tags()": "CAST([] AS VARCHAR[])",
    "tag_count(a)": "len(a)",
    # Delta's CHECKs are Spark's SQL.
    "cardinality(a)": "len(a)",
    "regexp_like(a, b)": "regexp_matches(a, b)",
    "has_any(a, b)": "list_has_any(a, b)",
    "content_hash(raw, header)": f"left(sha256({_CONTENT}), {HASH_LENGTH})",
}

# a / b for a in units of 0.0001: d is b in these units, so the whole quotient is the result in them. `%` of decimals is exact, and so is
# `/` where it leaves nothing.
# Not by `abs(a)`, nor `-a`: they round to 34 digits.
_N, _D = "CASE WHEN a < 0 THEN 0 - a ELSE a END", "nullif(abs(b) * 0.0001, 0)"
_LEFT = f"({_N}) % {_D}"
_ROUNDED = f"(TRY_CAST(try_divide(({_N}) - {_LEFT}, {_D}) AS DECIMAL(19, 0)) + CASE WHEN {_LEFT} >= {_D} - {_LEFT} THEN 1 ELSE 0 END)"

# The same for 18 digits, which leave room for doubling: half up is what a half more is, rounded down.
_HALF_MORE, _TWICE = "(abs(amount) * 2000 + abs(quantity) * 0.1)", "nullif(abs(quantity) * 0.2, 0)"

_SPARK = {
    "product(q DECIMAL(18, 3), p DECIMAL(18, 4)) RETURNS DECIMAL(18, 4)": "TRY_CAST(q * p AS DECIMAL(18, 4))",
    # 19 digits by 18 have 38: of more, Spark would round the product twice.
    "product_total(q DECIMAL(38, 3), p DECIMAL(18, 4)) RETURNS DECIMAL(38, 4)": "TRY_CAST(TRY_CAST(q AS DECIMAL(19, 3)) * p AS DECIMAL(38, 4))",
    # Not by `sign`: that is a double.
    "ratio(a DECIMAL(38, 4), b DECIMAL(34, 0)) RETURNS DECIMAL(18, 4)": f"""TRY_CAST(0.0001
        * CASE WHEN (a < 0) <> (b < 0) THEN -1 ELSE 1 END * {_ROUNDED} AS DECIMAL(18, 4))""",
    "per_unit(amount DECIMAL(18, 4), quantity DECIMAL(18, 3)) RETURNS DECIMAL(18, 4)": f"""TRY_CAST(TRY_CAST(
        ({_HALF_MORE} - {_HALF_MORE} % {_TWICE}) / {_TWICE} AS DECIMAL(18, 0))
        * CASE WHEN (amount < 0) <> (quantity < 0) THEN -0.0001 ELSE 0.0001 END AS DECIMAL(18, 4))""",
    "micros(t TIMESTAMP) RETURNS BIGINT": "unix_micros(t)",
    "day_of(t TIMESTAMP) RETURNS DATE": "CAST(t AS DATE)",
    "iso_weekday(d DATE) RETURNS INT": "weekday(d) + 1",
    "iso_week(d DATE) RETURNS INT": "weekofyear(d)",
    "year_month(d DATE) RETURNS STRING": "left(CAST(d AS STRING), 7)",
    "tags(a STRING) RETURNS ARRAY<STRING>": "array(a)",
    "no_tags() RETURNS ARRAY<STRING>": "CAST(array() AS ARRAY<STRING>)",
    "tag_count(a ARRAY<STRING>) RETURNS BIGINT": "CAST(size(a) AS BIGINT)",
    "has_any(a ARRAY<STRING>, b ARRAY<STRING>) RETURNS BOOLEAN": """CASE WHEN a IS NOT NULL AND b IS NOT NULL
        THEN coalesce(arrays_overlap(a, b), FALSE) END""",
    "content_hash(raw STRING, header STRING) RETURNS STRING": f"left(sha2({_CONTENT}, 256), {HASH_LENGTH})",
}

TEXTS = {"spark": _SPARK, "duckdb": _DUCKDB, "order_lines": [ORDER_LINES_SPARK, ORDER_LINES_DUCKDB]}
"""What all of it says, for who must know that it has changed."""

_DEFINED = "saleslake.prelude"
_defining = threading.Lock()


def for_duckdb(connection: duckdb.DuckDBPyConnection) -> None:
    """Define them in the database of a connection, so its cursors have them too."""
    connection.execute(";".join(f"CREATE OR REPLACE MACRO {head} AS {body}" for head, body in _DUCKDB.items()))


def for_spark(spark: SparkSession) -> None:
    """Define them in a session, once. A session of its own, as `newSession` makes, has none; a clone, as a stream has, has them."""
    # A setting goes with the functions: what copies the one copies the others.
    with _defining:
        if spark.conf.get(_DEFINED, "") == "yes":
            return
        for head, body in _SPARK.items():
            spark.sql(f"CREATE OR REPLACE TEMPORARY FUNCTION {head} RETURN {body}")
        spark.conf.set(_DEFINED, "yes")
