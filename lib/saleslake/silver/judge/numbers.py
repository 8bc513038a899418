"""Numbers of a record, exactly: as whole numbers of the smallest unit that a column keeps, rounded once and half-up."""

from __future__ import annotations

import re
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, ROUND_HALF_UP, Context, Decimal, InvalidOperation
from functools import partial
from typing import Any, Literal

from saleslake.silver.judge.texts import WHITESPACE, Remembered

Problem = Literal["rounded", "overflow", "unreadable"]
"""`rounded`: the number had more digits than are kept, and is there. With the others it is not."""

Scaled = tuple[int | None, Problem | None]

DIGITS = 18
"""Of every number that silver keeps (`table.MONEY`, `table.QUANTITY`)."""
LIMIT = 10**DIGITS
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])
"""Multiplies numbers of however many digits."""
_UNITS = [Decimal(10**scale) for scale in range(DIGITS)]
_FAR = 10**17
_NOTHING: Scaled = (None, None)


class Number(str):
    """A number of JSON that is written with a point or an exponent: its text."""

    __slots__ = ()


def scaled(value: Any, scale: int) -> Scaled:
    """(a value of JSON or CSV in units of 10^-scale, what is wrong with it); (None, None) where nothing stands there.

    Takes a number or a text that is one: digits of ASCII, with a decimal point and an exponent or without.
    """
    if type(value) in READABLE:
        found: Scaled = of_scale[scale][value]
        return found
    return _NOTHING if value is None else (None, "unreadable")


def _read(scale: int, value: str | int) -> Scaled:
    if type(value) is int:
        whole = value * 10**scale
        return (whole, None) if -LIMIT < whole < LIMIT else (None, "overflow")
    bare = str(value).strip(WHITESPACE)
    if not bare:
        return _NOTHING
    if not _NUMBER.fullmatch(bare):
        return None, "overflow" if bare in ("Infinity", "-Infinity") else "unreadable"
    try:
        return _of_decimal(Decimal(bare), scale)
    except InvalidOperation:  # an exponent of twenty digits: one that Decimal can hold says the same of every column
        digits, _, exponent = bare.lower().partition("e")
        return _of_decimal(Decimal(f"{digits}e{'-' if exponent.startswith('-') else ''}{_FAR}"), scale)


READABLE = frozenset((int, str, Number))
"""Types of what may be a number; a truth value is none."""
of_scale = [Remembered(partial(_read, scale), most=50_000) for scale in range(DIGITS)]
"""By scale, and by value, as `scaled` gives it: prices and quantities repeat."""


def _of_decimal(value: Decimal, scale: int) -> Scaled:
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


def text(whole: int, scale: int) -> str:
    """A number of units of 10^-scale as people write it: 12345678 of scale 4 is 1234.5678."""
    units = 10**scale
    return f"{'-' if whole < 0 else ''}{abs(whole) // units}.{abs(whole) % units:0{scale}d}"


def half_up(whole: int, by: int) -> int:
    """whole / by, rounded half-up (away from zero)."""
    rounded = (abs(whole) * 2 + by) // (by * 2)
    return -rounded if whole < 0 else rounded
