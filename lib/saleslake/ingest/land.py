"""Lands one source: what a dead run left behind first, then what is new, into one bronze commit with its control row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import structlog

from saleslake import bronze
from saleslake.ingest import api, files
from saleslake.ingest.commit import commit
from saleslake.ingest.report import Landed
from saleslake.ingest.window import Window
from saleslake.lake import Lake


def land(lake: Lake, name: str, window: Window, *, refetch: bool = False, say: Callable[[str], None] = lambda _: None) -> Landed:
    """Bring what is new in a source to bronze. Returns what it did; what failed is in it, not raised.

    Silver must have caught up with bronze first: an API's known records are told by silver.
    """
    source = lake.settings.sources[name]
    report = Landed(name)
    with lake.lock(f"landing-{name}"):
        recover(lake, name, report)
        control = bronze.controls(lake, name)
        if source.format == "api":
            api.extract(lake, name, window, control, report, refetch=refetch, say=say)
        else:
            units = files.extract(lake, name, control, report, refetch=refetch)
            commit(lake, name, units, report)
    log = structlog.get_logger()
    for failure in report.failed:
        log.error("extraction_failed", source=name, reason=failure)
    log.info(
        "landed", source=name, extracted=report.records, units=report.units, left_out=report.left_out,
        retry_attempts=report.retries, since=report.since, watermark=report.watermark, new_fields=report.new_fields,
    )
    return report


def recover(lake: Lake, name: str, report: Landed) -> None:
    """Take up units that a run landed and did not bring to bronze because it ended in between."""
    pending = lake.landing.pending(name)
    if not pending:
        return
    there = {unit["unit"] for control in bronze.controls(lake, name) for unit in control.units}
    for unit in pending:
        if unit.unit in there:
            lake.landing.save(replace(unit, state="bronze"))
    left = [unit for unit in pending if unit.unit not in there]
    if not left:
        return
    structlog.get_logger().info("recovering_units", source=name, units=len(left))
    report.recovered_units = len(left)
    fetched = [unit for unit in left if unit.state == "fetched"]
    landed = [unit for unit in left if unit.state == "landed"]
    if fetched:
        landed += api.decide(lake, name, fetched, report)[0]
    commit(lake, name, sorted(landed, key=lambda u: (u.landed_at, u.unit)), report)
