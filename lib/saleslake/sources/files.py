"""A file's bytes to records: exact texts with their line numbers, whatever the bytes are.

Splitting happens before any parser sees the text, so records are counted independently of the parser:
what cannot be read is one record that says why, never a lost neighbour.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

import pyarrow as pa

from saleslake import charsets
from saleslake.config import Source
from saleslake.errors import SourceError
from saleslake.sources import lines, magic
from saleslake.sources.lines import RECORDS as RECORDS
from saleslake.sources.multiline import Line, multiline_records
from saleslake.store import Readable

_CHUNK_BYTES = 32 * 1024 * 1024


def open_plain(path: Readable) -> BinaryIO:
    """The file's bytes, decompressed if they are gzip (by content, not by name)."""
    opened = path.open("rb")
    if opened.peek(2)[:2] != b"\x1f\x8b":
        return cast(BinaryIO, opened)
    unpacked = gzip.GzipFile(fileobj=opened)
    unpacked.myfileobj = opened  # closed with it, as that of a file opened by name
    return cast(BinaryIO, unpacked)


@contextmanager
def _whole(where: object) -> Iterator[None]:
    """Names the file whose gzip data cannot be unpacked; what the system says of a file stays as it is."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as e:
        raise SourceError(f"{where}: refused: damaged gzip data ({e}); fetch the file again") from None


def check_whole(path: Readable, origin: str) -> None:
    """Raise SourceError if gzip data ends early or is damaged: half a file must not land."""
    with _whole(origin), open_plain(path) as stream:
        if isinstance(stream, gzip.GzipFile):
            while stream.read(_CHUNK_BYTES):
                pass


def check_text(path: Readable, origin: str, source: Source) -> None:
    """Raise SourceError for a file that is no text at all: an archive or workbook under a wrong name."""
    with _whole(origin):
        kind = magic.kind(_start(path))
    if kind:
        raise SourceError(
            f"{origin}: refused: it is {kind}, not {source.format}; unpack it, or export it as {source.format}"
        )


def read_body(path: Readable, origin: str) -> bytes:
    """All bytes of a file, decompressed. Raises SourceError if gzip data is damaged."""
    with _whole(origin), open_plain(path) as stream:
        return stream.read()


def has_records(path: Readable, source: Source) -> bool:
    """Whether a file of lines holds a record, beside a header."""
    return any(batch.num_rows for batch in split_lines(path, source))


def split_lines(path: Readable, source: Source) -> Iterator[pa.RecordBatch]:
    """JSON lines or CSV to batches of RECORDS; blank lines are no records, but count in the numbering.

    For CSV the first line that is not blank is the header and stands beside each record.
    Raises SourceError if gzip data is damaged.
    """
    with _whole(path):
        yield from _split(path, source)


def _split(path: Readable, source: Source) -> Iterator[pa.RecordBatch]:
    is_csv = source.format == "csv"
    encoding, _ = charsets.marked_encoding(_start(path), source.encoding)
    if is_csv and source.multiline:
        yield from _batches_of_records(*multiline_records(_text_of(path, encoding), source))
        return
    header: str | None = None
    for first, chunk in _chunks(path, encoding):
        batch = lines.batch_of(chunk, first, encoding, blank_is_empty=is_csv)
        if is_csv and header is None and batch.num_rows:
            header, batch = batch.column("raw")[0].as_py(), batch.slice(1)
        if batch.num_rows:
            yield lines.with_header(batch, header)


def header_names(header: str, source: Source) -> list[str]:
    """The column names of a header line, read by the source's own delimiter and quote; trimmed."""
    row = next(csv.reader(io.StringIO(header), delimiter=source.delimiter, quotechar=source.quote), [])
    return [name.strip() for name in row]


def read_header(path: Readable, source: Source) -> str | None:
    """The header line of a CSV file; None if the file has no line at all. Raises SourceError if gzip data is damaged."""
    with _whole(path):
        return _header(path, source)


def _header(path: Readable, source: Source) -> str | None:
    encoding, _ = charsets.marked_encoding(_start(path), source.encoding)
    for _, chunk in _chunks(path, encoding, chunk_bytes=256 * 1024):
        for line in chunk.split(b"\n") if isinstance(chunk, bytes) else chunk.split("\n"):
            text, _ = lines.decoded(line, encoding) if isinstance(line, bytes) else charsets.legible(line)
            if text.rstrip("\r"):
                return text.rstrip("\r")
    return None


def check_header(path: Readable, origin: str, source: Source, required: dict[str, str]) -> list[str]:
    """The column names of a CSV file, once every required one is there exactly once.

    `required` is our name to theirs. Raises SourceError naming file, column and the columns found.
    """
    with _whole(origin):
        header = _header(path, source)
    if header is None:
        return []
    try:
        found = header_names(header, source)
    except csv.Error as e:
        raise SourceError(
            f"{origin}: refused: its header cannot be read ({e}); check line ends, delimiter and encoding"
        ) from None
    if "\0" in header and (likely := charsets.resembles(_start(path))):
        raise SourceError(f'{origin}: refused: its bytes look like {likely.upper()}; set encoding = "{likely}"')
    missing = [
        f"{theirs} (our {ours})" if theirs != ours else ours for ours, theirs in required.items() if theirs not in found
    ]
    if missing:
        raise SourceError(
            f"{origin}: refused: required column {', '.join(missing)} not found; columns found: "
            f"{', '.join(map(charsets.printable, found))}. Map it in [sources.….mapping], or check delimiter and encoding"
        )
    twice = sorted({name for name in found if found.count(name) > 1 and name in required.values()})
    if twice:
        raise SourceError(f"{origin}: refused: column {', '.join(twice)} stands more than once in the header")
    return found


# --- physical lines --------------------------------------------------------------------------------


def _start(path: Readable) -> bytes:
    """The first bytes of a file, decompressed."""
    with open_plain(path) as stream:
        return stream.read(magic.LOOKED_AT)


def _chunks(path: Readable, encoding: str, chunk_bytes: int = _CHUNK_BYTES) -> Iterator[tuple[int, bytes | str]]:
    """Whole lines in chunks, with the number of the first; without byte-order mark and final line break."""
    if not charsets.is_ascii_compatible(encoding):
        yield 1, _text_of(path, encoding)
        return
    number, rest, at_start = 1, b"", True
    with open_plain(path) as stream:
        while True:
            block = stream.read(chunk_bytes)
            if at_start:
                block = block.removeprefix(codecs.BOM_UTF8)
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


def _text_of(path: Readable, encoding: str) -> str:
    """The whole text; bytes that are none are kept aside in it, see `charsets.legible`."""
    with open_plain(path) as stream:
        return charsets.decode_all(stream.read(), encoding).removeprefix("\ufeff")


def _batches_of_records(header: str | None, records: list[Line]) -> Iterator[pa.RecordBatch]:
    if records:
        raw = pa.array([line.raw for line in records], pa.string())
        ordinal = pa.array([line.ordinal for line in records], pa.int64())
        defect = pa.array([line.defect for line in records], pa.string())
        yield lines.with_header(
            pa.RecordBatch.from_arrays([ordinal, raw, defect], ["ordinal", "raw", "defect"]), header
        )
