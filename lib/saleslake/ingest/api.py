"""Extraction of an API: every page's bytes land as they arrive; at the end of the window it is decided which are news."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from saleslake import bronze, kill_points
from saleslake.config import Source
from saleslake.errors import SourceError
from saleslake.ingest.commit import commit, staging
from saleslake.ingest.records import batches
from saleslake.ingest.report import Landed
from saleslake.ingest.window import Window, effective, moved
from saleslake.lake import Lake
from saleslake.landing import Unit, from_micros, iso, now
from saleslake.silver.known import all_held, greatest_held, units_to_land
from saleslake.silver.registry import ENTITIES
from saleslake.silver.step import cleaned
from saleslake.sources.api_client import ApiClient, BrokenBody, Page

Version = tuple[datetime, str]
"""(version time, key)."""


def extract(
    lake: Lake,
    name: str,
    window: Window,
    control: Sequence[bronze.Control],
    report: Landed,
    *,
    refetch: bool,
    say: Callable[[str], None],
) -> None:
    """Fetch the window, land its pages, bring what is news to bronze with the control row of the window."""
    source = lake.settings.sources[name]
    asked = Window()
    if source.is_incremental:
        asked = effective(window, control, lake.settings.run.watermark_lag_seconds, refetch)
    started = now()
    report.since, report.until = (iso(m) if m else None for m in (asked.since, asked.until))
    fetched, failure = _fetch(lake, name, source, report, say)
    if failure:
        report.failed.append(failure)
    kill_points.reached("after_landing")
    units, greatest = decide(lake, name, fetched, report, everything=refetch, not_after=started)
    old = bronze.watermark(control)
    mark = moved(asked, old, greatest) if source.is_incremental and not failure else None
    report.watermark = mark[0] if mark else (old[0] if old else None)
    if not units and mark is None:
        return
    extra: dict[str, str | None] = {"since": report.since, "until": report.until}
    if mark:
        extra |= {"watermark": mark[0], "watermark_key": mark[1]}
    commit(lake, name, units, report, extra)


def _fetch(
    lake: Lake, name: str, source: Source, report: Landed, say: Callable[[str], None]
) -> tuple[list[Unit], str | None]:
    """Every page as a unit in state `fetched`, and why there are no more, if that is not because there are none."""
    assert source.api is not None
    if "://" not in source.api.url:
        source = source.model_copy(
            update={"api": source.api.model_copy(update={"url": lake.settings.resolve(source.api.url)})}
        )
    client = ApiClient(source, name, lake.settings.secret)
    units: list[Unit] = []
    failure: str | None = None
    try:
        for page in client.pages(report.since, report.until):
            units.append(_land_page(lake, name, page, report, None))
            say(f"page {page.number}")
    except BrokenBody as e:
        units.append(_land_page(lake, name, e.page, report, "document_invalid"))
        failure = str(e)
    except SourceError as e:
        failure = str(e)
    report.attempts, report.retries, report.gave_up = client.attempts, client.retries, client.gave_up
    return units, failure


def _land_page(lake: Lake, name: str, page: Page, report: Landed, defect: str | None) -> Unit:
    unit_id = f"{name}/{lake.run_id}/page-{page.number:05d}.json"
    unit = Unit(
        unit=unit_id,
        source=name,
        file=unit_id,
        origin=page.url,
        run_id=lake.run_id,
        # A file has its own age; what counts here is when it was first seen.
        landed_at=page.fetched_at if page.status else now(),
        sha256=page.sha256,
        bytes=len(page.body),
        state="fetched",
        records=len(page.records),
        status=page.status,
        defect=defect,
        form=page.form,
        since=report.since,
        until=report.until,
    )
    return lake.landing.add_bytes(unit, page.body)


def decide(
    lake: Lake,
    name: str,
    fetched: list[Unit],
    report: Landed,
    *,
    everything: bool = False,
    not_after: datetime | None = None,
) -> tuple[list[Unit], Version | None]:
    """(pages that land, greatest version of their valid records dated no later than `not_after`).

    `everything`: also pages whose records are all known.
    """
    source = lake.settings.sources[name]
    entity = ENTITIES[source.entity]
    hashes = {unit.unit: _hashes(batches(lake.landing, unit, source)) for unit in fetched}
    contents = {h for of_unit in hashes.values() for h in of_unit}
    if not contents:
        return _settle(lake, fetched, set(), report, hashes), None
    is_first = not lake.exists(bronze.table_of(name))
    if not everything and not is_first and all_held(lake, entity, name, contents):
        return _settle(lake, fetched, set(), report, hashes), greatest_held(lake, entity, contents, not_after or now())
    with staging(lake, name) as stage:
        for unit in fetched:
            stage.add(unit, batches(lake.landing, unit, source))
        stage.close()
        staged = bronze.with_identity(lake.spark.read.parquet(f"{stage.folder}/records.parquet"))
        frame = cleaned(lake, name, staged).withColumn("unit", F.col("file")).persist()
        try:
            greatest = _greatest_version(frame, entity.table.keys[0], not_after or now())
            land = {unit.unit for unit in fetched}
            if not everything and not is_first:
                lake.create(entity.table)
                land = units_to_land(lake, entity, name, frame)
        finally:
            frame.unpersist()
    return _settle(lake, fetched, land, report, hashes), greatest


def _hashes(records: Iterator[pa.RecordBatch]) -> list[str]:
    return [bronze.content_hash(text) for batch in records for text in batch.column("raw").to_pylist()]


def _greatest_version(frame: DataFrame, key: str, not_after: datetime) -> Version | None:
    """Records dated later than the fetch began are valid and move nothing: one dated 9999 would end all windows."""
    valid = frame.where((F.size("reasons") == 0) & (F.col("version_time") <= F.lit(iso(not_after)).cast("timestamp")))
    row = valid.agg(F.max(F.struct(F.unix_micros("version_time").alias("t"), F.col(key).alias("k")))).collect()[0][0]
    return (from_micros(row["t"]), row["k"]) if row else None


def _settle(
    lake: Lake, fetched: list[Unit], land: set[str], report: Landed, hashes: dict[str, list[str]]
) -> list[Unit]:
    landed = []
    for unit in fetched:
        if unit.unit in land:
            unit = replace(unit, state="landed")
            landed.append(unit)
        else:
            unit = replace(unit, state="left_out", left_out=hashes.get(unit.unit, []))
            report.left_out += len(unit.left_out)
            report.left_out_units += 1
        lake.landing.save(unit)
    return landed
