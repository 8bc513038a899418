"""Splits one body (an API response, a JSON file) into records, each with its exact text. Pure: no I/O.

A record's text is the substring of the body that holds it, never a re-serialisation: white space, number spelling
(`1.50`, `1e2`), escapes and duplicate names survive, because bronze keeps records verbatim.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn

from saleslake.errors import SourceError

Form = Literal["json", "jsonl"]

_WHITE_SPACE = " \t\n\r"  # RFC 8259; str.isspace() would let others through
_LINES_TYPES = ("ndjson", "jsonl", "json-lines", "jsonlines")
_NAMES_SHOWN = 20


class InvalidDocument(SourceError):
    """A body that is no JSON document, or has no array of records where the settings say; nothing of it is loaded."""


@dataclass(frozen=True)
class Document:
    """The records of a body in order, and the rest of its top-level object (empty for arrays and JSON lines)."""

    records: list[str]
    envelope: dict[str, Any] = field(default_factory=dict)
    form: Form = "json"
    """As decided. Given back as `content_type`, the same body splits the same way again."""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _int_or_text(digits: str) -> int | str:
    """Python refuses integers beyond 4300 digits; such a one is valid JSON, and no reason to lose the document."""
    try:
        return int(digits)
    except ValueError:
        return digits


# Of a record only the extent matters, so its numbers stay text: no cost, no overflow, no limit on digits.
_extent = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse_constant)
_value = json.JSONDecoder(parse_int=_int_or_text, parse_constant=_refuse_constant)


def split_document(body: bytes, records_path: str, content_type: str = "") -> Document:
    """Split a body in whichever form it has (see `detect_format`). Raises InvalidDocument."""
    if detect_format(body, records_path, content_type) == "jsonl":
        return Document(split_json_lines(body), form="jsonl")
    return split_json(body, records_path)


def detect_format(body: bytes, records_path: str, content_type: str = "") -> Form:
    """Whether a body is one JSON document or JSON lines.

    JSON lines: the content type says so; or no records path is set, the body is no array, its first line is
    a complete JSON object and there is another line that is not blank.
    """
    if any(name in content_type.lower() for name in _LINES_TYPES):
        return "jsonl"
    start = body.lstrip(_WHITE_SPACE.encode())
    if records_path or not start.startswith(b"{"):
        return "json"
    first, _, rest = start.partition(b"\n")
    return "jsonl" if rest.strip() and _is_json(first) else "json"


def split_json_lines(body: bytes) -> list[str]:
    """The lines of a body that are not blank, verbatim, valid or not: a bad line is one bad record.

    Lines end at LF; a CR before it is removed. Bytes that are not UTF-8 read as `\\xNN`.
    """
    lines = (line.removesuffix(b"\r") for line in body.split(b"\n"))
    return [line.decode("utf-8", errors="backslashreplace") for line in lines if line.strip()]


def split_json(body: bytes, records_path: str) -> Document:
    """Split one RFC 8259 document (UTF-8, no byte-order mark) into the elements of its array of records.

    `records_path` is the dotted path from the top-level object to the array; empty: the body is the array.
    Raises InvalidDocument, saying where the text is not JSON, or naming the path and the fields found.
    """
    try:
        text = body.decode("utf-8")
        return _Walk(text, records_path).document()
    except UnicodeDecodeError as e:
        reason = f"not UTF-8 at byte {e.start}"
    except json.JSONDecodeError as e:
        reason = f"not JSON at line {e.lineno} column {e.colno}: {e.msg}"
    except RecursionError:
        reason = "nested too deeply to be read"
    except ValueError as e:
        reason = f"not JSON: {e}"
    raise InvalidDocument(reason)


def _is_json(line: bytes) -> bool:
    try:
        split_json(b"[" + line + b"]", "")
    except InvalidDocument:
        return False
    return True


def _names_of(members: dict[str, Any]) -> str:
    names = [name if len(name) <= 60 else name[:60] + "…" for name in list(members)[:_NAMES_SHOWN]]
    return ", ".join(names) or "(none)"


class _Walk:
    """One pass over a document, along the records path; each method takes and returns a position."""

    def __init__(self, text: str, records_path: str) -> None:
        self._text = text
        self._path = records_path
        self._names = records_path.split(".") if records_path else []
        self._records: list[str] | None = None

    def document(self) -> Document:
        start = self._skip(0)
        envelope: dict[str, Any] = {}
        if not self._names and self._at(start) == "[":
            end = self._elements(start)
        elif self._at(start) == "{":
            envelope, end = self._members(start, depth=0)
        else:
            _, end = self._scan(start)
        end = self._skip(end)
        if end != len(self._text):
            raise json.JSONDecodeError("Extra data", self._text, end)
        if self._records is None:
            raise InvalidDocument(self._no_records(envelope, self._at(start)))
        return Document(self._records, envelope)

    def _no_records(self, envelope: dict[str, Any], first: str) -> str:
        """What stands where the array should be; `first` is the body's first character."""
        found = {"{": f"an object with fields {_names_of(envelope)}", "[": "an array"}.get(first, "a single value")
        if not self._names:
            return f"records_path is empty but the body is {found}"
        node: Any = envelope
        for depth, name in enumerate(self._names):
            parent = ".".join(self._names[:depth])
            if not isinstance(node, dict):
                return f"records_path {self._path!r}: {parent!r} is no object; the body is {found}"
            if name not in node:
                where = f" in {parent!r} (fields {_names_of(node)})" if depth else ""
                return f"records_path {self._path!r}: no {name!r}{where}; the body is {found}"
            node = node[name]
        return f"records_path {self._path!r} leads to no array but {type(node).__name__}; the body is {found}"

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
        on_path = depth < len(self._names) and self._names[depth] == name
        is_last = depth == len(self._names) - 1
        if on_path and is_last and self._at(at) == "[":
            if self._records is not None:  # the last one would win, and the records of the first be lost
                raise InvalidDocument(f"records_path {self._path!r} occurs twice in the body")
            return self._elements(at)
        if on_path and not is_last and self._at(at) == "{":
            members[name], at = self._members(at, depth + 1)
            return at
        members[name], at = self._scan(at)
        return at

    def _elements(self, start: int) -> int:
        text, scan, records = self._text, _extent.raw_decode, []
        at = self._skip(start + 1)
        if self._at(at) == "]":
            self._records = []
            return at + 1
        while True:
            _, end = scan(text, at)
            records.append(text[at:end])
            at = self._skip(end)
            if self._at(at) == "]":
                self._records = records
                return at + 1
            self._expect(at, ",", "Expecting ',' delimiter")
            at = self._skip(at + 1)

    def _scan(self, at: int) -> tuple[Any, int]:
        return _value.raw_decode(self._text, at)

    def _skip(self, at: int) -> int:
        text, size = self._text, len(self._text)
        while at < size and text[at] in _WHITE_SPACE:
            at += 1
        return at

    def _at(self, at: int) -> str:
        return self._text[at : at + 1]

    def _expect(self, at: int, character: str, problem: str) -> None:
        if self._at(at) != character:
            raise json.JSONDecodeError(problem, self._text, at)
