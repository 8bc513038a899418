"""A lakehouse in a folder, what scenarios do to it on either engine, and what must hold of it afterwards."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from pyspark.sql import SparkSession

from saleslake import accounting, bronze, misread
from saleslake.config import Settings
from saleslake.engine.interface import Name, union
from saleslake.entry import open_settings
from saleslake.gold import refresh, star
from saleslake.ingest.window import Window
from saleslake.lake import Lake
from saleslake.pipeline import Batch
from saleslake.publish import decisions
from saleslake.silver import quarantine, step
from saleslake.silver.registry import ENTITIES
from saleslake.stream.intake import Intake
from saleslake.summary import Summary
from saleslake.table import Table
from tests import oracle
from tests.chaos.raising import Killed, raised_at
from tests.comparing import assert_same, pins, stored
from tests.conftest import write_config
from tests.scenarios import CSV_NAMES, Run, Scenario, write

TABLES: dict[str, Table] = {
    table.full_name: table
    for table in (*(entity.table for entity in ENTITIES.values()), quarantine.TABLE, *star.TABLES.values())
}
_STATE_OF = {"insert": "applied"}


@contextmanager
def dying_at(point: str) -> Iterator[None]:
    """Within the block the run dies at a kill point, or, of `write:3`, the third time that a write asks whether it may."""
    what, _, nth = point.partition(":")
    if what != "write":
        with raised_at(point):
            yield
        return
    asked, guard, may_write = Counter[str](), threading.Lock(), Lake.may_write

    def asks(lake: Lake) -> None:
        with guard:
            asked[what] += 1
            if asked[what] >= int(nth):
                raise Killed(point)
        may_write(lake)

    with mock.patch.object(Lake, "may_write", asks):
        yield


@contextmanager
def a_folder() -> Iterator[Path]:
    """A folder for one example; in memory where there is such a thing, for each commit waits for the disk."""
    memory = Path("/dev/shm")
    found = Path(tempfile.mkdtemp(prefix="saleslake-", dir=memory if memory.is_dir() else None))
    try:
        yield found
    finally:
        shutil.rmtree(found)


class House:
    """A lakehouse in a folder, what was written into its sources, and what its bronze must therefore hold."""

    def __init__(self, scenario: Scenario, root: Path, spark: SparkSession | None = None, engine: Name | None = None):
        root.mkdir(parents=True)
        self.scenario, self.root, self.spark = scenario, root, spark
        self.engine: Name = engine or ("embedded" if spark is None else "spark")
        """The one that it takes where a run does not say."""
        self.settings: Settings = open_settings(str(write_config(root, scenario.toml())))
        self.landed: Counter[tuple[str, int, str]] = Counter()
        self._latest: dict[str, bytes] = {}
        self.has_forgotten = False

    @contextmanager
    def lake(self, engine: Name | None = None) -> Iterator[Lake]:
        """Each is a run of its own."""
        uses = engine or self.engine
        lake = Lake(self.settings, self.spark if uses == "spark" else None, uses=uses)
        try:
            yield lake
        finally:
            lake.close()

    # --- what is done to it ------------------------------------------------------------------------

    def do(self, run: Run, engine: Name | None = None) -> None:
        """One run over its files, on its engine unless told otherwise. One that died has landed them, or the next one will."""
        write(self.root, run)
        for path, content in run.files.items():
            if self._latest.get(path) != content:
                self._latest[path] = content
                self.landed.update(_lines(path, content))
        with self.lake(engine or run.engine) as lake:
            try:
                with dying_at(run.dies_at) if run.dies_at else ExitStack():
                    self._steps(lake, run.step)
            except Killed:
                return

    def _steps(self, lake: Lake, what: str) -> None:
        batch = Batch(lake)
        self.land_events(lake)
        if what == "all":
            ends_well(lake, batch.run(Window()))
            return
        if what != "publish":
            batch.heal()
        batch.land(self.scenario.of_files, Window())
        assert not batch.summary.failures, batch.summary.failures
        if what == "land":
            return
        if what == "publish":
            self.catch_up(lake)
            return
        batch.silver(["tx_lines", "orders_b", "stock"] if what == "land, silver of some" else None)
        if what in ("land, silver of some", "twice"):
            batch.gold()
        if what == "twice":
            with self.lake(lake.engine.name) as other:
                again = Batch(other)
                again.silver()
                again.gold()

    def land_events(self, lake: Lake) -> None:
        """Bring what is new among the files of events to bronze, as the stream's micro-batches do."""
        if self.scenario.streams:
            intake = Intake(lake)
            intake.recover()
            intake.land_files(sorted((self.root / "in" / "events").glob("*.x")))

    def catch_up(self, lake: Lake) -> None:
        """Bring all of bronze to silver, and silver to gold."""
        for source in self.scenario.feeds:
            step.catch_up(lake, source)
        refresh.refresh(lake)

    # --- what is in it -----------------------------------------------------------------------------

    def bronze(self) -> list[oracle.Landed]:
        names = ("record_id", "source", "raw", "header", "file", "ordinal", "landed_at")
        lake = Lake(self.settings)
        tables = {table.full_name: table for table in (bronze.holding(lake, name) for name in self.scenario.feeds)}
        rows = [row for table in tables.values() for row in stored(lake, table) if row["kind"] == "record"]
        return [oracle.Landed(**{name: row[name] for name in names}) for row in rows]

    def verdict(self) -> oracle.Verdict:
        return oracle.decide(self.bronze(), self.scenario.setup)

    def contents(self) -> dict[str, list[oracle.Row]]:
        lake = Lake(self.settings)
        return {name: stored(lake, table) for name, table in TABLES.items()}

    def pins(self) -> dict[str, object]:
        return pins(Lake(self.settings), TABLES.values())

    # --- what must hold ----------------------------------------------------------------------------

    def holds_what_the_files_held(self) -> None:
        """Bronze holds every content that a file had. One that was there only for a run that died need not have landed."""
        found = Counter((record.file, record.ordinal, record.raw) for record in self.bronze())
        least = self.landed
        if any(run.dies_at for run in self.scenario.runs):
            least = Counter(line for path, content in self._latest.items() for line in _lines(path, content))
        assert least <= found <= self.landed, f"missing: {least - found}; surplus: {found - self.landed}"

    def is_as_the_oracle_says(self) -> oracle.Verdict:
        verdict, contents = self.verdict(), self.contents()
        for name, expected in verdict.tables.items():
            assert_same(name, contents[name], expected)
        return verdict

    def is_proven(self, verdict: oracle.Verdict, engine: Name | None = None) -> None:
        """Promise 1: `verify` holds, and counts by source what the oracle counts."""
        with self.lake(engine) as lake:
            proof = accounting.verify(lake)
        assert proof.holds, proof
        sources = {record.record_id: record.source for record in self.bronze()}
        counts = Counter((sources[i], state) for i, state in verdict.states.items())
        for of in proof.sources:
            told = {name: getattr(of, name) for name in ("applied", "duplicate", "superseded", "discarded")}
            told["quarantined"] = of.quarantined - of.discarded
            assert told == {state: counts[of.source, state] for state in told}, of

    def states(self) -> dict[str, str]:
        """By record id what becomes of each record, as the winner's SQL has it when it decides all of them at once."""
        found: list[dict[str, Any]] = []
        with self.lake() as lake, ExitStack() as stack:
            engine = lake.engine
            for name, entity in ENTITIES.items():
                sources = [s for s in self.scenario.feeds if lake.settings.sources[s].entity == name]
                there = [s for s in sources if lake.exists(bronze.holding(lake, s))]
                if not there:
                    continue
                frames = [stack.enter_context(engine.judged(s, bronze.rows(lake, s))) for s in there]
                files = step.current_files(lake, there)
                decided = decisions(engine, entity.table, union(engine, frames), files)
                shown = "SELECT record_id, action, tag_count(discarded_by) > 0 AS is_discarded FROM d"
                found += engine.fetch(engine.sql(shown, d=decided)).to_pylist()
        assert len({row["record_id"] for row in found}) == len(found), "a record is in more than one state"
        return {
            row["record_id"]: "discarded" if row["is_discarded"] else _STATE_OF.get(row["action"], row["action"])
            for row in found
        }

    def writes_nothing_more(self, engine: Name | None = None, *, whole: bool = True) -> None:
        """Promise 3: nothing new, no new version. `whole`: by a whole run, not by its steps alone."""
        before = self.pins()
        with self.lake(engine) as lake:
            self.land_events(lake)
            if whole:
                summary = Batch(lake).run(Window())
                ends_well(lake, summary)
                assert not summary.healed
                assert summary.nothing_new or self.has_forgotten
            else:
                self.catch_up(lake)
        assert self.pins() == before

    def forgets(self) -> None:
        """Lose what is remembered between runs."""
        Path(self.settings.data, "state.json").unlink()
        self.has_forgotten = True


def ends_well(lake: Lake, summary: Summary) -> None:
    """Nothing failed, but for sources of which most is written in another dialect, as may be where records are few."""
    misread_ones = misread.found(lake, summary.outcomes)
    expected = {problem for problems in misread_ones.values() for problem in problems}
    assert set(summary.failures) <= expected, summary.failures


def _lines(path: str, content: bytes) -> list[tuple[str, int, str]]:
    source = path.split("/")[1]
    lines = [(n, line) for n, line in enumerate(content.decode("utf-8-sig").split("\n"), 1) if line]
    return [(path, n, line) for n, line in lines[1 if source in CSV_NAMES else 0 :]]
