"""publish: judged records to one silver table, the same for batch, stream, replay and full refresh, on either engine.

Under the silver lock: look up what is stored for the keys of the batch, decide what becomes of each record, stop if nothing is
left to write, upsert with the old and new dates. Deciding before the write is what makes a replay write nothing.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeAlias

import pyarrow as pa
import structlog
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from saleslake import kill_points
from saleslake.engine.interface import Engine, Frame, Overtaken
from saleslake.errors import SaleslakeError, first_line
from saleslake.lake import Lake
from saleslake.silver import quarantine, winner
from saleslake.silver.contract import Entity
from saleslake.table import Table

_FEW = 500_000
"""Record ids that fit in every task's memory."""
Counts: TypeAlias = list[dict[str, Any]]
_WRITTEN = ("insert", "update")
_quarantine_turn = threading.Lock()
"""Quarantine is one table for all entities, whose threads publish side by side."""
_turns: dict[str, threading.Lock] = {}
"""By table: threads of one run share the silver lock, and two of them may bring sources of one entity."""

CURRENT_FILES = pa.schema(
    [("source", pa.string()), ("file", pa.string()), ("current_landed_at", pa.timestamp("us", tz="UTC"))]
)
"""Of sources keyed by line: when the latest content of a file landed."""


@dataclass
class Outcome:
    """What became of one batch of records, and what was written."""

    records: int = 0
    applied: int = 0
    duplicate: int = 0
    superseded: int = 0
    quarantined: int = 0
    discarded: int = 0
    """Those of the quarantined that a rule of severity discard closed."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Of the quarantined records that are not discarded."""
    discards: Counter[str] = field(default_factory=Counter)
    """Rules that discarded records."""
    warnings: Counter[str] = field(default_factory=Counter)
    """Of the records that applied."""
    reused_keys: int = 0
    """Records beyond the first of a key that one file, or page, holds with different contents and no version time."""
    deleted: int = 0
    dates: set[date] = field(default_factory=set)

    @property
    def wanted(self) -> int:
        """Records that nobody leaves out on purpose."""
        return self.records - self.discarded

    @property
    def open(self) -> int:
        """Those of them that were quarantined: they wait for a person."""
        return self.quarantined - self.discarded

    def count(self, reasons: list[str], discarded_by: list[str], records: int) -> None:
        """Count so many records with these reasons, of which these discard."""
        self.records += records
        if reasons:
            self.quarantined += records
        if discarded_by:
            self.discarded += records
            self.discards.update(dict.fromkeys(discarded_by, records))
        else:
            self.reasons.update(dict.fromkeys(reasons, records))

    def apply(self, warnings: list[str], records: int) -> None:
        """Count so many records that applied with these warnings."""
        self.applied += records
        self.warnings.update(dict.fromkeys(warnings, records))

    def add(self, other: Outcome) -> None:
        names = ("records", "applied", "duplicate", "superseded", "quarantined", "discarded", "reused_keys", "deleted")
        for name in names:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.reasons += other.reasons
        self.discards += other.discards
        self.warnings += other.warnings
        self.dates |= other.dates


def publish(lake: Lake, entity: Entity, judged: Frame, current_files: Frame | None = None) -> Outcome:
    """Bring a batch of judged records to silver and quarantine. Safe to repeat with the same or older records.

    `judged` is read several times, so it should be kept.

    `current_files` (CURRENT_FILES) names, for sources keyed by line, the files this batch touches and when their latest content
    landed: rows of former content are superseded as a whole.

    Raises SaleslakeError when writers take no turns, and `run.conflict_retries` attempts more have all lost.
    """
    if lake.settings.silver_writers == "conflict":
        return _at_once(lake, entity, judged, current_files)
    # The turn is inside the lock, or a thread could wait for the lock with the turn in hand.
    with lake.lock("silver"), _turns.setdefault(lake.path(entity.table), threading.Lock()):
        return _publish(lake, entity, judged, current_files)


def _publish(lake: Lake, entity: Entity, judged: Frame, current_files: Frame | None) -> Outcome:
    engine, table = lake.engine, entity.table
    for stored in (table, quarantine.TABLE):
        lake.create(stored)
    held = engine.sql("SELECT record_id FROM q", q=engine.read(quarantine.TABLE))
    decided = decisions(engine, table, judged, current_files, stored=engine.read(table), held=held)
    with engine.kept(decided) as decided:
        return _write(lake, entity, judged, decided)


def decisions(
    engine: Engine,
    table: Table,
    judged: Frame,
    current_files: Frame | None,
    *,
    stored: Frame | None = None,
    held: Frame | None = None,
) -> Frame:
    """`winner.decisions` of judged records. Without `stored` and `held` (record_id): as if silver, and quarantine, held nothing."""
    nothing = table.arrow_schema.empty_table()
    return engine.sql(
        winner.decisions(table),
        judged=judged,
        stored=engine.rows(nothing) if stored is None else stored,
        held=engine.rows(nothing.select(["record_id"])) if held is None else held,
        current_files=engine.rows(CURRENT_FILES.empty_table()) if current_files is None else current_files,
    )


def reused_keys(lake: Lake, table: Table, judged: Frame) -> dict[str, int]:
    """`winner.reused_keys` by source. Lines of a source keyed by line have keys of their own."""
    rows = lake.engine.fetch(lake.engine.sql(winner.reused_keys(table), judged=judged)).to_pylist()
    by_line = {name for name, source in lake.settings.sources.items() if source.key == "line"}
    return {row["source"]: row["reused"] for row in rows if row["source"] not in by_line}


def _at_once(lake: Lake, entity: Entity, judged: Frame, current_files: Frame | None) -> Outcome:
    """Without a lock: each attempt reads what is stored anew, and Delta lets only one of two that overlap commit."""
    run = lake.settings.run
    retrying = Retrying(
        retry=retry_if_exception_type(Overtaken),
        stop=stop_after_attempt(run.conflict_retries + 1),
        wait=wait_random_exponential(multiplier=0.5, max=20),
        before_sleep=lambda state: structlog.get_logger().info(
            "write_conflict", table=entity.table.full_name, attempt=state.attempt_number
        ),
    )
    try:
        return retrying(lambda: _publish(lake, entity, judged, current_files))
    except RetryError as e:
        raise SaleslakeError(
            f"{entity.table.full_name}: other writers were quicker {run.conflict_retries + 1} times in a row "
            f"({first_line(e.last_attempt.exception() or e)}): run again, or raise run.conflict_retries"
        ) from None


def replace(lake: Lake, entity: Entity, judged: Frame | None, current_files: Frame | None) -> Outcome:
    """Overwrite an entity's silver table and its part of quarantine with what all its records, `judged`, amount to.

    Reads neither table. None: it has no records. The caller holds the silver lock.
    """
    engine, table = lake.engine, entity.table
    lake.create(quarantine.TABLE)
    part = ("entity", entity.name)
    if judged is None:
        engine.overwrite(table, None)
        engine.overwrite(quarantine.TABLE, None, part)
        return Outcome()
    decided = decisions(engine, table, judged, current_files)
    # Records that cannot be judged are found out here, while the table still is what it was.
    with engine.kept(decided) as decided:
        counts = _counts(engine, decided)
        engine.overwrite(table, None)
        rejected = any(row["action"] == "quarantined" for row in counts)
        engine.overwrite(quarantine.TABLE, _rejected(engine, entity, judged, decided) if rejected else None, part)
        return _write(lake, entity, judged, decided, counts, is_rejected_written=True)


# --- writing ---------------------------------------------------------------------------------------


def _write(
    lake: Lake,
    entity: Entity,
    judged: Frame,
    decided: Frame,
    counts: Counts | None = None,
    is_rejected_written: bool = False,
) -> Outcome:
    """Write what was decided, if anything of it is news."""
    engine, table = lake.engine, entity.table
    counts = _counts(engine, decided) if counts is None else counts
    outcome, of_action = _outcome(counts), _by_action(counts)
    if of_action["quarantined"] and not is_rejected_written:
        with _quarantine_turn:
            engine.add_new(quarantine.TABLE, _rejected(engine, entity, judged, decided))
    if outcome.quarantined:
        kill_points.reached("after_quarantine")
    written = sum(of_action[action] for action in _WRITTEN)
    rows = _winners(engine, table, judged, decided, written, sum(of_action.values()) - written)
    if of_action["update"] or of_action["delete"]:
        gone = f"SELECT {', '.join(table.keys)} FROM decided WHERE action = 'delete'"
        deletes = engine.sql(gone, decided=decided) if of_action["delete"] else None
        engine.upsert(table, rows, deletes, outcome.dates if table.partition_by else None, winner.is_newer("s", "t"))
    elif written and lake.settings.silver_writers == "lock":
        engine.append(table, rows)
    elif written:
        engine.upsert(table, rows, None, None, winner.is_newer("s", "t"))
    if outcome.superseded:
        outcome.reused_keys = sum(reused_keys(lake, table, judged).values())
    kill_points.reached("after_silver_write")
    return outcome


def _counts(engine: Engine, decided: Frame) -> Counts:
    """How many records of what action, reasons, warnings; and their dates. One pass, which is also what fills a cache."""
    counts: Counts = engine.fetch(
        engine.sql(
            """SELECT action, reasons, discarded_by, warnings, COUNT(*) AS n,
                array_agg(DISTINCT date) AS dates, array_agg(DISTINCT stored_date) AS stored_dates
            FROM decided GROUP BY action, reasons, discarded_by, warnings""",
            decided=decided,
        )
    ).to_pylist()
    return counts


def _by_action(counts: Counts) -> Counter[str]:
    found: Counter[str] = Counter()
    for row in counts:
        found[row["action"]] += row["n"]
    return found


def _outcome(counts: Counts) -> Outcome:
    outcome = Outcome()
    for row in counts:
        action, n = row["action"], row["n"]
        if action == "delete":
            outcome.deleted += n
        else:
            outcome.count(row["reasons"], row["discarded_by"], n)
        if action in ("duplicate", "superseded"):
            setattr(outcome, action, getattr(outcome, action) + n)
        # A replayed record is the stored row itself: applied, and nothing to write.
        if action in (*_WRITTEN, "replayed"):
            outcome.apply(row["warnings"], n)
        if action in (*_WRITTEN, "delete"):
            outcome.dates |= {day for day in (*row["dates"], *row["stored_dates"]) if day is not None}
    return outcome


def _winners(engine: Engine, table: Table, judged: Frame, decided: Frame, winners: int, others: int) -> Frame:
    """The records to write as rows of the table."""
    # Few lose, mostly, or few win: the shorter list is looked up, and where it is short, in memory.
    join, action = ("SEMI", "IN") if winners <= others else ("ANTI", "NOT IN")
    hint = "/*+ BROADCAST(p) */ " if min(winners, others) <= _FEW else ""
    return engine.sql(
        f"""WITH picked AS (SELECT record_id FROM decided WHERE action {action} ('insert', 'update'))
        SELECT {hint}{", ".join(f"j.{name}" for name in table.column_names)}
        FROM judged j {join} JOIN picked p ON j.record_id = p.record_id""",
        judged=judged,
        decided=decided,
    )


def _rejected(engine: Engine, entity: Entity, judged: Frame, decided: Frame) -> Frame:
    """The rejected records that quarantine does not hold yet, as its rows."""
    news = engine.sql(
        """WITH picked AS (SELECT record_id FROM decided WHERE action = 'quarantined')
        SELECT /*+ BROADCAST(p) */ j.* FROM judged j SEMI JOIN picked p ON j.record_id = p.record_id""",
        judged=judged,
        decided=decided,
    )
    return engine.sql(quarantine.rejected_rows(entity.name), judged=news)
