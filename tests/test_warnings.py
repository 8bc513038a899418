"""Warnings are counted of the records that applied, by both ways of publishing."""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import SparkSession

from saleslake.entry import open_settings
from saleslake.lake import Lake
from saleslake.publish import publish, replace
from saleslake.publish_few import publish_few
from saleslake.silver.orders import ENTITY
from tests.conftest import write_config
from tests.silver_support import judge_on_spark
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


def test_versions_that_lost_and_copies_warn_of_nothing(tmp_path: Path, spark: SparkSession) -> None:
    for way in ("few", "many"):
        folder = tmp_path / way
        folder.mkdir()
        lake = Lake(open_settings(str(write_config(folder, CONFIG))), spark)
        batches = [judge_on_spark(spark, lake.settings, rows).persist() for rows in (BATCH, OLDER)]
        first, again, older = (
            publish_few(lake, ENTITY, batch.toArrow()) if way == "few" else publish(lake, ENTITY, batch)
            for batch in (batches[0], *batches)
        )
        assert (first.applied, dict(first.warnings)) == (4, EXPECTED), way
        assert (again.applied, dict(again.warnings)) == (4, EXPECTED), way
        assert (older.applied, older.superseded, dict(older.warnings)) == (1, 1, {"user_missing": 1}), way
    with lake.lock("silver"):
        anew = replace(lake, ENTITY, batches[:1], [])
    assert (anew.applied, anew.superseded, dict(anew.warnings)) == (4, first.superseded, EXPECTED)
