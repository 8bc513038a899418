"""JSON to named text: RFC 8259 and nothing more lenient, every digit of a number kept."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from saleslake.config import Settings
from saleslake.errors import ConfigError
from tests.frames import expect, expect_columns
from tests.silver_support import read, read_schema

Make = Callable[[str], Settings]
ORDERS = '[sources.s]\nentity = "orders"\nformat = "jsonl"\npath = "x"\n'
STOCK = '[sources.s]\nentity = "stock"\nformat = "jsonl"\npath = "x"\n'
AS_ORDERS, AS_STOCK = read_schema("orders"), read_schema("stock")
NO_OBJECT, EMPTY = (None, None, None, None, None, False), (None, None, None, None, None, True)
"""Lines: sku, quantity, its text, price, its text, whether it is an object."""


def test_the_usual_names_of_the_api_are_read(spark: SparkSession, make_settings: Make) -> None:
    raw = (
        '{"order_id": "o1", "amount": 1.50, "metadata": {"source": "web", "promo": "X"}, '
        '"items": [{"sku": "A", "qty": 2, "price": 0.75}], "new": [1]}'
    )
    expect_columns(
        read(spark, make_settings(ORDERS), [raw]),
        AS_ORDERS,
        "order_id user_id order_source promo unreadable amount amount_text items",
        [("o1", None, "web", "X", None, "1.5", None, [("A", 2, None, "0.75", None, True)])],
    )


def test_lineage_text_and_what_is_not_there_come_through_as_they_are(spark: SparkSession, make_settings: Make) -> None:
    records = ['{"product_id": " A ", "on_hand": "1.50", "counted_at": ""}', "{}"]
    built = read(spark, make_settings(STOCK), records)
    lineage = {"source": "s", "file": "f.txt", "run_id": "run-1", "extra_fields": False, "short_fields": False}
    one = {"record_id": "u#1", "ordinal": 1, "content_hash": "h1", "raw": records[0]}
    two = {"record_id": "u#2", "ordinal": 2, "content_hash": "h2", "raw": records[1]}
    expect_columns(
        built,
        AS_STOCK,
        "record_id source file ordinal run_id content_hash raw header unreadable extra_fields short_fields product_id "
        "counted_at on_hand on_hand_text",
        [lineage | one | {"product_id": " A ", "counted_at": "", "on_hand": "1.5"}, lineage | two],
    )


@pytest.mark.parametrize("quantity", ["quantity", "qty"])
def test_dotted_mappings_reach_into_records_and_lines(quantity: str, spark: SparkSession, make_settings: Make) -> None:
    of_lines = f'items = "basket.lines", "items.{quantity}" = "n", "items.sku" = "product.code"'
    mapping = f'user_id = "customer.id", order_source = "via", {of_lines}'
    raw = (
        '{"order_id": 7, "customer": {"id": 12345678901234567890}, "via": "app", '
        '"basket": {"lines": [{"product": {"code": "A"}, "n": 2, "price": null}]}}'
    )
    other = '{"order_id": true, "customer": "c", "basket": {"lines": [{"product": "A", "n": 1}]}}'
    expect_columns(
        read(spark, make_settings(ORDERS + f"mapping = {{ {mapping} }}\n"), [raw, other]),
        AS_ORDERS,
        "order_id user_id order_source unreadable items",
        [
            ("7", "12345678901234567890", "app", None, [("A", 2, None, None, None, True)]),
            ("true", None, None, None, [(None, 1, None, None, None, True)]),
        ],
    )


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
    records = [text for bad in UNREADABLE for text in (bad, sound)]
    built = read(spark, make_settings(ORDERS), records)
    # What is read of an unreadable record is nobody's business.
    known = F.when(F.col("unreadable").isNull(), F.col("order_id")).alias("order_id")
    expect(
        built.select("ordinal", "raw", "unreadable", known),
        "ordinal long, raw string, unreadable string, order_id string",
        [
            (n, text, None, "ok") if text == sound else (n, text, "json_invalid", None)
            for n, text in enumerate(records, 1)
        ],
    )
    assert time.monotonic() - started < 120  # an exponent of nine digits must not be written out


def test_an_identifier_that_looks_like_an_exponent_is_text(spark: SparkSession, make_settings: Make) -> None:
    raw = '{"order_id": "1e999999", "items": [{"sku":"7E123456","qty":"1e-999999999","price":1}]}'
    expect_columns(
        read(spark, make_settings(ORDERS), [raw]),
        AS_ORDERS,
        "order_id unreadable items",
        [("1e999999", None, [("7E123456", None, "1e-999999999", 1, None, True)])],
    )


def test_lines_that_are_no_objects_or_lack_values_are_told_and_keep_every_digit(
    spark: SparkSession, make_settings: Make
) -> None:
    items = (
        '[null, {}, {"sku": {"a": 1.5}, "qty": "2 pcs", "price": ""}, '
        '{"sku": "B", "qty": "3", "price": 12345678901234.5678}, '
        '{"sku": "C", "qty": 0.123456789012345678, "price": 1e15}]'
    )
    beside = '[7, "x", [1], {"sku": "B", "qty": "3", "price": 0.10}]'
    raws = [f'{{"order_id": "a", "items": {each}}}' for each in (items, beside)]
    expect_columns(
        read(spark, make_settings(ORDERS), raws),
        AS_ORDERS,
        "ordinal items",
        [
            (
                1,
                [
                    NO_OBJECT,
                    EMPTY,
                    ('{"a":1.5}', None, "2 pcs", None, "", True),
                    ("B", 3, None, "12345678901234.5678", None, True),
                    ("C", "0.123456789012345678", None, "1e15", None, True),
                ],
            ),
            (2, [NO_OBJECT, NO_OBJECT, NO_OBJECT, ("B", 3, None, "0.1", None, True)]),
        ],
    )


def test_items_that_are_no_array_are_null_and_the_rest_of_the_record_stays(
    spark: SparkSession, make_settings: Make
) -> None:
    no_array = [f'{{"order_id": "a", "items": {items}}}' for items in ('"x"', "7", '{"sku": "A"}', "null")]
    texts = [*no_array, '{"order_id": "a"}', '{"order_id": "a", "items": []}']
    expect_columns(
        read(spark, make_settings(ORDERS), texts),
        AS_ORDERS,
        "ordinal order_id unreadable items",
        [*[(n, "a", None, None) for n in range(1, 6)], (6, "a", None, [])],
    )


def test_metadata_that_is_no_object_leaves_its_fields_empty(spark: SparkSession, make_settings: Make) -> None:
    raws = [f'{{"metadata": {m}, "order_id": "a", "amount": 1, "items": []}}' for m in ('"web"', "[1]", "7", "null")]
    expect_columns(
        read(spark, make_settings(ORDERS), raws),
        AS_ORDERS,
        "ordinal order_id order_source promo amount unreadable",
        [(n, "a", None, None, 1, None) for n in range(1, 5)],
    )


def test_numbers_arrive_as_numbers_or_strings_exact_to_the_digit_or_with_their_text(
    spark: SparkSession, make_settings: Make
) -> None:
    expected: dict[str, tuple[str | None, str | None]] = {
        "12345678901234.5678": ("12345678901234.5678", None),
        '"12345678901234.5678"': ("12345678901234.5678", None),
        "12345678901234567890.123456789012345678": ("12345678901234567890.123456789012345678", None),
        '" 1.5 "': ("1.5", None),
        "1.5e3": ("1500", None),
        '"1.5E3"': ("1500", None),
        "-0": ("0", None),
        '"12,50"': (None, "12,50"),
        '"1,250"': (None, "1,250"),
        '"NaN"': (None, "NaN"),
        '""': (None, ""),
        "true": (None, "true"),
        "null": (None, None),
        "1e40": (None, "some text"),
    }
    built = read(spark, make_settings(STOCK), [f'{{"on_hand": {text}}}' for text in expected])
    # How a number that is too large is written anew does not matter: it is there.
    text = F.when(F.col("raw").contains("1e40") & F.col("on_hand_text").isNotNull(), "some text")
    expect(
        built.select("ordinal", "on_hand", F.coalesce(text, "on_hand_text").alias("text")),
        "ordinal long, on_hand decimal(38,18), text string",
        [(n, *each) for n, each in enumerate(expected.values(), 1)],
    )


def test_defaults_stand_in_for_missing_and_null_values_only(spark: SparkSession, make_settings: Make) -> None:
    settings = make_settings(ORDERS + 'defaults = { currency = "EUR", amount = "1.5" }\n')
    raws = [
        '{"items":[]}',
        '{"currency": null, "amount": null}',
        '{"currency": " ", "amount": "x"}',
        '{"currency": "USD", "amount": 0}',
    ]
    expect_columns(
        read(spark, settings, raws),
        AS_ORDERS,
        "ordinal currency amount amount_text",
        [(1, "EUR", "1.5", None), (2, "EUR", "1.5", None), (3, "EUR", None, "x"), (4, "USD", 0, None)],
    )
