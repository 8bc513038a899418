"""Numbers: exact, rounded once and half-up, and told apart from what is too large or no number."""

from __future__ import annotations

import time
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from saleslake.config import NumberDialect
from saleslake.silver.judge.numbers import LIMIT, Problem, half_up, product, reader, text
from saleslake.silver.judge.texts import AROUND
from tests.silver.judge.nasty import near_values
from tests.silver.judge.support import number

Scaled = tuple[int | None, Problem | None]
MONEY, QUANTITY = 4, 3
OVERFLOW: Scaled = (None, "overflow")
UNREADABLE: Scaled = (None, "unreadable")
ELSEWHERE: Scaled = (None, "other_dialect")
NOTHING: Scaled = (None, None)
WITH_A_POINT = NumberDialect(decimal=".")


def scaled(value: Any, scale: int, dialect: NumberDialect = NumberDialect()) -> Scaled:  # noqa: B008
    """What a column of this scale reads of a value that is no money."""
    whole, problem, beside = reader(dialect, scale).of(value)
    assert beside is None
    return whole, problem


BOTH: dict[Any, tuple[Scaled, Scaled]] = {
    "1.00005": ((10001, "rounded"), (1000, "rounded")),
    "1.00004999": ((10000, "rounded"), (1000, "rounded")),
    "-1.00005": ((-10001, "rounded"), (-1000, "rounded")),
    "1.0005": ((10005, None), (1001, "rounded")),
    "-1.0005": ((-10005, None), (-1001, "rounded")),
    "1.50": ((15000, None), (1500, None)),
    "1.5E3": ((15_000_000, None), (1_500_000, None)),
    "5e-4": ((5, None), (1, "rounded")),
    "+.5": ((5000, None), (500, None)),
    "12345678901234.5678": ((123456789012345678, None), (12345678901234568, "rounded")),
    "99999999999999.99994": ((999999999999999999, "rounded"), (100000000000000000, "rounded")),
    "99999999999999.99995": (OVERFLOW, (100000000000000000, "rounded")),
    "1e15": (OVERFLOW, OVERFLOW),
    "1e400": (OVERFLOW, OVERFLOW),
    "Infinity": (OVERFLOW, OVERFLOW),
    "12,50": (ELSEWHERE, ELSEWHERE),
    "1,250.00": (ELSEWHERE, ELSEWHERE),
    "1.250,00": (ELSEWHERE, ELSEWHERE),
    "NaN": (UNREADABLE, UNREADABLE),
    "0x1A": (UNREADABLE, UNREADABLE),
    "5 €": (UNREADABLE, UNREADABLE),
    "1e": (UNREADABLE, UNREADABLE),
    None: (NOTHING, NOTHING),
}


@pytest.mark.parametrize("value", BOTH)
def test_a_number_is_rounded_half_up_or_is_too_large_or_is_none(value: Any) -> None:
    assert (scaled(value, MONEY), scaled(value, QUANTITY)) == BOTH[value]


@pytest.mark.parametrize(
    "value", [value for value, found in BOTH.items() if value and not {UNREADABLE, ELSEWHERE} & set(found)]
)
def test_a_number_of_json_is_read_as_its_text_is(value: str) -> None:
    if value != "Infinity":
        assert (scaled(number(value), MONEY), scaled(number(value), QUANTITY)) == BOTH[value]


@pytest.mark.parametrize(
    ("value", "money"),
    [
        ("0", (0, None)),
        ("-0", (0, None)),
        ("-0.0", (0, None)),
        ("0e5", (0, None)),
        (".5", (5000, None)),
        ("5.", (50000, None)),
        ("5.e1", (500000, None)),
        ("+5", (50000, None)),
        ("-5", (-50000, None)),
        ("007", (70000, None)),
        (" 5 ", (50000, None)),
        ("\t\r\n5\n", (50000, None)),
        ("5e0", (50000, None)),
        ("5E+0", (50000, None)),
        ("5\u00a0", (50000, None)),
        ("\u200b5\ufeff", (50000, None)),
        ("5\x0b\0", (50000, None)),
        ("5-", (-50000, None)),
        ("5 -", (-50000, None)),
        ("\u22125", (-50000, None)),
        ("- 5", (-50000, None)),
        ("(5)", (-50000, None)),
        ("( 5.5 )", (-55000, None)),
        ("\u00a0", NOTHING),
        ("", NOTHING),
        (" \t\r\n", NOTHING),
    ],
)
def test_spellings_of_a_number(value: str, money: Scaled) -> None:
    assert scaled(value, MONEY) == money


@pytest.mark.parametrize(
    "value",
    [
        *("1_000", "５", "٥", "१", "5\u200b5", "--5", "+-5", "-5-", "(-5)", "-(5)", "((5))", "(5", "5)", "()", "(5)-"),
        *(".", "+", "-", "e5", ".e5", "1e+", "1e5.0", "1.2.3", "nan", "sNaN", "-NaN", "inf", "infinity", "+Infinity"),
        *("1e５", "½", "1f", "1d", "1L", "0b1", "true", "null", "5\n5", "5\0005", "$5", "5%"),
        *(True, False, 1.5, float("nan"), float("inf"), [], [5], {}, {"a": 5}),
    ],
)
def test_what_is_no_number_is_unreadable(value: Any) -> None:
    assert scaled(value, MONEY) == scaled(value, QUANTITY) == UNREADABLE


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize(
    ("scale", "largest", "first_too_large", "first_rounded_out"),
    [
        (0, "999999999999999999", "1000000000000000000", "999999999999999999.5"),
        (3, "999999999999999.999", "1000000000000000", "999999999999999.9995"),
        (4, "99999999999999.9999", "100000000000000", "99999999999999.99995"),
    ],
)
def test_eighteen_digits_fit_and_no_more(
    scale: int, largest: str, first_too_large: str, first_rounded_out: str, sign: str
) -> None:
    units = LIMIT - 1 if not sign else 1 - LIMIT
    for spelled in (str, number):
        assert scaled(spelled(f"{sign}{largest}"), scale) == (units, None)
        assert scaled(spelled(f"{sign}{first_too_large}"), scale) == OVERFLOW
        assert scaled(spelled(f"{sign}{first_rounded_out}"), scale) == OVERFLOW
        assert scaled(spelled(f"{sign}{first_rounded_out[:-1]}4999"), scale) == (units, "rounded")


@pytest.mark.parametrize("scale", [0, 3, 4])
def test_a_whole_number_of_json_fits_or_does_not(scale: int) -> None:
    largest = (LIMIT - 1) // 10**scale
    for whole in (largest, -largest, 0, 1):
        assert scaled(whole, scale) == (whole * 10**scale, None)
    for whole in (largest + 1, -largest - 1, 10**5000, -(10**5000)):
        assert scaled(whole, scale) == OVERFLOW


@pytest.mark.parametrize(
    ("value", "money"),
    [
        ("0.00005", (1, "rounded")),
        ("-0.00005", (-1, "rounded")),
        ("0.00015", (2, "rounded")),
        ("0.00025", (3, "rounded")),
        ("-0.00025", (-3, "rounded")),
        ("0.000050000000000000000000000000000000000000001", (1, "rounded")),
        ("0.00004999999999999999999", (0, "rounded")),
        ("-0.00004999999999999999999", (0, "rounded")),
        ("0.00014999999999999999999999999999999999999999999999999999", (1, "rounded")),
        ("1.000049999999999999999999999999999999999999999999999999999", (10000, "rounded")),
        ("0.000099999", (1, "rounded")),
        ("0.0000099", (0, "rounded")),
        ("1.00000", (10000, None)),
        ("1.0000000000000000000000000000000000000000000000000000001", (10000, "rounded")),
    ],
)
def test_exactly_half_goes_away_from_zero_and_nothing_is_rounded_twice(value: str, money: Scaled) -> None:
    assert scaled(value, MONEY) == scaled(number(value), MONEY) == money


@pytest.mark.parametrize(
    ("value", "money"),
    [
        ("9" * 5000, OVERFLOW),
        ("-" + "9" * 5000, OVERFLOW),
        ("0" * 5000 + "7", (70000, None)),
        ("7." + "0" * 5000, (70000, None)),
        ("7." + "0" * 5000 + "1", (70000, "rounded")),
        ("0." + "0" * 5000 + "1", (0, "rounded")),
        ("0.0000" + "4" + "9" * 5000, (0, "rounded")),
        ("1" + "0" * 5000 + "e-5000", (10000, None)),
        ("0." + "0" * 4999 + "1e5000", (10000, None)),
        ("1e999999", OVERFLOW),
        ("-1e999999", OVERFLOW),
        ("1e-999999", (0, "rounded")),
        ("-1e-999999", (0, "rounded")),
        ("1e99999999999999999999", OVERFLOW),
        ("-1E+99999999999999999999", OVERFLOW),
        ("1e-99999999999999999999", (0, "rounded")),
        ("-1.5e-99999999999999999999", (0, "rounded")),
        ("0e99999999999999999999", (0, None)),
        ("-0.00e-99999999999999999999", (0, None)),
        ("1e" + "9" * 5000, OVERFLOW),
        ("1e-" + "9" * 5000, (0, "rounded")),
        ("1e" + "0" * 5000, (10000, None)),
        ("1e999999999999999999", OVERFLOW),
        ("1e-999999999999999999", (0, "rounded")),
    ],
    ids=lambda value: str(value)[:30],
)
def test_thousands_of_digits_and_exponents_without_end_are_read_at_once(value: str, money: Scaled) -> None:
    begun = time.process_time()
    assert scaled(value, MONEY) == scaled(number(value), MONEY) == money
    assert time.process_time() - begun < 1


@pytest.mark.parametrize(
    ("whole", "scale", "written"),
    [
        (12345678, 4, "1234.5678"),
        (5, 4, "0.0005"),
        (-5, 4, "-0.0005"),
        (0, 3, "0.000"),
        (-12000, 3, "-12.000"),
        (LIMIT - 1, 4, "99999999999999.9999"),
    ],
)
def test_units_are_written_as_people_write_numbers(whole: int, scale: int, written: str) -> None:
    assert text(whole, scale) == written


@pytest.mark.parametrize(
    ("whole", "by", "rounded"),
    [(5, 10, 1), (-5, 10, -1), (4, 10, 0), (-4, 10, 0), (15, 10, 2), (25, 10, 3), (-25, 10, -3), (1, 3, 0), (2, 3, 1)],
)
def test_a_division_rounds_half_away_from_zero(whole: int, by: int, rounded: int) -> None:
    assert half_up(whole, by) == rounded


def exactly(value: Fraction, scale: int) -> Scaled:
    """The same by fractions: no digits, no contexts, no exponents."""
    units = value * 10**scale
    whole = int(abs(units) + Fraction(1, 2))
    whole = -whole if units < 0 else whole
    if abs(whole) >= LIMIT:
        return OVERFLOW
    return whole, None if whole == units else "rounded"


DECIMALS = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "-", "+"]),
    st.one_of(
        st.integers(0, 10**25).map(str),
        st.builds("{}.{}".format, st.integers(0, 10**20), st.from_regex(r"[0-9]{0,30}", fullmatch=True)),
        st.builds("{}.{}5".format, st.integers(0, 10**15), st.from_regex(r"[0-9]{0,4}", fullmatch=True)),
        st.from_regex(r"\.[0-9]{1,30}", fullmatch=True),
    ),
    st.sampled_from(["", "", "e0", "e5", "E-5", "e+18", "e-18", "e-40", "e40"]),
)


@given(DECIMALS, st.integers(0, 17))
@settings(derandomize=True, deadline=None)
@example("99999999999999.99995", 4)
@example("-0.5", 0)
def test_a_number_is_rounded_as_fractions_are(spelled: str, scale: int) -> None:
    expected = exactly(Fraction(Decimal(spelled)), scale)
    for text_of_it in (spelled, f" {spelled}\n"):
        assert scaled(text_of_it, scale, WITH_A_POINT) == expected
    assert scaled(number(spelled), scale) == expected


@given(st.integers(-(10**20), 10**20), st.integers(0, 17))
@settings(derandomize=True, deadline=None)
def test_a_whole_number_is_the_same_with_and_without_quotes(whole: int, scale: int) -> None:
    assert scaled(whole, scale) == scaled(str(whole), scale) == exactly(Fraction(whole), scale)


@given(st.integers(-(10**40), 10**40), st.integers(1, 10**20))
@settings(derandomize=True, deadline=None)
def test_a_division_is_rounded_as_fractions_are(whole: int, by: int) -> None:
    expected = int(Fraction(abs(whole), by) + Fraction(1, 2))
    assert half_up(whole, by) == (-expected if whole < 0 else expected)


@given(near_values(), st.integers(0, 17))
@settings(derandomize=True, deadline=None)
def test_nothing_raises_whatever_the_text(value: str, scale: int) -> None:
    whole, problem = scaled(value, scale)
    assert (whole is None) == (problem in {"overflow", "unreadable", "other_dialect"} or not value.strip(AROUND))


@pytest.mark.parametrize(
    ("quantity", "price", "scale", "units"),
    [
        ("2", "5.5", 4, 110_000),
        ("0.333", "0.0005", 4, 2),
        ("-0.333", "0.0005", 4, -2),
        ("1e30", "1e-30", 4, 10_000),
        ("999999999999999.999", "99999999999999.9999", 4, None),
        ("3", "0.00005", 4, 2),
        ("1.00000000000000000000000000001", "0.5", 0, 1),
    ],
)
def test_a_product_is_rounded_once(quantity: str, price: str, scale: int, units: int | None) -> None:
    assert product(Decimal(quantity), Decimal(price), scale) == units
