"""Landed units to bronze: one commit, one control row, whole units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from saleslake import bronze, unmet
from saleslake.charsets import printable
from saleslake.config import Source
from saleslake.ingest import fields
from saleslake.ingest.files import mapped_columns
from saleslake.ingest.records import batches, unread
from saleslake.ingest.report import Landed
from saleslake.lake import Lake
from saleslake.landing import Unit, now, remove_tree
from saleslake.silver.judge.reading import WITHIN, place, theirs, whole_path
from saleslake.silver.registry import ENTITIES
from saleslake.sources import headers
from saleslake.sources.csv_records import Told


def commit(lake: Lake, name: str, units: list[Unit], report: Landed, extra: dict[str, Any] | None = None) -> None:
    """Bring units to bronze in one commit with one control row. `extra`: since, until, watermark, watermark_key, fetch."""
    if not units and not extra:
        return
    source = lake.settings.sources[name]
    with staging(lake, name) as stage:
        counted, seen = [], set()
        for unit in units:
            staged = _stage(lake, unit, source, stage, report)
            seen |= set(staged.fields)
            counted.append(staged)
        earlier = bronze.controls(lake, name)
        before = {field for control in earlier for field in control.fields}
        report.new_fields = sorted({*report.new_fields, *fields.new(seen, _read_fields(source, seen) | before, before)})
        report.lost_fields = sorted({*report.lost_fields, *_lost_fields(lake, name, seen, earlier, counted)})
        report.ignored_fields = ignored_fields(source, seen | before)
        report.lacking_fields = lacking_fields(source, seen)
        control = bronze.Control(
            landed_at=max((u.landed_at for u in units), default=now()),
            units=[u.control() for u in counted],
            left_out=report.left_out,
            fields=tuple(sorted(seen)),
            **(extra or {}),
        )
        stage.add_control(control, name, lake.run_id)
        bronze.append(lake, name, stage)
        report.records += stage.rows
    report.units += len(units)
    for unit in counted:
        lake.landing.save(replace(unit, state="bronze"))


@contextmanager
def staging(lake: Lake, name: str) -> Iterator[bronze.Staging]:
    """A staging area that is gone afterwards."""
    folder = lake.work("staging", f"{name}-{lake.run_id}-{datetime.now().timestamp():.6f}")
    stage = bronze.Staging(folder)
    try:
        yield stage
    finally:
        stage.close()
        remove_tree(Path(folder))


def _stage(lake: Lake, unit: Unit, source: Source, stage: bronze.Staging, report: Landed) -> Unit:
    """The unit with what is known of it once its records are staged."""
    names, told = set(unit.fields), Told()

    def looked_at() -> Iterator[pa.RecordBatch]:
        for batch in batches(lake.landing, unit, source, told):
            if source.format != "csv":
                names.update(fields.of_batch(batch))
            yield batch

    count = stage.add(unit, looked_at())
    report.skipped += told.skipped
    trouble = unread(told)
    if trouble and not source.dismisses(unit.sha256):
        report.failed.append(trouble.line(unit.source, printable(unit.file), unit.sha256))
    defect = told.broken[1] if told.broken else unit.defect
    return replace(unit, records=count, fields=sorted(names), defect=defect)


_IGNORED = {
    "status": "say by it which orders are no sales: map status, and list such values in no_sales",
    "refunds": "refunds do not lower revenue",
}
"""Fields that change what an order or transaction is worth, and what it means that nothing reads them."""
_MAP_REFUNDS = "; map refunds and what stands in them: they are lines of the day on which they were paid back"


def ignored_fields(source: Source, seen: set[str]) -> list[str]:
    """Fields of the source that change what its sales are worth, and that no mapping names. A line each."""
    if source.entity not in ("orders", "transactions"):
        return []
    mapped = {path for ours, path in source.mapping.items() if not ours.startswith(WITHIN)}
    read = fields.with_parents(mapped) if source.format != "csv" else mapped
    return [
        f"{field}: unmapped; {why}{_MAP_REFUNDS if field == 'refunds' and source.entity == 'orders' else ''}"
        for field, why in _IGNORED.items()
        if field in seen and field not in read
    ]


def lacking_fields(source: Source, seen: set[str]) -> list[str]:
    """Of a CSV: our names of columns that none of its files has, for a person to know that they are empty."""
    entity = ENTITIES[source.entity]
    if source.format != "csv" or not seen:
        return []
    names = {field: place(source, field, entity.fields) for field in entity.expected if field not in source.defaults}
    return [field for field, name in names.items() if not headers.places(sorted(seen), name)]


def _read_fields(source: Source, seen: set[str]) -> set[str]:
    """Fields that are no news, for they are read."""
    of_entity = ENTITIES[source.entity].fields
    names = {place(source, field, of_entity) for field in of_entity.of_header} | set(source.key_columns)
    if source.format == "csv":
        columns = sorted(seen)
        return {columns[at] for name in names for at in headers.places(columns, name)}
    within = [f"{theirs(source, 'items')}.{place(source, f'items.{field}', of_entity)}" for field in of_entity.of_line]
    if "refunds" in source.mapping:
        within += [whole_path(source, name) for name in of_entity.within_refunds]
    return fields.with_parents([*names, *within])


def _lost_fields(
    lake: Lake, name: str, seen: set[str], earlier: Sequence[bronze.Control], units: Sequence[Unit]
) -> list[str]:
    """Mapped columns or paths that the latest commit had, and this one does not. So it is said once, not at every commit.

    Records of JSON may lack what is optional: only so many that it is no chance are believed.
    """
    source, before = lake.settings.sources[name], next((row.fields for row in reversed(earlier) if row.fields), ())
    if not seen:
        return []
    if source.format == "csv":
        names = mapped_columns(source).values()
        return [each for each in names if headers.places(before, each) and not headers.places(sorted(seen), each)]
    if sum(unit.records for unit in units) < lake.settings.run.quarantine_from_records:
        return []
    return [path for path in unmet.mapped_paths(source).values() if path in before and path not in seen]
