"""Chunks of a CSV file to batches of its records, which may go over lines and chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from saleslake import charsets
from saleslake.sources import lines
from saleslake.sources.dialect import At, Cells, Dialect, Records, records_of, splitter

UNCLOSED, TOO_LONG = "unclosed_quote", "record_too_long"
"""Defects of records whose end was not found, or was found only after more than `most` characters."""
BROKEN = "broken_quoting"
"""What is told of a record of several lines with text behind a closing quote: its quote was closed by that of another record."""

Chunks = Iterable[tuple[int, bytes | str]]
"""Whole lines, with the number of the first; without the last one's line break."""


@dataclass
class Told:
    """What a reader of a file is told of it beside its records."""

    skipped: int = 0
    """Lines before the header and records at the end that `skip_lines` and `skip_last` left out."""
    broken: tuple[int, str] | None = None
    """The line at which a record begins that swallowed lines after it, and its defect; of several, the last."""


class _Open:
    """A record whose end is not found yet. No more than `most` characters of it are kept."""

    def __init__(self, ordinal: int, most: int):
        self.ordinal, self._most = ordinal, most
        self._parts: list[str] = []
        self._kept = 0
        self.is_cut = False

    def add(self, text: str) -> None:
        self.is_cut = self.is_cut or self._kept + len(text) > self._most
        self._parts.append(text[: self._most - self._kept])
        self._kept += len(self._parts[-1])

    def batch(self, told: Told, defect: str = "", is_whole: Cells | None = None) -> pa.RecordBatch:
        """The record, its end found or, by its defect, not. `is_whole` splits it where it is not cut."""
        defect = defect or (TOO_LONG if self.is_cut else "")
        text = "".join(self._parts)
        if defect:
            told.broken = (self.ordinal, defect)
        elif is_whole is not None and is_whole(text.removesuffix("\n")) is None:
            told.broken = (self.ordinal, BROKEN)
        raw, is_bad = charsets.legible(text if self.is_cut else text.removesuffix("\n").removesuffix("\r"))
        if self.is_cut:
            defect += f": cut after {self._most:,} characters, the landed file has all of it"
        return lines.batch([self.ordinal], [raw], [defect or ("undecodable" if is_bad else None)])


def batches(chunks: Chunks, encoding: str, dialect: Dialect, most: int, told: Told) -> Iterator[pa.RecordBatch]:
    """(ordinal, raw, defect) of every record, the header among them. `most`: so many characters of one are kept while
    its end is looked for.

    A quote that is never closed makes one record of the rest of the file, with a defect.
    """
    find, split, marks = records_of(dialect), splitter(dialect), [mark.encode() for mark in dialect.marks]
    open_: _Open | None = None
    where: At = "start"
    for first, chunk in chunks:
        is_plain = isinstance(chunk, bytes) and encoding in lines.PLAIN and not any(mark in chunk for mark in marks)
        if open_ is None and is_plain:
            yield lines.batch_of(chunk, first, encoding, blank_is_empty=True)
            continue
        text = lines.text_of(chunk, encoding) + "\n"
        at = 0
        if open_ is not None:
            end = find.to_end[where].match(text)
            open_.add(text if end is None else text[: end.end()])
            if end is None:
                where = find.left_in(text, 0, where)
                continue
            yield open_.batch(told, is_whole=split)
            open_, at = None, end.end()
        begin, (marked, at, broken) = at, _marked(find, split, text, at)
        if broken is not None:
            told.broken = (first + text.count("\n", 0, broken), BROKEN)
        if marked:
            number = first + text.count("\n", 0, begin)
            # Without line breaks in cells the chunk is what Arrow is to split: no need to encode it again.
            as_it_is = encoding in lines.PLAIN and len(marked) == len(text) and lines.MARK not in marked
            found = chunk if as_it_is else marked.removesuffix("\n")
            yield lines.batch_of(found, number, encoding, blank_is_empty=True)
        if at < len(text):
            open_, where = _Open(first + text.count("\n", 0, at), most), find.left_in(text, at, "start")
            open_.add(text[at:])
    if open_ is not None:
        # An escape before the last line break of a file leaves no quote open.
        yield open_.batch(told, UNCLOSED if where == "quoted" else "")


def _marked(find: Records, split: Cells, text: str, at: int) -> tuple[str, int, int | None]:
    """The records from `at` on that end in this text, each in one line: the line breaks within them are marked. Where they end;
    and where the last one begins that has several lines and broken quoting, if there is one."""
    parts, broken = [], None
    while at < len(text):
        lines_ = find.run.match(text, at)
        assert lines_ is not None  # it matches no line as well
        parts.append(lines_[0])
        at = lines_.end()
        record = find.to_end["start"].match(text, at) if at < len(text) else None
        if record is None:
            break
        if split(text[at : record.end() - 1]) is None:
            broken = at
        parts += [text[at : record.end() - 1].replace("\n", lines.MARK), "\n"]
        at = record.end()
    return "".join(parts), at, broken


# --- what is left out ------------------------------------------------------------------------------


def without_first(chunks: Chunks, count: int, has_own: bool, told: Told) -> Iterator[tuple[int, bytes | str]]:
    """Chunks without their first `count` lines; `has_own`: the first line is the file's word on its delimiter, and no other."""
    left = max(count, int(has_own))
    for first, chunk in chunks:
        if not left:
            yield first, chunk
            continue
        parts: list[bytes] | list[str] = (
            chunk.split(b"\n", left) if isinstance(chunk, bytes) else chunk.split("\n", left)
        )
        gone = min(left, len(parts))
        left -= gone
        told.skipped += gone - (has_own and first == 1)
        if len(parts) > gone:
            yield first + gone, parts[-1]


def without_last(found: Iterable[pa.RecordBatch], count: int, told: Told) -> Iterator[pa.RecordBatch]:
    """Batches without the last `count` records; all of them where the end of the file is in a record that is not closed."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in found:
        held.append(batch)
        rows += batch.num_rows
        while held and rows - held[0].num_rows >= count:
            rows -= held[0].num_rows
            yield held.pop(0)
    is_closed = told.broken is None or told.broken[1] != UNCLOSED
    told.skipped += min(count, rows) if is_closed else 0
    keep = rows - count if is_closed else rows
    for batch in held:
        if keep > 0:
            yield batch.slice(0, keep)
        keep -= batch.num_rows
