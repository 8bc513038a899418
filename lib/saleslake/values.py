"""Text to typed values, with nothing that can raise: what cannot be read is NULL, and a rule says so."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

WHITESPACE = " \t\r\n"
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_ISO_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_ISO = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?( ?(Z|[+-][0-9]{2}:?[0-9]{2}))?)?$"
)
_ZONED = r"(Z|[+-][0-9]{2}:?[0-9]{2})$"


def trimmed(text: Column) -> Column:
    """Keys and enumerations: without surrounding white space; empty is NULL."""
    bare = F.trim(text, F.lit(WHITESPACE))
    return F.when(bare != "", bare)


def identifier(text: Column) -> Column:
    """A key: trimmed; NULL where the record holds an object or array in its place."""
    bare = trimmed(text)
    return F.when(~bare.rlike(r"^[\[{]"), bare)


def is_number(text: Column) -> Column:
    """Whether a text that did not become a number is one all the same, only too large."""
    return F.coalesce(trimmed(text).rlike(_NUMBER) | text.rlike('^"?-?Infinity"?$'), F.lit(False))


def money_problem(exact: Column, text: Column, type_: T.DecimalType) -> Column:
    """`overflow` if the number does not fit `type_`, `unreadable` if the text is none, else NULL."""
    too_large = exact.isNotNull() & exact.try_cast(type_).isNull()
    return F.when(too_large | is_number(text), F.lit("overflow")).when(text.isNotNull(), F.lit("unreadable"))


def was_rounded(exact: Column, type_: T.DecimalType) -> Column:
    """Whether the number has more digits than `type_` keeps; NULL stays NULL."""
    return exact != exact.try_cast(type_)


def timestamp(text: Column, formats: Sequence[str], zone: str) -> Column:
    """A moment in UTC; NULL if no format reads it, or if two formats read it differently.

    `formats` are Spark datetime patterns or `iso`. A time without zone is in `zone`; a day without a time
    is that calendar day (midnight UTC), whatever the zone, so that a business day never moves.
    Moments outside the years 1 to 9999 (UTC) are NULL: no reader but Spark could hold them.
    """
    bare = trimmed(text)
    readings = [_iso(bare, zone) if f == "iso" else _pattern(bare, f, zone) for f in formats]
    if len(readings) == 1:
        return readings[0]
    distinct = F.array_distinct(F.array_compact(F.array(*readings)))
    return F.when(F.size(distinct) == 1, F.element_at(distinct, 1))


def is_plain_iso(bare: Column) -> Column:
    """Whether a trimmed text, if it can be cast at all, is a moment that `timestamp` reads as `iso` in UTC, whatever its zone."""
    return bare.rlike(_ISO) & ~_at_the_edge(bare)


def _at_the_edge(bare: Column) -> Column:
    """Only the first and the last day can be carried out of range by a zone; elsewhere the moment is computed once."""
    return bare.startswith("0000") | bare.startswith("0001-01-01") | bare.startswith("9999-12-31")


def _in_range(moment: Column) -> Column:
    first, last = F.lit("0001-01-01 00:00:00").cast("timestamp"), F.lit("9999-12-31 23:59:59.999999").cast("timestamp")
    return moment.between(first, last)


def _iso(bare: Column, zone: str) -> Column:
    moment = bare.try_cast(T.TimestampType())
    if zone != "UTC":
        moment_in_zone = F.to_utc_timestamp(moment, zone)
        moment = F.when(bare.rlike(_ISO_DAY) | bare.rlike(_ZONED), moment).otherwise(moment_in_zone)
    return F.when(bare.rlike(_ISO) & (~_at_the_edge(bare) | _in_range(moment)), moment)


def _pattern(bare: Column, pattern: str, zone: str) -> Column:
    moment = F.try_to_timestamp(bare, F.lit(pattern))
    letters = re.sub(r"'[^']*'", "", pattern)
    has_zone, has_time = bool(re.search(r"[VzOXxZ]", letters)), bool(re.search(r"[HhKk]", letters))
    if has_time and not has_zone and zone != "UTC":
        moment = F.to_utc_timestamp(moment, zone)
    return F.when(_in_range(moment), moment)


_IGNORED = r"[ \t\r\n\x0B\f_-]"
"""What spellings of a channel may differ in. Written out: Python's `\\s` is more than Java's."""


def normal_spelling(text: Column) -> Column:
    """A channel's spelling without case, spaces, `-` and `_`: what `[channels]` is looked up by."""
    return F.lower(F.regexp_replace(trimmed(text), _IGNORED, ""))


def channel(text: Column, names: dict[str, str]) -> Column:
    """The channel's name by the mapping in `conf/`; an unlisted spelling keeps its trimmed text; none is `unknown`."""
    bare = trimmed(text)
    known: Column = F.lit(None).cast("string")
    if names:
        spelled = normal_spelling(text)
        pairs = [F.lit(part) for item in names.items() for part in (re.sub(_IGNORED, "", item[0]).lower(), item[1])]
        known = F.try_element_at(F.create_map(*pairs), spelled)
    return F.coalesce(known, bare, F.lit("unknown"))


def currency(text: Column) -> Column:
    """An ISO 4217 code by its form: three letters, upper-cased; anything else is NULL."""
    code = F.upper(trimmed(text))
    return F.when(code.rlike("^[A-Z]{3}$"), code)
