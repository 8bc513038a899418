"""Extraction of an API: every page's bytes land as they arrive; at the end of the window it is decided which are news.

All that has come lands in one commit, with the control row that says what was asked and what the fetch came to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from saleslake import bronze, kill_points
from saleslake.config import Source
from saleslake.errors import SourceError
from saleslake.ingest.commit import commit, staging
from saleslake.ingest.identify import identifier
from saleslake.ingest.records import batches
from saleslake.ingest.report import Landed
from saleslake.ingest.window import Window, effective, moved
from saleslake.lake import Lake
from saleslake.landing import Unit, iso, now
from saleslake.silver import quarantine
from saleslake.silver.known import Version, all_held, greatest, greatest_held, judge, units_to_land
from saleslake.silver.registry import ENTITIES
from saleslake.sources.api_client import ApiClient, BrokenBody, Page

Say = Callable[[str], None]


def extract(
    lake: Lake,
    name: str,
    window: Window,
    control: Sequence[bronze.Control],
    report: Landed,
    *,
    refetch: bool,
    say: Say,
) -> None:
    """Fetch the window, land its pages, bring what is news to bronze with the control row of the window."""
    source = lake.settings.sources[name]
    asked = Window()
    if source.is_incremental:
        asked = effective(window, control, lake.settings.run.watermark_lag_seconds, refetch)
    started = now()
    report.since, report.until = (iso(m) if m else None for m in (asked.since, asked.until))
    fetched = _fetch(lake, name, source, report, say)
    assert report.fetch is not None
    kill_points.reached("after_landing")
    say("which records are new")
    # What no watermark follows from need not be judged for one.
    not_after = started if source.is_incremental and report.fetch["complete"] else None
    units, highest = decide(lake, name, fetched, report, everything=refetch, not_after=not_after)
    old = bronze.watermark(control)
    mark = moved(asked, old, highest) if not_after else None
    report.watermark = mark[0] if mark else (old[0] if old else None)
    _save_window(lake, name, started, report)
    if not units and mark is None:
        return
    extra: dict[str, Any] = {"since": report.since, "until": report.until, "fetch": report.fetch}
    if mark:
        extra |= {"watermark": mark[0], "watermark_key": mark[1]}
    commit(lake, name, units, report, extra)


def _fetch(lake: Lake, name: str, source: Source, report: Landed, say: Say) -> list[Unit]:
    """Every page as a unit in state `fetched`. What the fetch came to is in the report, and why, if it is not complete."""
    assert source.api is not None
    if "://" not in source.api.url:
        source = source.model_copy(
            update={"api": source.api.model_copy(update={"url": lake.settings.resolve(source.api.url)})}
        )
    identify = identifier(source, ENTITIES[source.entity], lake.settings)
    client = ApiClient(source, name, lake.settings.secret, identify=identify, say=say)
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
    if failure is None and not client.fetched.complete:
        failure = f"source {name}: {len(units)} pages came, and nothing that says that they are all"
    if failure:
        client.fetched.complete = False
        report.failed.append(failure)
    report.attempts, report.retries, report.gave_up = client.attempts, client.retries, client.gave_up
    report.fetch = client.fetched.facts() | {"failure": failure}
    return units


def _save_window(lake: Lake, name: str, started: datetime, report: Landed) -> None:
    asked = {"source": name, "run_id": lake.run_id, "fetched_at": iso(started)}
    window = {"since": report.since, "until": report.until}
    lake.landing.save_window(name, lake.run_id, asked | window | (report.fetch or {}))


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

    `everything`: also pages whose records are all known. Without `not_after` no greatest version is looked for. The
    records are judged only where that is needed.
    """
    entity = ENTITIES[lake.settings.sources[name].entity]
    hashes = {unit.unit: _hashes(batches(lake.landing, unit, lake.settings.sources[name])) for unit in fetched}
    contents = {h for of_unit in hashes.values() for h in of_unit}
    if not contents:
        return _settle(lake, fetched, set(), report, hashes), None
    asks_silver = not everything and lake.exists(bronze.table_of(name))
    if asks_silver and all_held(lake, entity, name, contents):
        highest = greatest_held(lake, entity, contents, not_after) if not_after else None
        return _settle(lake, fetched, set(), report, hashes), highest
    land, highest = _once(hashes), None
    if asks_silver or not_after:
        with staging(lake, name) as stage:
            for unit in fetched:
                stage.add(unit, batches(lake.landing, unit, lake.settings.sources[name]))
            judged = judge(lake, name, stage)
            highest = greatest(lake, entity, judged, not_after) if not_after else None
            if asks_silver:
                lake.create(entity.table)
                lake.create(quarantine.TABLE)
                land &= units_to_land(lake, entity, name, judged)
    return _settle(lake, fetched, land, report, hashes), highest


def _once(hashes: dict[str, list[str]]) -> set[str]:
    """Pages without those whose every record came again on a later page: a fetch that began anew brings them twice."""
    kept: set[str] = set()
    later: set[str] = set()
    for unit, contents in reversed(hashes.items()):
        if not contents or not later.issuperset(contents):
            kept.add(unit)
        later.update(contents)
    return kept


def _hashes(records: Iterator[pa.RecordBatch]) -> list[str]:
    return [str(bronze.content_hash(text)) for batch in records for text in batch.column("raw").to_pylist()]


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
