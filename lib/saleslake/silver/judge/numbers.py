"""Numbers of a record, exactly: as whole numbers of the smallest unit that a column keeps, rounded once and half-up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, ROUND_HALF_UP, Context, Decimal, InvalidOperation
from functools import cache
from typing import Any, Literal, NamedTuple

from saleslake.config import NumberDialect
from saleslake.silver.judge import currencies
from saleslake.silver.judge.texts import AROUND, Remembered, is_blank, text_of, trimmed

Problem = Literal["rounded", "ambiguous", "overflow", "unreadable", "other_dialect"]
"""`rounded`: the number had more digits than are kept, and is there. `ambiguous`: another dialect would read another number,
and none is set; it is there, too. With the others it is not. `other_dialect`: unreadable, but it is a number with a decimal
comma, or with groups of thousands."""

Scaled = tuple[int | None, Problem | None, frozenset[str] | None]
"""A number in units of 10^-scale; what is wrong with it; of money, the currencies that what stands beside the digits may mean."""

DIGITS = 18
"""Of every number that silver keeps (`table.MONEY`, `table.QUANTITY`)."""
LIMIT = 10**DIGITS
_NOTHING: Scaled = (None, None, None)
_UNREADABLE: Scaled = (None, "unreadable", None)

# Digits are taken for good (`++`): a text of many digits that is no number is told in one pass.
_POINT = re.compile(r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?")
"""A number as JSON and programs write it."""
_EITHER_WAY = re.compile(r"[+-]?[1-9][0-9]{0,2}\.[0-9]{3}")
"""With a decimal point, one and a bit; with a point between thousands, more than a thousand."""
_ELSEWHERE = re.compile(
    r"[+-]?(?:[0-9]{1,3}(?:[., '’\u00a0\u2009\u202f][0-9]{3})*|[0-9]++)(?:[.,][0-9]*+)?(?:[eE][+-]?[0-9]++)?"
)
"""A number in some dialect."""
_SPACES = " \u00a0\u2009\u202f"
_SEPARATORS = {" ": _SPACES, "\u00a0": _SPACES, "\u202f": _SPACES, "'": "'’"}
"""What stands between thousands, by the setting: printers of the same country use one blank or another."""
_MINUS = str.maketrans({"\u2212": "-"})
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])
"""Multiplies numbers of however many digits."""
_UNITS = [Decimal(10**scale) for scale in range(DIGITS)]
_FAR = 10**17


Number = bytes
"""A number of JSON that is written with a point or an exponent: its text, in a type that no text of a record has, and that is made
in C."""


class Written(NamedTuple):
    """A text that is a number: its value, and what stands beside its digits."""

    value: Decimal
    currencies: frozenset[str] | None
    is_ambiguous: bool


class Reader(dict[type, Any]):
    """Reads the numbers of one column: `reader[type(value)][value]` is a `Scaled`.

    By type first, because a number of JSON has a decimal point whatever the dialect; by value then, because prices and
    quantities repeat. `exact` is the number before it was rounded.
    """

    def __init__(self, dialect: NumberDialect, scale: int, *, is_money: bool = False):
        self._dialect, self._scale, self._is_money = dialect, scale, is_money
        self._of_text = _text_reader(dialect, is_money=is_money)
        nothing: Mapping[Any, Scaled] = {None: _NOTHING}
        super().__init__(
            {
                int: Remembered(self._whole, most=50_000),
                Number: Remembered(
                    lambda value: self._scaled(Written(_decimal(value.decode()), None, False)), most=50_000
                ),
                str: Remembered(self._text, most=50_000),
                type(None): nothing,
            }
        )
        if is_money:
            self[dict] = _Always(self._money_object)

    def __missing__(self, kind: type) -> Any:
        return _Always(lambda _: _UNREADABLE)

    def of(self, value: Any) -> Scaled:
        """Any value of JSON, or a cell."""
        found: Scaled = self[type(value)][value]
        return found

    def exact(self, value: Any) -> Decimal | None:
        """The number that a readable value is, with all its digits, in the column's own unit."""
        if type(value) is int:
            found: Decimal | None = Decimal(value)
        elif type(value) is Number:
            found = _decimal(value.decode())
        elif type(value) is dict:
            return self.exact(currencies.in_object(value)[0]) if self._is_money else None
        else:
            written = self._of_text(value) if type(value) is str else None
            found = None if written is None else written.value
        return found

    def _whole(self, value: int) -> Scaled:
        whole = value * 10**self._scale
        return (whole, None, None) if -LIMIT < whole < LIMIT else (None, "overflow", None)

    def _text(self, text: str) -> Scaled:
        bare = text.strip(AROUND)
        if not bare:
            return _NOTHING
        written = self._of_text(bare)
        if written is not None:
            return self._scaled(written)
        if bare in ("Infinity", "-Infinity"):
            return None, "overflow", None
        beside = _beside(bare, is_money=self._is_money)
        is_number = beside is not None and _ELSEWHERE.fullmatch(beside[0])
        return (None, "other_dialect", None) if is_number else _UNREADABLE

    def _scaled(self, written: Written) -> Scaled:
        whole, problem = _of_decimal(written.value, self._scale)
        return whole, "ambiguous" if written.is_ambiguous and problem is None else problem, written.currencies

    def _money_object(self, value: dict[str, Any]) -> Scaled:
        amount, currency = currencies.in_object(value)
        if amount is None:
            return _NOTHING if currencies.is_amount(value) else _UNREADABLE
        whole, problem, beside = self.of(amount)
        if is_blank(currency):
            return whole, problem, beside
        # Also one that we do not know: it is another than the record's.
        stated = frozenset(((trimmed(text_of(currency)) or "").upper(),))
        return whole, problem, stated if beside is None else stated & beside


class _Always:
    """What is looked up in it is read each time: values that no dictionary can hold."""

    def __init__(self, read: Any):
        self._read = read

    def __getitem__(self, value: Any) -> Any:
        return self._read(value)


@cache
def reader(dialect: NumberDialect, scale: int, *, is_money: bool = False) -> Reader:
    """Reads the numbers of a column of this dialect and scale; of money, beside a currency's code or sign as well."""
    return Reader(dialect, scale, is_money=is_money)


class Amounts:
    """Reads the amounts of money of one column, which may be in the minor units of their currency."""

    def __init__(self, dialect: NumberDialect, scale: int):
        self._usual = reader(dialect, scale, is_money=True)
        self._dialect, self._scale = dialect, scale

    def of(self, currency: str | None) -> Reader:
        """The reader of amounts in that currency. Without a currency a record is rejected, whatever its amounts."""
        if not self._dialect.minor_units:
            return self._usual
        return reader(self._dialect, self._scale - currencies.exponent(currency), is_money=True)

    def exact(self, value: Any, currency: str | None) -> Decimal:
        """The amount with all its digits, of a value that is readable."""
        found = self.of(currency).exact(value) or Decimal(0)
        return found.scaleb(-currencies.exponent(currency), _EXACT) if self._dialect.minor_units else found


def _text_reader(dialect: NumberDialect, *, is_money: bool) -> Any:
    """Reads texts that are numbers of a dialect: a text without what surrounds it -> `Written`; None for any other."""
    is_default = dialect.decimal is None and not dialect.thousands
    plain = _POINT if is_default else _pattern(dialect)
    groups = _SEPARATORS.get(dialect.thousands or "", dialect.thousands or "")
    remove = str.maketrans(dict.fromkeys(groups) | ({",": "."} if dialect.decimal == "," else {}))

    def read(text: str) -> Written | None:
        beside: frozenset[str] | None = None
        bare = text.strip(AROUND)
        if not plain.fullmatch(bare):
            found = _beside(bare, is_money=is_money)
            if found is None or not plain.fullmatch(found[0]):
                return None
            bare, beside = found
        is_ambiguous = is_default and _EITHER_WAY.fullmatch(bare) is not None
        return Written(_decimal(bare if is_default else bare.translate(remove)), beside, is_ambiguous)

    return read


def _pattern(dialect: NumberDialect) -> re.Pattern[str]:
    mark = re.escape(dialect.decimal or ".")
    thousands = dialect.thousands or ""
    grouped = ""
    if thousands:
        separators = "|".join(map(re.escape, _SEPARATORS.get(thousands, thousands)))
        grouped = rf"[0-9]{{1,3}}(?:(?:{separators})[0-9]{{3}})++(?:{mark}[0-9]*+)?|"
    return re.compile(rf"[+-]?(?:{grouped}(?:[0-9]++(?:{mark}[0-9]*+)?|{mark}[0-9]++)(?:[eE][+-]?[0-9]++)?)")


_SIGNED = re.compile(
    r"\+(?P<plus>.*)|-(?P<before>.*)|(?P<after>.*)-|\((?P<within>[^()]*)\)",
    re.DOTALL,
)
"""A text with one of its signs."""


def _beside(text: str, *, is_money: bool) -> tuple[str, frozenset[str] | None] | None:
    """(digits with their sign, currencies that what stands beside them may mean); None where a sign or currency is doubled.

    A minus may stand before or after, also beyond the currency; an amount in brackets is negative, as bookkeepers write it.
    """
    bare, is_signed, is_negative = text.translate(_MINUS).strip(AROUND), False, False
    beside: frozenset[str] | None = None
    while True:
        signed = _SIGNED.fullmatch(bare)
        if signed is not None:
            if is_signed:
                return None
            is_signed, is_negative = True, signed["plus"] is None
            bare = (signed["plus"] or signed["before"] or signed["after"] or signed["within"] or "").strip(AROUND)
        elif is_money and beside is None and (taken := currencies.beside(bare)):
            bare, beside = taken[0].strip(AROUND), taken[1]
        else:
            return ("-" if is_negative else "") + bare, beside


def _decimal(text: str) -> Decimal:
    """A number with a decimal point."""
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of twenty digits: one that Decimal can hold says the same of every column
        digits, _, exponent = text.lower().partition("e")
        return Decimal(f"{digits}e{'-' if exponent.startswith('-') else ''}{_FAR}")


def _of_decimal(value: Decimal, scale: int) -> tuple[int | None, Problem | None]:
    if not value:
        return 0, None
    magnitude = value.adjusted()  # looked at first: the digits of 1e999999 are never written out
    if magnitude > DIGITS:
        return None, "overflow"
    if magnitude < -scale - 1:
        return 0, "rounded"
    shifted = _EXACT.multiply(value, _UNITS[scale])
    whole = int(shifted)
    if whole == shifted:
        return (whole, None) if -LIMIT < whole < LIMIT else (None, "overflow")
    whole = int(shifted.to_integral_value(ROUND_HALF_UP))
    return (whole, "rounded") if -LIMIT < whole < LIMIT else (None, "overflow")


def product(quantity: Decimal | None, price: Decimal | None, scale: int) -> int | None:
    """quantity × price in units of 10^-scale, multiplied exactly and rounded once; None where one is none or it does not fit."""
    if quantity is None or price is None:
        return None
    return _of_decimal(_EXACT.multiply(quantity, price), scale)[0]


def text(whole: int, scale: int) -> str:
    """A number of units of 10^-scale as people write it: 12345678 of scale 4 is 1234.5678."""
    units = 10**scale
    return f"{'-' if whole < 0 else ''}{abs(whole) // units}.{abs(whole) % units:0{scale}d}"


def half_up(whole: int, by: int) -> int:
    """whole / by, rounded half-up (away from zero)."""
    rounded = (abs(whole) * 2 + by) // (by * 2)
    return -rounded if whole < 0 else rounded
