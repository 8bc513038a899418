"""A file's bytes to records: exact texts with their line numbers, whatever the bytes are.

Splitting happens before any parser sees the text, so records are counted independently of the parser:
what cannot be read is one record that says why, never a lost neighbour.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.compute as pc

from saleslake.config import Source
from saleslake.errors import SourceError
from saleslake.store import Readable

_CHUNK_BYTES = 32 * 1024 * 1024
_MAX_RECORD_LINES = 1000
"""A quoted cell longer than this many lines counts as never closed: else one stray quote would cost a whole file."""

RECORDS = pa.schema([("ordinal", pa.int64()), ("raw", pa.string()), ("header", pa.string()), ("defect", pa.string())])


@dataclass(frozen=True)
class Line:
    """One physical line or multi-line record: its number in the file (from 1), text, and why it cannot be read."""

    ordinal: int
    raw: str
    defect: str | None = None


def open_plain(path: Readable) -> BinaryIO:
    """The file's bytes, decompressed if they are gzip (by content, not by name)."""
    with path.open("rb") as probe:
        packed = probe.read(2) == b"\x1f\x8b"
    if not packed:
        return cast(BinaryIO, path.open("rb"))
    opened = gzip.GzipFile(fileobj=path.open("rb"))
    opened.myfileobj = opened.fileobj  # type: ignore[assignment]  # closed with it, as that of a file opened by name
    return cast(BinaryIO, opened)


def check_whole(path: Readable, origin: str) -> None:
    """Raise SourceError if gzip data ends early or is damaged: half a file must not land."""
    with path.open("rb") as probe:
        if probe.read(2) != b"\x1f\x8b":
            return
    try:
        with open_plain(path) as stream:
            while stream.read(_CHUNK_BYTES):
                pass
    except (EOFError, OSError, zlib.error) as e:
        raise SourceError(f"{origin}: refused: damaged gzip data ({e}); fetch the file again") from None


def split_lines(path: Readable, source: Source) -> Iterator[pa.RecordBatch]:
    """JSON lines or CSV to batches of RECORDS; blank lines are no records, but count in the numbering.

    For CSV the first line that is not blank is the header and stands beside each record.
    Raises SourceError if gzip data is damaged.
    """
    is_csv = source.format == "csv"
    if is_csv and source.multiline:
        yield from _batches_of_lines(*multiline_records(_text_of(path, source.encoding), source))
        return
    header: str | None = None
    for first, chunk in _chunks(path, source.encoding):
        batch = _fast_batch(chunk, first, source.encoding)
        if batch is None:
            batch = _slow_batch(chunk, first, source.encoding)
        batch = batch.filter(_is_record(batch.column("raw"), blank_is_empty=is_csv))
        if is_csv and header is None and batch.num_rows:
            header, batch = batch.column("raw")[0].as_py(), batch.slice(1)
        if batch.num_rows:
            yield _with_header(batch, header)


def header_names(header: str, source: Source) -> list[str]:
    """The column names of a header line, read by the source's own delimiter and quote; trimmed."""
    row = next(csv.reader(io.StringIO(header), delimiter=source.delimiter, quotechar=source.quote), [])
    return [name.strip() for name in row]


def read_header(path: Readable, source: Source) -> str | None:
    """The header line of a CSV file; None if the file has no line at all."""
    for _, chunk in _chunks(path, source.encoding, chunk_bytes=256 * 1024):
        for line in chunk.split(b"\n") if isinstance(chunk, bytes) else chunk.split("\n"):
            text = line.decode(source.encoding, "backslashreplace") if isinstance(line, bytes) else line
            if text.rstrip("\r"):
                return text.rstrip("\r")
    return None


def check_header(path: Readable, origin: str, source: Source, required: dict[str, str]) -> list[str]:
    """The column names of a CSV file, once every required one is there exactly once.

    `required` is our name to theirs. Raises SourceError naming file, column and the columns found.
    """
    header = read_header(path, source)
    if header is None:
        return []
    try:
        found = header_names(header, source)
    except csv.Error as e:
        raise SourceError(
            f"{origin}: refused: its header cannot be read ({e}); check line ends, delimiter and encoding"
        ) from None
    missing = [
        f"{theirs} (our {ours})" if theirs != ours else ours for ours, theirs in required.items() if theirs not in found
    ]
    if missing:
        raise SourceError(
            f"{origin}: refused: required column {', '.join(missing)} not found; columns found: "
            f"{', '.join(found)}. Map it in [sources.….mapping], or check delimiter and encoding"
        )
    twice = sorted({name for name in found if found.count(name) > 1 and name in required.values()})
    if twice:
        raise SourceError(f"{origin}: refused: column {', '.join(twice)} stands more than once in the header")
    return found


# --- physical lines --------------------------------------------------------------------------------


def _chunks(path: Readable, encoding: str, chunk_bytes: int = _CHUNK_BYTES) -> Iterator[tuple[int, bytes | str]]:
    """Whole lines in chunks, with the number of the first; without byte-order mark and final line break."""
    if not _ascii_compatible(encoding):
        yield 1, _text_of(path, encoding)
        return
    number, rest, at_start = 1, b"", True
    with open_plain(path) as stream:
        while True:
            try:
                block = stream.read(chunk_bytes)
            except (EOFError, OSError, zlib.error) as e:
                raise SourceError(f"{path}: damaged gzip data ({e}); fetch the file again") from None
            if at_start and block.startswith(codecs.BOM_UTF8):
                block = block[3:]
            at_start = False
            data = rest + block
            if not block:
                if data:
                    yield number, data
                return
            cut = data.rfind(b"\n")
            if cut < 0:
                rest = data
                continue
            yield number, data[:cut]
            number += data.count(b"\n", 0, cut) + 1
            rest = data[cut + 1 :]


def _ascii_compatible(encoding: str) -> bool:
    return "\n,".encode(encoding) == b"\n,"


def _text_of(path: Readable, encoding: str) -> str:
    try:
        with open_plain(path) as stream:
            data = stream.read()
    except (EOFError, OSError, zlib.error) as e:
        raise SourceError(f"{path}: damaged gzip data ({e}); fetch the file again") from None
    if codecs.lookup(encoding).name == "utf-8" and data.startswith(codecs.BOM_UTF8):
        data = data[3:]
    return data.decode(encoding, "surrogateescape" if _ascii_compatible(encoding) else "backslashreplace").removeprefix(
        "\ufeff"
    )


def _fast_batch(chunk: bytes | str, first: int, encoding: str) -> pa.RecordBatch | None:
    """All lines of a chunk at once in C; None if it is not plain UTF-8."""
    if isinstance(chunk, str) or codecs.lookup(encoding).name not in ("utf-8", "ascii"):
        return None
    lines = pc.split_pattern(pa.array([chunk], pa.large_binary()), b"\n").flatten()
    try:
        raw = lines.cast(pa.large_string()).cast(pa.string())
    except pa.ArrowInvalid:
        return None
    if b"\r" in chunk:
        raw = pc.utf8_rtrim(raw, "\r") if b"\r\r" not in chunk else _without_one_cr(raw)
    return _batch(first, raw, pa.nulls(len(raw), pa.string()))


def _without_one_cr(raw: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(raw, r"\r\z", "")


def _slow_batch(chunk: bytes | str, first: int, encoding: str) -> pa.RecordBatch:
    texts: list[str] = []
    defects: list[str | None] = []
    for line in chunk.split(b"\n") if isinstance(chunk, bytes) else chunk.split("\n"):
        text, defect = _decoded(line, encoding) if isinstance(line, bytes) else (line, None)
        texts.append(text.removesuffix("\r"))
        defects.append(defect)
    return _batch(first, pa.array(texts, pa.string()), pa.array(defects, pa.string()))


def _decoded(line: bytes, encoding: str) -> tuple[str, str | None]:
    try:
        return line.decode(encoding), None
    except UnicodeDecodeError:
        return line.decode(encoding, "backslashreplace"), "undecodable"


def _batch(first: int, raw: pa.Array, defect: pa.Array) -> pa.RecordBatch:
    ordinal = pa.array(range(first, first + len(raw)), pa.int64())
    return pa.RecordBatch.from_arrays([ordinal, raw, defect], ["ordinal", "raw", "defect"])


def _is_record(raw: pa.Array, *, blank_is_empty: bool) -> pa.Array:
    return pc.not_equal(raw if blank_is_empty else pc.utf8_trim(raw, " \t\r"), "")


def _with_header(batch: pa.RecordBatch, header: str | None) -> pa.RecordBatch:
    headers = pa.DictionaryArray.from_arrays(
        pa.array([0] * batch.num_rows if header is not None else [None] * batch.num_rows, pa.int32()),
        pa.array([header or ""], pa.string()),
    ).cast(pa.string())
    columns = [batch.column("ordinal"), batch.column("raw"), headers, batch.column("defect")]
    return pa.RecordBatch.from_arrays(columns, schema=RECORDS)


# --- records over several lines --------------------------------------------------------------------


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
            header = raw
        else:
            records.append(_line(at + 1, raw, None if length else "unclosed_quote"))
        at += max(length, 1)
    return header, records


def _line(ordinal: int, raw: str, defect: str | None) -> Line:
    try:
        raw.encode("utf-8")
    except UnicodeEncodeError:  # bytes that surrogateescape carried this far
        raw, defect = raw.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"), "undecodable"
    return Line(ordinal, raw, defect)


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


def _batches_of_lines(header: str | None, lines: list[Line]) -> Iterator[pa.RecordBatch]:
    if lines:
        raw = pa.array([line.raw for line in lines], pa.string())
        ordinal = pa.array([line.ordinal for line in lines], pa.int64())
        defect = pa.array([line.defect for line in lines], pa.string())
        yield _with_header(pa.RecordBatch.from_arrays([ordinal, raw, defect], ["ordinal", "raw", "defect"]), header)
