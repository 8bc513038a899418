"""Warnings are counted of the records that applied, on either engine."""

from __future__ import annotations

from collections.abc import Callable

from saleslake.lake import Lake
from saleslake.publish import publish, replace
from saleslake.silver.orders import ENTITY
from tests.silver_support import judge
from tests.stream_support import order

CONFIG = '[sources.s]\nentity = "orders"\nformat = "jsonl"\npath = "in"\n'
BATCH = [
    order("A", user_id=None, updated_at="2024-05-02T00:00:00Z"),
    order("A", user_id=None, updated_at="2024-05-03T00:00:00Z"),
    order("A", user_id=None, amount=7, updated_at="2024-05-01T00:00:00Z"),
    order("B", user_id=None, updated_at="2024-05-01T00:00:00Z"),
    order("B", updated_at="2024-05-02T00:00:00Z"),
    order("C", amount=7),
    order("C", amount=7),
    order("D"),
    order("", user_id=None),
]
OLDER = [order("A", amount=7, updated_at="2024-04-01T00:00:00Z"), order("D", user_id=None, updated_at="2024-06-01")]
EXPECTED = {"user_missing": 1, "amount_mismatch": 1}


def test_versions_that_lost_and_copies_warn_of_nothing(make_any_lake: Callable[[str], Lake]) -> None:
    lake = make_any_lake(CONFIG)
    batches = [lake.engine.rows(judge(lake.settings, rows)) for rows in (BATCH, OLDER)]
    first, again, older = (publish(lake, ENTITY, batch) for batch in (batches[0], *batches))
    assert (first.applied, dict(first.warnings)) == (4, EXPECTED)
    assert (again.applied, dict(again.warnings)) == (4, EXPECTED)
    assert (older.applied, older.superseded, dict(older.warnings)) == (1, 1, {"user_missing": 1})
    with lake.lock("silver"):
        anew = replace(lake, ENTITY, batches[0], None)
    assert (anew.applied, anew.superseded, dict(anew.warnings)) == (4, first.superseded, EXPECTED)
