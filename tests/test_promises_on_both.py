"""One lakehouse, two engines: histories end in the same rows whichever engine takes which of their runs, also after deaths.

A handful of lakehouses, each with the histories of dozens of keys, for Spark's time goes by tables and not by rows:
`SALESLAKE_EXAMPLES=5 SALESLAKE_SEED=$RANDOM` tries others, so many times as many.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from pyspark.sql import SparkSession

from saleslake.engine.interface import Name
from tests import oracle
from tests.comparing import assert_same
from tests.houses import House, a_folder
from tests.scenarios import Scenario, shared_scenarios

EXAMPLES = 3 * int(os.environ.get("SALESLAKE_EXAMPLES", "1"))
SEED = int(os.environ.get("SALESLAKE_SEED", "20240302"))
OTHER: dict[Name, Name] = {"embedded": "spark", "spark": "embedded"}


@pytest.mark.timeout(EXAMPLES * 600)
@seed(SEED)
@settings(
    max_examples=EXAMPLES + 1,
    phases=[Phase.generate],
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)
@given(scenario=shared_scenarios())
def test_a_lake_that_both_engines_wrote_holds_what_one_would_have_written(
    scenario: Scenario, spark: SparkSession
) -> None:
    if len(scenario.runs) == 1:
        return  # what Hypothesis tries first is too simple to be worth its minute
    with a_folder() as root:
        both = House(scenario, root / "both", spark, "embedded")
        for run in scenario.runs:
            both.do(run)
        both.holds_what_the_files_held()
        verdict, found = both.is_as_the_oracle_says(), both.contents()
        both.is_proven(verdict)
        both.writes_nothing_more(OTHER[scenario.runs[-1].engine], whole=False)
        for name, rows in _by_one_engine_at_once(both, root / "alone").items():
            assert_same(f"{name} of one engine", rows, found[name], without=("run_id",))


def _by_one_engine_at_once(both: House, folder: Path) -> dict[str, list[oracle.Row]]:
    """What the embedded engine alone makes of the same bronze, in one run: landed anew, two sources may come in another order."""
    alone = House(both.scenario, folder)
    shutil.copytree(Path(both.settings.data, "tables", "bronze"), Path(alone.settings.data, "tables", "bronze"))
    with alone.lake() as lake:
        alone.catch_up(lake)
    return alone.contents()
