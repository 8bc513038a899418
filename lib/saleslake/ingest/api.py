"""Extraction of an API: every page's bytes land as they arrive; at the end of the window it is decided which are news."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from saleslake import bronze
from saleslake.config import Source
from saleslake.errors import SourceError
from saleslake.ingest.commit import commit, staging
from saleslake.ingest.records import batches
from saleslake.ingest.report import Landed
from saleslake.ingest.window import Window, effective, moved
from saleslake.lake import Lake
from saleslake.landing import Unit, iso, now
from saleslake.silver.known import units_to_land
from saleslake.silver.registry import ENTITIES
from saleslake.silver.step import cleaned
from saleslake.sources.api_client import ApiClient, BrokenBody, Page

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def extract(
    lake: Lake, name: str, window: Window, control: Sequence[bronze.Control], report: Landed, *,
    refetch: bool, say: Callable[[str], None],
) -> None:
    """Fetch the window, land its pages, bring what is news to bronze with the control row of the window."""
    source = lake.settings.sources[name]
    asked = effective(window, control, lake.settings.run.watermark_lag_seconds, refetch) if source.is_incremental else Window()
    started = now()
    report.since, report.until = (iso(m) if m else None for m in (asked.since, asked.until))
    fetched, failure = _fetch(lake, name, source, report, say)
    if failure:
        report.failed.append(failure)
    greatest: list[tuple[datetime, str]] = []
    units = decide(lake, name, fetched, report, everything=refetch, greatest=greatest, not_after=started)
    old = bronze.watermark(control)
    mark = moved(asked, old, greatest[0] if greatest else None) if source.is_incremental and not failure else None
    report.watermark = mark[0] if mark else (old[0] if old else None)
    if not units and mark is None:
        return
    extra: dict[str, str | None] = {"since": report.since, "until": report.until}
    if mark:
        extra |= {"watermark": mark[0], "watermark_key": mark[1]}
    commit(lake, name, units, report, extra)


def _fetch(lake: Lake, name: str, source: Source, report: Landed, say: Callable[[str], None]) -> tuple[list[Unit], str | None]:
    """Every page as a unit in state `fetched`, and why there are no more, if that is not because there are none."""
    assert source.api is not None
    if "://" not in source.api.url:
        source = source.model_copy(update={"api": source.api.model_copy(update={"url": lake.settings.resolve(source.api.url)})})
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
    report.attempts, report.retries = client.attempts, client.retries
    return units, failure


def _land_page(lake: Lake, name: str, page: Page, report: Landed, defect: str | None) -> Unit:
    unit_id = f"{name}/{lake.run_id}/page-{page.number:05d}.json"
    unit = Unit(
        unit=unit_id, source=name, file=unit_id, origin=page.url, run_id=lake.run_id,
        # A file has its own age; what counts here is when it was first seen.
        landed_at=page.fetched_at if page.status else now(),
        sha256=page.sha256, bytes=len(page.body), state="fetched", records=len(page.records), status=page.status,
        defect=defect, since=report.since, until=report.until,
    )
    return lake.landing.add_bytes(unit, page.body)


def decide(
    lake: Lake, name: str, fetched: list[Unit], report: Landed, *, everything: bool = False,
    greatest: list[tuple[datetime, str]] | None = None, not_after: datetime | None = None,
) -> list[Unit]:
    """Which fetched pages land. `greatest` receives the greatest (version time, key) of their valid records up to `not_after`."""
    entity = ENTITIES[lake.settings.sources[name].entity]
    source = lake.settings.sources[name]
    if not fetched:
        return []
    with staging(lake, name) as stage:
        rows = sum(stage.add(unit, batches(lake.landing, unit, source)) for unit in fetched)
        if rows == 0:
            _settle(lake, fetched, set(), report, {})
            return []
        stage.close()
        staged = bronze.with_identity(lake.spark.read.parquet(f"{stage.folder}/records.parquet"))
        frame = cleaned(lake, name, staged).withColumn("unit", F.col("file")).persist()
        try:
            if greatest is not None:
                greatest.extend(_greatest_version(frame, entity.table.keys[0], not_after))
            if everything or not lake.exists(bronze.table_of(name)):
                land = {unit.unit for unit in fetched}
            else:
                lake.create(entity.table)
                land = units_to_land(lake, entity, name, frame)
            skipped = frame.where(~F.col("unit").isin(sorted(land))) if land else frame
            hashes = {r[0]: sorted(r[1]) for r in skipped.groupBy("unit").agg(F.collect_list("content_hash")).collect()}
        finally:
            frame.unpersist()
        return _settle(lake, fetched, land, report, hashes)


def _greatest_version(frame: DataFrame, key: str, not_after: datetime | None) -> list[tuple[datetime, str]]:
    """Records dated later than the fetch began are valid and move nothing: one dated 9999 would end all windows."""
    valid = frame.where((F.size("reasons") == 0) & F.col("version_time").isNotNull())
    if not_after is not None:
        valid = valid.where(F.col("version_time") <= F.lit(iso(not_after)).cast("timestamp"))
    row = valid.agg(F.max(F.struct(F.unix_micros("version_time").alias("t"), F.col(key).alias("k")))).collect()[0][0]
    return [(_EPOCH + timedelta(microseconds=row["t"]), row["k"])] if row else []


def _settle(lake: Lake, fetched: list[Unit], land: set[str], report: Landed, hashes: dict[str, list[str]]) -> list[Unit]:
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
