"""A file's bytes to records: exact texts with their line numbers, whatever the bytes are.

Splitting happens before any parser sees the text, so records are counted independently of the parser:
what cannot be read is one record that says why, never a lost neighbour.
"""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

import pyarrow as pa

from saleslake import charsets
from saleslake.config import Source
from saleslake.errors import SourceError
from saleslake.sources import headers, lines, magic
from saleslake.sources.csv_records import UNCLOSED, Told, batches, without_first, without_last
from saleslake.sources.dialect import dialect_of
from saleslake.sources.lines import RECORDS as RECORDS
from saleslake.store import Readable

_CHUNK_BYTES = 32 * 1024 * 1024
"""What is read at once; and so many characters of a record are kept while its end is looked for."""
_HEADER_BYTES = 256 * 1024


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


def split_lines(path: Readable, source: Source, told: Told | None = None) -> Iterator[pa.RecordBatch]:
    """JSON lines or CSV to batches of RECORDS; blank lines are no records, but count in the numbering.

    For CSV the first record is the header and stands beside each other one. `told` is filled as the batches are taken.
    Raises SourceError if gzip data is damaged.
    """
    with _whole(path):
        yield from _split_csv(path, source, told or Told()) if source.format == "csv" else _split_lines(path, source)


def _split_lines(path: Readable, source: Source) -> Iterator[pa.RecordBatch]:
    encoding, _ = charsets.marked_encoding(_start(path), source.encoding)
    for first, chunk in _chunks(path, encoding):
        batch = lines.batch_of(chunk, first, encoding, blank_is_empty=False)
        if batch.num_rows:
            yield lines.with_header(batch, None)


def _split_csv(path: Readable, source: Source, told: Told) -> Iterator[pa.RecordBatch]:
    header: str | None = None
    own, found = _csv_records(path, source, told)
    for batch in without_last(found, source.skip_last, told):
        if header is None and batch.num_rows:
            header, batch = headers.kept(own, batch.column("raw")[0].as_py()), batch.slice(1)
        if batch.num_rows:
            yield lines.with_header(batch, header)


def _csv_records(
    path: Readable, source: Source, told: Told, chunk_bytes: int | None = None
) -> tuple[str, Iterator[pa.RecordBatch]]:
    """The delimiter that the file itself names, if it does, and its records; the first is the header."""
    start = _start(path)
    encoding, skip = charsets.marked_encoding(start, source.encoding)
    first_line = charsets.decode_all(start[skip:], encoding).removeprefix("\ufeff").split("\n", 1)[0]
    own = headers.own_delimiter(first_line.removesuffix("\r"), source)
    chunks = without_first(_chunks(path, encoding, chunk_bytes), source.skip_lines, bool(own), told)
    dialect = dialect_of(source, own)
    return own, batches(chunks, encoding, dialect, _CHUNK_BYTES, told)


def read_header(path: Readable, source: Source) -> str | None:
    """The header of a CSV file, or the first line of another; None if there is none. Raises SourceError if gzip data is damaged."""
    with _whole(path):
        return _header(path, source)[0]


def _header(path: Readable, source: Source) -> tuple[str | None, str | None]:
    """The header, as it stands beside records, and its defect."""
    own, told = "", Told()
    if source.format == "csv":
        own, found = _csv_records(path, source, told, _HEADER_BYTES)
    else:
        encoding, _ = charsets.marked_encoding(_start(path), source.encoding)
        chunks = _chunks(path, encoding, _HEADER_BYTES)
        found = (lines.batch_of(chunk, first, encoding, blank_is_empty=True) for first, chunk in chunks)
    for batch in found:
        if batch.num_rows:
            return headers.kept(own, batch.column("raw")[0].as_py()), batch.column("defect")[0].as_py()
    return None, None


def check_header(
    path: Readable, origin: str, source: Source, required: dict[str, str], others: Iterable[str] = ()
) -> list[str]:
    """The column names of a CSV file, once every required one is there and each that is wanted stands there once.

    `required` is our name to theirs; `others`: their names of what may be missing. Raises SourceError naming file, column and
    the columns found.
    """
    with _whole(origin):
        header, defect = _header(path, source)
    if header is None:
        return []
    if defect and defect.startswith(UNCLOSED):
        raise SourceError(
            f"{origin}: refused: a quote in its header is never closed; check quote, delimiter and encoding"
        )
    try:
        found = headers.names(header, source)
    except ValueError as e:
        raise SourceError(
            f"{origin}: refused: its header cannot be read ({e}); check line ends, delimiter and encoding"
        ) from None
    if "\0" in header and (likely := charsets.resembles(_start(path))):
        raise SourceError(f'{origin}: refused: its bytes look like {likely.upper()}; set encoding = "{likely}"')
    headers.check(origin, found, required, others)
    return found


# --- physical lines --------------------------------------------------------------------------------


def _start(path: Readable) -> bytes:
    """The first bytes of a file, decompressed."""
    with open_plain(path) as stream:
        return stream.read(magic.LOOKED_AT)


def _chunks(path: Readable, encoding: str, chunk_bytes: int | None = None) -> Iterator[tuple[int, bytes | str]]:
    """Whole lines in chunks, with the number of the first; without byte-order mark and final line break."""
    if not charsets.is_ascii_compatible(encoding):
        text = _text_of(path, encoding)
        if text:
            yield 1, text.removesuffix("\n")
        return
    number, at_start = 1, True
    rest: list[bytes] = []
    with open_plain(path) as stream:
        while block := stream.read(chunk_bytes or _CHUNK_BYTES):
            if at_start:
                block, at_start = block.removeprefix(codecs.BOM_UTF8), False
            cut = block.rfind(b"\n")
            if cut < 0:
                rest.append(block)
                continue
            data = b"".join([*rest, block[:cut]])
            yield number, data
            number += data.count(b"\n") + 1
            rest = [block[cut + 1 :]]
    if last := b"".join(rest):
        yield number, last


def _text_of(path: Readable, encoding: str) -> str:
    """The whole text; bytes that are none are kept aside in it, see `charsets.legible`."""
    with open_plain(path) as stream:
        return charsets.decode_all(stream.read(), encoding).removeprefix("\ufeff")
