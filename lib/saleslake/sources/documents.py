"""Splits one body (an API response, a JSON file) into records, each with its exact text. Pure: no I/O.

A record's text is the substring of the body that holds it, never a re-serialisation: white space, number spelling
(`1.50`, `1e2`), escapes and duplicate names survive, because bronze keeps records verbatim.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from email.message import Message
from typing import Any, Literal, TypeAlias

from saleslake import charsets
from saleslake.sources import magic
from saleslake.sources.elements import InvalidDocument as InvalidDocument
from saleslake.sources.elements import Walk, is_value

Form: TypeAlias = str
"""How a body was split: `json` or `jsonl`, with `; charset=…` where a header told what its bytes do not."""

_MORE = re.compile(r"[^ \t\n\r]")
_LINES_TYPES = ("ndjson", "jsonl", "json-lines", "jsonlines")


@dataclass(frozen=True)
class Document:
    """The records of a body in order, and the rest of its top-level object (empty for arrays and JSON lines)."""

    records: list[str]
    envelope: dict[str, Any] = field(default_factory=dict)
    form: Form = "json"
    """As decided. Given back as `content_type`, the same body splits the same way again."""
    undecodable: frozenset[int] = frozenset()
    """Indexes of the records, lines of JSON lines, with bytes that are no text; `records` show them as `\\xNN`."""


def split_document(body: bytes, records_path: str, content_type: str = "", encoding: str = "utf-8") -> Document:
    """Split a body in whichever form (see `detect_format`) and encoding (see `charsets.decode`) it has.

    `encoding` is the source's setting, `content_type` a header or what `Document.form` was. Raises InvalidDocument, saying
    where the text is not JSON, or naming the path and the fields found.
    """
    named = _charset_in(content_type)
    read = charsets.decode(body, encoding, named)
    form: Form = detect_format(read.text, records_path, content_type)
    if named and charsets.is_charset(named) and read.encoding == charsets.canonical(named) != "utf-8":
        form += f"; charset={read.encoding}"
    if form.startswith("jsonl"):
        return _split_lines(read, form)
    if read.problem:
        raise InvalidDocument(_what_it_is(body) or read.problem)
    try:
        return Document(*Walk(read.text, records_path).records(), form)
    except json.JSONDecodeError as e:
        reason = f"not JSON at line {e.lineno} column {e.colno}: {e.msg}"
    except RecursionError:
        reason = "nested too deeply to be read"
    raise InvalidDocument(_what_it_is(body) or reason)


def detect_format(text: str, records_path: str, content_type: str = "") -> Literal["json", "jsonl"]:
    """Whether a body is one JSON document or JSON lines.

    JSON lines: the content type says so; or no records path is set, the body is no array, its first line is
    a complete JSON object and there is another line that is not blank.
    """
    if any(name in content_type.lower() for name in _LINES_TYPES):
        return "jsonl"
    start = _MORE.search(text)
    if records_path or start is None or start[0] != "{":
        return "json"
    end = text.find("\n", start.start())
    if end < 0 or not _MORE.search(text, end):
        return "json"
    return "jsonl" if is_value(text[start.start() : end]) else "json"


def _charset_in(content_type: str) -> str:
    if "charset" not in content_type.lower():
        return ""
    message = Message()
    message["Content-Type"] = content_type.replace("\r", " ").replace("\n", " ")
    return message.get_content_charset("") or ""


def _split_lines(read: charsets.Text, form: Form) -> Document:
    """The lines that are not blank, verbatim, valid or not: a bad line is one bad record.

    Lines end at LF; a CR before it is removed.
    """
    lines = (line.removesuffix("\r") for line in read.text.split("\n"))
    records = [line for line in lines if _MORE.search(line)]
    if not read.problem:
        return Document(records, form=form)
    shown = [charsets.legible(line) for line in records]
    bad = frozenset(at for at, (_, is_bad) in enumerate(shown) if is_bad)
    return Document([line for line, _ in shown], form=form, undecodable=bad)


def _what_it_is(body: bytes) -> str:
    """What a body is that is no JSON document, where that is plain to see."""
    if kind := magic.kind(body[: magic.LOOKED_AT]):
        return f"not JSON but {kind}"
    if encoding := charsets.resembles(body):
        return f'not JSON as it is; its bytes look like {encoding.upper()}: set encoding = "{encoding}"'
    return ""
