"""`run.silver_writers = "conflict"`: two writers of the same keys at once, without a lock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from saleslake.accounting import verify
from saleslake.engine.interface import Overtaken
from saleslake.engine.spark import Spark
from saleslake.errors import SaleslakeError
from saleslake.ingest.land import land
from saleslake.ingest.window import Window
from saleslake.lake import Lake
from saleslake.parallel import side_by_side
from saleslake.silver import step
from tests.stream_support import order, put, rows

CONFIG = """
[run]
silver_writers = "conflict"
conflict_retries = {retries}
[sources.a]
entity = "orders"
format = "jsonl"
path = "a"
[sources.b]
entity = "orders"
format = "jsonl"
path = "b"
"""


def _two_writers(
    make_spark_lake: Callable[[str], Lake], monkeypatch: pytest.MonkeyPatch, retries: int
) -> tuple[Lake, int]:
    """Both have looked up the stored rows before either merges, and merge at once. Returns how many merges were lost.

    Lost, not tried: a loser whose records the winner's supersede has nothing left to merge.
    """
    lakes = [make_spark_lake(CONFIG.format(retries=retries)) for _ in range(2)]
    root = lakes[0].settings.root
    for day, name in enumerate("ab", 1):
        moved = [order(f"O{n}", f"2024-05-0{day}T10:00:00Z", updated_at=f"2024-05-0{day}T10:00:00Z") for n in range(5)]
        put(root / name, "1.jsonl", *moved, "broken")
    for name in "ab":
        land(lakes[0], name, Window())
    both, first, upsert = threading.Barrier(2), [True, True], Spark.upsert
    lost: list[Exception] = []

    def together(*arguments: Any) -> None:
        if first:
            first.pop()
            both.wait(timeout=60)
        try:
            upsert(*arguments)
        except Overtaken as e:
            lost.append(e)
            raise

    monkeypatch.setattr(Spark, "upsert", together)
    side_by_side([lambda: step.catch_up(lakes[0], "a"), lambda: step.catch_up(lakes[1], "b")])
    return lakes[0], len(lost)


def test_the_loser_reads_and_merges_again_and_a_key_stands_once(
    make_spark_lake: Callable[[str], Lake], monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, lost = _two_writers(make_spark_lake, monkeypatch, retries=8)
    assert lost, "no conflict, so nothing was tried"
    found = rows(lake, "select count(*), count(distinct order_id), cast(min(date) as text) from silver.orders")
    assert found == [(5, 5, "2024-05-02")]
    assert rows(lake, "select count(*) from silver.quarantine") == [(2,)]
    proof = verify(lake)
    assert all(source.adds_up for source in proof.sources), proof


def test_attempts_are_bounded_and_the_error_names_the_table(
    make_spark_lake: Callable[[str], Lake], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        SaleslakeError, match=r"silver\.orders: other writers were quicker 1 times.*run\.conflict_retries"
    ):
        _two_writers(make_spark_lake, monkeypatch, retries=0)
