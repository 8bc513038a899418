"""Date patterns, as `date_formats` spells them: letters of java.time, compiled to what reads a text by them.

A pattern reads a whole text. Numbers have as many digits as the pattern has letters (`dd`: 05), or any where it has one
(`d`: 5 or 05); names of months are English, of any case; `[ ]` may be missing; what is between quotes stands there itself.
What a text says twice must be the same both times.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from saleslake.date_patterns import MONTHS, PARTS, literal
from saleslake.silver.judge import moments

_LONG_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_MONTH_OF = {name.lower(): number for names in (MONTHS, _LONG_MONTHS) for number, name in enumerate(names, 1)}
_OFFSETS = {
    "X": r"Z|[+-][0-9]{2}(?:[0-9]{2})?", "XX": r"Z|[+-][0-9]{4}", "XXX": r"Z|[+-][0-9]{2}:[0-9]{2}",
    "XXXX": r"Z|[+-][0-9]{4}(?:[0-9]{2})?", "XXXXX": r"Z|[+-][0-9]{2}:[0-9]{2}(?::[0-9]{2})?",
    "x": r"[+-][0-9]{2}(?:[0-9]{2})?", "xx": r"[+-][0-9]{4}", "xxx": r"[+-][0-9]{2}:[0-9]{2}",
    "xxxx": r"[+-][0-9]{4}(?:[0-9]{2})?", "xxxxx": r"[+-][0-9]{2}:[0-9]{2}(?::[0-9]{2})?",
    "Z": r"[+-][0-9]{4}", "ZZ": r"[+-][0-9]{4}", "ZZZ": r"[+-][0-9]{4}", "ZZZZ": r"GMT(?:[+-][0-9]{2}:[0-9]{2}(?::[0-9]{2})?)?",
    "ZZZZZ": r"Z|[+-][0-9]{2}:[0-9]{2}(?::[0-9]{2})?",
    "O": r"GMT(?:[+-][0-9]{1,2}(?::[0-9]{2}){0,2})?", "OOOO": r"GMT(?:[+-][0-9]{2}:[0-9]{2}(?::[0-9]{2})?)?",
}  # fmt: skip
_MOST_AWAY = 18 * 3600
_AWAY = r"(?:GMT|UTC?)?[+-][0-9]{2}:[0-9]{2}(?::[0-9]{2})?"
_NO_REGION = re.compile(f"Z|UT|{_AWAY}", re.IGNORECASE | re.ASCII)
_PREFIX = re.compile("GMT|UTC?")
_MOST_DIGITS = 19


Field = tuple[str, Callable[[str], int | str]]
"""What a letter reads (its name, `offset` for all offsets), and the value of its text."""


def compiled(pattern: str, local: ZoneInfo | None) -> Callable[[str], int | None]:
    """Reads a moment by a pattern that has no `problem`: µs since 1970 in UTC, None where the text is none.

    `local`: the zone of a time without one; None: UTC. What the pattern lacks is 1970, the first month, day, hour and so on.
    """
    expression, fields = _expression(pattern)
    matched = re.compile(expression, re.IGNORECASE | re.ASCII).fullmatch
    has_time = any(what in "HkhK" for what, _ in fields.values())

    def read(text: str) -> int | None:
        found = matched(text)
        if found is None:
            return None
        given: dict[str, Any] = {}
        try:
            for name, written in found.groupdict().items():
                if written is not None:
                    what, value_of = fields[name]
                    value = value_of(written)
                    if given.setdefault(what, value) != value:
                        return None  # one thing twice, and not the same
            return _moment(given, local if has_time else None)
        except (ValueError, OverflowError):
            return None

    return read


def _expression(pattern: str) -> tuple[str, dict[str, Field]]:
    """A regular expression, and what each of its named groups holds."""
    written, fields = [], dict[str, Field]()
    parts = list(PARTS.finditer(pattern))
    for at, part in enumerate(parts):
        text, letter = part.group(0), part.group(1)
        if letter is None:
            # `?+`: what could be read as the optional part is it, whatever follows.
            written.append({"[": "(?:", "]": ")?+"}.get(text) or re.escape(literal(text)))
            continue
        name = f"f{len(fields)}"
        fields[name] = _field(letter, len(text))
        takes_all = "+" if _takes_all(each.group(0) for each in parts[at:]) else ""
        written.append(f"(?P<{name}>{_digits(letter, text)}{takes_all})")
    return "".join(written), fields


def _field(letter: str, count: int) -> Field:
    if letter in "ML":
        return "M", _month if count > 2 else int
    if letter == "y":
        return "y", _year_of_two_digits if count == 2 else int
    if letter in "XxZO":
        return "offset", _seconds_away
    return letter, _READ.get(letter, int)


def _digits(letter: str, text: str) -> str:
    width = _width(letter, len(text))
    if width is not None:
        return f"[0-9]{{{width[0]},{width[1]}}}"
    if letter in "ML":
        return "|".join(MONTHS if len(text) == 3 else _LONG_MONTHS)
    if letter == "a":
        return "AM|PM"
    return rf"{_AWAY}|[A-Z][A-Z0-9_+/-]*" if letter == "V" else _OFFSETS[text]


def _width(letter: str, count: int) -> tuple[int, int] | None:
    """(fewest, most) digits of a number; None: what the letter reads is none."""
    if letter in "aVXxZO" or (letter in "ML" and count > 2):
        return None
    if letter == "S":
        return 1, count
    if letter == "D" and count > 1:
        return count, 3
    return count, _MOST_DIGITS if count in (1, 3) else count


def _takes_all(parts: Iterable[str]) -> bool:
    """Whether the first part is a number of any length that takes every digit there is.

    It leaves some to numbers of fixed length right after it. To one of any length it does not: nothing would say where
    the first ends, and 1112025 by `dMyyyy` would be two days.
    """
    widths = [_width(text[0], len(text)) if text[0].isalpha() else None for text in parts]
    if widths[0] is None or widths[0][0] == widths[0][1]:
        return False
    for at, width in enumerate(widths[1:]):
        if width is None or width[0] != width[1]:
            return at == 0 or width is not None
    return len(widths) == 1


def _moment(given: dict[str, Any], local: tzinfo | None) -> int | None:
    hour = _hour(given)
    if hour is None:
        return None
    year = given.get("y", 1970)
    at = datetime(year, given.get("M", 1), given.get("d", 1), hour, given.get("m", 0), given.get("s", 0))
    if "D" in given:
        at = at.replace(month=1, day=1) + timedelta(days=given["D"] - 1)
        if (at.year, given.get("M", at.month), given.get("d", at.day)) != (year, at.month, at.day):
            return None
    micros = given.get("S", 0)
    if "offset" in given:
        away = given["offset"]
        if abs(away) > _MOST_AWAY:
            return None
        return moments.in_range(moments.micros_of(at) + micros - away * 1_000_000)
    if "V" in given:
        local = _zone(given["V"])
        if local is None:
            return None
    if local is None:
        return moments.micros_of(at) + int(micros)
    return moments.zoned(at, micros, local)


def _hour(given: dict[str, Any]) -> int | None:
    """The hour of the day; None where the text has none that is, or two. PM without an hour is noon."""
    if not (1 <= given.get("k", 1) <= 24 and 1 <= given.get("h", 1) <= 12 and given.get("K", 0) < 12):
        return None
    of_day = {value % 24 if letter == "k" else value for letter, value in given.items() if letter in "Hk"}
    of_half = {value % 12 for letter, value in given.items() if letter in "hK"}
    if len(of_day) > 1 or len(of_half) > 1:
        return None
    if not of_day:
        return int(sum(of_half) + given.get("a", 0))
    hour: int = sum(of_day)
    in_half = hour % 12
    return hour if of_half <= {in_half} and given.get("a", hour - in_half) == hour - in_half else None


def _month(name: str) -> int:
    return _MONTH_OF[name.lower()]


def _year_of_two_digits(text: str) -> int:
    return 2000 + int(text)


def _half(text: str) -> int:
    return 12 if text.upper() == "PM" else 0


def _micros(fraction: str) -> int:
    return int(fraction[:6].ljust(6, "0"))


def _seconds_away(offset: str) -> int:
    """Of `Z`, `+01`, `+0100`, `+01:00`, `+01:00:00`, `GMT+1`: seconds ahead of UTC. Raises ValueError for +01:60."""
    text = _PREFIX.sub("", offset.upper()).replace(":", "")
    if text in ("", "Z"):
        return 0
    digits = text[1:].zfill(len(text[1:]) + len(text[1:]) % 2)
    hours, minutes, seconds = (int(digits[at : at + 2] or 0) for at in (0, 2, 4))
    if minutes > 59 or seconds > 59:
        raise ValueError(offset)
    return (-1 if text[0] == "-" else 1) * (hours * 3600 + minutes * 60 + seconds)


_READ: dict[str, Callable[[str], int | str]] = {"a": _half, "S": _micros, "V": str.upper}
_zones: dict[str, str] = {}


def _zone(name: str) -> tzinfo | None:
    if _NO_REGION.fullmatch(name):
        away = _seconds_away(name)
        return timezone(timedelta(seconds=away)) if abs(away) <= _MOST_AWAY else None
    if not _zones:
        _zones.update({each.upper(): each for each in available_timezones()})
    known = _zones.get(name)
    return ZoneInfo(known) if known else None
