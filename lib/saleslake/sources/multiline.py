"""Records of a CSV whose quoted cells may hold line breaks. Pure: text in, records out."""

from __future__ import annotations

import re
from dataclasses import dataclass

from saleslake import charsets
from saleslake.config import Source

_MAX_RECORD_LINES = 1000
"""A quoted cell longer than this many lines counts as never closed: else one stray quote would cost a whole file."""


@dataclass(frozen=True)
class Line:
    """One physical line or multi-line record: its number in the file (from 1), text, and why it cannot be read."""

    ordinal: int
    raw: str
    defect: str | None = None


def multiline_records(text: str, source: Source) -> tuple[str | None, list[Line]]:
    """Header and records of a CSV text whose quoted cells may hold line breaks.

    A quote that is never closed quarantines the line it opens on; reading resumes at the next line.
    """
    lines = text.split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    header: str | None = None
    records: list[Line] = []
    at = 0
    while at < len(lines):
        if lines[at].removesuffix("\r") == "":
            at += 1
            continue
        length = _record_length(lines, at, source.delimiter, source.quote)
        raw = "\n".join(lines[at : at + max(length, 1)]).removesuffix("\r")
        if header is None:
            header, _ = charsets.legible(raw)
        else:
            records.append(_line(at + 1, raw, None if length else "unclosed_quote"))
        at += max(length, 1)
    return header, records


def _line(ordinal: int, raw: str, defect: str | None) -> Line:
    text, is_bad = charsets.legible(raw)
    return Line(ordinal, text, "undecodable" if is_bad else defect)


def _record_length(lines: list[str], at: int, delimiter: str, quote: str) -> int:
    """How many lines the record starting at `at` takes; 0 if a quote in it is never closed."""
    if quote not in lines[at]:
        return 1
    text = lines[at].removesuffix("\r")
    for count in range(1, _MAX_RECORD_LINES + 1):
        state = _scan(text, delimiter, quote)
        if state != "open":
            # A malformed record of one line is silver's to name; over several lines the quote was not closed.
            return count if state == "closed" or count == 1 else 0
        if at + count >= len(lines):
            return 0
        text = f"{text}\n" + lines[at + count].removesuffix("\r")
    return 0


def _scan(text: str, delimiter: str, quote: str) -> str:
    """`closed`, `open` (inside a quoted cell at the end) or `malformed` (text after a closing quote)."""
    q, d = re.escape(quote), re.escape(delimiter)
    cell = re.compile(rf"{q}[^{q}]*(?:{q}{q}[^{q}]*)*({q})?|[^{d}]*")
    at = 0
    while True:
        found = cell.match(text, at)
        assert found is not None  # the second alternative matches the empty string
        if found.group(0).startswith(quote) and found.group(1) is None:
            return "open"
        at = found.end()
        if at >= len(text):
            return "closed"
        if text[at] != delimiter:
            return "malformed"
        at += 1
