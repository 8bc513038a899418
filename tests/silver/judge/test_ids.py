"""Ids: one rule says which are equal, whatever kept them on the way; what lost digits is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from saleslake.config import Settings
from saleslake.silver.judge.texts import UnfitId, identifiers
from tests.silver.judge.nasty import near_values
from tests.silver.judge.support import number
from tests.silver_support import Record, judge

READ = identifiers(512)
Make = Callable[[str], Settings]


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (" 7 ", "7"),
        (7, "7"),
        (-7, "-7"),
        (10**30, "1" + "0" * 30),
        (number("7.0"), "7"),
        (number("7.000"), "7"),
        (number("7e2"), "700"),
        (number("-7.0"), "-7"),
        (number("0.0"), "0"),
        ("7.0", "7"),
        ("-7.0", "-7"),
        ("007.0", "007"),
        ("7.00", "7.00"),
        ("7.50", "7.50"),
        ("1.0.0", "1.0.0"),
        ("v1.0", "v1.0"),
        ("01", "01"),
        ("00123", "00123"),
        ('="00123"', "00123"),
        ('=" 00123 "', "00123"),
        ('="7.0"', "7"),
        ('="A-1"', "A-1"),
        ('=""', None),
        ('="  "', None),
        ("=00123", "=00123"),
        ("1e5", "1e5"),
        ("7E123456", "7E123456"),
        ("4E11", "4E11"),
        ("12E+05", "12E+05"),
        ("4E+5", "4E+5"),
        (True, "true"),
        ({"id": 1}, None),
        ({}, None),
        ([1], None),
        ([], None),
        ("a[1]", "a[1]"),
        ("-", "-"),
        ("#1001", "#1001"),
        ("a b", "a b"),
        (" \n", None),
        ("\u00a0", None),
        (None, None),
        ("\u200b7", "7"),
        ("\ufeffA\u00a0", "A"),
        ("x\u200by", "x\u200by"),
        ("９", "９"),
        ("日本", "日本"),
        ("9007199254740991.0", "9007199254740991"),
        (number("9007199254740991.0"), "9007199254740991"),
    ],
)
def test_what_surrounds_an_id_or_made_a_float_of_it_is_no_part_of_it(value: Any, key: str | None) -> None:
    found = READ(value)
    assert found == key
    assert not isinstance(found, UnfitId)


@pytest.mark.parametrize(
    "value",
    [
        *("4.501E+11", "4,501E+11", "4.501e+11", "4E+11", "-4.5E+11", "1.23457E+12", '="4.5E+11"', "1E+100"),
        *("9007199254740992.0", "12345678901234567890.0", "0" * 20 + "1.0"),
        *map(number, ("7.5", "1.50", "9007199254740992.0", "1e16", "1e-5", "1e99999999999999999999", "1e999999")),
    ],
)
def test_an_id_that_lost_digits_is_told(value: Any) -> None:
    found = READ(value)
    assert isinstance(found, UnfitId)
    assert found.why == "key_mangled"
    text = value.decode() if type(value) is bytes else value
    bare = "4.5E+11" if text == '="4.5E+11"' else text
    assert found.says == f"'{bare}' is no id any more but a rounded number: export the column as text"


@pytest.mark.parametrize(
    ("value", "size"), [("a" * 17, 17), ("é" * 9, 18), ("日" * 6, 18), (10**16, 17), ("\ud800" * 6, 18)]
)
def test_an_id_of_more_bytes_than_are_allowed_is_told(value: Any, size: int) -> None:
    found = identifiers(16)(value)
    assert isinstance(found, UnfitId)
    assert (found.why, found.says) == ("key_too_long", f"{size} bytes, more than run.longest_key = 16")


@pytest.mark.parametrize("value", ["a" * 16, "é" * 8, "日" * 5, 10**15, " " * 99 + "a" * 16 + " " * 99])
def test_an_id_of_as_many_bytes_as_are_allowed_is_an_id(value: Any) -> None:
    found = identifiers(16)(value)
    assert found and not isinstance(found, UnfitId)


FLOATS = st.integers(-(2**53) + 1, 2**53 - 1)


@given(FLOATS)
@settings(derandomize=True, deadline=None)
def test_a_whole_number_is_one_id_however_it_was_kept(whole: int) -> None:
    kept = (whole, str(whole), f"{whole}.0", number(f"{whole}.0"), f'="{whole}"', f" {whole}\u00a0", str(float(whole)))
    as_floats = [each for each in kept if not (isinstance(each, str) and "e" in each)]
    assert {READ(each) for each in as_floats} == {str(whole)}


@given(near_values() | st.text('0123456789.=" eE+-\u200b', max_size=12) | FLOATS.map(lambda n: f'="{n}.0"'))
@settings(derandomize=True, deadline=None, max_examples=500)
@example('="7.0"')
@example('="=7.0"')
def test_an_id_that_was_read_is_read_as_itself_and_nothing_raises(text: str) -> None:
    found = READ(text)
    again = READ(None if found is None else str(found))
    assert (again, type(again)) == (found, type(found))


PRODUCTS = '[run]\nlongest_key = 16\n[sources.s]\nentity = "products"\nformat = "csv"\npath = "x"\n'


def test_an_id_that_cannot_be_used_is_told_with_its_column_and_costs_no_neighbour(make_settings: Make) -> None:
    lines = ["A,1", "4.501E+11,1", '"=""00123""",1', "x" * 17 + ",1", "B,1"]
    found = judge(make_settings(PRODUCTS), [Record(line, "sku,price") for line in lines]).to_pylist()
    assert [(row["sku"], row["details"]) for row in found] == [
        ("A", []),
        ("4.501E+11", ["sku: '4.501E+11' is no id any more but a rounded number: export the column as text"]),
        ("00123", []),
        ("x" * 17, ["sku: 17 bytes, more than run.longest_key = 16"]),
        ("B", []),
    ]
