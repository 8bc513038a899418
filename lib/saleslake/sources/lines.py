"""Lines of a text to batches: all of a chunk at once, and one by one where some of its bytes are no text."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from saleslake import charsets

RECORDS = pa.schema([("ordinal", pa.int64()), ("raw", pa.string()), ("header", pa.string()), ("defect", pa.string())])


PLAIN = ("utf-8", "ascii")
"""Encodings whose bytes Arrow can take as they are."""
MARK = "\ud800"
"""Stands for a line break that ends no record. No decoder gives it: it is half a character."""
_MARK = MARK.encode("utf-8", "surrogatepass")


def batch_of(chunk: bytes | str, first: int, encoding: str, *, blank_is_empty: bool) -> pa.RecordBatch:
    """(ordinal, raw, defect) of the lines of a chunk that are no blank ones. `first`: the number of its first line.

    Blank is what is empty; or, unless `blank_is_empty`, holds white space of JSON alone. A line with marks is a record of several.
    """
    if isinstance(chunk, bytes) and encoding not in PLAIN:
        chunk = text_of(chunk, encoding)
    found = _fast_batch(chunk, first)
    if found is None:
        found = _slow_batch(text_of(chunk, encoding), first)
    return found.filter(_is_record(found.column("raw"), blank_is_empty=blank_is_empty))


def text_of(chunk: bytes | str, encoding: str) -> str:
    """The text of a chunk. Bytes that are none are kept aside in it, see `charsets.legible`; they cost no other line."""
    if isinstance(chunk, str):
        return chunk
    try:
        return chunk.decode(encoding)
    except UnicodeDecodeError:
        return "\n".join(charsets.decode_all(line, encoding) for line in chunk.split(b"\n"))


def _fast_batch(chunk: bytes | str, first: int) -> pa.RecordBatch | None:
    """All lines of a chunk at once in C; None if bytes in it are no text."""
    data = chunk.encode("utf-8", "surrogatepass") if isinstance(chunk, str) else chunk
    lines = pc.split_pattern(pa.array([data], pa.large_binary()), b"\n").flatten()
    ordinal = pa.array(range(first, first + len(lines)), pa.int64())
    if isinstance(chunk, str) and MARK in chunk:
        breaks = pc.cast(pc.count_substring(lines, _MARK), pa.int64())
        ordinal = pc.add(ordinal, pc.subtract(pc.cumulative_sum(breaks), breaks))
        lines = pc.replace_substring(lines, _MARK, b"\n")
    try:
        raw = lines.cast(pa.large_string()).cast(pa.string())
    except pa.ArrowInvalid:
        return None
    if b"\r" in data:
        raw = pc.utf8_rtrim(raw, "\r") if b"\r\r" not in data else _without_one_cr(raw)
    return pa.RecordBatch.from_arrays([ordinal, raw, pa.nulls(len(raw), pa.string())], _COLUMNS)


def _without_one_cr(raw: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(raw, r"\r\z", "")


def _slow_batch(text: str, first: int) -> pa.RecordBatch:
    ordinals: list[int] = []
    raws: list[str] = []
    defects: list[str | None] = []
    for line in text.split("\n"):
        raw, is_bad = charsets.legible(line.replace(MARK, "\n"))
        ordinals.append(first)
        raws.append(raw.removesuffix("\r"))
        defects.append("undecodable" if is_bad else None)
        first += 1 + line.count(MARK)
    return batch(ordinals, raws, defects)


_COLUMNS = ["ordinal", "raw", "defect"]


def batch(ordinals: list[int], raws: list[str], defects: list[str | None]) -> pa.RecordBatch:
    """Records given one by one."""
    columns = [pa.array(ordinals, pa.int64()), pa.array(raws, pa.string()), pa.array(defects, pa.string())]
    return pa.RecordBatch.from_arrays(columns, _COLUMNS)


def _is_record(raw: pa.Array, *, blank_is_empty: bool) -> pa.Array:
    return pc.not_equal(raw if blank_is_empty else pc.utf8_trim(raw, " \t\r"), "")


def with_header(batch: pa.RecordBatch, header: str | None) -> pa.RecordBatch:
    headers = pa.DictionaryArray.from_arrays(
        pa.array([0] * batch.num_rows if header is not None else [None] * batch.num_rows, pa.int32()),
        pa.array([header or ""], pa.string()),
    ).cast(pa.string())
    columns = [batch.column("ordinal"), batch.column("raw"), headers, batch.column("defect")]
    return pa.RecordBatch.from_arrays(columns, schema=RECORDS)
