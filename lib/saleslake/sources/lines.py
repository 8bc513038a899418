"""Lines of a text to batches: all of a chunk at once where it is plain UTF-8, else one by one."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from saleslake import charsets

RECORDS = pa.schema([("ordinal", pa.int64()), ("raw", pa.string()), ("header", pa.string()), ("defect", pa.string())])


def batch_of(chunk: bytes | str, first: int, encoding: str, *, blank_is_empty: bool) -> pa.RecordBatch:
    """(ordinal, raw, defect) of the lines of a chunk that are no blank ones. `first`: the number of its first line.

    Blank is what is empty; or, unless `blank_is_empty`, holds white space of JSON alone.
    """
    batch = _fast_batch(chunk, first, encoding)
    if batch is None:
        batch = _slow_batch(chunk, first, encoding)
    return batch.filter(_is_record(batch.column("raw"), blank_is_empty=blank_is_empty))


def _fast_batch(chunk: bytes | str, first: int, encoding: str) -> pa.RecordBatch | None:
    """All lines of a chunk at once in C; None if it is not plain UTF-8."""
    if isinstance(chunk, str) or encoding not in ("utf-8", "ascii"):
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
        text, is_bad = decoded(line, encoding) if isinstance(line, bytes) else charsets.legible(line)
        texts.append(text.removesuffix("\r"))
        defects.append("undecodable" if is_bad else None)
    return _batch(first, pa.array(texts, pa.string()), pa.array(defects, pa.string()))


def decoded(line: bytes, encoding: str) -> tuple[str, bool]:
    """The line as text, and whether it holds bytes that are none."""
    try:
        return line.decode(encoding), False
    except UnicodeDecodeError:
        return charsets.legible(charsets.decode_all(line, encoding))


def _batch(first: int, raw: pa.Array, defect: pa.Array) -> pa.RecordBatch:
    ordinal = pa.array(range(first, first + len(raw)), pa.int64())
    return pa.RecordBatch.from_arrays([ordinal, raw, defect], ["ordinal", "raw", "defect"])


def _is_record(raw: pa.Array, *, blank_is_empty: bool) -> pa.Array:
    return pc.not_equal(raw if blank_is_empty else pc.utf8_trim(raw, " \t\r"), "")


def with_header(batch: pa.RecordBatch, header: str | None) -> pa.RecordBatch:
    headers = pa.DictionaryArray.from_arrays(
        pa.array([0] * batch.num_rows if header is not None else [None] * batch.num_rows, pa.int32()),
        pa.array([header or ""], pa.string()),
    ).cast(pa.string())
    columns = [batch.column("ordinal"), batch.column("raw"), headers, batch.column("defect")]
    return pa.RecordBatch.from_arrays(columns, schema=RECORDS)
