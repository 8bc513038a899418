"""A record's text to the values of its fields: JSON by paths, CSV by header names; nothing is typed yet."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

import msgspec

from saleslake.config import ALSO, Source
from saleslake.errors import ConfigError
from saleslake.silver.judge.texts import AROUND, is_blank
from saleslake.sources import headers
from saleslake.sources.dialect import Cells, dialect_of, splitter

DEEPEST = 100
"""So deep may the objects and arrays of a record be nested. JSON's reader has a limit of its own, but one that depends on what
called it: the same record would be read on one engine and not on another."""

_JSON_NAMES = {
    "order_source": "metadata.source",
    "promo": "metadata.promo",
    "items.quantity": "qty",
    "items.sku": "sku",
    "items.price": "price",
    **{f"refunds.{name}": name for name in ("created_at", "items", "sku", "amount", "price")},
    "refunds.quantity": "qty",
}
"""Where a field lies in the API's JSON unless the mapping says otherwise."""
WITHIN = ("items.", "refunds.")
"""How our names of fields within the lists of an order begin; their paths begin there, too."""
OF_REFUND = ("created_at", "items")
"""Fields of a refund that are none of its lines."""

_decode_json = msgspec.json.Decoder(float_hook=str.encode).decode


@dataclass(frozen=True)
class Fields:
    """What to read of a record: texts and numbers of its header, of each of its lines (`items`) and of lines of its `refunds`."""

    texts: tuple[str, ...]
    numbers: tuple[str, ...] = ()
    line_texts: tuple[str, ...] = ()
    line_numbers: tuple[str, ...] = ()
    refund: tuple[str, ...] = ()
    """Of each refund: its time and its lines."""
    refund_texts: tuple[str, ...] = ()
    refund_numbers: tuple[str, ...] = ()
    """Of each line of a refund."""
    only_mapped: frozenset[str] = frozenset()
    """Fields that are read where a mapping names them, for nothing says what a source means by the name."""
    free: frozenset[str] = frozenset()
    """Texts that people write: `null_values` are words there like any other."""

    @property
    def of_header(self) -> tuple[str, ...]:
        lists = (*(("refunds",) if self.refund else ()), *(("items",) if self.line_texts else ()))
        return (*self.texts, *self.numbers, *lists)

    @property
    def of_line(self) -> tuple[str, ...]:
        return (*self.line_texts, *self.line_numbers)

    @property
    def within_refunds(self) -> list[str]:
        """Our names of what is read of a refund and of its lines."""
        return [f"refunds.{name}" for name in (*self.refund, *self.refund_texts, *self.refund_numbers)]

    @property
    def names(self) -> set[str]:
        """Our names of all that is read."""
        return {*self.of_header, *(f"items.{name}" for name in self.of_line), *self.within_refunds}

    @property
    def names_of_numbers(self) -> set[str]:
        """Those of numbers."""
        of_lines, of_refunds = (
            [f"{holder}.{name}" for name in names]
            for holder, names in (("items", self.line_numbers), ("refunds", self.refund_numbers))
        )
        return {*self.numbers, *of_lines, *of_refunds}


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
    key: Sequence[Any] = ()
    """Of `Source.key_columns`."""
    absent: frozenset[str] = frozenset()
    """Of a CSV: our names of the fields that its header has no column for."""


_new = tuple.__new__
"""Makes a `Read` of a tuple of all it holds, in a third of the time of its own call."""
_NO_KEY: Sequence[Any] = ()
_NONE_ABSENT = frozenset[str]()

Reader = Callable[[str, str | None], Read]
"""(text, header line) of a record -> what was read."""


def theirs(source: Source, name: str) -> str:
    """The source's own name of one of our fields. Lines are JSON in a CSV file too."""
    is_json = not source.is_csv or name.startswith(WITHIN)
    return source.mapping.get(
        name, source.mapping.get(ALSO.get(name, ""), _JSON_NAMES.get(name, name) if is_json else name)
    )


def whole_path(source: Source, name: str) -> str:
    """The same from the record on, where the field lies within a list of an order."""
    holder, _, within = name.partition(".")
    if not name.startswith(WITHIN):
        return theirs(source, name)
    if holder == "refunds" and within not in OF_REFUND:
        return f"{whole_path(source, 'refunds.items')}.{theirs(source, name)}"
    return f"{theirs(source, holder)}.{theirs(source, name)}"


_NOWHERE = "\ud800"
"""No name of a column or of a member: half a character, which no text that was decoded holds."""


def place(source: Source, name: str, fields: Fields) -> str:
    """Where a field lies in the source's records: `theirs`, but for what has to be mapped and is not."""
    return _NOWHERE if name in fields.only_mapped and name not in source.mapping else theirs(source, name)


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


def paths(source: Source, fields: Fields, names: Sequence[str], prefix: str = "") -> list[tuple[str, ...]]:
    """Where fields lie in a JSON object. Raises ConfigError if one lies within another."""
    found = {name: tuple(place(source, f"{prefix}{name}", fields).split(".")) for name in names}
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

    if not within and not deeper:
        return lambda whole: list(map(whole.get, names))

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
    places = paths(source, fields, fields.of_header)
    take, fill = getter(places), _filled(source, fields)
    keys = [name.split(".") for name in source.key_columns]
    emptied = without_nulls(source, range(len(keys)))
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
        key = _NO_KEY
        if keys:
            key = [at_path(whole, path) for path in keys]
            if emptied is not None:
                emptied(key)
        return _new(Read, (values, None, False, False, whole, key, _NONE_ABSENT))

    return read


def _filled(source: Source, fields: Fields) -> Callable[[list[Any]], None] | None:
    """Takes away what `null_values` names, and puts `defaults` where nothing stands; None: there are neither."""
    names = fields.of_header
    # That of the currency comes last, after what an amount says of itself.
    others = source.defaults.keys() - {"currency"}
    defaults = [(at, _default(source, name)) for at, name in enumerate(names) if name in others]
    emptied = without_nulls(
        source, [at for at, name in enumerate(names) if name not in fields.free and name != "items"]
    )

    def fill(values: list[Any]) -> None:
        if emptied is not None:
            emptied(values)
        for at, default in defaults:
            if is_blank(values[at]):
                values[at] = default

    return fill if defaults or emptied is not None else None


def _default(source: Source, name: str) -> Any:
    """The default of a field. Lines are JSON; in a CSV file their cell is read later, like any other."""
    text = source.defaults[name]
    if name != "items" or source.is_csv:
        return text
    try:
        return json_value(text)
    except ValueError as e:
        raise ConfigError(f"defaults.items: {text!r} is no JSON ({e})") from None


def without_nulls(source: Source, places: Sequence[int]) -> Callable[[list[Any]], None] | None:
    """Puts None in these places of a list where a text stands that means nothing to the source; None: there is no such text."""
    nulls = source.nulls

    def emptied(values: list[Any]) -> None:
        for at in places:
            value = values[at]
            if type(value) is str and value.strip(AROUND) in nulls:
                values[at] = None

    return emptied if nulls else None


# --- CSV -------------------------------------------------------------------------------------------


class _Header(NamedTuple):
    """How the lines under a header are read."""

    split: Cells
    width: int
    fewest: int
    """Its columns; and without a last one that has no name, which lines may lack."""
    places: list[int]
    absent: frozenset[str]


def _csv_reader(source: Source, fields: Fields) -> Reader:
    wanted = [place(source, name, fields) for name in fields.of_header]
    items = len(wanted) - 1 if fields.line_texts else None
    fill, count = _filled(source, fields), len(wanted)
    wanted += source.key_columns
    emptied = without_nulls(source, range(len(source.key_columns)))
    nothing: list[Any] = [None] * len(wanted)
    known: dict[str | None, _Header] = {}

    def read(raw: str, header: str | None) -> Read:
        if header not in known:
            known[header] = _header_of(header, source, fields, wanted)
        split, width, fewest, places, absent = known[header]
        cells = split(raw)
        if cells is None:
            values, extra, short, unreadable = list(nothing), False, False, "csv_malformed"
        else:
            there = len(cells)
            values = [cells[at] if at < there and at < width else None for at in places]
            # A delimiter at the end of a line begins no cell of its own.
            extra, short, unreadable = there > width + (not cells[-1]), there < fewest, None
        values, key = (values[:count], values[count:]) if len(values) > count else (values, ())
        if key and emptied is not None:
            emptied(key)
        if fill is not None:
            fill(values)
        if items is not None:
            values[items] = _json_in_cell(values[items])
        return _new(Read, (values, unreadable, extra, short, None, key, absent))

    return read


def _header_of(header: str | None, source: Source, fields: Fields, wanted: Sequence[str]) -> _Header:
    own = "" if header is None else headers.read(header)[0]
    try:
        names = [] if header is None else headers.names(header, source)
    except ValueError:  # as of no file that was not refused
        names = []
    width = len(names)
    places = [width if (at := headers.place(names, name)) is None else at for name in wanted]
    lacking = {name for name, at in zip(fields.of_header, places, strict=False) if at == width} if names else set()
    absent = frozenset(lacking - source.defaults.keys())
    return _Header(splitter(dialect_of(source, own)), width, width - (names[-1:] == [""]), places, absent)


def _json_in_cell(cell: str | None) -> Any:
    """The lines of an order, which stand as JSON in one cell."""
    if cell is None:
        return None
    try:
        return json_value(cell)
    except ValueError:
        return None
