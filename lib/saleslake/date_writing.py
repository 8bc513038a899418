"""Writes a moment by a datetime pattern: the spelling of `date_formats`, as far as it says one thing when writing."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from saleslake import date_patterns
from saleslake.date_patterns import MONTHS, PARTS, literal

NAMES = ("iso", "iso_seconds", "epoch_s", "epoch_ms")
"""Forms of a moment that have a name instead of a pattern."""

_WRITES = {
    "yyyy", "y", "yy", "M", "MM", "MMM", "d", "dd", "H", "HH", "h", "hh", "a", "m", "mm", "s", "ss", "X", "XX", "XXX",
    "x", "xx", "xxx", "Z", "S", "SS", "SSS", "SSSS", "SSSSS", "SSSSSS",
}  # fmt: skip
_UNITS = [("s", timedelta(seconds=1)), ("m", timedelta(minutes=1)), ("Hh", timedelta(hours=1))]


def problem(pattern: str) -> str | None:
    """Why nothing can be written by this pattern, or None."""
    found = date_patterns.problem(pattern)
    if found:
        return found
    letters = _letters(pattern)
    unknown = [part for part in letters if part not in _WRITES]
    if unknown:
        return f"{unknown[0]!r} is not written (there are y M d H h a m s S X x Z, text between single quotes)"
    if "[" in _unquoted(pattern):
        return "optional parts, [ ], do not say what to write"
    if {part[0] for part in letters}.isdisjoint("Hh") and not {part[0] for part in letters}.isdisjoint("msS"):
        return "it has minutes or seconds, and no hour"
    if any(part[0] == "h" for part in letters) and "a" not in letters:
        return "h counts to 12: it needs a, or take H"
    missing = [letter for letter in "yMd" if all(part[0] != letter for part in letters)]
    return f"it has no {missing[0]!r}" if missing else None


def unit(pattern: str) -> timedelta:
    """The least difference that the pattern shows."""
    letters = _letters(pattern)
    fraction = max((len(part) for part in letters if part[0] == "S"), default=0)
    if fraction:
        return timedelta(microseconds=10 ** (6 - fraction))
    shown = {part[0] for part in letters}
    return next((size for names, size in _UNITS if shown & set(names)), timedelta(days=1))


def write(moment: datetime, pattern: str) -> str:
    """An aware moment by a pattern that has no `problem`; what the pattern does not show is cut off."""
    return "".join(_written(moment, found.group(0), found.group(1)) for found in PARTS.finditer(pattern))


def _letters(pattern: str) -> list[str]:
    return [found.group(0) for found in PARTS.finditer(pattern) if found.group(1)]


def _unquoted(pattern: str) -> str:
    return re.sub(r"'(?:[^']|'')*'", "", pattern)


def _written(at: datetime, text: str, letter: str | None) -> str:
    if letter is None:
        return literal(text)
    if letter == "y":
        return f"{at.year % 100:02d}" if text == "yy" else f"{at.year:0{len(text)}d}"
    if text == "MMM":
        return MONTHS[at.month - 1]
    if letter == "a":
        return "AM" if at.hour < 12 else "PM"
    if letter == "S":
        return f"{at.microsecond:06d}"[: len(text)]
    if letter in "XxZ":
        return _offset(at, text)
    numbers = {"M": at.month, "d": at.day, "H": at.hour, "h": (at.hour + 11) % 12 + 1, "m": at.minute, "s": at.second}
    return f"{numbers[letter]:0{len(text)}d}"


def _offset(at: datetime, text: str) -> str:
    """`X` writes Z for UTC and `x` does not; one letter: hours (minutes where there are any), two: +hhmm, three: +hh:mm."""
    minutes = round((at.utcoffset() or timedelta()).total_seconds() / 60)
    if text[0] == "X" and minutes == 0:
        return "Z"
    hours, rest = divmod(abs(minutes), 60)
    sign = "-" if minutes < 0 else "+"
    if len(text) == 1 and text != "Z":
        return f"{sign}{hours:02d}" + (f"{rest:02d}" if rest else "")
    return f"{sign}{hours:02d}{':' if len(text) == 3 else ''}{rest:02d}"
