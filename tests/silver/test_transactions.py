"""silver.transactions: every rule alone, both severities; keys by line, prices, channels."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal as D

import pytest
from pyspark.sql import Row, SparkSession

from saleslake.config import Settings
from saleslake.silver.transactions import RULES, TABLE
from tests.silver_support import LANDED_AT, MESSAGES, Case, Record, clean, expected, judged, utc, verdicts

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


@pytest.fixture(scope="module")
def found(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str, str], Row]:
    return verdicts(spark, tmp_path_factory.mktemp("transactions"), "transactions", SOURCES, CASES)


@pytest.mark.parametrize("each", CASES, ids=lambda each: f"{each.rule}: {each.raw}")
def test_a_record_that_breaks_one_rule_is_judged_by_it_alone(
    each: Case, found: dict[tuple[str, str, str], Row]
) -> None:
    assert judged(each, found) == expected(each, RULES)


def test_every_rule_has_a_case() -> None:
    assert {each.rule for each in CASES} == {info.name for info in RULES}


def sold(spark: SparkSession, settings: Settings, *lines: str, header: str = HEADER) -> list[Row]:
    return clean(spark, settings, [Record(each, header) for each in lines])


def test_a_sound_sale_becomes_this_row(spark: SparkSession, make_settings: Callable[[str], Settings]) -> None:
    settings = make_settings('[channels]\n"In Store" = "store"\n' + SOURCE + 'time_zone = "America/New_York"\n')
    (row,) = sold(
        spark,
        settings,
        line(transaction_id=" t1 ", sale_date="2025-01-31 21:00:00", sales_channel="in-STORE", total_price=" 10.00005"),
    )
    moments = ("sale_date", "landed_at")
    content = {name: row[name] for name in TABLE.column_names if name not in moments}
    assert content == {
        "transaction_key": "t1",
        "transaction_id": "t1",
        "customer_id": "c1",
        "product_id": "p1",
        "quantity": D("2.000"),
        "total_price": D("10.0001"),
        "unit_price": D("5.0000"),
        "channel": "store",
        "currency": "EUR",
        "keyed_by_line": False,
        "date": date(2025, 2, 1),
        "warnings": ["rounded"],
        "source": "s",
        "record_id": "u#1",
        "content_hash": "h1",
        "version_time": None,
        "file": "f.txt",
        "ordinal": 1,
        "run_id": "run-1",
    }
    assert utc(row["sale_date"]) == datetime(2025, 2, 1, 2)
    assert utc(row["landed_at"]) == LANDED_AT.replace(tzinfo=None)


def test_a_day_without_a_time_stays_that_day_in_every_zone(
    spark: SparkSession, make_settings: Callable[[str], Settings]
) -> None:
    dates = {}
    for zone in ("UTC", "Asia/Kolkata", "America/New_York"):
        (row,) = sold(spark, make_settings(SOURCE + f'time_zone = "{zone}"\n'), line())
        dates[zone] = (row["date"], utc(row["sale_date"]))
    assert set(dates.values()) == {(date(2025, 1, 31), datetime(2025, 1, 31))}


def test_keyed_by_line_equal_lines_are_separate_sales_with_or_without_an_id(
    spark: SparkSession, make_settings: Callable[[str], Settings]
) -> None:
    settings = make_settings(SOURCE + 'key = "line"\n')
    rows = sold(spark, settings, line(), line(), line(transaction_id=""))
    assert [(r["transaction_key"], r["transaction_id"], r["keyed_by_line"], r["reasons"]) for r in rows] == [
        ("f.txt#1", "t1", True, []),
        ("f.txt#2", "t1", True, []),
        ("f.txt#3", "f.txt#3", True, []),
    ]


def test_an_unreadable_price_as_warning_counts_as_not_given(
    spark: SparkSession, make_settings: Callable[[str], Settings]
) -> None:
    settings = make_settings(SOURCE + '[rules.transactions]\nprice_unreadable = "warn"\n')
    (row,) = sold(spark, settings, line(total_price="n/a"))
    assert (row["total_price"], row["unit_price"], row["warnings"]) == (None, D("5.0000"), ["price_unreadable"])


def test_missing_prices_are_no_defect_and_a_missing_channel_is_unknown(
    spark: SparkSession, make_settings: Callable[[str], Settings]
) -> None:
    (row,) = sold(
        spark,
        make_settings(SOURCE),
        "t1,c1,p1,2025-01-31,2,EUR",
        header="transaction_id,customer_id,product_id,sale_date,quantity,currency",
    )
    assert (row["total_price"], row["unit_price"], row["channel"]) == (None, None, "unknown")
    assert (row["reasons"], row["warnings"]) == ([], [])


def test_a_source_overrides_the_severities_of_its_entity(
    spark: SparkSession, make_settings: Callable[[str], Settings]
) -> None:
    of_entity = '[rules.transactions]\ncustomer_missing = "error"\nproduct_missing = "error"\n'
    settings = make_settings(SOURCE + 'rules = { customer_missing = "warn" }\n' + of_entity)
    (row,) = sold(spark, settings, line(customer_id="", product_id=""))
    assert (row["reasons"], row["warnings"]) == (["product_missing"], ["customer_missing"])


def test_the_version_time_is_the_column_that_is_set(
    spark: SparkSession, make_settings: Callable[[str], Settings]
) -> None:
    by_update = sold(spark, make_settings(SOURCE + 'version = "updated_at"\n'), line())
    by_sale = sold(spark, make_settings(SOURCE + 'version = "sale_date"\n'), line())
    assert [utc(r["version_time"]) for r in by_update + by_sale] == [datetime(2025, 2, 1), datetime(2025, 1, 31)]
