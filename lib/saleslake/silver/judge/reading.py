"""A record's text to the values of its fields: JSON by paths, CSV by header names; nothing is typed yet."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

import msgspec

from saleslake.config import Source
from saleslake.errors import ConfigError
from saleslake.silver.judge.numbers import Number
from saleslake.silver.judge.texts import is_blank
from saleslake.sources.files import header_names

DEEPEST = 100
"""So deep may the objects and arrays of a record be nested. JSON's reader has a limit of its own, but one that depends on what
called it: the same record would be read on one engine and not on another."""

_JSON_NAMES = {
    "order_source": "metadata.source",
    "promo": "metadata.promo",
    "items.quantity": "qty",
    "items.sku": "sku",
    "items.price": "price",
}
"""Where a field lies in the API's JSON unless the mapping says otherwise."""
_ALSO = {"items.quantity": "items.qty"}
"""Names of ours that a mapping may use as well: the API's own word."""

_decode_json = msgspec.json.Decoder(float_hook=Number).decode


@dataclass(frozen=True)
class Fields:
    """What to read of a record: texts and numbers of its header and of each of its lines (`items`)."""

    texts: tuple[str, ...]
    numbers: tuple[str, ...] = ()
    line_texts: tuple[str, ...] = ()
    line_numbers: tuple[str, ...] = ()

    @property
    def of_header(self) -> tuple[str, ...]:
        return (*self.texts, *self.numbers, *(("items",) if self.line_texts else ()))

    @property
    def of_line(self) -> tuple[str, ...]:
        return (*self.line_texts, *self.line_numbers)


class Read(NamedTuple):
    """One record as read."""

    values: Sequence[Any]
    """Of `Fields.of_header`, in their order; None where nothing stands."""
    unreadable: str | None
    """Why the record as a whole cannot be read."""
    extra_fields: bool
    short_fields: bool
    """CSV: more, or fewer, cells than its header."""
    whole: dict[str, Any] | None
    """JSON: the record itself."""


Reader = Callable[[str, str | None], Read]
"""(text, header line) of a record -> what was read."""


def theirs(source: Source, name: str) -> str:
    """The source's own name of one of our fields. Lines are JSON in a CSV file too."""
    is_json = not source.is_csv or name.startswith("items.")
    return source.mapping.get(
        name, source.mapping.get(_ALSO.get(name, ""), _JSON_NAMES.get(name, name) if is_json else name)
    )


def reader(source: Source, fields: Fields) -> Reader:
    """Reads the records of a source."""
    return _csv_reader(source, fields) if source.is_csv else _json_reader(source, fields)


# --- JSON ------------------------------------------------------------------------------------------


def json_value(text: str) -> Any:
    """JSON by RFC 8259 and nothing more lenient, its numbers exact. Raises ValueError for any other text."""
    if text.count("[") + text.count("{") > DEEPEST and _depth(text) > DEEPEST:
        raise ValueError(f"nested deeper than {DEEPEST}")
    try:
        return _decode_json(text)
    except msgspec.DecodeError as e:
        raise ValueError(str(e)) from None


_NO_BRACKETS = re.compile(r'[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
"""Of a JSON text: strings, and whatever else is no bracket."""


def _depth(text: str) -> int:
    """How deep the objects and arrays of a JSON text are nested; brackets in its strings do not count."""
    return max(accumulate(1 if bracket in "[{" else -1 for bracket in _NO_BRACKETS.sub("", text)), default=0)


def at_path(value: Any, path: Sequence[str]) -> Any:
    """What stands at a path of names; None where nothing does, or no object is on the way."""
    for name in path:
        if type(value) is not dict:
            return None
        value = value.get(name)
    return value


def paths(source: Source, names: Sequence[str], prefix: str = "") -> list[tuple[str, ...]]:
    """Where fields lie in a JSON object. Raises ConfigError if one lies within another."""
    found = {name: tuple(theirs(source, f"{prefix}{name}").split(".")) for name in names}
    for longer in found.values():
        for shorter in found.values():
            if len(shorter) < len(longer) and longer[: len(shorter)] == shorter:
                what, through = ".".join(shorter), ".".join(longer)
                raise ConfigError(
                    f"mapping: {what!r} is read as a value, but another mapping, {through!r}, goes through it"
                )
    return list(found.values())


def getter(places: Sequence[tuple[str, ...]]) -> Callable[[dict[str, Any]], list[Any]]:
    """Takes the values at these paths out of an object."""
    names = [path[0] for path in places]
    within = [(at, path[1]) for at, path in enumerate(places) if len(path) == 2]
    deeper = [(at, path[1:]) for at, path in enumerate(places) if len(path) > 2]

    def take(whole: dict[str, Any]) -> list[Any]:
        values = list(map(whole.get, names))
        for at, name in within:
            holder = values[at]
            values[at] = holder.get(name) if type(holder) is dict else None
        for at, path in deeper:
            values[at] = at_path(values[at], path)
        return values

    return take


def _json_reader(source: Source, fields: Fields) -> Reader:
    places = paths(source, fields.of_header)
    take, fill = getter(places), _filled(source, fields)
    unreadable = Read([None] * len(places), "json_invalid", False, False, None)

    def read(raw: str, _: str | None) -> Read:
        try:
            whole = json_value(raw)
        except ValueError:
            return unreadable
        if type(whole) is not dict:
            return unreadable
        values = take(whole)
        if fill is not None:
            fill(values)
        return Read(values, None, False, False, whole)

    return read


def _filled(source: Source, fields: Fields) -> Callable[[list[Any]], None] | None:
    """Puts `defaults` where nothing stands; None: there are none."""
    defaults = [(at, source.defaults[name]) for at, name in enumerate(fields.of_header) if name in source.defaults]

    def fill(values: list[Any]) -> None:
        for at, default in defaults:
            if is_blank(values[at]):
                values[at] = default

    return fill if defaults else None


# --- CSV -------------------------------------------------------------------------------------------


def _csv_reader(source: Source, fields: Fields) -> Reader:
    wanted = [theirs(source, name) for name in fields.of_header]
    items = len(wanted) - 1 if fields.line_texts else None
    fill, split = _filled(source, fields), splitter(source.delimiter, source.quote)
    nothing: list[Any] = [None] * len(wanted)
    headers: dict[str | None, tuple[int, list[int]]] = {}

    def header_of(header: str | None) -> tuple[int, list[int]]:
        try:
            names = [] if header is None else header_names(header, source)
        except csv.Error:  # as of no file that was not refused
            names = []
        return len(names), [names.index(name) if name in names else len(names) for name in wanted]

    def read(raw: str, header: str | None) -> Read:
        if header not in headers:
            headers[header] = header_of(header)
        width, places = headers[header]
        cells = split(raw)
        if cells is None:
            values, extra, short, unreadable = list(nothing), False, False, "csv_malformed"
        else:
            there = len(cells)
            values = [cells[at] if at < there and at < width else None for at in places]
            extra, short, unreadable = there > width, there < width, None
        if fill is not None:
            fill(values)
        if items is not None:
            values[items] = _json_in_cell(values[items])
        return Read(values, unreadable, extra, short, None)

    return read


def _json_in_cell(cell: str | None) -> Any:
    """The lines of an order, which stand as JSON in one cell."""
    if cell is None:
        return None
    try:
        return json_value(cell)
    except ValueError:
        return None


def splitter(delimiter: str, quote: str) -> Callable[[str], list[str] | None]:
    """Splits a CSV record into its cells by RFC 4180; None where a quoted cell is not closed, or text follows its end.

    A quote within a cell that does not begin with one is a letter like any other, and so is a line break: what ends a record
    was decided when its file was split. Python's `csv` would end it at any of them, and has one limit for all its readers.
    """
    q, d, twice = re.escape(quote), re.escape(delimiter), quote * 2
    # Possessive, and what is no cell takes all that follows: linear, whatever the text.
    quoted, plain = rf"{q}([^{q}]*+(?:{q}{q}[^{q}]*+)*+){q}", rf"([^{q}{d}][^{d}]*+|)"
    cells_of = re.compile(rf"(?:{quoted}|{plain}){d}|(.+)", re.DOTALL).findall

    def split(line: str) -> list[str] | None:
        if quote not in line:
            return line.split(delimiter)
        cells = cells_of(line + delimiter)
        if cells[-1][2]:
            return None
        return [within.replace(twice, quote) if within else bare for within, bare, _ in cells]

    return split
