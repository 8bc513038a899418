"""Lands one source: what a dead run left behind first, then what is new, into one bronze commit with its control row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from saleslake import bronze, kill_points
from saleslake.ingest import api, files
from saleslake.ingest.commit import commit, ignored_fields
from saleslake.ingest.report import Landed
from saleslake.ingest.window import Window
from saleslake.lake import Lake
from saleslake.sources.fetched import Fetched

_DIED = "the run that fetched these pages ended before the window was whole"


def land(
    lake: Lake, name: str, window: Window, *, refetch: bool = False, say: Callable[[str], None] = lambda _: None
) -> Landed:
    """Bring what is new in a source to bronze. Returns what it did, what failed being in it and not raised.

    Silver must have caught up with bronze first: an API's known records are told by silver.
    """
    source = lake.settings.sources[name]
    report = Landed(name)
    with lake.lock(f"landing-{name}"):
        control = bronze.controls(lake, name)
        if recover(lake, name, control, report):
            control = bronze.controls(lake, name)
        report.ignored_fields = ignored_fields(source, {field for row in control for field in row.fields})
        if source.format == "api":
            api.extract(lake, name, window, control, report, refetch=refetch, say=say)
        else:
            units = files.extract(lake, name, control, report, refetch=refetch)
            kill_points.reached("after_landing")
            commit(lake, name, units, report)
    log = structlog.get_logger()
    for failure in report.failed:
        log.error("extraction_failed", source=name, reason=failure)
    log.info(
        "landed",
        source=name,
        extracted=report.records,
        units=report.units,
        left_out=report.left_out,
        retry_attempts=report.retries,
        since=report.since,
        watermark=report.watermark,
        new_fields=report.new_fields,
        ignored_fields=report.ignored_fields,
        lacking_fields=report.lacking_fields,
        lost_fields=report.lost_fields,
        skipped=report.skipped,
    )
    return report


def recover(lake: Lake, name: str, control: Sequence[bronze.Control], report: Landed) -> bool:
    """Take up landed units that bronze's control rows do not name, under their own ids and times. Says if it did.

    A run ended before it brought them to bronze, or bronze's table was moved away or put back to an older state.
    """
    there = {unit["unit"] for row in control for unit in row.units}
    left = []
    for unit in lake.landing.units(name):
        if unit.state == "left_out":
            continue
        if unit.unit not in there:
            left.append(unit)
        elif unit.state != "bronze":
            lake.landing.save(replace(unit, state="bronze"))
    if not left:
        return False
    structlog.get_logger().info("recovering_units", source=name, units=len(left))
    report.recovered_units = len(left)
    fetched = [unit for unit in left if unit.state == "fetched"]
    landed = [unit for unit in left if unit.state != "fetched"]
    if fetched:
        landed += api.decide(lake, name, fetched, report)[0]
    # The next window asks for all of it again: what a dead run's fetch came to, nobody knows.
    is_api = lake.settings.sources[name].format == "api"
    unknown = {"fetch": Fetched().facts() | {"failure": _DIED}} if is_api else {}
    if landed:
        commit(lake, name, sorted(landed, key=lambda u: (u.landed_at, u.unit)), report, unknown)
    return True
