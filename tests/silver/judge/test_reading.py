"""JSON to named values: RFC 8259 and nothing more lenient, every digit of a number kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from saleslake.config import NumberDialect, Settings
from saleslake.errors import ConfigError
from saleslake.silver.judge.numbers import reader
from saleslake.silver.judge.reading import DEEPEST, getter, json_value, paths
from saleslake.silver.judge.texts import text_of
from saleslake.silver.registry import ENTITIES
from tests.shared_data import shared_folder
from tests.silver.judge.support import read, typed
from tests.silver_support import judge

Make = Callable[[str], Settings]
ORDERS = '[sources.s]\nentity = "orders"\nformat = "jsonl"\npath = "x"\n'
STOCK = '[sources.s]\nentity = "stock"\nformat = "jsonl"\npath = "x"\n'
MONEY = 4
"""Digits after the point."""
ORDER_FIELDS = ENTITIES["orders"].fields
SOUND = '{"order_id": "ok", "currency": "EUR", "created_at": "2025-01-31", "items": [{"sku": "A", "qty": 1}]}'


def lines(settings: Settings, items: Any) -> list[Any]:
    """(sku, quantity, price) of each line, as texts; None for a line that is no object."""
    take = getter(paths(settings.sources["s"], ORDER_FIELDS, ORDER_FIELDS.of_line, "items."))
    return [tuple(map(text_of, take(item)))[:3] if isinstance(item, dict) else None for item in items]


def test_the_usual_names_of_the_api_are_read(make_settings: Make) -> None:
    raw = (
        '{"order_id": "o1", "amount": 1.50, "metadata": {"source": "web", "promo": "X"}, '
        '"items": [{"sku": "A", "qty": 2, "price": 0.75}], "new": [1]}'
    )
    (order,) = typed(make_settings(ORDERS), [raw])
    assert (order.order_id, order.user_id, order.order_source, order.promo) == ("o1", None, "web", "X")
    assert (order.unreadable, order.amount, order.amount_problem) == (None, 15_000, None)
    assert order.items == [(1, "A", 2_000, 7_500, 15_000, None)]


def test_lineage_text_and_what_is_not_there_come_through_as_they_are(make_settings: Make) -> None:
    settings = make_settings(STOCK)
    records = ['{"product_id": " A ", "on_hand": "1.50", "counted_at": ""}', "{}"]
    assert read(settings, records) == [
        ({"product_id": " A ", "counted_at": "", "on_hand": "1.50"}, None, False, False),
        ({"product_id": None, "counted_at": None, "on_hand": None}, None, False, False),
    ]
    lineage = {"source": "s", "file": "f.txt", "run_id": "run-1", "header": None}
    one = {"record_id": "u#1", "ordinal": 1, "content_hash": "h1", "raw": records[0]}
    two = {"record_id": "u#2", "ordinal": 2, "content_hash": "h2", "raw": records[1]}
    for row, expected in zip(judge(settings, records).to_pylist(), (lineage | one, lineage | two), strict=True):
        assert {name: row[name] for name in expected} == expected


@pytest.mark.parametrize("quantity", ["quantity", "qty"])
def test_dotted_mappings_reach_into_records_and_lines(quantity: str, make_settings: Make) -> None:
    of_lines = f'items = "basket.lines", "items.{quantity}" = "n", "items.sku" = "product.code"'
    mapping = f'user_id = "customer.id", order_source = "via", {of_lines}'
    settings = make_settings(ORDERS + f"mapping = {{ {mapping} }}\n")
    raw = (
        '{"order_id": 7, "customer": {"id": 12345678901234567890}, "via": "app", '
        '"basket": {"lines": [{"product": {"code": "A"}, "n": 2, "price": null}]}}'
    )
    other = '{"order_id": true, "customer": "c", "basket": {"lines": [{"product": "A", "n": 1}]}}'
    one, two = typed(settings, [raw, other])
    assert (one.order_id, one.user_id, one.order_source, one.unreadable) == ("7", "12345678901234567890", "app", None)
    assert (two.order_id, two.user_id, two.order_source, two.unreadable) == ("true", None, None, None)
    assert one.items == [(1, "A", 2_000, None, None, None)]
    assert two.notes == {"line_invalid": ["line 1: has no sku"]}
    assert [lines(settings, found.values["items"]) for found in read(settings, [raw, other])] == [
        [("A", "2", None)],
        [(None, "1", None)],
    ]


def test_a_default_for_a_line_and_a_mapping_through_a_value_are_refused(make_settings: Make) -> None:
    with pytest.raises(ConfigError, match=r"defaults\.items\.quantity: orders has no such column"):
        make_settings(ORDERS + 'defaults = { "items.quantity" = "1" }\n')
    with pytest.raises(
        ConfigError, match=r"mapping: 'customer' is read as a value, .* 'customer\.promo', goes through it"
    ):
        make_settings(ORDERS + 'mapping = { user_id = "customer", promo = "customer.promo" }\n')


UNREADABLE = [
    '{"order_id": "a"} {"order_id": "b"}',
    '{"order_id": "a"},{"order_id": "b"}',
    '{"order_id": "a"}{"order_id": "b"}',
    '{"order_id": "a"}\n{"order_id": "b"}',
    '{"order_id": "a"} trailing',
    '{"order_id": "a"}\x00',
    '{"order_id": "a"}]',
    '{"order_id": "a"',
    "[1, 2]",
    '"text"',
    "7",
    "null",
    "true",
    '{"amount": NaN}',
    '{"amount": Infinity}',
    '{"amount": -Infinity}',
    "{'order_id': 'a'}",
    "{order_id: 1}",
    '{"amount": 01}',
    '{"amount": +1}',
    '{"amount": 1.}',
    '{"amount": .1}',
    '{"a": 1,}',
    '{"a": 1 /* one */}',
    '{"order_id": "a"}, {"__end_of_saleslake_record__": "1"}',
    "{",
    "",
    " ",
    '\ufeff{"order_id": "a"}',
    '\u2028{"order_id": "a"}',
    '\xa0{"order_id": "a"}',
    *[f'{{"order_id": "a{control}b"}}' for control in "\x00\t\n\r\x1f"],
    '{"order_id": "\\ud800"}',
    '{"order_id": "\\ud800abcdefgh"}',
    '{"order_id": "\\ud800\\u0041"}',
    '{"order_id": "\\udc00"}',
    '{"\\ud800": "a"}',
    '{"order_id": "\\x41"}',
    '{"order_id": "\\u00G0"}',
    '{"amount": ' + "1" * 4_400 + "}",
    '{"other": -' + "1" * 4_400 + "}",
]


def test_what_is_no_single_json_object_is_unreadable_and_costs_no_neighbour(make_settings: Make) -> None:
    settings = make_settings(ORDERS)
    found = read(settings, [text for bad in UNREADABLE for text in (bad, SOUND)])
    assert [each.unreadable for each in found] == ["json_invalid", None] * len(UNREADABLE)
    assert {each.values["order_id"] for each in found[1::2]} == {"ok"}
    assert {value for each in found[::2] for value in each.values.values()} == {None}
    for row in judge(settings, UNREADABLE).to_pylist():
        assert (row["reasons"], row["details"]) == (["unreadable"], ["record: json_invalid"]), row["raw"]


def test_no_word_in_a_record_is_more_than_a_text(make_settings: Make) -> None:
    (found,) = read(make_settings(ORDERS), ['{"order_id": "__end_of_saleslake_record__"}'])
    assert (found.unreadable, found.values["order_id"]) == (None, "__end_of_saleslake_record__")


def test_an_exponent_of_many_digits_is_a_number_and_is_never_written_out(make_settings: Make) -> None:
    small, large, larger = typed(
        make_settings(ORDERS),
        [
            '{"amount": 1e-999999999}',
            '{"items": [{"qty": 1e999999999}]}',
            '{"amount": 1e999999, "items": [{"sku": "A", "qty": 1e999999999, "price": -1e99999999999999999999}]}',
        ],
    )
    assert (small.unreadable, small.amount, small.amount_problem) == (None, 0, "rounded")
    assert (large.unreadable, large.items) == (None, [])
    assert large.notes == {
        "number_overflow": ["line 1: quantity: does not fit"],
        "line_invalid": ["line 1: has no sku"],
    }
    assert (larger.amount, larger.amount_problem, larger.items) == (None, "overflow", [])
    says = ["amount: does not fit", "line 1: quantity: does not fit", "line 1: price: does not fit"]
    assert larger.notes == {"number_overflow": says}


@pytest.mark.parametrize("amount", ["1e999999", "1" * 4_000, "-" + "1" * 4_000])
def test_an_amount_that_is_too_large_is_an_overflow_and_no_unreadable_record(amount: str, make_settings: Make) -> None:
    (row,) = judge(make_settings(ORDERS), [f'{SOUND[:-1]}, "amount": {amount}}}']).to_pylist()
    assert (row["reasons"], row["details"]) == (["number_overflow"], ["amount: does not fit"])


def test_an_identifier_that_looks_like_an_exponent_is_text(make_settings: Make) -> None:
    settings = make_settings(ORDERS)
    raw = '{"order_id": "1e999999", "items": [{"sku":"7E123456","qty":"1e-999999999","price":1}]}'
    (found,), (order,) = read(settings, [raw]), typed(settings, [raw])
    assert (found.values["order_id"], order.order_id, order.unreadable) == ("1e999999", "1e999999", None)
    assert lines(settings, found.values["items"]) == [("7E123456", "1e-999999999", "1")]
    assert order.items == [(1, "7E123456", 0, 10_000, 0, None)]
    assert order.notes == {
        "rounded": ["line 1: quantity: more digits than are kept"],
        "return_line": ["line 1: quantity <= 0, or a price or total < 0"],
    }


def test_lines_that_are_no_objects_or_lack_values_are_told_and_keep_every_digit(make_settings: Make) -> None:
    settings = make_settings(ORDERS)
    items = (
        '[null, {}, {"sku": {"a": 1.5}, "qty": "2 pcs", "price": ""}, '
        '{"sku": "B", "qty": "3", "price": 12345678901234.5678}, '
        '{"sku": "C", "qty": 0.123456789012345678, "price": 1e15}]'
    )
    beside = '[7, "x", [1], {"sku": "B", "qty": "3", "price": 0.10}]'
    raws = [f'{{"order_id": "a", "items": {each}}}' for each in (items, beside)]
    assert [lines(settings, found.values["items"]) for found in read(settings, raws)] == [
        [
            None,
            (None, None, None),
            ('{"a":1.5}', "2 pcs", ""),
            ("B", "3", "12345678901234.5678"),
            ("C", "0.123456789012345678", "1e15"),
        ],
        [None, None, None, ("B", "3", "0.10")],
    ]
    one, two = typed(settings, raws)
    assert one.items == [
        (4, "B", 3_000, 123_456_789_012_345_678, 370_370_367_037_037_034, None),
        (5, "C", 123, None, None, None),
    ]
    assert one.notes == {
        "line_invalid": ["line 1: is no object", "line 2: has no sku", "line 3: has no sku"],
        "rounded": ["line 5: quantity: more digits than are kept"],
        "number_overflow": ["line 5: price: does not fit"],
    }
    assert two.items == [(4, "B", 3_000, 1_000, 3_000, None)]
    assert two.notes == {"line_invalid": ["line 1: is no object", "line 2: is no object", "line 3: is no object"]}


def test_items_that_are_no_array_are_no_lines_and_the_rest_of_the_record_stays(make_settings: Make) -> None:
    no_array = [f'{{"order_id": "a", "items": {items}}}' for items in ('"x"', "7", '{"sku": "A"}', "null")]
    texts = [*no_array, '{"order_id": "a"}', '{"order_id": "a", "items": []}']
    settings = make_settings(ORDERS)
    assert [found.values["items"] for found in read(settings, texts)] == ["x", 7, {"sku": "A"}, None, None, []]
    for order in typed(settings, texts):
        assert (order.order_id, order.unreadable, order.has_lines, order.items) == ("a", None, False, [])


def test_metadata_that_is_no_object_leaves_its_fields_empty(make_settings: Make) -> None:
    raws = [f'{{"metadata": {m}, "order_id": "a", "amount": 1, "items": []}}' for m in ('"web"', "[1]", "7", "null")]
    for order in typed(make_settings(ORDERS), raws):
        assert (order.order_id, order.order_source, order.promo) == ("a", None, None)
        assert (order.amount, order.unreadable) == (10_000, None)


NUMBERS: dict[str, tuple[str | None, int | None, str | None]] = {
    "12345678901234.5678": ("12345678901234.5678", 123_456_789_012_345_678, None),
    '"12345678901234.5678"': ("12345678901234.5678", 123_456_789_012_345_678, None),
    "12345678901234567890.123456789012345678": ("12345678901234567890.123456789012345678", None, "overflow"),
    '" 1.5 "': (" 1.5 ", 15_000, None),
    "1.5e3": ("1.5e3", 15_000_000, None),
    '"1.5E3"': ("1.5E3", 15_000_000, None),
    "-0": ("0", 0, None),
    "-0.0": ("-0.0", 0, None),
    '"12,50"': ("12,50", None, "other_dialect"),
    '"1,250"': ("1,250", None, "other_dialect"),
    '"12,5,0"': ("12,5,0", None, "unreadable"),
    '"1.250"': ("1.250", 12_500, "ambiguous"),
    "1.250": ("1.250", 12_500, None),
    '"NaN"': ("NaN", None, "unreadable"),
    '""': ("", None, None),
    "true": ("true", None, "unreadable"),
    "null": (None, None, None),
    "1e40": ("1e40", None, "overflow"),
    "18446744073709551616": ("18446744073709551616", None, "overflow"),
}
"""A value of JSON: its text as read, the money it is, and what is wrong with it."""


def test_numbers_arrive_as_numbers_or_strings_exact_to_the_digit_or_with_their_text(make_settings: Make) -> None:
    found = read(make_settings(STOCK), [f'{{"on_hand": {text}}}' for text in NUMBERS])
    on_hand = [each.values["on_hand"] for each in found]
    of = reader(NumberDialect(), MONEY).of
    assert [(text_of(value), *of(value)[:2]) for value in on_hand] == list(NUMBERS.values())


def test_defaults_stand_in_for_missing_and_null_values_only(make_settings: Make) -> None:
    settings = make_settings(ORDERS + 'defaults = { currency = "EUR", amount = "1.5" }\n')
    raws = [
        '{"items":[]}',
        '{"currency": null, "amount": null}',
        '{"currency": " ", "amount": "x"}',
        '{"currency": "USD", "amount": 0}',
    ]
    assert [(order.currency, order.amount, order.amount_problem) for order in typed(settings, raws)] == [
        ("EUR", 15_000, None),
        ("EUR", 15_000, None),
        ("EUR", None, "unreadable"),
        ("USD", 0, None),
    ]


def test_of_keys_that_are_given_twice_the_last_counts(make_settings: Make) -> None:
    raw = '{"order_id": "a", "items": [{"sku": "A", "sku": "B", "qty": 1}], "order_id": "b"}'
    (order,) = typed(make_settings(ORDERS), [raw])
    assert (order.order_id, order.unreadable, order.items) == ("b", None, [(1, "B", 1_000, None, None, None)])


@pytest.mark.parametrize("space", [" ", "\t", "\n", "\r\n"])
def test_white_space_of_json_may_surround_a_record(space: str, make_settings: Make) -> None:
    (found,) = read(make_settings(ORDERS), [f'{space}{{{space}"order_id":{space}"a"}}{space}'])
    assert (found.unreadable, found.values["order_id"]) == (None, "a")


@pytest.mark.parametrize("letter", ["\u2028", "\u2029", "\x85", "\x00", "\x1f", "\x7f", "\ufeff", "😀", '"', "\\"])
@pytest.mark.parametrize("ascii_only", [True, False], ids=["escaped", "where JSON lets it, as it is"])
def test_any_character_of_a_key_or_a_text_is_kept(letter: str, ascii_only: bool, make_settings: Make) -> None:
    settings = make_settings(ORDERS + f'mapping = {{ promo = "k\\U{ord(letter):08x}k" }}\n')
    record = {f"k{letter}k": f"x{letter}y", "order_id": "a"}
    (found,) = read(settings, [json.dumps(record, ensure_ascii=ascii_only)])
    assert (found.unreadable, found.values["promo"]) == (None, f"x{letter}y")


def nested(depth: int) -> str:
    """An object that holds arrays, so many of both together."""
    return '{"a":' + "[" * (depth - 1) + "]" * (depth - 1) + "}"


NO_BRACKETS = "[{" * DEEPEST
DEEP_ENOUGH = [
    nested(DEEPEST),
    '{"a":' * DEEPEST + "1" + "}" * DEEPEST,
    '{"a":[' + ",".join(["[]"] * 10 * DEEPEST) + "]}",
    f'{{"a":"{NO_BRACKETS}"}}',
    f'{{"{NO_BRACKETS}":1}}',
    f'{{"a":"\\"{NO_BRACKETS}\\\\"}}',
    f'{{"a":"\\\\\\"{NO_BRACKETS}","b":{nested(DEEPEST - 1)}}}',
    f'{{"a":"\\\\","b":{nested(DEEPEST - 1)}}}',
]
TOO_DEEP = [
    nested(DEEPEST + 1),
    '{"a":' * (DEEPEST + 1) + "1" + "}" * (DEEPEST + 1),
    f'{{"a":"{NO_BRACKETS}","b":{nested(DEEPEST)}}}',
    f'{{"a":"\\\\\\"{NO_BRACKETS}","b":{nested(DEEPEST)}}}',
    f'{{"a":"\\\\","b":{nested(DEEPEST)}}}',
    nested(100_000),
    "[" * 1_000_000,
    '{"a":' * 1_000_000,
]


def test_a_record_is_read_to_a_depth_that_is_ours_and_no_deeper(make_settings: Make) -> None:
    settings = make_settings(ORDERS)
    assert [each.unreadable for each in read(settings, DEEP_ENOUGH)] == [None] * len(DEEP_ENOUGH)
    assert [each.unreadable for each in read(settings, TOO_DEEP)] == ["json_invalid"] * len(TOO_DEEP)


def test_brackets_that_close_nothing_are_no_json() -> None:
    for text in ("]" * 1_000 + "[" * 1_000, "[]" * 1_000, '["' + "[" * 1_000):
        with pytest.raises(ValueError, match=r"malformed|truncated"):
            json_value(text)


def test_the_json_test_suite_is_read_as_it_says() -> None:
    read_as: dict[str, set[bool]] = {"y": set(), "n": set()}
    for path in sorted(shared_folder("data/corpora/json_test_suite/test_parsing").glob("[yn]_*.json")):
        try:
            json_value(path.read_bytes().decode())
        except ValueError:
            is_json = False
        else:
            is_json = True
        assert is_json == path.name.startswith("y_"), path.name
        read_as[path.name[0]].add(is_json)
    assert read_as == {"y": {True}, "n": {False}}
