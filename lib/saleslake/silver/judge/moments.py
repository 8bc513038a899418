"""Moments of a record: texts by ISO 8601 or by date patterns, as microseconds since 1970 in UTC."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from saleslake.date_patterns import COUNTS
from saleslake.silver.judge import patterns
from saleslake.silver.judge.texts import AROUND, Remembered, text_of

Read = Callable[[object], int | None]

EPOCH = datetime(1970, 1, 1)
_MICRO = timedelta(microseconds=1)
FIRST, LAST = (datetime.min - EPOCH) // _MICRO, (datetime.max - EPOCH) // _MICRO
"""The years 1 to 9999 in UTC: what readers other than Spark can hold."""
DAY = 86_400_000_000
_ISO_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_ISO_MINUTE = re.compile(r"[Tt ]([0-9]{2}):([0-9]{2})")
_ISO_REST = re.compile(
    r"(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?(?: ?(Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?))?", re.IGNORECASE | re.ASCII
)
_NUMBER = re.compile(r"-?[0-9]{1,17}(?:[.,][0-9]{1,17})?")
_EXCEL_BEGINS = (datetime(1899, 12, 30) - EPOCH) // _MICRO
"""Day 0 of spreadsheets, for days from March 1900 on: before, they count a 29 February that was none."""
_EXCEL_FIRST = 61
_MOST_AWAY = 18 * 60


def reader(formats: Sequence[str], zone: str) -> Read:
    """Reads a moment by these formats: `iso`, COUNTS or date patterns. None where none reads it, or two read it differently.

    A time without a zone is in `zone`; a day without a time is that calendar day (midnight UTC), whatever the zone, so that
    a business day never moves. Of a local time that is twice in `zone` the first counts; one that never is there, because
    clocks were put forward, is as much later as they were.
    """
    local = None if zone == "UTC" else ZoneInfo(zone)
    if list(formats) == ["iso"]:
        return _iso(local)
    of_text = [_of_format(name, local) for name in formats]

    def read(value: object) -> int | None:
        if type(value) is not str:
            return None if value is None else read(text_of(value))
        bare = value.strip(AROUND)
        found = {moment for each in of_text if (moment := each(bare)) is not None}
        return found.pop() if len(found) == 1 else None

    return read


def _of_format(name: str, local: ZoneInfo | None) -> Callable[[Any], int | None]:
    if name == "iso":
        return _iso(local)
    if name in COUNTS:
        return _count(name, local)
    of_pattern = patterns.compiled(name, local)
    return lambda value: of_pattern(text_of(value) or "")


def _count(name: str, local: ZoneInfo | None) -> Read:
    """Seconds or milliseconds since 1970, or a spreadsheet's days, which are local time."""

    def read(value: Any) -> int | None:
        text = (text_of(value) or "").strip(AROUND)
        if not _NUMBER.fullmatch(text):
            return None
        count = Decimal(text.replace(",", "."))
        # A spreadsheet keeps its days as floats: what it shows is exact to the millisecond.
        unit = 1_000 if name == "excel" else 1
        at = int((count * COUNTS[name] / unit).to_integral_value(ROUND_HALF_UP)) * unit
        if name != "excel":
            return in_range(at)
        if count < _EXCEL_FIRST:
            return None
        at += _EXCEL_BEGINS
        if local is None or count == int(count):  # a day without a time is that day
            return in_range(at)
        seconds, micros = divmod(at, 1_000_000)
        return zoned(EPOCH + timedelta(seconds=seconds), micros, local) if in_range(at) is not None else None

    return read


def _iso(local: ZoneInfo | None) -> Read:
    # Days, minutes and what follows a minute repeat: most moments are three looks into what was read before.
    days, minutes, rests = (Remembered(each, most=50_000) for each in (_day, _minute, _rest))

    def read(value: object) -> int | None:
        if type(value) is not str:
            return None if value is None else read(text_of(value))
        text = value.strip(AROUND)
        day: int | None = days[text[:10]]
        if day is None or len(text) == 10:
            return day
        minute, rest = minutes[text[10:16]], rests[text[16:]]
        if minute is None or rest is None:
            return None
        micros, has_zone = rest
        at: int = day + minute + micros
        if minute == DAY and not (_is_midnight(text[16:]) and FIRST <= at <= LAST):
            return None
        if has_zone or local is None:
            return at if FIRST <= at <= LAST else None
        seconds, micros = divmod(at, 1_000_000)
        return zoned(EPOCH + timedelta(seconds=seconds), micros, local)

    return read


def _day(text: str) -> int | None:
    found = _ISO_DAY.fullmatch(text)
    try:
        return micros_of(datetime(int(found[1]), int(found[2]), int(found[3]))) if found else None
    except ValueError:
        return None


def _minute(text: str) -> int | None:
    """µs since midnight of `T10:15`; `T24:00` is the end of its day."""
    found = _ISO_MINUTE.fullmatch(text)
    if found is None or found[2] > "59" or found[1] > "24" or (found[1] == "24" and found[2] != "00"):
        return None
    return (int(found[1]) * 60 + int(found[2])) * 60_000_000


def _is_midnight(text: str) -> bool:
    """Whether what follows a minute adds nothing to it, but for an offset."""
    found = _ISO_REST.fullmatch(text)
    return found is not None and not (found[1] or "").strip("0") and not (found[2] or "").strip("0")


def _rest(text: str) -> tuple[int, bool] | None:
    """(µs to add for what follows a minute: seconds, and the way to UTC; whether there is an offset)."""
    found = _ISO_REST.fullmatch(text)
    if found is None:
        return None
    second, fraction, offset = found.groups()
    if second is not None and second > "59":
        return None
    seconds = int(second or 0)
    if offset is not None and offset[0] in "+-":
        hours, minutes = offset[1:3], offset[3:].removeprefix(":") or "00"
        away = int(hours) * 60 + int(minutes)
        if away > _MOST_AWAY or minutes > "59":
            return None
        seconds -= -away * 60 if offset[0] == "-" else away * 60
    return seconds * 1_000_000 + (int(fraction[:6].ljust(6, "0")) if fraction else 0), offset is not None


def micros_of(at: datetime) -> int:
    """Of a moment of whole seconds in UTC: µs since 1970."""
    passed = at - EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000


def zoned(at: datetime, micros: int, zone: tzinfo) -> int | None:
    """The moment of a local time of whole seconds, and so many microseconds more; None beyond the years 1 to 9999."""
    away = zone.utcoffset(at) or timedelta()
    return in_range(micros_of(at) + micros - away // _MICRO)


def in_range(moment: int) -> int | None:
    return moment if FIRST <= moment <= LAST else None


def span(first: date, last: date) -> tuple[int, int]:
    """The first and the last moment of these days, in UTC."""
    begins, ends = ((datetime.combine(day, time()) - EPOCH) // _MICRO for day in (first, last))
    return begins, ends + DAY - 1


def as_datetime(moment: int) -> datetime:
    """The moment as Python's, for people and tests."""
    return (EPOCH + timedelta(microseconds=moment)).replace(tzinfo=UTC)
