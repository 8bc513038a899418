"""The batch: heal → land → silver → gold → check, in one Spark session. Each step is a job of its own as well.

What goes wrong with one source stops no other: it is a line in the summary, and the run ends with 1.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial

import structlog

from saleslake import bronze, checks, heal, kill_points, misread
from saleslake.errors import ConfigError, LockTimeout, TableError, was_cancelled
from saleslake.fingerprint import rules_fingerprint
from saleslake.gold import refresh, star
from saleslake.gold.sync import Written
from saleslake.heal import Damage
from saleslake.ingest.land import land
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
        self._left_alone: set[str] = set()
        """Sources whose bronze lost files."""
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
        # The stream works with its own sources only, and with none of them without their table.
        streams = bool(self.summary.stream_input)
        sources = [name for name, source in self.lake.settings.sources.items() if source.is_stream or not streams]
        for name, problem in heal.lost_bronze(self.lake, sources).items():
            if streams:
                raise TableError(problem)
            self._trouble(name, problem)
            self._left_alone.add(name)
        damages, _ = heal.inspect(self.lake, _SILVER_TABLES, self.state.load())
        if not damages:
            return
        with self._timed("heal"):
            self._announce(damages)
            names = [damage.table.name for damage in damages]
            all_of_it = quarantine.TABLE.name in names
            entities = list(ENTITIES) if all_of_it else names
            self._rebuild([ENTITIES[name].table for name in entities] + [quarantine.TABLE], entities, all_of_it)

    def land(self, sources: Iterable[str], window: Window, *, refetch: bool = False) -> None:
        """Land each source, side by side.

        Raises ConfigError, before anything is fetched, for a window that the watermark of a source contradicts.
        """
        names = [name for name in sources if name not in self._left_alone]
        self._check_window(names, window, refetch)
        with self._timed("land"):
            for table in _TABLES:
                self.lake.create(table)
            side_by_side([partial(self._land_one, name, window, refetch) for name in names])

    def _land_one(self, name: str, window: Window, refetch: bool) -> None:
        with self._alone(name):
            if self.lake.settings.sources[name].format == "api":
                # Silver catches up first: it is silver that tells which of an API's records are known.
                self._add(name, step.catch_up(self.lake, name))
            self.say(f"landing {name}")
            report = land(
                self.lake, name, window, refetch=refetch, say=lambda what: self.say(f"landing {name}: {what}")
            )
            with self._guard:
                self.summary.landed.append(report)

    def _check_window(self, sources: list[str], window: Window, refetch: bool) -> None:
        settings = self.lake.settings
        for name in sources if window.until else ():
            if settings.sources[name].is_incremental:
                control = bronze.controls(self.lake, name)
                try:
                    effective(window, control, settings.run.watermark_lag_seconds, refetch)
                except ConfigError as e:
                    raise ConfigError(f"sources.{name}: {e}") from None

    def silver(self, sources: Iterable[str] | None = None) -> None:
        """Bring what landed to silver: entities side by side, the sources of one entity in turn."""
        self.summary.decided = True
        names = [name for name in sources or self.lake.settings.sources if name not in self._left_alone]
        by_entity: dict[str, list[str]] = {}
        for name in names:
            by_entity.setdefault(self.lake.settings.sources[name].entity, []).append(name)

        def one(sources_of_entity: list[str]) -> None:
            for name in sources_of_entity:
                with self._alone(name):
                    self.say(f"silver: {name}")
                    self._add(name, step.catch_up(self.lake, name))

        with self._timed("silver"):
            side_by_side([partial(one, sources_of_entity) for sources_of_entity in by_entity.values()])
            self._judge_sources()
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
            if self._rebuild(_SILVER_TABLES, list(ENTITIES)):
                now = rules_fingerprint(self.lake.settings)
                self.state.update(lambda state: setattr(state, "rules", now))
            self._judge_sources()

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
            with self.lake.lock("gold"):
                self.summary.checks = checks.run_checks(self.lake, patience_seconds=0)
            for result in self.summary.checks:
                if result.failed:
                    structlog.get_logger().error("check_failed", check=result.check.name, found=result.found)

    # --- helpers -----------------------------------------------------------------------------------

    def _rebuild(self, tables: list[Table], entities: list[str], empty_quarantine: bool = False) -> bool:
        """Whether all of it could be done: an entity with a source that cannot be judged stays as it is.

        `empty_quarantine`: its parts cannot be replaced one after the other where its columns are not those of today.
        """
        # Marked first: an overwrite that is killed half-way is noticed and done again by the next run.
        marked = set(self.state.load().rebuild)
        self._mark(tables)
        with self.lake.lock("silver"):
            if empty_quarantine:
                self.lake.recreate(quarantine.TABLE)
            outcomes, troubles = step.full_refresh(self.lake, entities, without=self._left_alone)
        self._unmark([table for table in tables if table.name not in troubles])
        untouched = {table.full_name for table in tables if table.name in troubles} - marked
        self.state.update(lambda state: setattr(state, "rebuild", sorted({*state.rebuild} - untouched)))
        self._remember_sound()
        for entity, outcome in outcomes.items():
            self._add(f"{entity} (all of bronze)", outcome)
        for name, problem in (pair for of_entity in troubles.values() for pair in of_entity.items()):
            self._trouble(name, problem)
        return not troubles

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """What goes wrong in the block is the trouble of one source."""
        try:
            yield
        except Exception as e:
            if isinstance(e, LockTimeout) and f"landing-{name}" not in str(e):
                raise  # what all sources need is held: no other would fare better
            if was_cancelled(e):
                raise
            structlog.get_logger().info("source_trouble", source=name, exc_info=True)
            self._trouble(name, step.trouble(name, e))

    def _trouble(self, name: str, problem: str) -> None:
        with self._guard:
            lines = self.summary.troubles.setdefault(name, [])
            if problem in lines:
                return
            lines.append(problem)
        structlog.get_logger().error("source_failed", source=name, reason=problem)

    def _judge_sources(self) -> None:
        """A source that this run found misread says so."""
        for name, problems in misread.found(self.lake, self.summary.outcomes).items():
            for problem in problems:
                self._trouble(name, problem)

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
