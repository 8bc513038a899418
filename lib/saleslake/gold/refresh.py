"""Refreshes gold from silver: pins the silver versions, computes what their changes concern, writes what differs.

The one path for refresh, rebuild and repair; `verify` compares with `star.expected`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import structlog

from saleslake import kill_points
from saleslake.changes import Change, change_since
from saleslake.engine.interface import Frame, union
from saleslake.fingerprint import gold_fingerprint
from saleslake.gold.gold_table import GoldTable
from saleslake.gold.star import INPUTS, TABLES, stages
from saleslake.gold.sync import Written, sync
from saleslake.lake import Lake
from saleslake.parallel import side_by_side
from saleslake.state import Pin


def refresh(
    lake: Lake, damaged: frozenset[str] = frozenset(), say: Callable[[str], None] = lambda _: None
) -> list[Written]:
    """Bring gold up to silver. `damaged` tables (full names) are replaced without being read.

    Returns what was written, a line a table; nothing if silver has not changed.
    """
    with lake.lock("gold"), ExitStack() as stack:
        for table in INPUTS.values():
            lake.create(table)
        file = lake.state
        pins = {name: pin for name, table in INPUTS.items() if (pin := lake.pin(table))}
        state, decided_by = file.load(), gold_fingerprint(lake.settings)
        # Under other settings any row may differ, so every table is computed as a whole. So it is after a refresh that ended half-way:
        # what it wrote is right and will not differ, so nothing would tell the tables that are made of it.
        seen = state.refreshed if state.gold == decided_by and not state.refreshing else {}
        changes = {
            name: change
            for name, table in INPUTS.items()
            if (change := change_since(lake, table, seen.get(table.full_name), pins[name]))
        }
        missing = frozenset(name for name, table in TABLES.items() if not lake.exists(table))
        if not changes and not damaged and not missing:
            return []
        file.update(lambda state: setattr(state, "refreshing", True))
        written = _Refresh(lake, pins, changes, damaged | missing, not seen, stack, say).run()
        kill_points.reached("before_gold_progress")
        refreshed = {INPUTS[name].full_name: pin for name, pin in pins.items()}
        file.update(lambda state: state.__dict__.update(refreshed=refreshed, gold=decided_by, refreshing=False))
        for result in written:
            structlog.get_logger().info(
                "gold_refreshed", table=result.table, rows=result.rows, deleted=result.deleted, dates=len(result.dates)
            )
        return written


class _Refresh:
    """One refresh: each table is computed in the scope that the changes of its inputs concern."""

    def __init__(
        self,
        lake: Lake,
        pins: dict[str, Pin],
        changes: dict[str, Change],
        broken: frozenset[str],
        everything: bool,
        stack: ExitStack,
        say: Callable[[str], None],
    ):
        self.lake, self.pins, self.broken, self.stack, self.say = lake, pins, broken, stack, say
        self.everything = everything
        self._guard = threading.Lock()
        self.changes = {
            INPUTS[name].full_name: Change(change.table, None if change.feed is None else self._keep(change.feed))
            for name, change in changes.items()
        }
        """By full name; of gold's tables what this refresh has changed so far."""

    def run(self) -> list[Written]:
        written: list[Written] = []
        for stage in stages():
            needed = [g for g in stage if self.everything or g.name in self.broken or self._changed(g)]
            written += side_by_side([partial(self._one, gold) for gold in needed])
        return written

    def _changed(self, gold: GoldTable) -> list[Change]:
        return [change for given in gold.inputs if (change := self.changes.get(given.table.full_name))]

    def _one(self, gold: GoldTable) -> Written:
        self.say(gold.name)
        is_broken = gold.name in self.broken and self.lake.exists(gold.table)
        self.lake.create(gold.table)
        engine, table = self.lake.engine, gold.table
        is_empty = not is_broken and self.lake.snapshot(table).count() == 0
        scope = None if self.everything or gold.name in self.broken or is_empty else self._scope(gold)
        with ExitStack() as stack:
            if scope is not None:
                scope = stack.enter_context(engine.kept(scope))
            expected = gold.computed(engine, self.lake.settings, self._inputs(gold, scope))
            stored = None if is_broken or is_empty else engine.read(table)
            if stored is not None and scope is not None:
                stored = engine.matching(table, scope, {name: name for name in gold.scope})
            written, feed = sync(self.lake, table, expected, stored, self._keep, is_broken)
        if written.anything:
            self.changes[gold.name] = Change(table, feed)
        kill_points.reached("after_gold_write")
        return written

    def _keep(self, frame: Frame) -> Frame:
        """Computed once, for this refresh."""
        kept = self.lake.engine.kept(frame)
        computed = kept.__enter__()
        with self._guard:
            self.stack.push(kept)
        return computed

    def _scope(self, gold: GoldTable) -> Frame | None:
        """Values of the table's scope columns that the changes concern; None: all."""
        engine, parts = self.lake.engine, []
        for given in gold.inputs:
            change = self.changes.get(given.table.full_name)
            if change is None:
                continue
            concerned = given.concerned(gold.scope)
            if change.feed is None or not concerned:
                return None
            inputs = {"change": change.feed}
            if given.keys is None:
                inputs["stored"] = engine.read(gold.table)
            parts.append(engine.sql(concerned, **inputs))
        if gold.always:
            parts.append(engine.sql(gold.always))
        return engine.sql("SELECT DISTINCT * FROM parts", parts=union(engine, parts))

    def _inputs(self, gold: GoldTable, scope: Frame | None) -> dict[str, Frame]:
        """The table's inputs, of them the rows of the scope: silver as pinned, gold as it is by now."""
        engine, frames = self.lake.engine, {}
        for given in gold.inputs:
            version = self.pins[given.table.name][1] if given.table.layer == "silver" else None
            if scope is None or given.keys is None:
                frames[given.table.name] = engine.read(given.table, version)
            else:
                frames[given.table.name] = engine.matching(given.table, scope, dict(given.keys), version)
        return frames
