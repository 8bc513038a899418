"""The five promises, over whole runs of the real pipeline on real files, against the oracle and against itself; on either engine.

One example on Spark by default, for each costs minutes, and a few on the embedded engine: `SALESLAKE_EXAMPLES=50
SALESLAKE_SEED=$RANDOM` runs others, so many times as many. A failure names the seed and prints every file of every run.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from pyspark.sql import SparkSession

from saleslake import bronze
from saleslake.gold import refresh
from saleslake.pipeline import Batch
from saleslake.silver import quarantine, step
from saleslake.silver.registry import ENTITIES
from tests import oracle
from tests.comparing import LINEAGE, assert_same, partitions_touched, stored
from tests.houses import TABLES, House, a_folder
from tests.scenarios import Run, Scenario, scenarios

TIMES = int(os.environ.get("SALESLAKE_EXAMPLES", "1"))
SEED = int(os.environ.get("SALESLAKE_SEED", "3"))
ON_SPARK, EMBEDDED = 1, 5
BY_DATE = [table for table in TABLES.values() if table.partition_by == ("date",)]


def whole_scenarios(examples: int) -> Callable[[Any], Any]:
    """So many scenarios of dozens of keys, besides the simplest, which Hypothesis tries first."""

    def decorate(test: Any) -> Any:
        described = settings(
            max_examples=examples * TIMES + 1,
            phases=[Phase.generate],
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
        )
        return pytest.mark.timeout(examples * TIMES * 1500)(seed(SEED)(described(given(scenario=scenarios())(test))))

    return decorate


@whole_scenarios(ON_SPARK)
def test_the_promises_hold_over_whole_runs_on_spark(scenario: Scenario, spark: SparkSession) -> None:
    _the_promises_hold(scenario, spark)


@whole_scenarios(EMBEDDED)
def test_the_promises_hold_over_whole_runs_embedded(scenario: Scenario) -> None:
    _the_promises_hold(scenario, None)


def _the_promises_hold(scenario: Scenario, spark: SparkSession | None) -> None:
    if not all(run.files for run in scenario.runs):
        return  # the simplest example is too simple to be worth its minute
    with a_folder() as folder:
        house = House(scenario, folder / "one", spark)
        _run_all(house)
        verdict = house.is_as_the_oracle_says()
        _every_record_is_accounted_for(house, verdict)
        contents = house.contents()
        house.writes_nothing_more()
        house.forgets()
        house.writes_nothing_more()
        _another_order_of_processing_gives_the_same(house, contents)
        _a_full_refresh_gives_the_same(house, contents)


def _run_all(house: House) -> None:
    """Every run of the scenario; one that follows a complete run rewrites the dates that changed and no others."""
    complete = False
    for run in house.scenario.runs:
        before, versions = house.verdict(), house.pins()
        house.do(run, house.engine)
        house.holds_what_the_files_held()
        followed, complete = complete, run.step in ("all", "twice")
        if complete:
            after = house.verdict()
            for table in BY_DATE if followed else []:
                since = versions[table.full_name][1]  # type: ignore[index]
                with house.lake() as lake:
                    touched = partitions_touched(lake, table, since)
                changed = _dates_that_differ(before.tables[table.full_name], after.tables[table.full_name])
                assert touched == changed, (
                    f"{table.full_name}: rewrote {sorted(touched)}, changed are {sorted(changed)}"
                )


def _dates_that_differ(before: list[oracle.Row], after: list[oracle.Row]) -> set[str]:
    def of(rows: list[oracle.Row]) -> Counter[tuple[str, str]]:
        return Counter((row["date"].isoformat(), repr(sorted(row.items()))) for row in rows)

    old, new = of(before), of(after)
    return {day for day, _ in (old - new) + (new - old)}


def _every_record_is_accounted_for(house: House, verdict: oracle.Verdict) -> None:
    """Promise 1: the stored tables, the winner's SQL, `verify` and the oracle name the same records."""
    should = {state: {i for i, s in verdict.states.items() if s == state} for state in set(verdict.states.values())}
    with house.lake() as lake:
        applied = {row["record_id"] for entity in ENTITIES.values() for row in stored(lake, entity.table)}
        rejected = {row["record_id"] for row in stored(lake, quarantine.TABLE)}
    assert applied == should.get("applied", set())
    assert rejected == should.get("quarantined", set()) | should.get("discarded", set())
    assert house.states() == verdict.states
    house.is_proven(verdict)


def _another_order_of_processing_gives_the_same(house: House, contents: dict[str, list[oracle.Row]]) -> None:
    """Promise 2: the same bronze, its commits judged one by one in another order, gold in the middle and at the end."""
    other = House(house.scenario, house.root.parent / "other", house.spark)
    with other.lake() as lake:
        shutil.copytree(Path(house.settings.data, "tables", "bronze"), lake.folder("tables", "bronze"))
        rows = {source: stored(lake, bronze.table_of(source)) for source in house.scenario.feeds}
        commits = sorted({(s, row["run_id"]) for s in rows for row in rows[s] if s[:2] in ("or", "tx")})
        order = [n for n in house.scenario.order if n < len(commits)]
        for at, n in enumerate(order):
            source, run_id = commits[n]
            of_run = f"SELECT * FROM b WHERE run_id = '{run_id}'"
            step.decide(lake, source, lake.engine.sql(of_run, b=bronze.rows(lake, source)))
            if at == len(order) // 2:
                refresh.refresh(lake)
    judged = {name: pin for name, pin in other.pins().items() if name in ("silver.orders", "silver.transactions")}
    with other.lake() as lake:
        last = Batch(lake)
        last.silver()
        last.gold()
    assert {name: other.pins()[name] for name in judged} == judged, "a replay wrote something"
    for name, rows_there in other.contents().items():
        assert_same(f"{name} in another order", rows_there, contents[name], without=("run_id",))


def _a_full_refresh_gives_the_same(house: House, contents: dict[str, list[oracle.Row]]) -> None:
    with house.lake() as lake:
        batch = Batch(lake)
        batch.full_refresh()
        batch.gold()
    for name, rows in house.contents().items():
        assert_same(f"{name} after a full refresh", rows, contents[name])


# --- two runs that land the same, one run that lands it at once -------------------------------------


def test_records_landed_in_one_run_or_in_several_give_the_same(tmp_path: Path) -> None:
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
    several, one = House(scenario, tmp_path / "several"), House(scenario, tmp_path / "one")
    for content in files:
        several.do(Run(content, "all"))
    one.do(Run({path: text for content in files for path, text in content.items()}, "all"))
    found, alone = several.contents(), one.contents()
    for name, rows in alone.items():
        assert_same(name, found[name], rows, without=LINEAGE)
    assert [row["quantity"] for row in alone["gold.fact_sales"]] == [1, 1]
    counts = Counter(several.verdict().states.values())
    assert counts == {"applied": 2, "duplicate": 3, "superseded": 1, "quarantined": 1}


def test_two_sources_of_one_key_that_silver_has_not_seen_leave_one_row(tmp_path: Path) -> None:
    _leave_one_row(tmp_path, None)


def test_two_sources_of_one_key_that_silver_has_not_seen_leave_one_row_on_spark(
    tmp_path: Path, spark: SparkSession
) -> None:
    _leave_one_row(tmp_path, spark)


def _leave_one_row(tmp_path: Path, spark: SparkSession | None) -> None:
    """A run that died after landing leaves both for the next run's landing to catch up with, side by side."""

    def order(key: int, price: int) -> str:
        return f'{{"order_id":"o{key}","created_at":"2024-03-0{1 + price % 9}","currency":"EUR","amount":{price},"status":null,"items":[{{"sku":"s1","qty":1,"price":{price},"line_total":null}}]}}'

    files = {
        f"in/orders_{x}/1.x": "\n".join(order(key, key + n) for key in range(1, 41)).encode()
        for n, x in enumerate("ab")
    }
    house = House(Scenario("default", "zero", feeds=("orders_a", "orders_b")), tmp_path / "house", spark)
    house.do(Run(files, "land"), house.engine)
    house.do(Run({}, "all"), house.engine)
    assert_same("silver.orders", house.contents()["silver.orders"], house.verdict().tables["silver.orders"])
