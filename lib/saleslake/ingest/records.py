"""A landed unit's bytes to batches of records, whatever its format."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from saleslake import charsets
from saleslake.config import Source
from saleslake.landing import LandingZone, Unit
from saleslake.sources.documents import InvalidDocument, split_document
from saleslake.sources.files import RECORDS, read_body, split_lines
from saleslake.store import Readable

_SAMPLED = 200
"""Records per batch (a part of a document, or 32 MiB of JSON lines) that are looked at for new fields."""
_BATCH_RECORDS = 16 * 1024


@dataclass(frozen=True)
class Split:
    """The records of one document; where it cannot be read, the whole of it as one, and why."""

    batches: list[pa.RecordBatch]
    trouble: str = ""

    @property
    def records(self) -> int:
        return sum(batch.num_rows for batch in self.batches)


def batches(landing: LandingZone, unit: Unit, source: Source) -> Iterator[pa.RecordBatch]:
    """Records of a unit: (ordinal, raw, header, defect). A document that is not valid is one record with a defect."""
    if source.format in ("csv", "jsonl"):
        yield from split_lines(landing.path(unit.unit), source)
        return
    held = landing.release(unit)
    yield from held if held is not None else split(landing.path(unit.unit), unit.file, source, unit.form).batches


def split(path: Readable, origin: str, source: Source, form: str | None = None) -> Split:
    """The records of the document in a file. Raises SourceError if gzip data is damaged."""
    body = read_body(path, origin)
    try:
        document = split_document(body, source.records_path, form or "", source.encoding)
    except InvalidDocument as e:
        text, _ = charsets.legible(charsets.decode(body, source.encoding).text)
        return Split(_batches([text], ["document_invalid"]), str(e))
    bad = document.undecodable
    defects = ["undecodable" if at in bad else None for at in range(len(document.records))] if bad else None
    return Split(_batches(document.records, defects))


def _batches(texts: list[str], defects: Sequence[str | None] | None) -> list[pa.RecordBatch]:
    """In parts, because Arrow's columns of text end at 2 GiB."""
    found = []
    for first in range(0, len(texts), _BATCH_RECORDS):
        part = texts[first : first + _BATCH_RECORDS]
        columns = [
            pa.array(range(first + 1, first + len(part) + 1), pa.int64()),
            pa.array(part, pa.string()),
            pa.nulls(len(part), pa.string()),
            pa.array(defects[first : first + len(part)], pa.string()) if defects else pa.nulls(len(part), pa.string()),
        ]
        found.append(pa.RecordBatch.from_arrays(columns, schema=RECORDS))
    return found


def field_names(batch: pa.RecordBatch) -> set[str]:
    """Top-level field names of the first JSON records of a batch."""
    found: set[str] = set()
    for text in batch.column("raw").slice(0, _SAMPLED).to_pylist():
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            # JSON may escape half of a surrogate pair, which no file of ours could hold.
            found |= {name.encode("utf-8", "backslashreplace").decode("utf-8") for name in value}
    return found
