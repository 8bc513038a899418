"""JSON to named text: RFC 8259 and nothing more lenient, every digit of a number kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal as D

import pytest
from pyspark.sql import SparkSession

from saleslake.config import Settings
from saleslake.errors import ConfigError
from tests.silver_support import item_tuples, read

Make = Callable[[str], Settings]
ORDERS = '[sources.s]\nentity = "orders"\nformat = "jsonl"\npath = "x"\n'
STOCK = '[sources.s]\nentity = "stock"\nformat = "jsonl"\npath = "x"\n'


def test_the_usual_names_of_the_api_are_read(spark: SparkSession, make_settings: Make) -> None:
    raw = (
        '{"order_id": "o1", "amount": 1.50, "metadata": {"source": "web", "promo": "X"}, '
        '"items": [{"sku": "A", "qty": 2, "price": 0.75}], "new": [1]}'
    )
    (row,) = read(spark, make_settings(ORDERS), [raw])
    assert (row["order_id"], row["user_id"], row["order_source"], row["promo"], row["unreadable"]) == (
        "o1",
        None,
        "web",
        "X",
        None,
    )
    assert (row["amount"], row["amount_text"]) == (D("1.500000000000000000"), None)
    assert item_tuples(row) == [("A", D(2), None, D("0.75"), None, True)]


@pytest.mark.parametrize("quantity", ["quantity", "qty"])
def test_dotted_mappings_reach_into_records_and_lines(quantity: str, spark: SparkSession, make_settings: Make) -> None:
    of_lines = f'items = "basket.lines", "items.{quantity}" = "n", "items.sku" = "product.code"'
    mapping = f'user_id = "customer.id", order_source = "via", {of_lines}'
    raw = (
        '{"order_id": 7, "customer": {"id": 12345678901234567890}, "via": "app", '
        '"basket": {"lines": [{"product": {"code": "A"}, "n": 2, "price": null}]}}'
    )
    other = '{"order_id": true, "customer": "c", "basket": {"lines": [{"product": "A", "n": 1}]}}'
    one, two = read(spark, make_settings(ORDERS + f"mapping = {{ {mapping} }}\n"), [raw, other])
    assert (one["order_id"], one["user_id"], one["order_source"]) == ("7", "12345678901234567890", "app")
    assert item_tuples(one) == [("A", D(2), None, None, None, True)]
    assert (two["order_id"], two["user_id"], two["unreadable"]) == ("true", None, None)
    assert item_tuples(two) == [(None, D(1), None, None, None, True)]


def test_a_default_for_a_line_and_a_mapping_through_a_value_are_refused(
    spark: SparkSession, make_settings: Make
) -> None:
    with pytest.raises(ConfigError, match=r"defaults\.items\.quantity: orders has no such column"):
        make_settings(ORDERS + 'defaults = { "items.quantity" = "1" }\n')
    with pytest.raises(ConfigError, match="goes through 'customer'"):
        read(spark, make_settings(ORDERS + 'mapping = { user_id = "customer", promo = "customer.promo" }\n'), ["{}"])


UNREADABLE = [
    '{"order_id": "a"} {"order_id": "b"}',
    '{"order_id": "a"},{"order_id": "b"}',
    '{"order_id": "a"} trailing',
    '{"order_id": "a"}]',
    '{"order_id": "a"',
    "[1, 2]",
    '"text"',
    "7",
    "null",
    "true",
    '{"amount": NaN}',
    '{"amount": Infinity}',
    "{'order_id': 'a'}",
    "{order_id: 1}",
    '{"amount": 01}',
    '{"a": 1,}',
    '{"amount": 1e-999999999}',
    '{"items": [{"qty": 1e999999999}]}',
    '{"order_id": "__end_of_saleslake_record__"}',
    '{"order_id": "a"}, {"__end_of_saleslake_record__": "1"}',
    "{",
]


def test_what_is_no_single_json_object_is_unreadable_and_costs_no_neighbour(
    spark: SparkSession, make_settings: Make
) -> None:
    started = time.monotonic()
    sound = '{"order_id": "ok", "items": []}'
    rows = read(spark, make_settings(ORDERS), [text for bad in UNREADABLE for text in (bad, sound)])
    assert {row["raw"]: row["unreadable"] for row in rows} == {**dict.fromkeys(UNREADABLE, "json_invalid"), sound: None}
    assert [row["order_id"] for row in rows][1::2] == ["ok"] * len(UNREADABLE)
    assert time.monotonic() - started < 120  # an exponent of nine digits must not be written out


def test_an_identifier_that_looks_like_an_exponent_is_text(spark: SparkSession, make_settings: Make) -> None:
    (row,) = read(
        spark,
        make_settings(ORDERS),
        ['{"order_id": "1e999999", "items": [{"sku":"7E123456","qty":"1e-999999999","price":1}]}'],
    )
    assert (row["order_id"], row["unreadable"]) == ("1e999999", None)
    assert item_tuples(row) == [("7E123456", None, "1e-999999999", D(1), None, True)]


def test_lines_that_are_no_objects_or_lack_values_are_told_and_keep_every_digit(
    spark: SparkSession, make_settings: Make
) -> None:
    items = (
        '[null, {}, {"sku": {"a": 1.5}, "qty": "2 pcs", "price": ""}, '
        '{"sku": "B", "qty": "3", "price": 12345678901234.5678}, '
        '{"sku": "C", "qty": 0.123456789012345678, "price": 1e15}]'
    )
    (row,) = read(spark, make_settings(ORDERS), [f'{{"order_id": "a", "items": {items}}}'])
    found = item_tuples(row)
    assert found is not None
    no_object, empty = (None, None, None, None, None, False), (None, None, None, None, None, True)
    assert found[:2] == [no_object, empty]
    assert found[2:] == [
        ('{"a":1.5}', None, "2 pcs", None, "", True),
        ("B", D(3), None, D("12345678901234.5678"), None, True),
        ("C", D("0.123456789012345678"), None, D("1e15"), None, True),
    ]


def test_lines_beside_one_that_is_no_object_are_read_one_by_one(spark: SparkSession, make_settings: Make) -> None:
    (row,) = read(
        spark,
        make_settings(ORDERS),
        ['{"order_id": "a", "items": [7, "x", [1], {"sku": "B", "qty": "3", "price": 0.10}]}'],
    )
    assert item_tuples(row) == [(None, None, None, None, None, False)] * 3 + [("B", D(3), None, D("0.1"), None, True)]


def test_items_that_are_no_array_are_null_and_the_rest_of_the_record_stays(
    spark: SparkSession, make_settings: Make
) -> None:
    texts = [f'{{"order_id": "a", "items": {items}}}' for items in ('"x"', "7", '{"sku": "A"}', "null")] + [
        '{"order_id": "a"}'
    ]
    rows = read(spark, make_settings(ORDERS), [*texts, '{"order_id": "a", "items": []}'])
    assert [(row["order_id"], row["unreadable"], item_tuples(row)) for row in rows] == [("a", None, None)] * 5 + [
        ("a", None, [])
    ]


def test_metadata_that_is_no_object_leaves_its_fields_empty(spark: SparkSession, make_settings: Make) -> None:
    rows = read(
        spark,
        make_settings(ORDERS),
        [f'{{"metadata": {m}, "order_id": "a", "amount": 1, "items": []}}' for m in ('"web"', "[1]", "7", "null")],
    )
    assert [(row["order_id"], row["order_source"], row["promo"], row["amount"], row["unreadable"]) for row in rows] == [
        ("a", None, None, D(1), None)
    ] * 4


def test_numbers_arrive_as_numbers_or_strings_exact_to_the_digit_or_with_their_text(
    spark: SparkSession, make_settings: Make
) -> None:
    expected: dict[str, tuple[D | None, str | None]] = {
        "12345678901234.5678": (D("12345678901234.5678"), None),
        '"12345678901234.5678"': (D("12345678901234.5678"), None),
        "12345678901234567890.123456789012345678": (D("12345678901234567890.123456789012345678"), None),
        '" 1.5 "': (D("1.5"), None),
        "1.5e3": (D(1500), None),
        '"1.5E3"': (D(1500), None),
        "-0": (D(0), None),
        '"12,50"': (None, "12,50"),
        '"1,250"': (None, "1,250"),
        '"NaN"': (None, "NaN"),
        '""': (None, ""),
        "true": (None, "true"),
        "null": (None, None),
    }
    rows = read(spark, make_settings(STOCK), [f'{{"on_hand": {text}}}' for text in expected])
    assert dict(zip(expected, [(row["on_hand"], row["on_hand_text"]) for row in rows], strict=True)) == expected
    (big,) = read(spark, make_settings(STOCK), ['{"on_hand": 1e40}'])
    assert (big["on_hand"], big["on_hand_text"] is not None) == (None, True)


def test_defaults_stand_in_for_missing_and_null_values_only(spark: SparkSession, make_settings: Make) -> None:
    settings = make_settings(ORDERS + 'defaults = { currency = "EUR", amount = "1.5" }\n')
    rows = read(
        spark,
        settings,
        [
            '{"items":[]}',
            '{"currency": null, "amount": null}',
            '{"currency": " ", "amount": "x"}',
            '{"currency": "USD", "amount": 0}',
        ],
    )
    assert [(row["currency"], row["amount"], row["amount_text"]) for row in rows] == [
        ("EUR", D("1.5"), None),
        ("EUR", D("1.5"), None),
        ("EUR", None, "x"),
        ("USD", D(0), None),
    ]
