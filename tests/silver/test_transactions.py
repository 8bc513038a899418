"""silver.transactions: every rule alone, both severities; keys by line, prices, channels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from saleslake.config import Settings
from saleslake.silver.transactions import RULES, TABLE
from tests.frames import expect, expect_columns
from tests.silver_support import MESSAGES, SETTINGS, Case, Record, clean, cleaned_row, cleaned_schema, expect_judgements

SOURCES = """
[sources.c]
entity = "transactions"
format = "csv"
path = "t.csv"
version = "updated_at"
[sources.j]
entity = "transactions"
format = "jsonl"
path = "t.jsonl"
"""
SOURCE = '[sources.s]\nentity = "transactions"\nformat = "csv"\npath = "t.csv"\n'
COLUMNS = (
    "transaction_id",
    "customer_id",
    "product_id",
    "sale_date",
    "quantity",
    "total_price",
    "unit_price",
    "sales_channel",
    "currency",
    "updated_at",
)
HEADER = ",".join(COLUMNS)
SOUND = dict(zip(COLUMNS, ("t1", "c1", "p1", "2025-01-31", "2", "10", "5", "web", "EUR", "2025-02-01"), strict=True))


def line(**cells: str) -> str:
    """A sound sale of two p1 at 5, with these cells instead."""
    return ",".join((SOUND | cells).values())


def case(rule: str, detail: str, **cells: str) -> Case:
    return Case(rule, line(**cells), detail, HEADER)


TOO_LARGE = "a number that does not fit"
CASES = [
    *MESSAGES,
    Case("unreadable", "[1]", "record: json_invalid"),
    Case("unreadable", line() + ',"open', "record: csv_malformed", HEADER),
    Case("extra_fields", line() + ",1", "more fields than the header", HEADER),
    Case("short_fields", line(), "fewer fields than the header", HEADER + ",note"),
    case("key_missing", "key missing or unreadable", transaction_id=" "),
    case("sale_date_unreadable", "sale_date: '2025-02-30' cannot be read", sale_date="2025-02-30"),
    case("sale_date_unreadable", "sale_date: '' cannot be read", sale_date=""),
    case("currency_unreadable", "currency: '€' cannot be read", currency="€"),
    case("quantity_unreadable", "quantity: 'two' cannot be read", quantity="two"),
    case("quantity_unreadable", "quantity: missing", quantity=""),
    case("number_overflow", TOO_LARGE, quantity="1e15"),
    case("number_overflow", TOO_LARGE, total_price="100000000000000"),
    case("number_overflow", TOO_LARGE, unit_price="-1e99"),
    case("version_unreadable", "version column missing or unreadable", updated_at=""),
    case("version_unreadable", "version column missing or unreadable", updated_at="later"),
    case("price_unreadable", "a price or total that is no number", total_price='"12,50"'),
    case("price_unreadable", "a price or total that is no number", unit_price="n/a"),
    case("customer_missing", "customer_id: missing", customer_id=""),
    case("product_missing", "product_id: missing", product_id=" "),
    case("return_line", "quantity <= 0, or a price or total < 0", quantity="-2"),
    case("return_line", "quantity <= 0, or a price or total < 0", quantity="0"),
    case("return_line", "quantity <= 0, or a price or total < 0", total_price="-0.0001"),
    case("return_line", "quantity <= 0, or a price or total < 0", unit_price="-5"),
    case("zero_price", "a price or total of zero", total_price="0.00"),
    case("zero_price", "a price or total of zero", unit_price="0"),
    case("rounded", "a number with more digits than are kept", quantity="2.0001"),
    case("rounded", "a number with more digits than are kept", total_price="10.00001"),
    case("rounded", "a number with more digits than are kept", unit_price="5.00001"),
]


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_record_that_breaks_one_rule_is_judged_by_it_alone(setting: str, spark: SparkSession, tmp_path: Path) -> None:
    expect_judgements(spark, tmp_path, "transactions", SOURCES, setting, CASES)


def test_every_rule_has_a_case() -> None:
    assert {each.rule for each in CASES} == {info.name for info in RULES}


Make = Callable[[str], Settings]
CLEANED = cleaned_schema(TABLE)


def sold(spark: SparkSession, settings: Settings, *lines: str, header: str = HEADER) -> DataFrame:
    return clean(spark, settings, [Record(each, header) for each in lines])


def test_sales_become_these_rows_whether_sound_bare_or_rejected(spark: SparkSession, make_settings: Make) -> None:
    settings = make_settings('[channels]\n"In Store" = "store"\n' + SOURCE + 'time_zone = "America/New_York"\n')
    lines = [
        line(transaction_id=" t1 ", sale_date="2025-01-31 21:00:00", sales_channel="in-STORE", total_price=" 10.00005"),
        line(customer_id="", product_id="", total_price="", unit_price="", sales_channel=" "),
        line(transaction_id="", sale_date="never", quantity="two", total_price="1e14", sales_channel="Fax"),
        'open,"',
    ]
    full, bare, rejected, malformed = (cleaned_row(n, Record(each, HEADER)) for n, each in enumerate(lines, 1))
    sound: dict[str, Any] = {
        "transaction_key": "t1",
        "transaction_id": "t1",
        "key": "t1",
        "customer_id": "c1",
        "product_id": "p1",
    }
    sound |= {"quantity": 2, "unit_price": 5, "currency": "EUR"}
    of_all = {"keyed_by_line": False, "version_time": None}
    expect(
        sold(spark, settings, *lines),
        CLEANED,
        [
            full
            | of_all
            | sound
            | {"sale_date": "2025-02-01 02:00:00", "date": "2025-02-01", "total_price": "10.0001", "channel": "store"}
            | {"warnings": ["rounded"]},
            bare
            | of_all
            | sound
            | {"sale_date": "2025-01-31", "date": "2025-01-31", "unit_price": None, "channel": "unknown"}
            | {"customer_id": None, "product_id": None, "warnings": ["customer_missing", "product_missing"]},
            rejected
            | of_all
            | {"customer_id": "c1", "product_id": "p1", "unit_price": 5, "currency": "EUR", "channel": "Fax"}
            | {"reasons": ["key_missing", "number_overflow", "quantity_unreadable", "sale_date_unreadable"]}
            | {
                "details": [
                    "key missing or unreadable",
                    "sale_date: 'never' cannot be read",
                    "quantity: 'two' cannot be read",
                    "a number that does not fit",
                ]
            },
            malformed
            | of_all
            | {"channel": "unknown", "reasons": ["unreadable"], "details": ["record: csv_malformed"]},
        ],
    )


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_a_day_without_a_time_stays_that_day_in_every_zone(zone: str, spark: SparkSession, make_settings: Make) -> None:
    built = sold(spark, make_settings(SOURCE + f'time_zone = "{zone}"\n'), line())
    expect_columns(built, CLEANED, "ordinal date sale_date", [(1, "2025-01-31", "2025-01-31 00:00:00")])


def test_keyed_by_line_equal_lines_are_separate_sales_with_or_without_an_id(
    spark: SparkSession, make_settings: Make
) -> None:
    settings = make_settings(SOURCE + 'key = "line"\n')
    expect_columns(
        sold(spark, settings, line(), line(), line(transaction_id="")),
        CLEANED,
        "ordinal transaction_key transaction_id keyed_by_line key reasons",
        [
            (1, "f.txt#1", "t1", True, "f.txt#1", []),
            (2, "f.txt#2", "t1", True, "f.txt#2", []),
            (3, "f.txt#3", "f.txt#3", True, "f.txt#3", []),
        ],
    )


def test_an_unreadable_price_as_warning_counts_as_not_given(spark: SparkSession, make_settings: Make) -> None:
    settings = make_settings(SOURCE + '[rules.transactions]\nprice_unreadable = "warn"\n')
    expect_columns(
        sold(spark, settings, line(total_price="n/a")),
        CLEANED,
        "ordinal total_price unit_price reasons warnings",
        [(1, None, 5, [], ["price_unreadable"])],
    )


def test_missing_prices_are_no_defect_and_a_missing_channel_is_unknown(
    spark: SparkSession, make_settings: Make
) -> None:
    header = "transaction_id,customer_id,product_id,sale_date,quantity,currency"
    expect_columns(
        sold(spark, make_settings(SOURCE), "t1,c1,p1,2025-01-31,2,EUR", header=header),
        CLEANED,
        "ordinal total_price unit_price channel reasons warnings",
        [(1, None, None, "unknown", [], [])],
    )


def test_a_source_overrides_the_severities_of_its_entity(spark: SparkSession, make_settings: Make) -> None:
    of_entity = '[rules.transactions]\ncustomer_missing = "error"\nproduct_missing = "error"\n'
    settings = make_settings(SOURCE + 'rules = { customer_missing = "warn" }\n' + of_entity)
    expect_columns(
        sold(spark, settings, line(customer_id="", product_id="")),
        CLEANED,
        "ordinal reasons details warnings",
        [(1, ["product_missing"], ["product_id: missing"], ["customer_missing"])],
    )


@pytest.mark.parametrize(("column", "moment"), [("updated_at", "2025-02-01"), ("sale_date", "2025-01-31")])
def test_the_version_time_is_the_column_that_is_set(
    column: str, moment: str, spark: SparkSession, make_settings: Make
) -> None:
    built = sold(spark, make_settings(SOURCE + f'version = "{column}"\n'), line())
    expect_columns(built, CLEANED, "ordinal version_time", [(1, moment)])
