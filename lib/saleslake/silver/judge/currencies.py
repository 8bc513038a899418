"""Currencies: which codes there are, how many decimals they have, and how amounts are written beside them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from iso_4217 import Currency

from saleslake.errors import ConfigError
from saleslake.silver.judge.texts import AROUND, Remembered, is_blank, text_of

_NO_MONEY = frozenset(("BEC", "BEL", "CHC", "LUC", "LUL", "USS"))
"""Codes that ISO lists among those withdrawn without saying that they named accounts, of which it says so today."""
_OF_A_REGION = frozenset(("XAF", "XCD", "XCG", "XOF", "XPF"))
"""Money among the codes that begin with X; the others are metals, units of account and tests."""

CODES = frozenset(
    currency.name
    for currency in Currency
    if not currency.is_fund
    and currency.name not in _NO_MONEY
    and (currency.name[0] != "X" or currency.name in _OF_A_REGION)
)
"""Money that is or was used, by ISO 4217: its list one, and its list three of codes withdrawn, for old sales."""

_DOLLARS = frozenset(
    ("ARS", "AUD", "BBD", "BMD", "BND", "BSD", "BZD", "CAD", "CLP", "COP", "CUP", "DOP", "FJD", "GYD", "HKD", "JMD", "KYD",
     "LRD", "MXN", "NAD", "NZD", "SBD", "SGD", "SRD", "TTD", "TWD", "USD", "UYU", "XCD", "ZWL")
)  # fmt: skip
_POUNDS = frozenset(("EGP", "FKP", "GBP", "GIP", "LBP", "SDG", "SHP", "SSP", "SYP"))
_KRONER = frozenset(("DKK", "ISK", "NOK", "SEK"))
SIGNS = {
    "€": frozenset(("EUR",)), "$": _DOLLARS, "US$": frozenset(("USD",)), "A$": frozenset(("AUD",)),
    "AU$": frozenset(("AUD",)), "C$": frozenset(("CAD",)), "CA$": frozenset(("CAD",)), "HK$": frozenset(("HKD",)),
    "NZ$": frozenset(("NZD",)), "S$": frozenset(("SGD",)), "MX$": frozenset(("MXN",)), "NT$": frozenset(("TWD",)),
    "R$": frozenset(("BRL",)), "£": _POUNDS, "¥": frozenset(("CNY", "JPY")), "￥": frozenset(("CNY", "JPY")),
    "円": frozenset(("JPY",)), "元": frozenset(("CNY",)), "₹": frozenset(("INR",)), "₩": frozenset(("KRW", "KPW")),
    "₽": frozenset(("RUB",)), "₺": frozenset(("TRY",)), "₴": frozenset(("UAH",)), "₪": frozenset(("ILS",)),
    "₫": frozenset(("VND",)), "฿": frozenset(("THB",)), "₱": frozenset(("PHP",)), "₦": frozenset(("NGN",)),
    "₸": frozenset(("KZT",)), "₾": frozenset(("GEL",)), "₼": frozenset(("AZN",)), "kr": _KRONER, "kr.": _KRONER,
    "zł": frozenset(("PLN",)), "Kč": frozenset(("CZK",)), "Ft": frozenset(("HUF",)), "lei": frozenset(("RON", "MDL")),
    "Fr.": frozenset(("CHF",)), "SFr.": frozenset(("CHF",)), "лв.": frozenset(("BGN",)),
}  # fmt: skip
"""Signs of currencies and what each may mean: as printed in the countries' own shops (Unicode CLDR's narrow symbols)."""
_SIGN = "|".join(re.escape(sign) for sign in sorted(SIGNS, key=len, reverse=True))
_BEFORE = re.compile(rf"({_SIGN}|[A-Za-z]{{3}}(?![A-Za-z]))(.*)", re.DOTALL)
_AFTER = re.compile(rf"(.*?)({_SIGN}|(?<![A-Za-z])[A-Za-z]{{3}})", re.DOTALL)
_AROUND_SIGNED = AROUND + "+-()\u2212"
"""What may stand around an amount and its currency: `-€5`, `(€5)`."""
_IGNORED = re.compile("[ _-]")
_AMOUNT, _CURRENCY = ("amount", "value"), ("currency", "currencycode")
"""Members of an object that is an amount of money, whatever the case: as platforms name them."""


def code(value: Any, more: frozenset[str] = frozenset()) -> str | None:
    """An ISO 4217 code, of any case, or one of `more`; None for anything else."""
    bare = (text_of(value) or "").strip(AROUND)
    found = bare.upper() if bare.isascii() else ""
    return found if found in CODES or found in more else None


def reader(more: Iterable[str], default: str | None = None) -> Callable[..., str | None]:
    """Reads the currency of a record, given what stands in its place and its amounts: ISO 4217's codes and `more` of our own.

    Where nothing stands there it is the currency that an amount names, else the default. Raises ConfigError for a default that is
    no currency.
    """
    ours = frozenset(more)
    codes = Remembered(lambda text: code(text, ours))
    usual = None if default is None else code(default, ours)
    if default is not None and usual is None:
        raise ConfigError(f"defaults.currency: {default!r} is no code of ISO 4217 or run.currencies")

    def read(value: Any, *amounts: Any) -> str | None:
        found: str | None = codes[value] if type(value) is str else code(value, ours)
        if found is not None or not is_blank(value):
            return found
        for amount in amounts:
            if type(amount) in (str, dict) and (named := stated(amount)) is not None:
                return named
        return usual

    return read


def exponent(currency: str | None) -> int:
    """How many decimals the currency has by ISO 4217: 2 for EUR, 0 for JPY, 3 for KWD.

    2 where ISO tells none, as of codes withdrawn, or of our own.
    """
    known = Currency.__members__.get(currency or "")
    decimals: int | None = None if known is None else known.subunit_exp
    return 2 if decimals is None else decimals


def beside(text: str) -> tuple[str, frozenset[str]] | None:
    """(the text without it, what it may mean) of a currency's code or sign at one end of a text; None where none is."""
    for pattern, rest, sign in ((_BEFORE, 2, 1), (_AFTER, 1, 2)):
        found = pattern.fullmatch(text)
        if found is None:
            continue
        meant = SIGNS.get(found[sign]) or _meaning(found[sign])
        if meant is not None:
            return found[rest], meant
    return None


def _meaning(text: str) -> frozenset[str] | None:
    known = code(text)
    return None if known is None else frozenset((known,))


def _named(value: dict[str, Any]) -> dict[str, Any]:
    return {_IGNORED.sub("", name).lower(): member for name, member in value.items()}


def is_amount(value: dict[str, Any]) -> bool:
    """Whether an object is an amount of money, be it null."""
    named = _named(value)
    return any(name in named and not isinstance(named[name], dict | list) for name in _AMOUNT)


def in_object(value: dict[str, Any]) -> tuple[Any, Any]:
    """(amount, currency) of an object that is an amount of money, as `{"amount": "12.50", "currencyCode": "EUR"}`; else None."""
    named = _named(value)
    amount = next((named[name] for name in _AMOUNT if name in named), None)
    if isinstance(amount, dict):
        return None, None
    return amount, next((named[name] for name in _CURRENCY if name in named), None)


def stated(value: Any) -> str | None:
    """The currency that an amount itself names: in its object, or beside its digits where that means one alone."""
    if isinstance(value, dict):
        return code(in_object(value)[1])
    return _stated[value] if type(value) is str else None


def _beside_text(text: str) -> str | None:
    found = beside(text.strip(_AROUND_SIGNED))
    return next(iter(found[1])) if found is not None and len(found[1]) == 1 else None


_stated = Remembered(_beside_text)
