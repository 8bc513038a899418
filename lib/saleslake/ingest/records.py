"""A landed unit's bytes to batches of records, whatever its format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from saleslake import charsets
from saleslake.config import Source
from saleslake.ingest.report import Unread
from saleslake.landing import LandingZone, Unit
from saleslake.sources.csv_records import BROKEN, UNCLOSED, Told
from saleslake.sources.documents import InvalidDocument, split_document
from saleslake.sources.files import RECORDS, read_body, split_lines
from saleslake.store import Readable

_BATCH_RECORDS = 16 * 1024


@dataclass(frozen=True)
class Split:
    """The records of one document; where it cannot be read, the whole of it as one, and why."""

    batches: list[pa.RecordBatch]
    trouble: str = ""

    @property
    def records(self) -> int:
        return sum(batch.num_rows for batch in self.batches)


def batches(landing: LandingZone, unit: Unit, source: Source, told: Told | None = None) -> Iterator[pa.RecordBatch]:
    """Records of a unit: (ordinal, raw, header, defect). A document that is not valid is one record with a defect.

    `told`: see `split_lines`.
    """
    if source.format in ("csv", "jsonl"):
        yield from split_lines(landing.path(unit.unit), source, told)
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


def unread(told: Told) -> Unread | None:
    """Why a CSV file was not read record by record to its end; None if it was."""
    if told.broken is None:
        return None
    line, defect = told.broken
    begins = f"line {line:,}: the record that begins there"
    if defect == UNCLOSED:
        why = f"{begins} has a quote that is never closed; put it right, or check quote and escape"
        return Unread(why, "From that line on the file is quarantined as one record", "file")
    if defect == BROKEN:
        why = f"{begins} goes over several lines and has text behind a closing quote; look for a quote too many in it"
        return Unread(why, "Those lines are quarantined as one record", "file")
    return Unread(f"{begins} is too long to be held; look for a quote too many", "It is quarantined", "file")


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
