"""The five promises, over whole runs of the real pipeline on real files, against the oracle and against itself.

One example by default, for each costs minutes of Spark: `SALESLAKE_EXAMPLES=50 SALESLAKE_SEED=$RANDOM` runs others.
A failure names the seed and prints every file of every run.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from functools import reduce
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from saleslake import accounting, bronze
from saleslake.config import Settings
from saleslake.entry import open_settings
from saleslake.gold import star
from saleslake.ingest.window import Window
from saleslake.lake import Lake
from saleslake.pipeline import Batch
from saleslake.silver import quarantine, step
from saleslake.silver.registry import ENTITIES
from saleslake.table import Table
from tests import oracle
from tests.comparing import LINEAGE, assert_same, partitions_touched, pins, stored
from tests.conftest import write_config
from tests.scenarios import CSV_NAMES, Run, Scenario, scenarios, write

EXAMPLES = int(os.environ.get("SALESLAKE_EXAMPLES", "1"))
SEED = int(os.environ.get("SALESLAKE_SEED", "3"))

TABLES: dict[str, Table] = {
    table.full_name: table
    for table in (*(entity.table for entity in ENTITIES.values()), quarantine.TABLE, *star.TABLES.values())
}
BY_DATE = [table for table in TABLES.values() if table.partition_by == ("date",)]


class Lakehouse:
    """A lakehouse in a folder, what was written into its sources, and what its bronze must therefore hold."""

    def __init__(self, scenario: Scenario, root: Path, spark: SparkSession):
        root.mkdir(parents=True)
        self.scenario, self.root, self.spark = scenario, root, spark
        self.settings: Settings = open_settings(str(write_config(root, scenario.toml())))
        self.landed: Counter[tuple[str, str, int, str]] = Counter()
        self._latest: dict[str, bytes] = {}

    def lake(self) -> Lake:
        """Each call is a run of its own."""
        return Lake(self.settings, self.spark)

    def do(self, run: Run) -> None:
        write(self.root, run)
        for path, content in run.files.items():
            if self._latest.get(path) != content:
                self._latest[path] = content
                self.landed.update(_lines(path, content))
        batch = Batch(self.lake())
        if run.step == "all":
            failures = batch.run(Window()).failures
            assert not failures, failures
            return
        batch.heal()
        batch.land(list(self.scenario.feeds), Window())
        if run.step == "land":
            return
        batch.silver(["tx_lines", "orders_b", "stock"] if run.step == "land, silver of some" else None)
        if run.step in ("land, silver of some", "twice"):
            batch.gold()
        if run.step == "twice":
            again = Batch(self.lake())
            again.silver()
            again.gold()

    def bronze(self) -> list[oracle.Landed]:
        lake, names = self.lake(), ("record_id", "source", "raw", "header", "file", "ordinal", "landed_at")
        rows = [
            row
            for source in self.scenario.feeds
            for row in stored(lake, bronze.table_of(source))
            if row["kind"] == "record"
        ]
        return [oracle.Landed(**{name: row[name] for name in names}) for row in rows]

    def verdict(self) -> oracle.Verdict:
        return oracle.decide(self.bronze(), self.scenario.setup)

    def contents(self) -> dict[str, list[oracle.Row]]:
        lake = self.lake()
        return {name: stored(lake, table) for name, table in TABLES.items()}

    def pins(self) -> dict[str, object]:
        return pins(self.lake(), TABLES.values())


def _lines(path: str, content: bytes) -> list[tuple[str, str, int, str]]:
    source = path.split("/")[1]
    lines = [(n, line) for n, line in enumerate(content.decode("utf-8-sig").split("\n"), 1) if line]
    return [(source, path, n, line) for n, line in lines[1 if source in CSV_NAMES else 0 :]]


@pytest.mark.timeout(EXAMPLES * 1500)
@seed(SEED)
@settings(
    max_examples=EXAMPLES + 1,
    phases=[Phase.generate],
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)
@given(scenario=scenarios())
def test_the_promises_hold_over_whole_runs(
    scenario: Scenario, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if not all(run.files for run in scenario.runs):
        return  # the simplest example, which Hypothesis tries first, is too simple to be worth its minute
    folder = tmp_path_factory.mktemp("promises")
    print(f"again: SALESLAKE_SEED={SEED} SALESLAKE_EXAMPLES={EXAMPLES}; files in {folder}")
    house = Lakehouse(scenario, folder / "one", spark)
    _run_all(house)

    verdict = house.verdict()
    _every_record_is_accounted_for(house, verdict)
    contents = house.contents()
    for name, expected in verdict.tables.items():
        assert_same(name, contents[name], expected)
    _what_has_nothing_new_writes_nothing(house, lose_state=False)
    _what_has_nothing_new_writes_nothing(house, lose_state=True)
    _another_order_of_processing_gives_the_same(house, contents)
    _a_full_refresh_gives_the_same(house, contents)
    shutil.rmtree(folder)


def _run_all(house: Lakehouse) -> None:
    """Every run of the scenario; one that follows a complete run rewrites the dates that changed and no others."""
    complete = False
    for run in house.scenario.runs:
        before, versions = house.verdict(), house.pins()
        house.do(run)
        found = Counter((r.source, r.file, r.ordinal, r.raw) for r in house.bronze())
        assert found == house.landed, "bronze does not hold what the files held when they landed"
        followed, complete = complete, run.step in ("all", "twice")
        if complete:
            after = house.verdict()
            for table in BY_DATE if followed else []:
                since = versions[table.full_name][1]  # type: ignore[index]
                touched = partitions_touched(house.lake(), table, since)
                changed = _dates_that_differ(before.tables[table.full_name], after.tables[table.full_name])
                assert touched == changed, (
                    f"{table.full_name}: rewrote {sorted(touched)}, changed are {sorted(changed)}"
                )


def _dates_that_differ(before: list[oracle.Row], after: list[oracle.Row]) -> set[str]:
    def of(rows: list[oracle.Row]) -> Counter[tuple[str, str]]:
        return Counter((row["date"].isoformat(), repr(sorted(row.items()))) for row in rows)

    old, new = of(before), of(after)
    return {day for day, _ in (old - new) + (new - old)}


def _every_record_is_accounted_for(house: Lakehouse, verdict: oracle.Verdict) -> None:
    """Promise 1: the stored tables, accounting and the oracle name the same records."""
    lake = house.lake()
    should = {state: {i for i, s in verdict.states.items() if s == state} for state in set(verdict.states.values())}
    applied = {row["record_id"] for entity in ENTITIES.values() for row in stored(lake, entity.table)}
    rejected = {row["record_id"] for row in stored(lake, quarantine.TABLE)}
    assert applied == should.get("applied", set())
    assert rejected == should.get("quarantined", set()) | should.get("discarded", set())
    frames = [found for entity in ENTITIES.values() if (found := accounting.states(lake, entity)) is not None]
    told = reduce(DataFrame.unionByName, frames).select("record_id", "state").collect()
    assert len(told) == len(verdict.states)
    assert dict(told) == verdict.states
    proof = accounting.verify(lake)
    assert proof.holds, proof


def _what_has_nothing_new_writes_nothing(house: Lakehouse, *, lose_state: bool) -> None:
    """Promise 3: nothing new, no new version; losing what is remembered between runs only costs time."""
    before = house.pins()
    if lose_state:
        Path(house.lake().folder("state.json")).unlink()
    summary = Batch(house.lake()).run(Window())
    assert not summary.failures
    assert not summary.healed
    assert lose_state or summary.nothing_new
    assert house.pins() == before


def _another_order_of_processing_gives_the_same(house: Lakehouse, contents: dict[str, list[oracle.Row]]) -> None:
    """Promise 2: the same bronze, its commits judged one by one in another order, gold in the middle and at the end."""
    other = Lakehouse(house.scenario, house.root.parent / "other", house.spark)
    shutil.copytree(house.lake().folder("tables", "bronze"), other.lake().folder("tables", "bronze"))
    lake = other.lake()
    rows = {source: stored(lake, bronze.table_of(source)) for source in house.scenario.feeds}
    commits = sorted({(source, row["run_id"]) for source in rows for row in rows[source] if source[:2] in ("or", "tx")})
    order = [n for n in house.scenario.order if n < len(commits)]
    for at, n in enumerate(order):
        source, run_id = commits[n]
        landed = lake.read(bronze.table_of(source)).where(F.col("run_id") == run_id)
        step.decide(lake, source, landed, landed.count())
        if at == len(order) // 2:
            Batch(lake).gold()
    judged = {name: pin for name, pin in other.pins().items() if name in ("silver.orders", "silver.transactions")}
    last = Batch(other.lake())
    last.silver()
    last.gold()
    assert {name: other.pins()[name] for name in judged} == judged, "a replay wrote something"
    for name, rows_there in other.contents().items():
        assert_same(f"{name} in another order", rows_there, contents[name], without=("run_id",))


def _a_full_refresh_gives_the_same(house: Lakehouse, contents: dict[str, list[oracle.Row]]) -> None:
    batch = Batch(house.lake())
    batch.full_refresh()
    batch.gold()
    for name, rows in house.contents().items():
        assert_same(f"{name} after a full refresh", rows, contents[name])


# --- two runs that land the same, one run that lands it at once -------------------------------------


def test_records_landed_in_one_run_or_in_several_give_the_same(spark: SparkSession, tmp_path: Path) -> None:
    """Promise 2 with landings of their own: only lineage may differ."""
    old = '{"order_id":"o1","created_at":"2024-03-01","currency":"EUR","amount":30,"items":[{"sku":"s1","qty":1,"price":10},{"sku":"s2","qty":2,"price":10}]}'
    shrunk = '{"order_id":"o1","created_at":"2024-03-04","updated_at":"2024-03-05","currency":"EUR","amount":10,"items":[{"sku":"s1","qty":1,"price":10}]}'
    bad = (
        '{"order_id":"o1","created_at":"2024-03-04","updated_at":"2024-03-06","currency":"EUR","amount":10,"items":[]}'
    )
    far = '{"order_id":"o9","created_at":"9999-12-31T23:59:59Z","currency":"EUR","amount":1,"items":[{"sku":"s1","qty":1,"price":1}]}'
    parts = [[old, far], [shrunk, bad], [old, shrunk], [old]]
    files = [{f"in/orders_a/{n}.x": "\n".join(part).encode()} for n, part in enumerate(parts)]
    scenario = Scenario("default", "zero", feeds=("orders_a",))
    several, one = Lakehouse(scenario, tmp_path / "several", spark), Lakehouse(scenario, tmp_path / "one", spark)
    for content in files:
        several.do(Run(content, "all"))
    one.do(Run({path: text for content in files for path, text in content.items()}, "all"))
    found, alone = several.contents(), one.contents()
    for name, rows in alone.items():
        assert_same(name, found[name], rows, without=LINEAGE)
    assert [row["quantity"] for row in alone["gold.fact_sales"]] == [1, 1]
    counts = Counter(several.verdict().states.values())
    assert counts == {"applied": 2, "duplicate": 3, "superseded": 1, "quarantined": 1}


def test_two_sources_of_one_key_that_silver_has_not_seen_leave_one_row(spark: SparkSession, tmp_path: Path) -> None:
    """A run that died after landing leaves both for the next run's landing to catch up with, side by side."""

    def order(key: int, price: int) -> str:
        return f'{{"order_id":"o{key}","created_at":"2024-03-0{1 + price % 9}","currency":"EUR","amount":{price},"status":null,"items":[{{"sku":"s1","qty":1,"price":{price},"line_total":null}}]}}'

    files = {
        f"in/orders_{x}/1.x": "\n".join(order(key, key + n) for key in range(1, 41)).encode()
        for n, x in enumerate("ab")
    }
    house = Lakehouse(Scenario("default", "zero", feeds=("orders_a", "orders_b")), tmp_path / "house", spark)
    house.do(Run(files, "land"))
    house.do(Run({}, "all"))
    assert_same("silver.orders", house.contents()["silver.orders"], house.verdict().tables["silver.orders"])
