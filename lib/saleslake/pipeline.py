"""The batch: heal → land → silver → gold → check, in one Spark session. Each step is a job of its own as well."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from functools import partial

import structlog

from saleslake import bronze, checks, heal, kill_points
from saleslake.errors import ConfigError
from saleslake.fingerprint import rules_fingerprint
from saleslake.gold import refresh, star
from saleslake.gold.sync import Written
from saleslake.heal import Damage
from saleslake.ingest.land import land
from saleslake.ingest.report import Landed
from saleslake.ingest.window import Window, effective
from saleslake.lake import Lake
from saleslake.parallel import side_by_side
from saleslake.publish import Outcome
from saleslake.silver import quarantine, step
from saleslake.silver.registry import ENTITIES
from saleslake.state import State, StateFile, StateObject
from saleslake.summary import Summary as Summary
from saleslake.summary import raise_failures as raise_failures
from saleslake.table import Table

Say = Callable[[str], None]

_SILVER_TABLES: list[Table] = [*(entity.table for entity in ENTITIES.values()), quarantine.TABLE]
_TABLES: list[Table] = [*_SILVER_TABLES, *star.TABLES.values()]


def _silent(_: str) -> None:
    return None


class Batch:
    """One run of the batch over one lakehouse."""

    def __init__(self, lake: Lake, say: Say = _silent):
        self.lake, self.say, self.summary = lake, say, Summary()
        self.on_progress: Callable[[Summary], None] = lambda _: None
        """Called by the stream after each micro-batch."""
        self._guard = threading.Lock()

    def run(self, window: Window, *, full_refresh: bool = False, refetch: bool = False) -> Summary:
        """The whole batch. What fails at one source is in the summary; what fails a step is raised."""
        self.heal()
        self.land([name for name, s in self.lake.settings.sources.items() if not s.is_stream], window, refetch=refetch)
        if full_refresh:
            self.full_refresh()
        else:
            self.silver()
        self.gold()
        self.check()
        return self.summary

    @property
    def state(self) -> StateFile | StateObject:
        return self.lake.state

    # --- steps -------------------------------------------------------------------------------------

    def heal(self) -> None:
        """Rebuild silver tables that lost files or were written to by somebody else; gold's are left to `gold`."""
        heal.check_bronze(self.lake, self.lake.settings.sources)
        damages, _ = heal.inspect(self.lake, _SILVER_TABLES, self.state.load())
        if not damages:
            return
        with self._timed("heal"):
            self._announce(damages)
            names = [damage.table.name for damage in damages]
            entities = list(ENTITIES) if quarantine.TABLE.name in names else names
            self._rebuild([ENTITIES[name].table for name in entities] + [quarantine.TABLE], entities)

    def land(self, sources: Iterable[str], window: Window, *, refetch: bool = False) -> None:
        """Land each source, side by side. Silver catches up first: an API's known records are told by silver.

        Raises ConfigError, before anything is fetched, for a window that the watermark of a source contradicts.
        """
        sources = list(sources)
        self._check_window(sources, window, refetch)

        def one(name: str) -> Landed:
            self._add(name, step.catch_up(self.lake, name))
            self.say(f"landing {name}")
            return land(self.lake, name, window, refetch=refetch, say=lambda what: self.say(f"landing {name}: {what}"))

        with self._timed("land"):
            for table in _TABLES:
                self.lake.create(table)
            side_by_side([partial(self._landed, one, name) for name in sources])

    def _check_window(self, sources: list[str], window: Window, refetch: bool) -> None:
        settings = self.lake.settings
        for name in sources if window.until else ():
            if settings.sources[name].is_incremental:
                control = bronze.controls(self.lake, name)
                try:
                    effective(window, control, settings.run.watermark_lag_seconds, refetch)
                except ConfigError as e:
                    raise ConfigError(f"sources.{name}: {e}") from None

    def _landed(self, one: Callable[[str], Landed], name: str) -> None:
        report = one(name)
        with self._guard:
            self.summary.landed.append(report)

    def silver(self, sources: Iterable[str] | None = None) -> None:
        """Bring what landed to silver: entities side by side, the sources of one entity in turn."""
        self.summary.decided = True
        names = list(sources or self.lake.settings.sources)
        by_entity: dict[str, list[str]] = {}
        for name in names:
            by_entity.setdefault(self.lake.settings.sources[name].entity, []).append(name)

        def one(sources_of_entity: list[str]) -> None:
            for name in sources_of_entity:
                self.say(f"silver: {name}")
                self._add(name, step.catch_up(self.lake, name))

        with self._timed("silver"):
            side_by_side([partial(one, sources_of_entity) for sources_of_entity in by_entity.values()])
        self._compare_rules()
        self._remember_sound()

    def _compare_rules(self) -> None:
        state = self.state.load()
        now = rules_fingerprint(self.lake.settings)
        if not state.rules:
            self.state.update(lambda state: setattr(state, "rules", now))
        elif state.rules != now:
            self.summary.notes.append(
                "the rules, mappings or formats of the configuration have changed since silver was last decided as a "
                "whole: records landed before were judged by the former ones. Re-decide all with --full-refresh"
            )

    def full_refresh(self) -> None:
        """Re-decide everything from bronze under the present rules."""
        self.summary.decided = True
        with self._timed("silver"):
            self.say("silver: deciding everything anew")
            self._rebuild(_SILVER_TABLES, list(ENTITIES))
            now = rules_fingerprint(self.lake.settings)
            self.state.update(lambda state: setattr(state, "rules", now))

    def gold(self) -> list[Written]:
        """Refresh gold; replace what is damaged. Returns what was written, which is in the summary as well."""
        kill_points.reached("between_silver_and_gold")
        with self._timed("gold"):
            damages, _ = heal.inspect(self.lake, star.TABLES.values(), self.state.load())
            self._announce(damages)
            self._mark([damage.table for damage in damages])
            damaged = frozenset(damage.table.full_name for damage in damages)
            written = refresh.refresh(self.lake, damaged, lambda table: self.say(f"gold: {table}"))
            self.summary.add_written(written)
            self._unmark([damage.table for damage in damages])
            self._remember_sound()
        return written

    def check(self) -> None:
        """Sanity checks in SQL."""
        with self._timed("check"):
            self.say("checking")
            self.summary.checks = checks.run_checks(self.lake)
            for result in self.summary.checks:
                if result.failed:
                    structlog.get_logger().error("check_failed", check=result.check.name, found=result.found)

    # --- helpers -----------------------------------------------------------------------------------

    def _rebuild(self, tables: list[Table], entities: list[str]) -> None:
        # Marked first: an overwrite that is killed half-way is noticed and done again by the next run.
        self._mark(tables)
        with self.lake.lock("silver"):
            outcomes = step.full_refresh(self.lake, entities)
        self._unmark(tables)
        self._remember_sound()
        for entity, outcome in outcomes.items():
            self._add(f"{entity} (all of bronze)", outcome)

    def _announce(self, damages: list[Damage]) -> None:
        for damage in damages:
            line = f"{damage.table.full_name}: {damage.what}; rebuilding it"
            self.summary.healed.append(line)
            self.say(line)
            structlog.get_logger().warning("rebuilding_table", table=damage.table.full_name, reason=damage.what)

    def _mark(self, tables: list[Table]) -> None:
        names = {table.full_name for table in tables}
        if names:
            self.state.update(lambda state: setattr(state, "rebuild", sorted({*state.rebuild, *names})))

    def _unmark(self, tables: list[Table]) -> None:
        pins = {table.full_name: self.lake.pin(table) for table in tables}

        def change(state: State) -> None:
            state.rebuild = [name for name in state.rebuild if name not in pins]
            state.known.update({name: pin for name, pin in pins.items() if pin})

        if pins:
            self.state.update(change)

    def _remember_sound(self) -> None:
        """Note the versions up to which every commit is ours, so that the next run looks at newer ones only."""
        _, sound = heal.inspect(self.lake, _TABLES, self.state.load())
        self.state.update(lambda state: state.known.update(sound))

    def _add(self, name: str, outcome: Outcome) -> None:
        if outcome.records or outcome.deleted:
            with self._guard:
                self.summary.outcomes.setdefault(name, Outcome()).add(outcome)

    def _timed(self, what: str) -> _Timer:
        return _Timer(self.summary.seconds, what)


class _Timer:
    def __init__(self, seconds: dict[str, float], what: str):
        self.seconds, self.what = seconds, what

    def __enter__(self) -> None:
        self.started = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.seconds[self.what] = self.seconds.get(self.what, 0.0) + time.monotonic() - self.started
