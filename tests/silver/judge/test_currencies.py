"""Currencies: the codes there are, their decimals, and how amounts are written beside a code or sign."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from saleslake.config import Settings
from saleslake.errors import ConfigError
from saleslake.silver.judge import currencies
from saleslake.silver.judge.currencies import CODES, SIGNS, beside, exponent, in_object, reader, stated

READ = reader(["PTS"])


@pytest.mark.parametrize(
    ("value", "code"),
    [
        *[(" eur ", "EUR"), ("USD", "USD"), ("uSd", "USD"), ("EUR\n", "EUR"), ("\r\n\teur", "EUR"), ("pts", "PTS")],
        *[("EUR\u00a0", "EUR"), ("\u200bEUR", "EUR"), ("EUR\x0b", "EUR"), ("EUR\u2028", "EUR")],
        *[(old, old) for old in ("DEM", "HRK", "BGN", "ITL", "VEF", "ZWL", "SLL")],
        *[(small, small) for small in ("KWD", "XOF", "XAF", "XPF", "XCD", "CNY", "TWD")],
        *[
            (value, None)
            for value in (
                *("€", "EURO", "EU", "E1R", "E R", "EUR,USD", "ÄÖÜ", "", " ", None, "nan", "abc", "AAA", "QQQ"),
                *("XXX", "XTS", "XAU", "XAG", "XDR", "XBA", "USS", "USN", "CHE", "CHW", "COU", "BEC", "MXV", "CLF"),
                *("ß", "ßa", "eß", "ßßß", "ı", "ıab", "abı", "ſek", "\u212aRW"),  # upper case makes ASCII of some
                *("EU\nR", "ＥＵＲ", "ﬃ", "EU\u200bR"),
                *(978, True, ["EUR"], {"code": "EUR"}),
            )
        ],
    ],
)
def test_a_currency_is_money_of_iso_4217_or_our_own(value: Any, code: str | None) -> None:
    assert READ(value) == code
    assert READ(value) == code, "and the second time, when it is remembered"


def test_a_code_of_our_own_is_none_where_it_is_not_configured() -> None:
    assert reader([])("PTS") is None
    assert currencies.code("PTS") is None


def test_the_codes_are_three_letters_and_those_of_the_signs_are_among_them() -> None:
    assert all(re.fullmatch("[A-Z]{3}", code) for code in CODES)
    assert len(CODES) > 250
    assert set.union(*map(set, SIGNS.values())) <= CODES


@pytest.mark.parametrize(
    ("code", "decimals"),
    [
        *[("EUR", 2), ("USD", 2), ("JPY", 0), ("KRW", 0), ("ISK", 0), ("VND", 0), ("XOF", 0), ("CLP", 0), ("HUF", 2)],
        *[("KWD", 3), ("BHD", 3), ("TND", 3), ("OMR", 3), ("JOD", 3), ("IQD", 3), ("CLF", 4), ("MGA", 2)],
        *[("DEM", 2), ("PTS", 2), (None, 2), ("", 2)],
    ],
)
def test_a_currency_has_the_decimals_that_iso_gives_it(code: str | None, decimals: int) -> None:
    assert exponent(code) == decimals


@pytest.mark.parametrize(
    ("text", "rest", "codes"),
    [
        ("€5", "5", {"EUR"}),
        ("5 €", "5 ", {"EUR"}),
        ("EUR5", "5", {"EUR"}),
        ("5eur", "5", {"EUR"}),
        ("US$5", "5", {"USD"}),
        ("5 US$", "5 ", {"USD"}),
        ("¥5", "5", {"CNY", "JPY"}),
        ("5 kr", "5 ", {"DKK", "ISK", "NOK", "SEK"}),
        ("5 kr.", "5 ", {"DKK", "ISK", "NOK", "SEK"}),
        ("Fr. 5", " 5", {"CHF"}),
        ("SFr. 5", " 5", {"CHF"}),
        ("CHF 5", " 5", {"CHF"}),
        ("5 zł", "5 ", {"PLN"}),
        ("5 Kč", "5 ", {"CZK"}),
        ("R$5", "5", {"BRL"}),
        ("5 lei", "5 ", {"MDL", "RON"}),
        ("KWD 1.5", " 1.5", {"KWD"}),
    ],
)
def test_a_code_or_sign_may_stand_on_either_side_of_an_amount(text: str, rest: str, codes: set[str]) -> None:
    assert beside(text) == (rest, frozenset(codes))


@pytest.mark.parametrize("text", ["5", "", "abc", "EURO 5", "5 EURO", "XXX 5", "5 pts", "é5", "5 %", "AEUR 5"])
def test_anything_else_beside_a_number_is_no_currency(text: str) -> None:
    assert beside(text) is None


@pytest.mark.parametrize("sign", sorted({*SIGNS, "EUR", "usd"}))
def test_every_sign_is_read_before_and_after_an_amount(sign: str) -> None:
    meant = SIGNS.get(sign, {sign.upper()})
    assert beside(f"{sign} 5") == (" 5", meant)
    assert beside(f"5 {sign}") == ("5 ", meant)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"amount": "12.50", "currencyCode": "EUR"}, ("12.50", "EUR")),
        ({"Amount": "12.50", "CurrencyCode": "EUR"}, ("12.50", "EUR")),
        ({"amount": 1299, "currency": "EUR"}, (1299, "EUR")),
        ({"value": 5, "currency_code": "EUR"}, (5, "EUR")),
        ({"amount": 5}, (5, None)),
        ({"currency": "EUR"}, (None, "EUR")),
        ({"a": 1}, (None, None)),
        ({}, (None, None)),
        ({"amount": {"amount": 5}, "currency": "EUR"}, (None, None)),
    ],
)
def test_an_object_that_is_an_amount_of_money_is_known_by_its_members(value: Any, found: tuple[Any, Any]) -> None:
    assert in_object(value) == found


@pytest.mark.parametrize(
    ("value", "code"),
    [
        *[("€5", "EUR"), ("5 USD", "USD"), (" 5 zł\u00a0", "PLN"), ({"amount": 5, "currency": "eur"}, "EUR")],
        *[
            ("-€5", "EUR"),
            ("(€5)", "EUR"),
            ("€-5", "EUR"),
            ("5 €-", "EUR"),
            ("\u2212 5 EUR", "EUR"),
            ("(5) EUR", "EUR"),
        ],
        *[
            ("-$5", None),
            ("$5", None),
            ("¥5", None),
            ("5", None),
            (5, None),
            (None, None),
            ({"amount": 5}, None),
            ({}, None),
        ],
        *[({"amount": 5, "currency": "nan"}, None), ([], None), (True, None)],
    ],
)
def test_an_amount_states_a_currency_where_it_can_mean_no_other(value: Any, code: str | None) -> None:
    assert stated(value) == code


@pytest.mark.parametrize(
    ("currency", "amount", "default", "expected"),
    [
        ("USD", "€5", "GBP", "USD"),
        (None, "€5", "GBP", "EUR"),
        (" ", {"amount": 5, "currency": "jpy"}, "GBP", "JPY"),
        (None, "$5", "GBP", "GBP"),
        (None, 5, "GBP", "GBP"),
        (None, None, "GBP", "GBP"),
        ("EURO", "€5", "GBP", None),
        (None, "€5", None, "EUR"),
        (None, 5, None, None),
    ],
)
def test_the_records_own_currency_goes_before_the_amounts_and_that_before_the_default(
    currency: Any, amount: Any, default: str | None, expected: str | None
) -> None:
    read = currencies.reader((), default)
    assert read(currency, amount) == read(currency, amount) == expected


def test_a_default_that_is_no_currency_is_refused_at_the_start(make_settings: Callable[[str], Settings]) -> None:
    for default in ("euro", "XYZ", ""):
        with pytest.raises(ConfigError, match=rf"sources\.s\.defaults\.currency: '{default}' is no code of ISO 4217"):
            make_settings(
                '[sources.s]\nentity = "products"\nformat = "csv"\npath = "x"\n'
                f'defaults = {{ currency = "{default}" }}\n'
            )
