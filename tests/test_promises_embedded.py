"""The five promises on the embedded engine: hundreds of small histories against the oracle, without a JVM.

Batch and stream, in any split, with corrections, dates that move, bad records, catalogue changes, and runs that die.
`SALESLAKE_EXAMPLES=50 SALESLAKE_SEED=$RANDOM` tries others, so many times as many, and `SALESLAKE_SHRINK=1` looks for
the smallest of those that fail.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.houses import House, a_folder
from tests.scenarios import Scenario, small_scenarios

EXAMPLES = int(300 * float(os.environ.get("SALESLAKE_EXAMPLES", "1")))
SEED = int(os.environ.get("SALESLAKE_SEED", "20240301"))


@pytest.mark.timeout(EXAMPLES * 10)
@seed(SEED)
@settings(
    max_examples=EXAMPLES,
    phases=[Phase.generate, *([Phase.shrink] if "SALESLAKE_SHRINK" in os.environ else [])],
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)
@given(scenario=small_scenarios())
def test_a_history_ends_as_the_oracle_says_and_is_proven(scenario: Scenario) -> None:
    with a_folder() as root:
        house = House(scenario, root / "one")
        for run in scenario.runs:
            house.do(run)
        house.holds_what_the_files_held()
        verdict = house.is_as_the_oracle_says()
        house.is_proven(verdict)
        house.writes_nothing_more(whole=scenario.runs[-1].step == "all")
