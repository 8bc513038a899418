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
    judged_row,
    judged_schema,
    rows_of,
)

SOURCES = """
[sources.j]
entity = "orders"
format = "jsonl"
path = "o.jsonl"
mapping = { status = "state" }
lines_where = { kind = "" }
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
        "line 2: price: does not fit",
    ),
    Case(
        "number_overflow",
        order(items=[LINE, {"sku": "B", "qty": 1e15, "price": 1}]),
        "line 2: quantity: does not fit",
    ),
    Case(
        "number_overflow",
        order(items=[LINE, {"sku": "B", "qty": 1e9, "price": 1e12}]),
        "line 2: quantity × price: does not fit",
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
        order(items=[LINE, {"sku": "B", "qty": 1, "price": "ten"}]),
        "line 2: has a price or total that is no number",
    ),
    Case(
        "number_in_other_dialect",
        order(items=[LINE, {"sku": "B", "qty": "1 000", "price": "12,50"}], amount="12,50 €"),
        "amount: '12,50 €' reads with another decimal or thousands; "
        "line 2: quantity: '1 000' reads with another decimal or thousands; "
        "line 2: price: '12,50' reads with another decimal or thousands",
    ),
    Case(
        "number_ambiguous",
        order(items=[{"sku": "A", "qty": "1.000", "price": "10"}]),
        "line 1: quantity: '1.000' is one number with a decimal point, another without",
    ),
    Case("currency_conflict", order(amount="$10"), "amount: '$10' is no amount in EUR"),
    Case(
        "currency_conflict",
        order(items=[LINE | {"price": {"amount": "5", "currencyCode": "USD"}}]),
        'line 1: price: \'{"amount":"5","currencyCode":"USD"}\' is no amount in EUR',
    ),
    Case(
        "currency_conflict",
        order(amount={"amount": "10", "currency": "points"}),
        'amount: \'{"amount":"10","currency":"points"}\' is no amount in EUR',
    ),
    Case(
        "key_mangled",
        order(order_id="4.501E+11"),
        "order_id: '4.501E+11' is no id any more but a rounded number: export the column as text",
    ),
    Case(
        "key_mangled",
        order(user_id=7.5, items=[LINE | {"sku": "1E+12"}]),
        "user_id: '7.5' is no id any more but a rounded number: export the column as text; "
        "line 1: sku: '1E+12' is no id any more but a rounded number: export the column as text",
    ),
    Case("key_too_long", order(order_id="o" * 513), "order_id: 513 bytes, more than run.longest_key = 512"),
    Case("date_implausible", order(created_at="1899-12-30"), "created_at: outside run.plausible_dates"),
    Case(
        "date_implausible",
        order(updated_at="9999-12-31", created_at="1970-01-01"),
        "updated_at: outside run.plausible_dates",
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
    Case(
        "return_line", order(amount=-10, items=[LINE | {"qty": -2}]), "line 1: quantity <= 0, or a price or total < 0"
    ),
    Case("return_line", order(amount=0, items=[LINE | {"qty": 0}]), "line 1: quantity <= 0, or a price or total < 0"),
    Case(
        "return_line", order(amount=-10, items=[LINE | {"price": -5}]), "line 1: quantity <= 0, or a price or total < 0"
    ),
    Case("lines_left_out", order(items=[LINE, LINE | {"kind": "gift"}]), "line 2: not in lines_where"),
    Case("no_sale", order(state="Cancelled"), "status: 'Cancelled' is no sale"),
    Case("zero_price", order(amount=0, items=[LINE | {"price": 0}]), "line 1: a price of zero"),
    Case("rounded", order(amount=10.00004), "amount: more digits than are kept"),
    Case(
        "rounded",
        order(items=[{"sku": "A", "qty": 2.0001, "price": 5}]),
        "line 1: quantity: more digits than are kept",
    ),
]


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_record_that_breaks_one_rule_is_judged_by_it_alone(setting: str, tmp_path: Path) -> None:
    expect_judgements(tmp_path, "orders", SOURCES, setting, CASES)


def test_every_rule_has_a_case() -> None:
    assert {case.rule for case in CASES} == {rule.name for rule in RULES}


Make = Callable[[str], Settings]
JUDGED = judged_schema(TABLE)
SOUND = {"order_id": "o1", "key": "o1", "user_id": "u1", "currency": "EUR"}
AT_TEN = {"created_at": "2025-01-31 10:00:00", "version_time": "2025-01-31 10:00:00", "date": "2025-01-31"}
UPDATED = "2025-02-02 08:00:00"
ORDERS: list[Example] = [
    (
        order(
            order_id=" o1 ",
            currency="eur",
            amount="12.5",
            created_at="2025-01-31T23:30:00-01:00",
            updated_at=UPDATED,
            metadata={"source": " Web ", "promo": " SPRING "},
            items=[{"sku": " A ", "qty": "2", "price": 5}, {"sku": "B", "qty": 0.5, "price": 5.00005}],
        ),
        SOUND
        | {"amount": "12.5", "order_source": "Web", "channel": "online", "promo": " SPRING "}
        | {"created_at": "2025-02-01 00:30:00", "updated_at": UPDATED, "version_time": UPDATED, "date": "2025-02-01"}
        | {"items": [(1, "A", 2, 5, 10), (2, "B", "0.5", "5.0001", "2.5")], "warnings": ["rounded"]},
    ),
    (
        order(without=("user_id", "amount", "metadata"), items=[{"sku": "A", "qty": 2}]),
        SOUND
        | AT_TEN
        | {"user_id": None, "channel": "unknown", "items": [(1, "A", 2, None, None)]}
        | {"warnings": ["amount_missing", "user_missing"]},
    ),
    (
        order(created_at="soon", currency=None, metadata={"source": "Fax"}),
        SOUND
        | {"amount": 10, "currency": None, "order_source": "Fax", "channel": "Fax", "items": [(1, "A", 2, 5, 10)]}
        | {"reasons": ["created_at_unreadable", "currency_unreadable"]}
        | {"details": ["created_at: 'soon' cannot be read", "currency: missing"]},
    ),
    (
        '{"order_id": "o1", "amount": 1',
        {"channel": "unknown", "items": [], "reasons": ["unreadable"], "details": ["record: json_invalid"]},
    ),
]
IN_CSV: list[Example] = [
    (
        Record(ROW, HEADER),
        SOUND
        | {"amount": 10, "channel": "unknown", "created_at": "2025-01-31", "version_time": "2025-01-31"}
        | {"date": "2025-01-31", "items": [(1, "A", 2, 5, 10)]},
    ),
    (
        Record('o1,,,EUR,2025-01-31,"[{""sku"":""A"",""qty"":2}]"', HEADER),
        SOUND
        | {"user_id": None, "channel": "unknown", "created_at": "2025-01-31", "version_time": "2025-01-31"}
        | {"date": "2025-01-31", "items": [(1, "A", 2, None, None)], "warnings": ["amount_missing", "user_missing"]},
    ),
    (
        Record("o1,u1,10,EUR,2025-01-31,[", HEADER),
        SOUND
        | {"amount": 10, "channel": "unknown", "created_at": "2025-01-31", "version_time": "2025-01-31"}
        | {"date": "2025-01-31", "items": [], "reasons": ["items_empty"], "warnings": ["amount_mismatch"]}
        | {"details": ["items: missing, empty or no array"]},
    ),
    (
        Record('o1,"u1', HEADER),
        {"channel": "unknown", "items": [], "reasons": ["unreadable"], "details": ["record: csv_malformed"]},
    ),
]
CHANNELS = '[channels]\nweb = "online"\n'
GIVEN = {"j": ORDERS, "c": IN_CSV}
"""By source its records, each with what it becomes."""


@pytest.mark.parametrize("source", GIVEN)
def test_orders_become_these_rows_whether_sound_bare_or_rejected(source: str, make_settings: Make) -> None:
    records = [record for record, _ in GIVEN[source]]
    expect_table(
        judge(make_settings(SOURCES + CHANNELS), records, source), JUDGED, rows_of(GIVEN[source], source, is_sale=True)
    )


def test_on_spark_they_become_the_same_rows(spark: SparkSession, make_settings: Make) -> None:
    records = {source: [record for record, _ in given] for source, given in GIVEN.items()}
    rows = [row for source, given in GIVEN.items() for row in rows_of(given, source, is_sale=True)]
    expect_on_spark(spark, make_settings(SOURCES + CHANNELS), records, rows)


def test_spark_and_memory_agree_on_every_case(spark: SparkSession, make_settings: Make) -> None:
    records = by_source(CASES)
    records["j"] += [*(raw for raw, _ in ORDINARY), *(raw for raw, *_ in PECULIAR)]
    expect_agreement(spark, make_settings(SOURCES), records)


def test_the_version_time_is_updated_at_else_created_at_or_the_column_that_is_set(make_settings: Make) -> None:
    records = [order(updated_at="2025-02-02T00:00:00Z"), order(), order(updated_at=" ")]
    created = "2025-01-31 10:00:00"
    usual = judge(make_settings(SOURCE), records)
    expect_table(usual, JUDGED, [(1, "2025-02-02"), (2, created), (3, created)], only="ordinal version_time")
    by_creation = judge(make_settings(SOURCE + 'version = "created_at"\n'), records)
    expect_table(by_creation, JUDGED, [(n, created) for n in (1, 2, 3)], only="ordinal version_time")


def test_line_invalid_as_warning_keeps_the_other_lines_under_their_own_numbers(make_settings: Make) -> None:
    settings = make_settings(SOURCE + '[rules.orders]\nline_invalid = "warn"\n')
    some = order(items=["x", LINE, {"sku": "B"}, LINE | {"sku": "C"}], amount=20)
    expect_table(
        judge(settings, [some, order(items=[7], amount=0)]),
        JUDGED,
        [
            (1, [(2, "A", 2, 5, 10), (4, "C", 2, 5, 10)], [], ["line_invalid"]),
            (2, [], ["items_empty"], ["line_invalid"]),
        ],
        only="ordinal items reasons warnings",
    )


def test_items_empty_as_warning_keeps_the_header(make_settings: Make) -> None:
    settings = make_settings(SOURCE + '[rules.orders]\nitems_empty = "warn"\n')
    expect_table(
        judge(settings, [order(items=[], amount=0)]),
        JUDGED,
        [(1, "o1", 0, [], [], ["items_empty"])],
        only="ordinal order_id amount items reasons warnings",
    )


def test_an_unreadable_price_as_warning_counts_as_not_given(make_settings: Make) -> None:
    settings = make_settings(SOURCE + '[rules.orders]\nprice_unreadable = "warn"\n')
    expect_table(
        judge(settings, [order(items=[LINE, {"sku": "B", "qty": 1, "price": "ten"}])]),
        JUDGED,
        [(1, [(1, "A", 2, 5, 10), (2, "B", 1, None, None)], [], ["price_unreadable"])],
        only="ordinal items reasons warnings",
    )


def test_the_tolerance_is_the_greatest_difference_that_is_no_mismatch(make_settings: Make) -> None:
    amounts = ["10.005", "9.995", "10.0051", "10.5"]
    records = [order(amount=float(amount)) for amount in amounts]
    off = ["amount_mismatch"]
    expect_table(
        judge(make_settings(SOURCE), records),
        JUDGED,
        [(1, amounts[0], []), (2, amounts[1], []), (3, amounts[2], off), (4, amounts[3], off)],
        only="ordinal amount warnings",
    )
    wider = make_settings('[run]\namount_tolerance = "0.5"\n' + SOURCE)
    kept: list[tuple[Any, ...]] = [(n, amount, []) for n, amount in enumerate(amounts, 1)]
    expect_table(judge(wider, records), JUDGED, kept, only="ordinal amount warnings")
    none = make_settings("[run]\namount_tolerance = 0\n" + SOURCE)
    expect_table(
        judge(none, [order(), order(amount="10.00"), order(amount=10.0001)]),
        JUDGED,
        [(1, []), (2, []), (3, off)],
        only="ordinal warnings",
    )


def test_a_total_beyond_every_decimal_fails_no_batch(make_settings: Make) -> None:
    huge = {"sku": "A", "qty": 999999999999999, "price": 99999999999999}
    settings = make_settings(SOURCE + '[rules.orders]\namount_mismatch = "error"\n')
    expect_table(
        judge(settings, [order(items=[huge] * 500), order()]),
        JUDGED,
        [(1, ["amount_mismatch", "number_overflow"]), (2, [])],
        only="ordinal reasons",
    )


def test_several_broken_rules_are_all_named_and_sorted(make_settings: Make) -> None:
    record = order(order_id="", currency="x", items=[], user_id=None, without=("amount",))
    expect_table(
        judge(make_settings(SOURCE), [record]),
        JUDGED,
        [(1, ["currency_unreadable", "items_empty", "key_missing"], ["amount_missing", "user_missing"])],
        only="ordinal reasons warnings",
    )


def with_line(text: str) -> str:
    """An order with one line, its fields as written."""
    return order(items=[]).replace("[]", "[{" + text + "}]")


MISMATCH = ["amount_mismatch"]
ORDINARY: list[tuple[str, dict[str, Any]]] = [
    (
        order(order_id=" o1 ", user_id=" u ", currency=" eur ", metadata={"source": " In-store ", "promo": " x "}),
        {"user_id": "u", "order_source": "In-store", "channel": "In-store", "promo": " x "},
    ),
    (order(user_id={"id": 1}), {"user_id": None, "warnings": ["user_missing"]}),
    (order(amount="10.00"), {}),
    (order(amount=11), {"amount": 11, "warnings": MISMATCH}),
    (order(amount=-10), {"amount": -10, "warnings": MISMATCH}),
    (
        order(updated_at="2025-02-01"),
        {"updated_at": "2025-02-01", "version_time": "2025-02-01"},
    ),
    (
        order(created_at="2025-01-31T23:30:00-05:00"),
        {"created_at": "2025-02-01 04:30", "version_time": "2025-02-01 04:30", "date": "2025-02-01"},
    ),
    (
        order(created_at="2025-01-31 10:00:00.123456"),
        {"created_at": "2025-01-31 10:00:00.123456", "version_time": "2025-01-31 10:00:00.123456"},
    ),
    (order(items=[LINE] * 9, amount=90), {"amount": 90, "items": [(n, "A", 2, 5, 10) for n in range(1, 10)]}),
    (
        order(items=[LINE] * 9, amount=91),
        {"amount": 91, "items": [(n, "A", 2, 5, 10) for n in range(1, 10)], "warnings": MISMATCH},
    ),
    (
        order(items=[LINE, {"sku": "B b", "qty": "0.125", "price": "19.9999"}], amount=12.5),
        {"amount": "12.5", "items": [(1, "A", 2, 5, 10), (2, "B b", "0.125", "19.9999", "2.5")]},
    ),
    (order(note="x 5.123456", promo="x 1e5"), {}),
    (with_line('"sku":"\\u00fc","qty":2,"price":5'), {"items": [(1, "ü", 2, 5, 10)]}),
    (order(items=[{"sku": "A", "qty": 1}], amount=0), {"amount": 0, "items": [(1, "A", 1, None, None)]}),
    (order(items=[{"sku": " A", "qty": 2, "price": 5}]), {}),
    (
        order(items=[{"sku": "A", "qty": 10**6, "price": 10**6}], amount=10**12),
        {"amount": 10**12} | {"items": [(1, "A", 10**6, 10**6, 10**12)]},
    ),
    (
        order(items=[{"sku": "A", "qty": 10**5, "price": 9 * 10**6}] * 2, amount=1.8e12),
        {"amount": 1800000000000} | {"items": [(n, "A", 10**5, 9 * 10**6, 9 * 10**11) for n in (1, 2)]},
    ),
    (
        with_line('"sku":"A","qty":1.0005,"price":10'),
        {"items": [(1, "A", "1.001", 10, "10.005")], "warnings": ["rounded"]},
    ),
    (with_line('"sku":"A","qty":2,"price":"5.000000000000000001"'), {"warnings": ["rounded"]}),
    (
        with_line('"sku":"A","qty":1,"price":1e-9'),
        {"items": [(1, "A", 1, 0, 0)], "warnings": ["amount_mismatch", "rounded", "zero_price"]},
    ),
    (with_line('"sku":"A","qty":0.1,"price":1E2'), {"items": [(1, "A", "0.1", 100, 10)]}),
    (with_line('"sku":"A","qty":"0.1","price":"1e2"'), {"items": [(1, "A", "0.1", 100, 10)]}),
]
"""Records that are kept, and in what they differ from `order()`."""
PECULIAR: list[tuple[str, list[str], list[str]]] = [
    ("", ["unreadable"], []),
    ("[]", ["unreadable"], []),
    ("null", ["unreadable"], []),
    (order() + "x", ["unreadable"], []),
    (order() + order(), ["unreadable"], []),
    (order()[:-3], ["unreadable"], []),
    (with_line('"sku":"A","qty":1,"price":NaN'), ["unreadable"], []),
    (order(order_id=["o"]), ["key_missing"], []),
    (order(amount=1e15), ["number_overflow"], []),
    (order(without=("amount",)).replace('"user_id"', '"\\u0061mount": 1e400, "user_id"'), ["number_overflow"], []),
    (order(currency=None), ["currency_unreadable"], []),
    (order(created_at="2025-02-30"), ["created_at_unreadable"], []),
    (order(created_at="9999-12-31T23:59:59-05:00"), ["created_at_unreadable"], []),
    (order(created_at="0000-01-01"), ["created_at_unreadable"], []),
    (order(updated_at="2025-13-01"), ["updated_at_unreadable"], []),
    (order(updated_at=7), ["updated_at_unreadable"], []),
    (order(items=[]), ["items_empty"], MISMATCH),
    (order(items={"sku": "A"}), ["items_empty", "lines_incomplete"], MISMATCH),
    (order(items=[LINE, None]), ["line_invalid"], []),
    (order(items=[LINE, {"sku": {"id": "A"}, "qty": 1, "price": 5}]), ["line_invalid"], []),
    (order(items=[LINE, {"qty": 1, "price": 5}]), ["line_invalid"], []),
    (order(items=[LINE, {"sku": "A", "qty": "one", "price": 5}]), ["line_invalid"], []),
    (with_line('"sku":"A","qty":1e400,"price":5'), ["number_overflow"], MISMATCH),
]
"""Records that are rejected: reasons, warnings."""


def test_an_order_is_kept_however_its_texts_and_numbers_are_written(make_settings: Make) -> None:
    usual = (
        SOUND
        | AT_TEN
        | {"is_sale": True, "amount": 10, "order_source": "web", "channel": "web", "items": [(1, "A", 2, 5, 10)]}
    )
    rows = [judged_row(n, raw) | usual | fields for n, (raw, fields) in enumerate(ORDINARY, 1)]
    expect_table(judge(make_settings(SOURCE), [raw for raw, _ in ORDINARY]), JUDGED, rows)


def test_an_order_is_rejected_for_what_is_wrong_with_it_and_nothing_else(make_settings: Make) -> None:
    expect_table(
        judge(make_settings(SOURCE), [raw for raw, *_ in PECULIAR]), JUDGED, PECULIAR, only="raw reasons warnings"
    )


def test_rules_that_warn_reject_where_a_configuration_says_so(make_settings: Make) -> None:
    strict = ("amount_mismatch", "amount_missing", "user_missing")
    text = SOURCE + "[rules.orders]\n" + "".join(f'{name} = "error"\n' for name in strict)
    records = [order(), order(amount=10.0051), order(without=("amount",)), order(user_id=None, amount="ten")]
    reasons = [[], ["amount_mismatch"], ["amount_missing"], ["amount_missing", "user_missing"]]
    expect_table(judge(make_settings(text), records), JUDGED, [(each, []) for each in reasons], only="reasons warnings")


def test_zone_formats_defaults_and_channels_of_a_source_are_applied(make_settings: Make) -> None:
    text = SOURCE + (
        'time_zone = "Asia/Kolkata"\ndefaults = { currency = "JPY", order_source = "shop" }\n'
        'date_formats = ["iso", "dd.MM.yyyy"]\n[channels]\ninstore = "store"\n'
    )
    bare = order(without=("currency", "metadata"), created_at="2025-01-31 10:00:00")
    records = [bare, order(created_at="31.01.2025"), order(currency="euro"), order(metadata={"source": "In-store"})]
    expect_table(
        judge(make_settings(text), records),
        JUDGED,
        [
            ("2025-01-31 04:30", "JPY", "shop", "shop", []),
            ("2025-01-31", "EUR", "web", "web", []),
            ("2025-01-31 10:00", None, "web", "web", ["currency_unreadable"]),
            ("2025-01-31 10:00", "EUR", "In-store", "store", []),
        ],
        only="created_at currency order_source channel reasons",
    )


def test_a_default_for_a_number_fills_what_is_missing_and_hides_nothing(make_settings: Make) -> None:
    settings = make_settings(SOURCE + 'defaults = { amount = "1" }\n')
    expect_table(
        judge(settings, [order(without=("amount",)), order(amount=" "), order(amount="ten"), order(amount=10)]),
        JUDGED,
        [(1, MISMATCH), (1, MISMATCH), (None, ["amount_missing"]), (10, [])],
        only="amount warnings",
    )


def test_a_blank_text_in_place_of_a_number_counts_as_missing(make_settings: Make) -> None:
    lines = [LINE | {"price": blank} for blank in ("", " ", None)]
    expect_table(
        judge(
            make_settings(SOURCE), [order(amount=""), order(items=lines, amount=0), order(items=[LINE | {"qty": " "}])]
        ),
        JUDGED,
        [
            (None, [(1, "A", 2, 5, 10)], [], ["amount_missing"]),
            (0, [(n, "A", 2, None, None) for n in (1, 2, 3)], [], []),
            (10, [], ["line 1: quantity: missing"], MISMATCH),
        ],
        only="amount items details warnings",
    )


def test_bytes_that_are_no_text_are_rejected_whatever_could_be_read_of_them(make_settings: Make) -> None:
    (row,) = judge(make_settings(SOURCE), [Record(order(), defect="undecodable")]).to_pylist()
    assert (row["reasons"], row["details"], row["key"]) == (["unreadable"], ["record: undecodable"], "o1")
