"""How a CSV is written: its delimiter, quote and escape; a record to its cells, and a text to its records.

RFC 4180, and what exports add to it. Pure: text in, text out, in time linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

from saleslake.config import Source

Cells = Callable[[str], list[str] | None]
"""A record's cells; None where a quoted cell is not closed, or text follows its end."""
_NEVER = "(?!)"


class Dialect(NamedTuple):
    """`quote` and `escape` may be empty: nothing is quoted, nothing is escaped."""

    delimiter: str
    quote: str
    escape: str

    @property
    def marks(self) -> tuple[str, ...]:
        """The characters without which each line is a record."""
        return tuple(filter(None, (self.quote, self.escape)))


def dialect_of(source: Source, delimiter: str = "") -> Dialect:
    """How a source's files are written. `delimiter`: what the file itself says of it."""
    return Dialect(delimiter or source.delimiter, source.quote, source.escape)


# --- cells -----------------------------------------------------------------------------------------


@cache
def splitter(dialect: Dialect) -> Cells:
    """Splits a CSV record into its cells.

    A quote within a cell that does not begin with one is a letter like any other, and so is a line break: what ends a record
    was decided when its file was split. Python's `csv` would end it at any of them, and has one limit for all its readers.
    """
    d, q, e = map(re.escape, dialect)
    # Possessive, and what is no cell takes all that follows: linear, whatever the text. Each cell ends in a delimiter, for
    # one is put behind the record; an escape that is the last character of the record is a letter and does not escape it.
    pair = rf"(?:{e}(?:\r\n|.)(?!\Z)|{e}(?={d}\Z))" if e else _NEVER
    inside = rf"[^{q}{e}]*+(?:(?:{q}{q}|{pair})[^{q}{e}]*+)*+"
    quoted = rf"{q}({inside}){q}" if q else f"({_NEVER})"
    plain = rf"((?:[^{q}{d}{e}]|{pair})[^{d}{e}]*+(?:{pair}[^{d}{e}]*+)*+|)"
    cells_of = re.compile(rf"(?:{quoted}|{plain}){d}|(.+)", re.DOTALL).findall
    quote, escape, delimiter, twice = dialect.quote, dialect.escape, dialect.delimiter, dialect.quote * 2
    # Before any other character an escape is a letter: `\N` and `C:\temp` stay.
    special = rf"{e}(\r\n|[{d}{q}{e}\r\n])"
    in_bare, in_quoted = re.compile(special), re.compile(rf"{special}|({q}){q}")

    def split(record: str) -> list[str] | None:
        if quote not in record:
            return record.split(delimiter)
        cells = cells_of(record + delimiter)
        if cells[-1][2]:
            return None
        return [within.replace(twice, quote) if within else bare for within, bare, _ in cells]

    def split_escaped(record: str) -> list[str] | None:
        if escape not in record and (not quote or quote not in record):
            return record.split(delimiter)
        cells = cells_of(record + delimiter)
        if cells[-1][2]:
            return None
        return [in_quoted.sub(r"\1\2", within) if within else in_bare.sub(r"\1", bare) for within, bare, _ in cells]

    if escape:
        return split_escaped
    return split if quote else lambda record: record.split(delimiter)


# --- records ---------------------------------------------------------------------------------------

At = Literal["start", "quoted", "bare"]
"""Where a text begins or ends: between records, in a quoted cell, or in another one, after an escaped line break."""


@dataclass(frozen=True)
class Records:
    """Finds where the records of a text end. The text: whole lines, each with its line break."""

    run: re.Pattern[str]
    """As many records of one line as there are."""
    to_end: dict[At, re.Pattern[str]]
    """From where a text begins to the end of the record."""
    to_quoted: dict[At, re.Pattern[str]]
    """The same, where the text ends in a quoted cell."""

    def left_in(self, text: str, at: int, where: At) -> At:
        """Where a text ends that from `at` on holds no end of a record."""
        return "quoted" if self.to_quoted[where].fullmatch(text, at) else "bare"


@cache
def records_of(dialect: Dialect) -> Records:
    """How the records of a dialect end.

    A record whose quoting is broken (text follows the end of a quoted cell) goes on as one without quotes would, as in Python's
    `csv`: so its later cells may still hold line breaks, and no line of theirs is taken for a record.
    """
    d, q, e = map(re.escape, dialect)

    def cell(inside: str, pair: str) -> tuple[str, str]:
        rest = rf"[^{d}{e}\n]*+(?:{pair}[^{d}{e}\n]*+)*+"
        quoted = f"{q}{inside}{q}{rest}" if q else _NEVER
        return rf"(?:{quoted}|(?:[^{d}{q}{e}\n]|{pair}){rest}|)", rest

    pair = rf"{e}(?:\r\n|.)" if e else _NEVER
    within_line = rf"{e}(?!\r?\n)." if e else _NEVER
    inside = rf"[^{q}{e}]*+(?:(?:{q}{q}|{pair})[^{q}{e}]*+)*+"
    inside_line = rf"[^{q}{e}\n]*+(?:(?:{q}{q}|{within_line})[^{q}{e}\n]*+)*+"
    one, _ = cell(inside_line, within_line)
    any_, rest = cell(inside, pair)
    # A line without a mark is a record as it is; most are, and nothing else need be tried of them.
    run = rf"(?:[^{q}{e}\n]*+\n|{one}(?:{d}{one})*+\n)*+" if q or e else r".*\n"
    more = rf"(?:{d}{any_})*+\n"
    open_ = rf"(?:{any_}{d})*+{q}{inside}" if q else _NEVER
    return Records(
        re.compile(run, re.DOTALL),
        {
            "start": re.compile(f"{any_}{more}", re.DOTALL),
            "quoted": re.compile(f"{inside}{q}{rest}{more}" if q else _NEVER, re.DOTALL),
            "bare": re.compile(f"{rest}{more}", re.DOTALL),
        },
        {
            "start": re.compile(open_, re.DOTALL),
            "quoted": re.compile(f"{inside}(?:{q}{rest}{d}{open_})?+" if q else _NEVER, re.DOTALL),
            "bare": re.compile(f"{rest}{d}{open_}", re.DOTALL),
        },
    )
