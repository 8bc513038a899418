"""A landed unit's bytes to batches of records, whatever its format."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pyarrow as pa

from saleslake.config import Source
from saleslake.landing import LandingZone, Unit
from saleslake.sources.documents import InvalidDocument, split_document
from saleslake.sources.files import RECORDS, open_plain, split_lines

_SAMPLED = 200
"""Records per batch (a document, a page, or 32 MiB of JSON lines) that are looked at for new fields."""


def batches(landing: LandingZone, unit: Unit, source: Source) -> Iterator[pa.RecordBatch]:
    """Records of a unit: (ordinal, raw, header, defect). A document that is not valid is one record with a defect."""
    if source.format in ("csv", "jsonl"):
        yield from split_lines(landing.path(unit.unit), source)
        return
    with open_plain(landing.path(unit.unit)) as stream:
        body = stream.read()
    try:
        texts = split_document(body, source.records_path, unit.form or "").records
        defect = None
    except InvalidDocument:
        texts, defect = [body.decode("utf-8", "backslashreplace")], "document_invalid"
    if texts:
        n = len(texts)
        columns = [
            pa.array(range(1, n + 1), pa.int64()),
            pa.array(texts, pa.string()),
            pa.nulls(n, pa.string()),
            pa.array([defect] * n, pa.string()),
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=RECORDS)


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
