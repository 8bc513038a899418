"""bronze → silver: what bronze has that silver has not seen, and the full refresh that re-decides everything.

What is new in bronze is told by its change feed since the pin silver last saw; losing the pin means a
harmless replay.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import structlog
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from saleslake import bronze, few, kill_points
from saleslake.changes import Change, change_since
from saleslake.errors import SaleslakeError, first_line
from saleslake.lake import Lake
from saleslake.publish import Outcome, publish, replace
from saleslake.publish_few import publish_few
from saleslake.silver.judge.batches import judged, judged_rows
from saleslake.silver.registry import ENTITIES
from saleslake.state import Pin, State

Rows: TypeAlias = pa.Table | DataFrame
"""Rows of bronze: in memory where they are few, else Spark's to read."""


@dataclass(frozen=True)
class JudgedRows:
    """Records that one commit brought to bronze, as landing judged them. Pins of bronze around it."""

    before: Pin | None
    after: Pin
    rows: pa.Table


def catch_up(lake: Lake, source: str, judged: JudgedRows | None = None) -> Outcome:
    """Bring what bronze.<source> has and silver has not seen to silver. Returns what became of it.

    `judged`: if they are all that silver has not seen, they are not judged again.
    """
    table = bronze.holding(lake, source)
    now = lake.pin(table)
    if now is None:
        return Outcome()
    seen = progress(lake, source)
    change = change_since(lake, table, seen, now)
    if change is None:
        return Outcome()
    if lake.snapshot(table, now[1]).count() == 0:
        note_progress(lake, {source: now})
        return Outcome()
    if judged is not None and (seen, now) == (judged.before, judged.after):
        entity = lake.settings.sources[source].entity
        outcome = publish_few(lake, ENTITIES[entity], judged.rows)
        _log(source, entity, outcome)
        note_progress(lake, {source: now})
        return outcome
    records = _new_records(lake, source, seen if change.is_known else None, now)
    outcome = decide(lake, source, _new_rows(lake, source, change, now, records), records)
    # After the writes: a run that ends in between decides the same records again, and writes nothing twice.
    note_progress(lake, {source: now})
    return outcome


def _new_rows(lake: Lake, source: str, change: Change, now: Pin, records: int) -> Rows:
    """What silver has not seen of a source, in memory where that is little."""
    table = bronze.holding(lake, source)
    in_memory = few.applies(lake, records) and lake.settings.sources[source].key != "line"
    if change.rows is not None and in_memory:
        inserted = pc.equal(change.rows.column("_change_type"), "insert")
        return change.rows.filter(inserted).select(table.column_names)
    if in_memory:
        return lake.rows(table, now[1]).to_table()
    if change.feed is None:
        return bronze.rows(lake, source, now[1])
    feed = change.feed.where(F.col("_change_type") == "insert").select(*table.column_names)
    return bronze.of_source(lake, source, feed)


def decide(lake: Lake, source: str, batch: Rows, records: int) -> Outcome:
    """Judge and publish some of bronze.<source>'s rows, about so many `records`. Safe to repeat."""
    settings = lake.settings.sources[source]
    if settings.key != "line":
        return decide_together(lake, settings.entity, {source: batch}, records)
    rows = _as_frame(lake, batch)
    with judged_once(lake, source, rows) as frame:
        outcome = publish(lake, ENTITIES[settings.entity], frame, touched_files(lake, source, rows))
    _log(source, settings.entity, outcome)
    return outcome


def decide_together(lake: Lake, entity: str, batches: Mapping[str, Rows], records: int) -> Outcome:
    """`decide` for some rows of several sources of one entity, none of them keyed by line, in one publish."""
    if few.applies(lake, records):
        rows = [judged_in_memory(lake, source, batch) for source, batch in batches.items()]
        outcome = publish_few(lake, ENTITIES[entity], pa.concat_tables(rows))
    else:
        with ExitStack() as stack:
            frames = [stack.enter_context(judged_once(lake, s, _as_frame(lake, b))) for s, b in batches.items()]
            outcome = publish(lake, ENTITIES[entity], reduce(DataFrame.unionByName, frames))
    _log(", ".join(batches), entity, outcome)
    return outcome


def _as_frame(lake: Lake, rows: Rows) -> DataFrame:
    return few.frame(lake, rows) if isinstance(rows, pa.Table) else rows


def _log(source: str, entity: str, outcome: Outcome) -> None:
    structlog.get_logger().info(
        "silver_published",
        source=source,
        entity=entity,
        records=outcome.records,
        applied=outcome.applied,
        duplicate=outcome.duplicate,
        superseded=outcome.superseded,
        quarantined=outcome.quarantined,
        discarded=outcome.discarded,
        reasons=dict(outcome.reasons),
        discards=dict(outcome.discards),
        warnings=dict(outcome.warnings),
        partitions=len(outcome.dates),
    )


def progress(lake: Lake, source: str) -> Pin | None:
    """Up to where in bronze silver has decided a source; None: nothing is known."""
    return lake.state.load().seen.get(_progress_of(lake, source))


def note_progress(lake: Lake, pins: dict[str, Pin]) -> None:
    """Note up to where silver has decided each source. To be called after the writes."""
    kill_points.reached("before_silver_progress")
    seen = {_progress_of(lake, source): pin for source, pin in pins.items()}
    lake.state.update(partial(_mark_seen, seen))


def judged_frame(lake: Lake, source: str, rows: DataFrame) -> DataFrame:
    """Bronze rows of a source, judged. Grain: one row a record. Columns: `Entity.judged`."""
    return judged(rows.where(F.col("kind") == "record"), source, lake.settings)


def judged_in_memory(lake: Lake, source: str, rows: Rows) -> pa.Table:
    """The same, without a plan of Spark's for rows that are in memory."""
    if isinstance(rows, DataFrame):
        return judged_frame(lake, source, rows).toArrow()
    of_source = pc.and_(pc.equal(rows.column("kind"), "record"), pc.equal(rows.column("source"), source))
    return judged_rows(rows.filter(of_source), source, lake.settings)


@contextmanager
def judged_once(lake: Lake, source: str, rows: DataFrame) -> Iterator[DataFrame]:
    """`judged_frame`, computed once however often it is used."""
    frame = judged_frame(lake, source, rows).persist()
    try:
        yield frame
    finally:
        frame.unpersist()


def _progress_of(lake: Lake, source: str) -> str:
    """Under which name state remembers how far silver is with a source."""
    table = bronze.holding(lake, source).full_name
    return f"{table}:{source}" if lake.settings.sources[source].is_stream else table


def _new_records(lake: Lake, source: str, seen: Pin | None, now: Pin) -> int:
    """How much has landed since silver last looked. Bronze is append-only, so its counts tell."""
    table = bronze.holding(lake, source)
    before = lake.snapshot(table, seen[1]).count() if seen and seen[0] == now[0] else 0
    return int(lake.snapshot(table, now[1]).count()) - before


def touched_files(lake: Lake, source: str, batch: DataFrame | None) -> DataFrame | None:
    """For a source keyed by line: files of the batch (None: all) and when their latest content landed."""
    if lake.settings.sources[source].key != "line":
        return None
    latest = bronze.latest_files(bronze.controls(lake, source))
    touched: set[str] = set(latest)
    if batch is not None:
        rows = batch.where(F.col("kind") == "window").select("raw").collect()
        touched = {unit["file"] for row in rows for unit in json.loads(row["raw"])["units"]}
    files: list[Any] = [(f, latest[f]["landed_at"]) for f in sorted(touched) if f in latest]
    frame = lake.spark.createDataFrame(files, "file string, at string")
    return frame.select("file", F.to_timestamp("at").alias("current_landed_at"))


Troubles = dict[str, dict[str, str]]
"""By entity, and by source: why its records cannot be judged."""


def full_refresh(
    lake: Lake, entities: list[str] | None = None, without: Collection[str] = ()
) -> tuple[dict[str, Outcome], Troubles]:
    """Re-decide everything of these entities (None: all) from bronze under the present rules, and overwrite.

    Takes the silver lock before it reads bronze, so that no batch falls between; never reads silver, so it also
    repairs. What it read counts as seen. Returns the outcome per entity. An entity that has a source among `without`, or
    one whose records cannot be judged, stays as it is: without that source's rows it would be less than it was.
    """
    outcomes: dict[str, Outcome] = {}
    troubles: Troubles = {}
    with lake.lock("silver"):
        for name in list(ENTITIES) if entities is None else entities:
            sources = [s for s, settings in lake.settings.sources.items() if settings.entity == name]
            pins = {s: pin for s in sources if (pin := lake.pin(bronze.holding(lake, s)))}
            found = {s: f"source {s}: silver.{name} was not decided anew" for s in pins if s in without}
            with ExitStack() as stack:
                frames = [] if found else _judged_all(lake, pins, stack, found)
                if found:
                    troubles[name] = found
                    continue
                files = [f for s in pins if (f := touched_files(lake, s, None)) is not None]
                outcomes[name] = replace(lake, ENTITIES[name], frames, files)
            note_progress(lake, pins)
            structlog.get_logger().info(
                "silver_rebuilt",
                entity=name,
                records=outcomes[name].records,
                applied=outcomes[name].applied,
                quarantined=outcomes[name].quarantined,
            )
    return outcomes, troubles


def _judged_all(lake: Lake, pins: dict[str, Pin], stack: ExitStack, found: dict[str, str]) -> list[DataFrame]:
    """The judged frames of sources up to these pins, computed. Notes in `found` why one cannot be judged."""
    frames = []
    for source, pin in pins.items():
        try:
            frames.append(stack.enter_context(judged_once(lake, source, bronze.rows(lake, source, pin[1]))))
        except Exception as e:
            found[source] = trouble(source, e)
    return frames


def trouble(source: str, error: Exception) -> str:
    """What went wrong with a source, in one line."""
    if isinstance(error, SaleslakeError):
        return f"source {source}: {error}"
    return f"source {source}: {type(error).__name__}: {first_line(error)} (the run's log in data/logs shows where)"


def _mark_seen(seen: dict[str, Pin], state: State) -> None:
    state.seen.update(seen)


__all__ = ["catch_up", "decide", "full_refresh", "judged_frame", "judged_once", "touched_files"]
