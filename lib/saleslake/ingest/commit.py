"""Landed units to bronze: one commit, one control row, whole units."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from saleslake import bronze
from saleslake.config import Source
from saleslake.ingest.records import batches, field_names
from saleslake.ingest.report import Landed
from saleslake.lake import Lake
from saleslake.landing import Unit, now, remove_tree
from saleslake.silver.judge.reading import theirs
from saleslake.silver.registry import ENTITIES


def commit(lake: Lake, name: str, units: list[Unit], report: Landed, extra: dict[str, Any] | None = None) -> None:
    """Bring units to bronze in one commit with one control row. `extra`: since, until, watermark, watermark_key, fetch."""
    if not units and not extra:
        return
    source = lake.settings.sources[name]
    with staging(lake, name) as stage:
        counted, seen = [], set()
        for unit in units:
            count, fields = _stage(lake, unit, source, stage)
            seen |= fields
            counted.append(replace(unit, records=count, fields=sorted(fields)))
        known = _known_fields(lake, name, source)
        report.new_fields = sorted({*report.new_fields, *(seen - known)})
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


def _stage(lake: Lake, unit: Unit, source: Source, stage: bronze.Staging) -> tuple[int, set[str]]:
    fields = set(unit.fields)

    def looked_at() -> Iterator[pa.RecordBatch]:
        for batch in batches(lake.landing, unit, source):
            if source.format != "csv":
                fields.update(field_names(batch))
            yield batch

    return stage.add(unit, looked_at()), fields


def _known_fields(lake: Lake, name: str, source: Source) -> set[str]:
    """Fields that are no news: mapped, or seen in an earlier commit. So a first commit tells every unmapped one."""
    entity = ENTITIES[source.entity]
    wanted = (*entity.fields.texts, *entity.fields.numbers, *(("items",) if entity.fields.line_texts else ()))
    names = {theirs(source, field) for field in wanted}
    mapped = names if source.format == "csv" else {name.split(".")[0] for name in names}
    return mapped | {field for control in bronze.controls(lake, name) for field in control.fields}
