"""bronze → silver: what bronze has that silver has not seen, and the full refresh that re-decides everything.

What is new in bronze is told by its change feed since the pin silver last saw; losing the pin means a
harmless replay.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from datetime import datetime
from functools import partial

import pyarrow as pa
import structlog

from saleslake import bronze, kill_points
from saleslake.changes import change_since
from saleslake.engine.interface import Frame, union
from saleslake.errors import SaleslakeError, first_line
from saleslake.lake import Lake
from saleslake.publish import CURRENT_FILES, Outcome, publish, replace
from saleslake.silver.registry import ENTITIES
from saleslake.state import Pin, State


def catch_up(lake: Lake, source: str) -> Outcome:
    """Bring what bronze.<source> has and silver has not seen to silver. Returns what became of it."""
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
    rows = bronze.rows(lake, source, now[1])
    if change.feed is not None:
        new = f"SELECT {', '.join(table.column_names)} FROM feed WHERE _change_type = 'insert'"
        rows = bronze.of_source(lake, source, lake.engine.sql(new, feed=change.feed))
    outcome = decide(lake, source, rows)
    # After the writes: a run that ends in between decides the same records again, and writes nothing twice.
    note_progress(lake, {source: now})
    return outcome


def decide(lake: Lake, source: str, rows: Frame) -> Outcome:
    """Judge and publish some of bronze.<source>'s rows. Safe to repeat."""
    settings = lake.settings.sources[source]
    if settings.key != "line":
        return decide_together(lake, settings.entity, {source: rows})
    with lake.engine.judged(source, rows) as frame:
        outcome = publish(lake, ENTITIES[settings.entity], frame, current_files(lake, [source], rows))
    _log(source, settings.entity, outcome)
    return outcome


def decide_together(lake: Lake, entity: str, batches: Mapping[str, Frame]) -> Outcome:
    """`decide` for some rows of several sources of one entity, none of them keyed by line, in one publish."""
    with ExitStack() as stack:
        frames = [stack.enter_context(lake.engine.judged(source, batch)) for source, batch in batches.items()]
        outcome = publish(lake, ENTITIES[entity], union(lake.engine, frames))
    _log(", ".join(batches), entity, outcome)
    return outcome


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


def _progress_of(lake: Lake, source: str) -> str:
    """Under which name state remembers how far silver is with a source."""
    table = bronze.holding(lake, source).full_name
    return f"{table}:{source}" if lake.settings.sources[source].is_stream else table


def current_files(lake: Lake, sources: Collection[str], batch: Frame | None = None) -> Frame | None:
    """Of the sources keyed by line: files of the batch (None: all) and when their latest content landed (CURRENT_FILES)."""
    by_line = [name for name in sources if lake.settings.sources[name].key == "line"]
    if not by_line:
        return None
    found: list[tuple[str, str, datetime]] = []
    for name in by_line:
        latest = bronze.latest_files(bronze.controls(lake, name))
        wanted: set[str] = set(latest)
        if batch is not None:
            rows = lake.engine.fetch(lake.engine.sql("SELECT raw FROM b WHERE kind = 'window'", b=batch))
            wanted = {unit["file"] for text in rows.column("raw").to_pylist() for unit in json.loads(text)["units"]}
        found += [
            (name, file, datetime.fromisoformat(latest[file]["landed_at"])) for file in sorted(wanted) if file in latest
        ]
    columns = zip(*found, strict=True) if found else [(), (), ()]
    arrays = [pa.array(list(c), f.type) for c, f in zip(columns, CURRENT_FILES, strict=True)]
    return lake.engine.rows(pa.Table.from_arrays(arrays, schema=CURRENT_FILES))


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
                judged = union(lake.engine, frames) if frames else None
                outcomes[name] = replace(lake, ENTITIES[name], judged, current_files(lake, pins))
            note_progress(lake, pins)
            structlog.get_logger().info(
                "silver_rebuilt",
                entity=name,
                records=outcomes[name].records,
                applied=outcomes[name].applied,
                quarantined=outcomes[name].quarantined,
            )
    return outcomes, troubles


def _judged_all(lake: Lake, pins: dict[str, Pin], stack: ExitStack, found: dict[str, str]) -> list[Frame]:
    """The judged frames of sources up to these pins, computed. Notes in `found` why one cannot be judged."""
    frames = []
    for source, pin in pins.items():
        try:
            frames.append(stack.enter_context(lake.engine.judged(source, bronze.rows(lake, source, pin[1]))))
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
