"""One pass over a JSON document, along the path to its records, each of which keeps its exact text. Pure: no I/O."""

from __future__ import annotations

import json
import re
from typing import Any

from saleslake import charsets
from saleslake.errors import SourceError

WHITE_SPACE = " \t\n\r"  # RFC 8259; str.isspace() would let others through
_MORE = re.compile(r"[^ \t\n\r]")
_BETWEEN = re.compile(r"[ \t\n\r]*,[ \t\n\r]*")
_NAMES_SHOWN = 20


class InvalidDocument(SourceError):
    """A body that is no JSON document, or holds no records where the settings say; nothing of it is loaded."""

    def __init__(self, message: str, envelope: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.envelope = envelope
        """The top-level object of a body that is sound JSON; None where it is not."""


def _int_or_text(digits: str) -> int | str:
    """Python refuses integers beyond 4300 digits; such a one is valid JSON, and no reason to lose the document."""
    try:
        return int(digits)
    except ValueError:
        return digits


def _nothing(_: str) -> None:
    """`NaN` and `Infinity` around the records mean nothing; in a record they are silver's to judge, and cost it alone."""


# Of a record only the extent matters, so its numbers stay text: no cost, no overflow, no limit on digits.
_extent = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
_value = json.JSONDecoder(parse_int=_int_or_text, parse_constant=_nothing)


def is_value(line: str) -> bool:
    """Whether a text is one JSON value and nothing else, but for `NaN` and `Infinity`."""
    try:
        _, end = _extent.raw_decode(line)
    except (ValueError, RecursionError):
        return False
    return not _MORE.search(line, end)


class Walk:
    """One pass over a document, along the records path; each method takes and returns a position."""

    def __init__(self, text: str, records_path: str) -> None:
        self._text = text
        self._path = records_path
        self._names = records_path.split(".") if records_path else []
        self._records: list[str] | None = None

    def records(self) -> tuple[list[str], dict[str, Any]]:
        """The elements of the array at the path, and the rest of the document's object.

        One object in the array's place is one record; null, or an object with nothing in it, is none. Raises
        InvalidDocument naming the path and the fields found; ValueError or RecursionError where the text is no JSON.
        """
        start = self._skip(0)
        first = self._at(start)
        envelope: dict[str, Any] = {}
        if not self._names and first == "[":
            end = self._elements(start)
        elif first == "{":
            envelope, end = self._members(start, depth=0)
        else:
            _, end = self._scan(start)
            if first == "n":
                self._records = []
        end = self._skip(end)
        if end != len(self._text):
            raise json.JSONDecodeError("Extra data", self._text, end)
        if self._records is None and first == "{" and not envelope:
            self._records = []
        if self._records is None:
            raise InvalidDocument(self._no_records(envelope, first), envelope if first == "{" else None)
        return self._records, envelope

    def _no_records(self, envelope: dict[str, Any], first: str) -> str:
        """What stands where the array should be; `first` is the body's first character."""
        if first != "{":
            found = "an array: leave records_path out" if first == "[" else "a single value"
            where = f"no array at `{self._path}`" if self._path else "no array"
            return f"{where}; the document is {found}"
        if not self._names:
            return f"no array, and records_path names none; the document has: {_names_of(envelope)}"
        node: Any = envelope
        holder = "the document"
        for depth, name in enumerate(self._names):
            if not isinstance(node, dict) or name not in node:
                break
            node = node[name]
            if isinstance(node, dict):
                holder = f"`{'.'.join(self._names[: depth + 1])}`"
                envelope = node
        else:
            return f"no array at `{self._path}` but {_kind_of(node)}; {holder} has: {_names_of(envelope)}"
        if isinstance(node, dict):
            return f"no array at `{self._path}`; {holder} has: {_names_of(node)}"
        above = ".".join(self._names[:depth])
        return f"no array at `{self._path}`: `{above}` is {_kind_of(node)}; {holder} has: {_names_of(envelope)}"

    def _members(self, start: int, depth: int) -> tuple[dict[str, Any], int]:
        """The members of the object at `start`, without the array of records."""
        members: dict[str, Any] = {}
        at = self._skip(start + 1)
        if self._at(at) == "}":
            return members, at + 1
        while True:
            self._expect(at, '"', "Expecting property name enclosed in double quotes")
            name, at = self._scan(at)
            at = self._skip(at)
            self._expect(at, ":", "Expecting ':' delimiter")
            at = self._member(members, name, self._skip(at + 1), depth)
            at = self._skip(at)
            if self._at(at) == "}":
                return members, at + 1
            self._expect(at, ",", "Expecting ',' delimiter")
            at = self._skip(at + 1)

    def _member(self, members: dict[str, Any], name: str, at: int, depth: int) -> int:
        if depth >= len(self._names) or self._names[depth] != name:
            members[name], at = self._scan(at)
            return at
        first, is_last = self._at(at), depth == len(self._names) - 1
        if (is_last and first in ("[", "{")) or self._text.startswith("null", at):
            if self._records is not None:  # the last one would win, and the records of the first be lost
                raise InvalidDocument(f"records_path {self._path!r} occurs twice in the body")
            if first == "[":
                return self._elements(at)
            if first == "{":
                return self._one(at)
            self._records = []
        elif first == "{":
            members[name], at = self._members(at, depth + 1)
            if not members[name] and self._records is None:
                self._records = []
            return at
        members[name], at = self._scan(at)
        return at

    def _one(self, start: int) -> int:
        """One object in the array's place."""
        value, end = _extent.raw_decode(self._text, start)
        self._records = [self._text[start:end]] if value else []
        return end

    def _elements(self, start: int) -> int:
        text, scan, between, records = self._text, _extent.raw_decode, _BETWEEN.match, list[str]()
        at = self._skip(start + 1)
        if self._at(at) == "]":
            self._records = []
            return at + 1
        while True:
            _, end = scan(text, at)
            records.append(text[at:end])
            comma = between(text, end)
            if comma is None:
                at = self._skip(end)
                self._expect(at, "]", "Expecting ',' delimiter")
                self._records = records
                return at + 1
            at = comma.end()

    def _scan(self, at: int) -> tuple[Any, int]:
        return _value.raw_decode(self._text, at)

    def _skip(self, at: int) -> int:
        text, size = self._text, len(self._text)
        while at < size and text[at] in WHITE_SPACE:
            at += 1
        return at

    def _at(self, at: int) -> str:
        return self._text[at : at + 1]

    def _expect(self, at: int, character: str, problem: str) -> None:
        if self._at(at) != character:
            raise json.JSONDecodeError(problem, self._text, at)


def _kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    return "a number" if isinstance(value, int | float) else "a text" if isinstance(value, str) else "an object"


def _names_of(members: dict[str, Any]) -> str:
    names = [charsets.printable(name if len(name) <= 60 else name[:60] + "…") for name in list(members)[:_NAMES_SHOWN]]
    return ", ".join(names + ["…"] * (len(members) > _NAMES_SHOWN)) or "nothing"
