"""A short part of `make chaos`: the points where most is half done."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.chaos.harness import killed_at, uninterrupted

SEED = 11
CASES = {"files": ("after_bronze:1", "before_commit_log:1", "after_gold_write:1"), "batch": ("after_silver_write:1",)}


@pytest.mark.parametrize("source", CASES)
def test_being_killed_leaves_the_tables_as_if_nothing_had_happened(tmp_path: Path, source: str) -> None:
    print(f"seed {SEED}")
    wanted = uninterrupted(tmp_path / "whole", source, SEED, 120, parts=1)
    point = random.Random(SEED).choice(CASES[source])
    outcome = killed_at(tmp_path / "killed", source, point, SEED, 120, wanted, parts=1)
    assert outcome.killed, f"{point} was never reached"
    assert not outcome.problem, outcome
