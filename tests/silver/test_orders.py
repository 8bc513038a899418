"""silver.orders: every rule alone, both severities; lines, totals and version times."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal as D
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from saleslake.config import Settings
from saleslake.silver.orders import RULES, TABLE
from tests.silver_support import LANDED_AT, Case, clean, expected, judged, utc, verdicts

SOURCES = """
[sources.j]
entity = "orders"
format = "jsonl"
path = "o.jsonl"
[sources.c]
entity = "orders"
format = "csv"
path = "o.csv"
"""
SOURCE = '[sources.s]\nentity = "orders"\nformat = "jsonl"\npath = "o.jsonl"\n'
LINE = {"sku": "A", "qty": 2, "price": 5}


def order(*, without: tuple[str, ...] = (), **fields: Any) -> str:
    """A sound order of two A at 5, with these fields instead or without some."""
    content = {
        "order_id": "o1",
        "user_id": "u1",
        "amount": 10,
        "currency": "EUR",
        "created_at": "2025-01-31T10:00:00Z",
        "items": [LINE],
        "metadata": {"source": "web", "promo": None},
    } | fields
    return json.dumps({k: v for k, v in content.items() if k not in without})


HEADER = "order_id,user_id,amount,currency,created_at,items"
ROW = 'o1,u1,10,EUR,2025-01-31,"[{""sku"":""A"",""qty"":2,""price"":5}]"'

CASES = [
    Case("unreadable", '{"order_id": "o1"', "record: json_invalid"),
    Case("unreadable", order(), "record: undecodable", defect="undecodable"),
    Case("unreadable", 'o1,"u1', "record: csv_malformed", HEADER),
    Case("extra_fields", ROW + ",more", "more fields than the header", HEADER),
    Case("short_fields", ROW, "fewer fields than the header", HEADER + ",promo"),
    Case("key_missing", order(order_id=" "), "key missing or unreadable"),
    Case("key_missing", order(order_id={"id": 1}), "key missing or unreadable"),
    Case("created_at_unreadable", order(created_at="31.01.2025"), "created_at: '31.01.2025' cannot be read"),
    Case("created_at_unreadable", order(without=("created_at",)), "created_at: missing"),
    Case("updated_at_unreadable", order(updated_at="soon"), "updated_at: 'soon' cannot be read"),
    Case("currency_unreadable", order(currency="euro"), "currency: 'euro' cannot be read"),
    Case("currency_unreadable", order(without=("currency",)), "currency: missing"),
    Case("number_overflow", order(amount=1e14), "amount: does not fit"),
    Case(
        "number_overflow",
        order(items=[LINE, {"sku": "B", "qty": 1, "price": 1e14}]),
        "line 2: a number that does not fit",
    ),
    Case(
        "number_overflow",
        order(items=[LINE, {"sku": "B", "qty": 1e15, "price": 1}]),
        "line 2: a number that does not fit",
    ),
    Case(
        "number_overflow",
        order(items=[LINE, {"sku": "B", "qty": 1e9, "price": 1e12}]),
        "line 2: a number that does not fit",
    ),
    Case("line_invalid", order(items=[7, LINE]), "line 1: is no object"),
    Case("line_invalid", order(items=[LINE, {"qty": 1}]), "line 2: has no sku"),
    Case("line_invalid", order(items=[LINE, {"sku": "B"}]), "line 2: quantity: missing"),
    Case(
        "line_invalid",
        order(items=[LINE, None, {"sku": "B", "qty": "2 pcs"}]),
        "line 2: is no object; line 3: quantity: '2 pcs' cannot be read",
    ),
    Case(
        "price_unreadable",
        order(items=[LINE, {"sku": "B", "qty": 1, "price": "12,50"}]),
        "line 2: has a price that is no number",
    ),
    Case("items_empty", order(amount=0, items=[]), "items: missing, empty or no array"),
    Case("items_empty", order(amount=0, without=("items",)), "items: missing, empty or no array"),
    Case("items_empty", order(amount=0, items="A"), "items: missing, empty or no array"),
    Case("lines_incomplete", order(has_more=True), "more lines or refunds are on another page: has_more = true"),
    Case("user_missing", order(user_id=None), "user_id: missing"),
    Case("amount_missing", order(without=("amount",)), "amount: missing or no number"),
    Case("amount_missing", order(amount="ten"), "amount: missing or no number"),
    Case("amount_mismatch", order(amount=10.01), "amount: differs from its lines' 10.0000"),
    Case(
        "amount_mismatch",
        order(amount=5, items=[{"sku": "A", "qty": 1, "price": 99999999999999}] * 2),
        "amount: differs from its lines' 199999999999998.0000",
    ),
    Case("return_line", order(amount=-10, items=[LINE | {"qty": -2}]), "a line with quantity <= 0 or price < 0"),
    Case("return_line", order(amount=0, items=[LINE | {"qty": 0}]), "a line with quantity <= 0 or price < 0"),
    Case("return_line", order(amount=-10, items=[LINE | {"price": -5}]), "a line with quantity <= 0 or price < 0"),
    Case("zero_price", order(amount=0, items=[LINE | {"price": 0}]), "a line with a price of zero"),
    Case("rounded", order(amount=10.00004), "a number with more digits than are kept"),
    Case("rounded", order(items=[{"sku": "A", "qty": 2.0001, "price": 5}]), "a number with more digits than are kept"),
]


@pytest.fixture(scope="module")
def found(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str, str], Row]:
    return verdicts(spark, tmp_path_factory.mktemp("orders"), "orders", SOURCES, CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.detail}")
def test_a_record_that_breaks_one_rule_is_judged_by_it_alone(
    case: Case, found: dict[tuple[str, str, str], Row]
) -> None:
    assert judged(case, found) == expected(case, RULES)


def test_every_rule_has_a_case() -> None:
    assert {case.rule for case in CASES} == {info.name for info in RULES}


def test_a_sound_order_becomes_this_row(spark: SparkSession, make_settings: Callable[[str], Settings]) -> None:
    settings = make_settings(SOURCE + '[channels]\nweb = "online"\n')
    raw = order(
        order_id=" o1 ",
        currency="eur",
        amount="12.5",
        created_at="2025-01-31T23:30:00-01:00",
        updated_at="2025-02-02 08:00:00",
        metadata={"source": " Web ", "promo": " SPRING "},
        items=[{"sku": " A ", "qty": "2", "price": 5}, {"sku": "B", "qty": 0.5, "price": 5.00005}],
    )
    (row,) = clean(spark, settings, [raw])
    content = {
        name: row[name]
        for name in TABLE.column_names
        if name not in ("created_at", "updated_at", "landed_at", "version_time")
    }
    assert content == {
        "order_id": "o1",
        "user_id": "u1",
        "amount": D("12.5000"),
        "currency": "EUR",
        "order_source": "Web",
        "channel": "online",
        "promo": " SPRING ",
        "date": date(2025, 2, 1),
        "warnings": ["rounded"],
        "source": "s",
        "record_id": "u#1",
        "content_hash": "h1",
        "file": "f.txt",
        "ordinal": 1,
        "run_id": "run-1",
        "items": [
            Row(line_number=1, sku="A", quantity=D("2.000"), unit_price=D("5.0000")),
            Row(line_number=2, sku="B", quantity=D("0.500"), unit_price=D("5.0001")),
        ],
    }
    assert utc(row["created_at"]) == datetime(2025, 2, 1, 0, 30)
    assert utc(row["updated_at"]) == utc(row["version_time"]) == datetime(2025, 2, 2, 8)
    assert utc(row["landed_at"]) == LANDED_AT.replace(tzinfo=None)
    assert (row["key"], row["reasons"]) == ("o1", [])


def test_the_version_time_is_updated_at_else_created_at_or_the_column_that_is_set(
    spark: SparkSession, make_settings: Callable[[str], Settings]
) -> None:
    records = [order(updated_at="2025-02-02T00:00:00Z"), order(), order(updated_at=" ")]
    usual = [utc(row["version_time"]) for row in clean(spark, make_settings(SOURCE), records)]
    by_creation = clean(spark, make_settings(SOURCE + 'version = "created_at"\n'), records)
    created = datetime(2025, 1, 31, 10)
    assert usual == [datetime(2025, 2, 2), created, created]
    assert [utc(row["version_time"]) for row in by_creation] == [created] * 3


def test_line_invalid_as_warning_keeps_the_other_lines_under_their_own_numbers(
    spark: SparkSession, make_settings: Callable[[str], Settings]
) -> None:
    settings = make_settings(SOURCE + '[rules.orders]\nline_invalid = "warn"\n')
    some, none = clean(
        spark,
        settings,
        [order(items=["x", LINE, {"sku": "B"}, LINE | {"sku": "C"}], amount=20), order(items=[7], amount=0)],
    )
    assert [(line.line_number, line.sku) for line in some["items"]] == [(2, "A"), (4, "C")]
    assert (some["reasons"], some["warnings"]) == ([], ["line_invalid"])
    assert (none["reasons"], none["warnings"]) == (["items_empty"], ["line_invalid"])


def test_items_empty_as_warning_keeps_the_header(spark: SparkSession, make_settings: Callable[[str], Settings]) -> None:
    settings = make_settings(SOURCE + '[rules.orders]\nitems_empty = "warn"\n')
    (row,) = clean(spark, settings, [order(items=[], amount=0)])
    assert (row["order_id"], row["amount"], row["items"], row["warnings"]) == ("o1", D("0.0000"), [], ["items_empty"])


def test_an_unreadable_price_as_warning_counts_as_not_given(
    spark: SparkSession, make_settings: Callable[[str], Settings]
) -> None:
    settings = make_settings(SOURCE + '[rules.orders]\nprice_unreadable = "warn"\n')
    (row,) = clean(spark, settings, [order(items=[LINE, {"sku": "B", "qty": 1, "price": "12,50"}])])
    assert [line.unit_price for line in row["items"]] == [D("5.0000"), None]


def test_the_tolerance_is_the_greatest_difference_that_is_no_mismatch(
    spark: SparkSession, make_settings: Callable[[str], Settings]
) -> None:
    records = [order(amount=a) for a in (10.005, 9.995, 10.0051, 10.5)]
    usual = [row["warnings"] for row in clean(spark, make_settings(SOURCE), records)]
    wider = [
        row["warnings"] for row in clean(spark, make_settings('[run]\namount_tolerance = "0.5"\n' + SOURCE), records)
    ]
    assert usual == [[], [], ["amount_mismatch"], ["amount_mismatch"]]
    assert wider == [[], [], [], []]


def test_a_total_beyond_every_decimal_fails_no_batch(
    spark: SparkSession, make_settings: Callable[[str], Settings]
) -> None:
    huge = {"sku": "A", "qty": 999999999999999, "price": 99999999999999}
    settings = make_settings(SOURCE + '[rules.orders]\namount_mismatch = "error"\n')
    hostile, sound = clean(spark, settings, [order(items=[huge] * 500), order()])
    assert hostile["reasons"] == ["amount_mismatch", "number_overflow"]
    assert sound["reasons"] == []


def test_several_broken_rules_are_all_named_and_sorted(
    spark: SparkSession, make_settings: Callable[[str], Settings]
) -> None:
    (row,) = clean(
        spark, make_settings(SOURCE), [order(order_id="", currency="x", items=[], user_id=None, without=("amount",))]
    )
    assert row["reasons"] == ["currency_unreadable", "items_empty", "key_missing"]
    assert row["warnings"] == ["amount_missing", "user_missing"]
