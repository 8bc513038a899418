"""Numbers as exports write them: by the dialect of their column, beside a currency, or as an object that is an amount."""

from __future__ import annotations

from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from saleslake.config import NumberDialect
from saleslake.silver.judge.currencies import exponent
from saleslake.silver.judge.numbers import Amounts, reader
from saleslake.silver.judge.reading import json_value
from tests.silver.judge.support import number

USUAL = NumberDialect()
POINT = NumberDialect(decimal=".")
ENGLISH = NumberDialect(thousands=",")
COMMA = NumberDialect(decimal=",")
GERMAN = NumberDialect(decimal=",", thousands=".")
FRENCH = NumberDialect(decimal=",", thousands="\u202f")
SPACED = NumberDialect(decimal=",", thousands=" ")
SWISS = NumberDialect(thousands="'")
ALL = {
    "usual": USUAL, "point": POINT, "English": ENGLISH, "comma": COMMA, "German": GERMAN, "French": FRENCH,
    "spaced": SPACED, "Swiss": SWISS,
}  # fmt: skip
REFUSED = ("unreadable", "overflow", "other_dialect")


def amount(value: Any, dialect: NumberDialect = USUAL) -> str:
    """An amount of money as read: the number, or what is wrong with it; and what goes along with a number."""
    whole, problem, _ = reader(dialect, 4, is_money=True).of(value)
    if whole is None:
        return problem or "nothing"
    return f"{Decimal(whole).scaleb(-4).normalize():f}{f' ({problem})' if problem else ''}"


BY_DIALECT: dict[str, tuple[str, str, str, str, str, str]] = {
    # text: usual, English, comma, German, French, Swiss
    "1": ("1",) * 6,
    "-1": ("-1",) * 6,
    "0012": ("12",) * 6,
    "12.50": ("12.5", "12.5", "other_dialect", "other_dialect", "other_dialect", "12.5"),
    "12,50": ("other_dialect", "other_dialect", "12.5", "12.5", "12.5", "other_dialect"),
    "1234.50": ("1234.5", "1234.5", "other_dialect", "other_dialect", "other_dialect", "1234.5"),
    "1234,50": ("other_dialect", "other_dialect", "1234.5", "1234.5", "1234.5", "other_dialect"),
    "1,234.50": ("other_dialect", "1234.5", "other_dialect", "other_dialect", "other_dialect", "other_dialect"),
    "1.234,50": ("other_dialect", "other_dialect", "other_dialect", "1234.5", "other_dialect", "other_dialect"),
    "1 234,50": ("other_dialect", "other_dialect", "other_dialect", "other_dialect", "1234.5", "other_dialect"),
    "1'234.50": ("other_dialect",) * 5 + ("1234.5",),
    "1’234.50": ("other_dialect",) * 5 + ("1234.5",),
    "1\u00a0234,5": ("other_dialect",) * 4 + ("1234.5", "other_dialect"),
    "1\u202f234,5": ("other_dialect",) * 4 + ("1234.5", "other_dialect"),
    "1\u2009234,5": ("other_dialect",) * 4 + ("1234.5", "other_dialect"),
    "1.234": ("1.234 (ambiguous)", "1.234", "other_dialect", "1234", "other_dialect", "1.234"),
    "1,234": ("other_dialect", "1234", "1.234", "1.234", "1.234", "other_dialect"),
    "1.234.567": ("other_dialect", "other_dialect", "other_dialect", "1234567", "other_dialect", "other_dialect"),
    "1,234,567": ("other_dialect", "1234567", "other_dialect", "other_dialect", "other_dialect", "other_dialect"),
    "0.234": ("0.234", "0.234", "other_dialect", "234", "other_dialect", "0.234"),
    "1.23": ("1.23", "1.23", "other_dialect", "other_dialect", "other_dialect", "1.23"),
    ",5": ("unreadable", "unreadable", "0.5", "0.5", "0.5", "unreadable"),
    ".5": ("0.5", "0.5", "unreadable", "unreadable", "unreadable", "0.5"),
    "5,": ("other_dialect", "other_dialect", "5", "5", "5", "other_dialect"),
    "1,5e3": ("other_dialect", "other_dialect", "1500", "1500", "1500", "other_dialect"),
    "1.5e3": ("1500", "1500", "other_dialect", "other_dialect", "other_dialect", "1500"),
    "": ("nothing",) * 6,
    "\u202f": ("nothing",) * 6,
    "ten": ("unreadable",) * 6,
    "1.2.3": ("unreadable",) * 6,
    "12,34,567": ("unreadable",) * 6,
}


@pytest.mark.parametrize("text", BY_DIALECT)
def test_a_text_is_read_by_the_dialect_of_its_column(text: str) -> None:
    dialects = (USUAL, ENGLISH, COMMA, GERMAN, FRENCH, SWISS)
    assert tuple(amount(text, dialect) for dialect in dialects) == BY_DIALECT[text]
    if text and text[0] in "1":
        shown = tuple(found if found in REFUSED else f"-{found}" for found in BY_DIALECT[text])
        for written in (
            f"-{text}",
            f"{text}-",
            f"({text})",
            f"\u2212{text} €",
            f"€ -{text}",
            f"-€{text}",
            f"(€{text})",
        ):
            assert tuple(amount(written, dialect) for dialect in dialects) == shown, written


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        *product([GERMAN], ["1.23", "1.2345", "12.34,5", "1234.567", "1.234.56", "1.234567", ".234", "1..234", "1.234.", "1,234.5"]),
        *product([ENGLISH], ["1,23", "1,2345", "1234,567", "1,234,56", ",234", "1,,234", "1,234,", "1.234,5", "12,34,567"]),
        *product([FRENCH, SPACED], ["1 23", "1 2345", "1234 567", "1  234", "1 234 56", "1 234 ,5", "1 234.5"]),
        *product([SWISS], ["1'23", "1'2345", "1234'567", "1''234", "'234", "1'234,5", "1,234"]),
        *product([COMMA], ["1.234", "1.234,5", "1 234,5", "1,234,567"]),
    ],
)  # fmt: skip
def test_groups_that_are_not_of_three_digits_are_refused(dialect: NumberDialect, text: str) -> None:
    assert amount(text, dialect) in ("unreadable", "other_dialect")


@pytest.mark.parametrize("name", ALL)
def test_a_number_of_json_has_a_decimal_point_whatever_the_dialect(name: str) -> None:
    for text, found in (("12.50", "12.5"), ("1.234", "1.234"), ("1234", "1234"), ("-1.5e3", "-1500"), ("0.00005", "")):
        assert amount(json_value(text), ALL[name]) == (found or "0.0001 (rounded)")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        *[("1.234", "1.234 (ambiguous)"), ("-12.345", "-12.345 (ambiguous)"), ("999.000", "999 (ambiguous)")],
        *[("€ 1.234", "1.234 (ambiguous)"), ("(1.234)", "-1.234 (ambiguous)"), (" 1.234\u00a0", "1.234 (ambiguous)")],
        *[("0.234", "0.234"), ("01.234", "1.234"), ("1234.567", "1234.567"), ("1.23", "1.23"), ("1.2345", "1.2345")],
        *[("1.234e0", "1.234"), ("1.23456", "1.2346 (rounded)"), (number("1.234"), "1.234"), (".234", "0.234")],
    ],
)
def test_a_text_that_could_be_thousands_is_ambiguous_only_while_no_setting_says_which(text: str, found: str) -> None:
    assert amount(text) == found
    if type(text) is str:
        assert amount(text, POINT) == found.removesuffix(" (ambiguous)")


@pytest.mark.parametrize(
    "text",
    [
        *("--5", "-5-", "(-5)", "-(5)", "((5))", "(5", "5)", "€5€", "€ 5 EUR", "$€5", "5 - 5", "+-5", "5+", "-€-5"),
        *("(€5", "€", "-", "()", "EUR", "EURO 5", "5 stk", "5%", "XAU 5", "XYZ 5", "5 a€", "AEUR5", "5 é€"),
    ],
)
def test_two_signs_or_currencies_or_other_words_are_no_amount(text: str) -> None:
    assert {amount(text, dialect) for dialect in ALL.values()} == {"unreadable"}


@pytest.mark.parametrize("value", ["$5", "5 €", "EUR 5", {"amount": 5}, {"amount": "5", "currency": "EUR"}])
def test_what_is_no_money_has_no_currency_beside_it(value: Any) -> None:
    assert reader(USUAL, 3).of(value) == (None, "unreadable", None)
    assert reader(USUAL, 3, is_money=True).of(value)[0] == 5_000


MINOR = NumberDialect(minor_units=True)


@pytest.mark.parametrize(
    ("value", "currency", "units"),
    [
        (1299, "EUR", 129_900),
        ("1299", "EUR", 129_900),
        (number("1299.5"), "EUR", 129_950),
        (-1299, "USD", -129_900),
        (1299, "JPY", 12_990_000),
        ("¥1299", "JPY", 12_990_000),
        (1299, "KWD", 12_990),
        (1299, "CLF", 1_299),
        (0, "JPY", 0),
        (1299, "DEM", 129_900),
        (1299, None, 129_900),
        ({"amount": 1299, "currency": "EUR"}, "EUR", 129_900),
        ({"amount": 1299, "currency": "JPY"}, "JPY", 12_990_000),
        ({"amount": "1299", "currency": "KWD"}, "KWD", 12_990),
    ],
)
def test_minor_units_are_as_small_as_their_currency_has_them(value: Any, currency: str | None, units: int) -> None:
    amounts = Amounts(MINOR, 4)
    assert amounts.of(currency).of(value)[:2] == (units, None)
    assert amounts.exact(value, currency) == Decimal(units).scaleb(-4)


def test_minor_units_beyond_the_digits_of_money_are_rounded_or_do_not_fit() -> None:
    assert Amounts(MINOR, 4).of("KWD").of(number("1299.05")) == (12_991, "rounded", None)
    assert Amounts(MINOR, 4).of("JPY").of(10**14) == (None, "overflow", None)
    assert Amounts(MINOR, 4).of("EUR").of(10**16 - 1) == (10**18 - 100, None, None)
    assert Amounts(MINOR, 4).exact(number("1299.055"), "KWD") == Decimal("1.299055")


def test_without_minor_units_the_currency_changes_no_amount() -> None:
    for currency in ("EUR", "JPY", "KWD", None):
        assert Amounts(GERMAN, 4).of(currency).of("1.299,50") == (12_995_000, None, None)
        assert Amounts(GERMAN, 4).exact("1.299,50", currency) == Decimal("1299.50")


@pytest.mark.parametrize(
    ("value", "dialect", "units", "currency"),
    [
        ({"amount": "12.50", "currencyCode": "EUR"}, USUAL, 125_000, "EUR"),
        ({"amount": "12,50", "currencyCode": "EUR"}, GERMAN, 125_000, "EUR"),
        ({"amount": number("12.50"), "currencyCode": "eur"}, GERMAN, 125_000, "EUR"),
        ({"CurrencyCode": "USD", "Amount": "1.5"}, USUAL, 15_000, "USD"),
        ({"value": 5, "currency_code": "PLN"}, USUAL, 50_000, "PLN"),
        ({"amount": 5, "currency": "PTS"}, USUAL, 50_000, "PTS"),
        ({"amount": 5, "currency": "nonsense"}, USUAL, 50_000, "NONSENSE"),
        ({"amount": "€5", "currency": "EUR"}, USUAL, 50_000, "EUR"),
        ({"amount": "$5", "currency": "USD"}, USUAL, 50_000, "USD"),
    ],
)
def test_an_object_that_is_an_amount_is_read_with_its_currency(
    value: Any, dialect: NumberDialect, units: int, currency: str
) -> None:
    assert reader(dialect, 4, is_money=True).of(value) == (units, None, frozenset((currency,)))
    assert reader(dialect, 4, is_money=True).exact(value) == Decimal(units).scaleb(-4)


@pytest.mark.parametrize("currency", [None, "", " "])
def test_an_object_without_a_currency_says_what_its_amount_says(currency: str | None) -> None:
    of = reader(USUAL, 4, is_money=True).of
    assert of({"amount": "5", "currency": currency}) == of({"amount": 5}) == (50_000, None, None)
    assert of({"amount": "5 €", "currency": currency}) == (50_000, None, frozenset(("EUR",)))


def test_an_object_whose_amount_and_currency_disagree_is_in_no_currency() -> None:
    assert reader(USUAL, 4, is_money=True).of({"amount": "€5", "currency": "USD"}) == (50_000, None, frozenset())


@pytest.mark.parametrize(
    "value",
    [{}, {"a": 1}, {"currency": "EUR"}, {"amount": {"amount": 5}}, {"amount": [5]}, {"amount": True}, [5], True],
)
def test_any_other_object_is_no_amount(value: Any) -> None:
    assert reader(USUAL, 4, is_money=True).of(value) == (None, "unreadable", None)


def test_the_decimals_of_a_currency_never_exceed_those_that_money_keeps() -> None:
    from saleslake.silver.judge.currencies import CODES

    assert max(map(exponent, CODES)) <= 4
