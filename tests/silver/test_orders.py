"""silver.orders: every rule alone, both severities; lines, totals and version times."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from saleslake.config import Settings
from saleslake.silver.orders import RULES, TABLE
from tests.frames import expect, expect_columns
from tests.silver_support import MESSAGES, SETTINGS, Case, clean, cleaned_row, cleaned_schema, expect_judgements

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
    *MESSAGES,
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


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_record_that_breaks_one_rule_is_judged_by_it_alone(setting: str, spark: SparkSession, tmp_path: Path) -> None:
    expect_judgements(spark, tmp_path, "orders", SOURCES, setting, CASES)


def test_every_rule_has_a_case() -> None:
    assert {case.rule for case in CASES} == {info.name for info in RULES}


Make = Callable[[str], Settings]
CLEANED = cleaned_schema(TABLE)


def test_orders_become_these_rows_whether_sound_bare_or_rejected(spark: SparkSession, make_settings: Make) -> None:
    records = [
        order(
            order_id=" o1 ",
            currency="eur",
            amount="12.5",
            created_at="2025-01-31T23:30:00-01:00",
            updated_at="2025-02-02 08:00:00",
            metadata={"source": " Web ", "promo": " SPRING "},
            items=[{"sku": " A ", "qty": "2", "price": 5}, {"sku": "B", "qty": 0.5, "price": 5.00005}],
        ),
        order(without=("user_id", "amount", "metadata"), items=[{"sku": "A", "qty": 2}]),
        order(created_at="soon", currency=None, metadata={"source": "Fax"}),
        '{"order_id": "o1", "amount": 1',
    ]
    first, bare, rejected, unreadable = (cleaned_row(n, raw) for n, raw in enumerate(records, 1))
    created, updated = "2025-02-01 00:30:00", "2025-02-02 08:00:00"
    sound = {"order_id": "o1", "key": "o1", "user_id": "u1", "currency": "EUR"}
    at_ten = {"created_at": "2025-01-31 10:00:00", "version_time": "2025-01-31 10:00:00", "date": "2025-01-31"}
    expect(
        clean(spark, make_settings(SOURCE + '[channels]\nweb = "online"\n'), records),
        CLEANED,
        [
            first
            | sound
            | {"amount": "12.5", "order_source": "Web", "channel": "online", "promo": " SPRING "}
            | {"created_at": created, "updated_at": updated, "version_time": updated, "date": "2025-02-01"}
            | {"items": [(1, "A", 2, 5), (2, "B", "0.5", "5.0001")], "warnings": ["rounded"]},
            bare
            | sound
            | at_ten
            | {"user_id": None, "channel": "unknown", "items": [(1, "A", 2, None)]}
            | {"warnings": ["amount_missing", "user_missing"]},
            rejected
            | sound
            | {"amount": 10, "currency": None, "order_source": "Fax", "channel": "Fax", "items": [(1, "A", 2, 5)]}
            | {"reasons": ["created_at_unreadable", "currency_unreadable"]}
            | {"details": ["created_at: 'soon' cannot be read", "currency: missing"]},
            unreadable
            | {"channel": "unknown", "items": [], "reasons": ["unreadable"], "details": ["record: json_invalid"]},
        ],
    )


def test_the_version_time_is_updated_at_else_created_at_or_the_column_that_is_set(
    spark: SparkSession, make_settings: Make
) -> None:
    records = [order(updated_at="2025-02-02T00:00:00Z"), order(), order(updated_at=" ")]
    created = "2025-01-31 10:00:00"
    usual = clean(spark, make_settings(SOURCE), records)
    expect_columns(usual, CLEANED, "ordinal version_time", [(1, "2025-02-02"), (2, created), (3, created)])
    by_creation = clean(spark, make_settings(SOURCE + 'version = "created_at"\n'), records)
    expect_columns(by_creation, CLEANED, "ordinal version_time", [(n, created) for n in (1, 2, 3)])


def test_line_invalid_as_warning_keeps_the_other_lines_under_their_own_numbers(
    spark: SparkSession, make_settings: Make
) -> None:
    settings = make_settings(SOURCE + '[rules.orders]\nline_invalid = "warn"\n')
    some = order(items=["x", LINE, {"sku": "B"}, LINE | {"sku": "C"}], amount=20)
    expect_columns(
        clean(spark, settings, [some, order(items=[7], amount=0)]),
        CLEANED,
        "ordinal items reasons warnings",
        [
            (1, [(2, "A", 2, 5), (4, "C", 2, 5)], [], ["line_invalid"]),
            (2, [], ["items_empty"], ["line_invalid"]),
        ],
    )


def test_items_empty_as_warning_keeps_the_header(spark: SparkSession, make_settings: Make) -> None:
    settings = make_settings(SOURCE + '[rules.orders]\nitems_empty = "warn"\n')
    expect_columns(
        clean(spark, settings, [order(items=[], amount=0)]),
        CLEANED,
        "ordinal order_id amount items reasons warnings",
        [(1, "o1", 0, [], [], ["items_empty"])],
    )


def test_an_unreadable_price_as_warning_counts_as_not_given(spark: SparkSession, make_settings: Make) -> None:
    settings = make_settings(SOURCE + '[rules.orders]\nprice_unreadable = "warn"\n')
    expect_columns(
        clean(spark, settings, [order(items=[LINE, {"sku": "B", "qty": 1, "price": "12,50"}])]),
        CLEANED,
        "ordinal items reasons warnings",
        [(1, [(1, "A", 2, 5), (2, "B", 1, None)], [], ["price_unreadable"])],
    )


def test_the_tolerance_is_the_greatest_difference_that_is_no_mismatch(spark: SparkSession, make_settings: Make) -> None:
    amounts = ["10.005", "9.995", "10.0051", "10.5"]
    records = [order(amount=float(amount)) for amount in amounts]
    off = ["amount_mismatch"]
    expect_columns(
        clean(spark, make_settings(SOURCE), records),
        CLEANED,
        "ordinal amount warnings",
        [(1, amounts[0], []), (2, amounts[1], []), (3, amounts[2], off), (4, amounts[3], off)],
    )
    wider = make_settings('[run]\namount_tolerance = "0.5"\n' + SOURCE)
    kept: list[tuple[Any, ...]] = [(n, amount, []) for n, amount in enumerate(amounts, 1)]
    expect_columns(clean(spark, wider, records), CLEANED, "ordinal amount warnings", kept)


def test_a_total_beyond_every_decimal_fails_no_batch(spark: SparkSession, make_settings: Make) -> None:
    huge = {"sku": "A", "qty": 999999999999999, "price": 99999999999999}
    settings = make_settings(SOURCE + '[rules.orders]\namount_mismatch = "error"\n')
    expect_columns(
        clean(spark, settings, [order(items=[huge] * 500), order()]),
        CLEANED,
        "ordinal reasons",
        [(1, ["amount_mismatch", "number_overflow"]), (2, [])],
    )


def test_several_broken_rules_are_all_named_and_sorted(spark: SparkSession, make_settings: Make) -> None:
    record = order(order_id="", currency="x", items=[], user_id=None, without=("amount",))
    expect_columns(
        clean(spark, make_settings(SOURCE), [record]),
        CLEANED,
        "ordinal reasons warnings",
        [(1, ["currency_unreadable", "items_empty", "key_missing"], ["amount_missing", "user_missing"])],
    )
