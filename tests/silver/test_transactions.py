"""silver.transactions: every rule alone, both severities; keys by line, prices, channels."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from saleslake.config import Settings
from saleslake.silver.transactions import RULES, TABLE
from tests.frames import expect_table
from tests.silver_support import (
    MESSAGES,
    SETTINGS,
    Case,
    Example,
    Record,
    by_source,
    expect_agreement,
    expect_judgements,
    expect_on_spark,
    judge,
    judged_schema,
    rows_of,
)

SOURCES = """
[sources.c]
entity = "transactions"
format = "csv"
path = "t.csv"
version = "updated_at"
mapping = { status = "state" }
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


CASES = [
    *MESSAGES,
    Case("unreadable", "[1]", "record: json_invalid"),
    Case("unreadable", line() + ',"open', "record: csv_malformed", HEADER),
    Case("extra_fields", line() + ",1", "more fields than the header", HEADER),
    Case("short_fields", line(), "fewer fields than the header", HEADER + ",note"),
    case("key_missing", "key missing or unreadable", transaction_id=" "),
    case("sale_date_unreadable", "sale_date: '2025-02-30' cannot be read", sale_date="2025-02-30"),
    case("sale_date_unreadable", "sale_date: missing", sale_date=""),
    case("currency_unreadable", "currency: '€' cannot be read", currency="€"),
    case("quantity_unreadable", "quantity: 'two' cannot be read", quantity="two"),
    case("quantity_unreadable", "quantity: missing", quantity=""),
    case("number_overflow", "quantity: does not fit", quantity="1e15"),
    case("number_overflow", "total_price: does not fit", total_price="100000000000000"),
    case("number_overflow", "unit_price: does not fit", unit_price="-1e99"),
    case(
        "number_overflow",
        "quantity × unit_price: does not fit",
        quantity="1e9",
        unit_price="1e6",
        total_price="",
    ),
    case(
        "number_in_other_dialect",
        "total_price: '12,50' reads with another decimal or thousands",
        total_price='"12,50"',
    ),
    case("number_in_other_dialect", "quantity: '1 000' reads with another decimal or thousands", quantity="1 000"),
    case(
        "number_ambiguous",
        "total_price: '1.234' is one number with a decimal point, another without",
        total_price="1.234",
    ),
    Case("no_sale", line() + ",Test", "status: 'Test' is no sale", HEADER + ",state"),
    case("currency_conflict", "unit_price: '$5' is no amount in EUR", unit_price="$5"),
    case("currency_conflict", "total_price: '10 USD' is no amount in EUR", total_price="10 USD"),
    case(
        "key_mangled",
        "transaction_id: '4.501E+11' is no id any more but a rounded number: export the column as text; "
        "product_id: '1E+12' is no id any more but a rounded number: export the column as text",
        transaction_id="4.501E+11",
        product_id="1E+12",
    ),
    case("key_too_long", "customer_id: 514 bytes, more than run.longest_key = 512", customer_id="é" * 257),
    case("date_implausible", "sale_date: outside run.plausible_dates", sale_date="1900-01-01"),
    case("date_implausible", "version: outside run.plausible_dates", updated_at="2101-01-01"),
    case("version_unreadable", "version column missing or unreadable", updated_at=""),
    case("version_unreadable", "version column missing or unreadable", updated_at="later"),
    case("price_unreadable", "a price or total that is no number", total_price="free"),
    case("price_unreadable", "a price or total that is no number", unit_price="5 5"),
    case("customer_missing", "customer_id: missing", customer_id=""),
    case("product_missing", "product_id: missing", product_id=" "),
    case("return_line", "quantity <= 0, or a price or total < 0", quantity="-2"),
    case("return_line", "quantity <= 0, or a price or total < 0", quantity="0"),
    case("return_line", "quantity <= 0, or a price or total < 0", total_price="-0.0001"),
    case("return_line", "quantity <= 0, or a price or total < 0", unit_price="-5"),
    case("zero_price", "a price or total of zero", total_price="0.00"),
    case("zero_price", "a price or total of zero", unit_price="0"),
    case("rounded", "quantity: more digits than are kept", quantity="2.0001"),
    case("rounded", "total_price: more digits than are kept", total_price="10.00001"),
    case("rounded", "unit_price: more digits than are kept", unit_price="5.00001"),
]


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_record_that_breaks_one_rule_is_judged_by_it_alone(setting: str, tmp_path: Path) -> None:
    expect_judgements(tmp_path, "transactions", SOURCES, setting, CASES)


def test_every_rule_has_a_case() -> None:
    assert {each.rule for each in CASES} == {rule.name for rule in RULES}


Make = Callable[[str], Settings]
JUDGED = judged_schema(TABLE)


def sold(settings: Settings, *lines: str, header: str = HEADER) -> pa.Table:
    return judge(settings, [Record(each, header) for each in lines])


SOUND_ROW: dict[str, Any] = {
    "transaction_key": "t1",
    "transaction_id": "t1",
    "key": "t1",
    "customer_id": "c1",
    "product_id": "p1",
    "quantity": 2,
    "unit_price": 5,
    "currency": "EUR",
}
IN_CSV: list[Example] = [
    (
        Record(
            line(
                transaction_id=" t1 ",
                sale_date="2025-01-31 21:00:00",
                sales_channel="in-STORE",
                total_price=" 10.00005",
            ),
            HEADER,
        ),
        SOUND_ROW
        | {
            "sale_date": "2025-02-01 02:00:00",
            "date": "2025-02-01",
            "total_price": "10.0001",
            "amount": "10.0001",
            "channel": "store",
        }
        | {"warnings": ["rounded"]},
    ),
    (
        Record(line(customer_id="", product_id="", total_price="", unit_price="", sales_channel=" "), HEADER),
        SOUND_ROW
        | {"sale_date": "2025-01-31", "date": "2025-01-31", "unit_price": None, "channel": "unknown"}
        | {"customer_id": None, "product_id": None, "warnings": ["customer_missing", "product_missing"]},
    ),
    (
        Record(
            line(transaction_id="", sale_date="never", quantity="two", total_price="1e14", sales_channel="Fax"), HEADER
        ),
        {"customer_id": "c1", "product_id": "p1", "unit_price": 5, "currency": "EUR", "channel": "Fax"}
        | {"reasons": ["key_missing", "number_overflow", "quantity_unreadable", "sale_date_unreadable"]}
        | {
            "details": [
                "key missing or unreadable",
                "sale_date: 'never' cannot be read",
                "quantity: 'two' cannot be read",
                "total_price: does not fit",
            ]
        },
    ),
    (
        Record('open,"', HEADER),
        {"channel": "unknown", "reasons": ["unreadable"], "details": ["record: csv_malformed"]},
    ),
]
ORDERED = {"version_time": "2025-02-01"}
IN_JSON: list[Example] = [
    (
        json.dumps(SOUND | {"quantity": 2, "total_price": 10.5, "sales_channel": "IN STORE"}),
        SOUND_ROW
        | ORDERED
        | {
            "sale_date": "2025-01-31",
            "date": "2025-01-31",
            "total_price": "10.5",
            "amount": "10.5",
            "channel": "store",
        },
    ),
    (
        json.dumps(SOUND | {"quantity": -2, "customer_id": None, "total_price": None, "unit_price": ""}),
        SOUND_ROW
        | ORDERED
        | {"quantity": -2, "customer_id": None, "unit_price": None, "channel": "web"}
        | {"sale_date": "2025-01-31", "date": "2025-01-31", "warnings": ["customer_missing", "return_line"]},
    ),
    (
        json.dumps(SOUND | {"transaction_id": ["t1"], "quantity": {}, "currency": None, "updated_at": "later"}),
        {"customer_id": "c1", "product_id": "p1", "sale_date": "2025-01-31", "date": "2025-01-31", "channel": "web"}
        | {"total_price": 10, "amount": 10, "unit_price": 5}
        | {"reasons": ["currency_unreadable", "key_missing", "quantity_unreadable", "version_unreadable"]}
        | {
            "details": [
                "key missing or unreadable",
                "currency: missing",
                "quantity: '{}' cannot be read",
                "version column missing or unreadable",
            ]
        },
    ),
    ("[1]", {"channel": "unknown", "reasons": ["unreadable"], "details": ["record: json_invalid"]}),
]
GIVEN = {"c": IN_CSV, "j": IN_JSON}
"""By source its records, each with what it becomes."""
OF_GIVEN = """
[channels]
"In Store" = "store"
[sources.c]
entity = "transactions"
format = "csv"
path = "t.csv"
time_zone = "America/New_York"
[sources.j]
entity = "transactions"
format = "jsonl"
path = "t.jsonl"
version = "updated_at"
"""


@pytest.mark.parametrize("source", GIVEN)
def test_sales_become_these_rows_whether_sound_bare_or_rejected(source: str, make_settings: Make) -> None:
    records = [record for record, _ in GIVEN[source]]
    expect_table(
        judge(make_settings(OF_GIVEN), records, source),
        JUDGED,
        rows_of(GIVEN[source], source, keyed_by_line=False, is_sale=True),
    )


def test_on_spark_they_become_the_same_rows(spark: SparkSession, make_settings: Make) -> None:
    records = {source: [record for record, _ in given] for source, given in GIVEN.items()}
    rows = [row for source, given in GIVEN.items() for row in rows_of(given, source, keyed_by_line=False, is_sale=True)]
    expect_on_spark(spark, make_settings(OF_GIVEN), records, rows)


def test_spark_and_memory_agree_on_every_case(spark: SparkSession, make_settings: Make) -> None:
    records = by_source(CASES)
    expect_agreement(spark, make_settings(SOURCES), records)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_a_day_without_a_time_stays_that_day_in_every_zone(zone: str, make_settings: Make) -> None:
    built = sold(make_settings(SOURCE + f'time_zone = "{zone}"\n'), line())
    expect_table(built, JUDGED, [("2025-01-31", "2025-01-31 00:00:00")], only="date sale_date")


def test_keyed_by_line_equal_lines_are_separate_sales_with_or_without_an_id(make_settings: Make) -> None:
    settings = make_settings(SOURCE + 'key = "line"\n')
    expect_table(
        sold(settings, line(), line(), line(transaction_id="")),
        JUDGED,
        [
            (1, "f.txt#1", "t1", True, "f.txt#1", []),
            (2, "f.txt#2", "t1", True, "f.txt#2", []),
            (3, "f.txt#3", "f.txt#3", True, "f.txt#3", []),
        ],
        only="ordinal transaction_key transaction_id keyed_by_line key reasons",
    )


def test_an_unreadable_price_as_warning_counts_as_not_given(make_settings: Make) -> None:
    settings = make_settings(SOURCE + '[rules.transactions]\nprice_unreadable = "warn"\n')
    expect_table(
        sold(settings, line(total_price="free")),
        JUDGED,
        [(1, None, 5, [], ["price_unreadable"])],
        only="ordinal total_price unit_price reasons warnings",
    )


def test_missing_prices_are_no_defect_and_a_missing_channel_is_unknown(make_settings: Make) -> None:
    header = "transaction_id,customer_id,product_id,sale_date,quantity,currency"
    expect_table(
        sold(make_settings(SOURCE), "t1,c1,p1,2025-01-31,2,EUR", header=header),
        JUDGED,
        [(1, None, None, "unknown", [], [])],
        only="ordinal total_price unit_price channel reasons warnings",
    )


def test_a_source_overrides_the_severities_of_its_entity(make_settings: Make) -> None:
    of_entity = '[rules.transactions]\ncustomer_missing = "error"\nproduct_missing = "error"\n'
    settings = make_settings(SOURCE + 'rules = { customer_missing = "warn" }\n' + of_entity)
    expect_table(
        sold(settings, line(customer_id="", product_id="")),
        JUDGED,
        [(1, ["product_missing"], ["product_id: missing"], ["customer_missing"])],
        only="ordinal reasons details warnings",
    )


@pytest.mark.parametrize(("column", "moment"), [("updated_at", "2025-02-01"), ("sale_date", "2025-01-31")])
def test_the_version_time_is_the_column_that_is_set(column: str, moment: str, make_settings: Make) -> None:
    built = sold(make_settings(SOURCE + f'version = "{column}"\n'), line())
    expect_table(built, JUDGED, [(moment,)], only="version_time")
