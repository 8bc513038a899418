"""Refunds of an order: lines of the day on which they were paid back."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from saleslake.config import Settings
from saleslake.entry import open_settings
from saleslake.errors import ConfigError
from saleslake.ingest.commit import ignored_fields
from saleslake.silver.judge.batches import typing_of
from saleslake.unmet import mapped_paths
from tests.conftest import write_config
from tests.silver_support import Given, Record, judge

Make = Callable[[str], Settings]
ORDERS = '[sources.s]\nentity = "orders"\nformat = "jsonl"\npath = "x"\n'
PLAIN = ORDERS + '[sources.s.mapping]\nrefunds = "refunds"\n'
SHOPIFY = (
    PLAIN
    + '"refunds.items" = "refund_line_items"\n"refunds.sku" = "line_item.sku"\n"refunds.quantity" = "quantity"\n'
    + '"refunds.amount" = "subtotal"\n'
)
FEBRUARY = "2025-02-03T08:00:00Z"


def order(refunds: Any, **fields: Any) -> str:
    """An order of three A at 10, with what stands in place of its refunds."""
    content = {"order_id": "o1", "user_id": "u1", "amount": 30, "currency": "EUR", "created_at": "2025-01-31T10:00:00Z"}
    return json.dumps(content | {"items": [{"sku": "A", "qty": 3, "price": 10}], "refunds": refunds} | fields)


def refund(*lines: Any, at: Any = FEBRUARY, **fields: Any) -> dict[str, Any]:
    return {"created_at": at, "items": list(lines)} | fields


def judged(settings: Settings, *records: Given) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = judge(settings, records).to_pylist()
    return rows


def line(number: int, sku: str, quantity: str, price: str | None, amount: str, at: datetime | None) -> dict[str, Any]:
    told = {"quantity": Decimal(quantity), "unit_price": None if price is None else Decimal(price)}
    return {"line_number": number, "sku": sku, **told, "amount": Decimal(amount), "refunded_at": at}


OWN = line(1, "A", "3", "10", "30", None)


def test_a_refund_of_shopify_is_lines_of_its_day(make_settings: Make) -> None:
    first = {
        "created_at": "2025-02-01T23:30:00-05:00",
        "refund_line_items": [{"quantity": 1, "subtotal": "9.50", "line_item": {"sku": "A"}}],
    }
    second = {
        "created_at": "2025-03-01T00:00:00Z",
        "refund_line_items": [
            {"quantity": 1, "subtotal": 10, "line_item": {"sku": "A"}},
            {"quantity": 0, "subtotal": "0.33335", "line_item": {"sku": "B"}},
        ],
    }
    (row,) = judged(make_settings(SHOPIFY), order([first, second]))
    paid, again = datetime(2025, 2, 2, 4, 30, tzinfo=UTC), datetime(2025, 3, 1, tzinfo=UTC)
    assert row["items"] == [
        OWN,
        line(2, "A", "-1", None, "-9.5", paid),
        line(3, "A", "-1", None, "-10", again),
        line(4, "B", "0", None, "-0.3334", again),
    ]
    assert (row["first_refund_date"], row["last_refund_date"]) == (date(2025, 2, 2), date(2025, 3, 1))
    assert (row["reasons"], row["warnings"]) == ([], ["rounded"]), "neither return_line nor amount_mismatch"


@pytest.mark.parametrize(
    ("given", "is_"),
    [
        ({"sku": "A", "qty": 2, "amount": 15}, ("-2", None, "-15")),
        ({"sku": "A", "qty": -2, "amount": "-15.00"}, ("-2", None, "-15")),
        ({"sku": "A", "qty": 2, "amount": -15}, ("-2", None, "-15")),
        ({"sku": "A", "qty": 2, "amount": 0}, ("-2", None, "0")),
        ({"sku": "A", "qty": 2, "price": 7.5}, ("-2", "7.5", "-15")),
        ({"sku": "A", "qty": -2, "price": -7.5}, ("-2", "7.5", "-15")),
        ({"sku": "A", "qty": 1000, "price": 0.01234567}, ("-1000", "0.0123", "-12.3457")),
        ({"sku": "A", "qty": 2, "price": 7.5, "amount": 12}, ("-2", "7.5", "-12")),
        ({"sku": "A", "qty": 2, "price": "x", "amount": 12}, ("-2", None, "-12")),
        ({"sku": "A", "qty": 1, "amount": {"amount": "5.00", "currencyCode": "EUR"}}, ("-1", None, "-5")),
    ],
)
def test_quantity_and_amount_are_below_zero_whichever_sign_they_have(
    given: dict[str, Any], is_: tuple[str, str | None, str], make_settings: Make
) -> None:
    (row,) = judged(make_settings(PLAIN), order([refund(given)]))
    assert row["items"] == [OWN, line(2, "A", *is_, datetime(2025, 2, 3, 8, tzinfo=UTC))]


BACK = {"sku": "A", "qty": 1, "amount": 10}


@pytest.mark.parametrize(
    ("refunds", "reason", "says"),
    [
        ([7], "refund_invalid", "refund 1: is no object"),
        ([refund(BACK, at=None)], "refund_invalid", "refund 1: created_at: missing"),
        ([refund(BACK), refund(BACK, at="soon")], "refund_invalid", "refund 2: created_at: 'soon' cannot be read"),
        ([refund(BACK, "x")], "refund_invalid", "refund 1 line 2: is no object"),
        ([refund({"qty": 1, "amount": 1})], "refund_invalid", "refund 1 line 1: has no sku"),
        ([refund({"sku": "A", "amount": 1})], "refund_invalid", "refund 1 line 1: quantity: missing"),
        ([refund(BACK | {"amount": "x"})], "refund_invalid", "refund 1 line 1: amount: 'x' cannot be read"),
        ([refund(BACK | {"amount": None, "price": "x"})], "refund_invalid", "refund 1 line 1: price: 'x' cannot be read"),
        ([refund({"sku": "A", "qty": 1})], "refund_invalid", "refund 1 line 1: says neither its amount nor its price"),
        ({"data": []}, "refund_invalid", "refunds: an object of data, no array: map refunds to the array in it"),
        ("none", "refund_invalid", "refunds: no array"),
        ([refund(items={"edges": []})], "refund_invalid", "refund 1: items: an object of edges, no array: map items to the array in it"),
        ([refund(BACK | {"amount": 1e14})], "number_overflow", "refund 1 line 1: amount: does not fit"),
        ([refund({"sku": "A", "qty": 1e6, "price": 1e12})], "number_overflow", "refund 1 line 1: quantity × price: does not fit"),
        ([refund(BACK | {"amount": "$ 5"})], "currency_conflict", "refund 1 line 1: amount: '$ 5' is no amount in EUR"),
        ([refund(BACK | {"sku": "4.501E+11"})], "key_mangled", None),
        ([refund(BACK, has_more=True)], "lines_incomplete", "refund 1: more of its lines are on another page: has_more = true"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_quarantines_the_order(
    refunds: Any, reason: str, says: str | None, make_settings: Make
) -> None:
    (row,) = judged(make_settings(PLAIN), order(refunds))
    assert row["reasons"] == [reason]
    assert says is None or row["details"] == [says]


def test_where_it_only_warns_the_other_lines_are_kept_under_their_numbers(make_settings: Make) -> None:
    settings = make_settings(PLAIN + '[rules.orders]\nrefund_invalid = "warn"\n')
    (row,) = judged(settings, order([refund(BACK, at="soon"), refund({"qty": 1}, BACK | {"sku": "B"})]))
    assert (row["reasons"], row["warnings"]) == ([], ["refund_invalid"])
    assert [(each["line_number"], each["sku"]) for each in row["items"]] == [(1, "A"), (4, "B")]


def test_an_order_of_which_only_a_refund_is_left_has_no_lines(make_settings: Make) -> None:
    settings = make_settings(PLAIN + '[rules.orders]\nline_invalid = "warn"\n')
    (row,) = judged(settings, order([refund(BACK)], items=["x"]))
    assert row["reasons"] == ["items_empty"]


@pytest.mark.parametrize("nothing", [None, [], {}, "", " "])
def test_no_refund_is_nothing_to_say(nothing: Any, make_settings: Make) -> None:
    settings = make_settings(PLAIN)
    none, no_lines = judged(settings, order(nothing), order([refund(items=nothing)]))
    assert (none["items"], none["reasons"], none["warnings"]) == ([OWN], [], [])
    assert (no_lines["items"], no_lines["reasons"], no_lines["warnings"]) == ([OWN], [], ["refund_without_lines"])
    assert (no_lines["first_refund_date"], no_lines["last_refund_date"]) == (None, None)


def test_a_refund_of_an_earlier_day_or_an_unlikely_one_is_counted(make_settings: Make) -> None:
    rows = judged(
        make_settings(PLAIN),
        *[order([refund(BACK, at=at)]) for at in ("2025-01-30T23:59:00Z", "2025-01-31", "9999-12-31")],
    )
    assert [row["warnings"] for row in rows] == [["refund_before_order"], [], ["date_implausible"]]


def test_what_is_no_sale_keeps_its_refunds_and_a_refunded_order_is_a_sale(make_settings: Make) -> None:
    rows = judged(
        make_settings(PLAIN + 'status = "status"\n'),
        *[order([refund(BACK)], status=status) for status in ("cancelled", "refunded")],
    )
    assert [(row["is_sale"], len(row["items"])) for row in rows] == [(False, 2), (True, 2)]


def test_nothing_is_read_until_it_is_mapped(make_settings: Make) -> None:
    unmapped, mapped = make_settings(ORDERS), make_settings(PLAIN)
    (row,) = judged(unmapped, order([refund(BACK)]))
    assert (row["items"], row["warnings"], row["last_refund_date"]) == ([OWN], [], None)
    (told,) = ignored_fields(unmapped.sources["s"], {"refunds"})
    assert told.startswith("refunds: unmapped; refunds do not lower revenue; map refunds")
    assert ignored_fields(mapped.sources["s"], {"refunds"}) == []
    within = make_settings(ORDERS + '[sources.s.mapping]\nrefunds = "refunds.data"\n')
    assert ignored_fields(within.sources["s"], {"refunds"}) == []


def test_refunds_are_found_at_paths_and_in_a_cell_of_a_csv(make_settings: Make) -> None:
    of_graphql = make_settings(
        ORDERS + '[sources.s.mapping]\nrefunds = "paid.back"\n"refunds.items" = "lines.edges"\n"refunds.sku" = "node.sku"\n'
        '"refunds.quantity" = "node.n"\n"refunds.amount" = "node.sum"\n"refunds.created_at" = "on.day"\n'
        "[sources.s.dialects.refunds.amount]\nminor_units = true\n"
    )  # fmt: skip
    node = {"node": {"sku": "A", "n": 1, "sum": 1250}}
    of_page = {"on": {"day": "2025-02-03"}, "lines": {"edges": [node], "pageInfo": {"hasNextPage": False}}}
    more = of_page | {"lines": {"edges": [node], "pageInfo": {"hasNextPage": True}}}
    whole, part = judged(of_graphql, order(None, paid={"back": [of_page]}), order(None, paid={"back": [more]}))
    at = datetime(2025, 2, 3, tzinfo=UTC)
    assert whole["items"] == [OWN, line(2, "A", "-1", None, "-12.5", at)]
    assert part["reasons"] == ["lines_incomplete"]
    assert mapped_paths(of_graphql.sources["s"])["refunds.amount"] == "paid.back.lines.edges.node.sum"

    header = "order_id,created_at,currency,amount,items,refunds"
    items = '"[{""sku"":""A"",""qty"":3,""price"":10}]"'
    cells = [json.dumps([refund(BACK, at="2025-02-03")]).replace('"', '""'), "", "NULL", "soon"]
    records = [Record(f'o1,2025-01-31,EUR,30,{items},"{cell}"', header) for cell in cells]
    rows = judged(make_settings(PLAIN.replace("jsonl", "csv")), *records)
    assert [len(row["items"]) for row in rows] == [2, 1, 1, 1]
    assert [row["reasons"] for row in rows] == [[], [], [], ["refund_invalid"]]


def test_an_event_says_what_was_sold_when_it_was_placed(make_settings: Make) -> None:
    event = typing_of("s", make_settings(PLAIN))(order([refund(BACK)]), None, None, "f", 1)
    assert (event.units, event.net) == (3_000, 300_000)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (ORDERS + 'mapping = { "refunds.amount" = "x" }', "mapping.refunds.amount: refunds itself is not mapped"),
        (PLAIN + '"refunds.total" = "x"', "mapping.refunds.total: orders has no such column"),
        (PLAIN + "[sources.s.dialects.refunds.quantity]\nminor_units = true", "refunds.quantity is no amount of money"),
        (PLAIN + "[sources.s.defaults]\nrefunds = '[]'", "defaults.refunds: orders has no such column"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused_at_the_start(settings: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=says):
        open_settings(str(write_config(tmp_path, settings)))
