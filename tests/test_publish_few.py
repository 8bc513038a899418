"""Few records are decided in DuckDB and many in Spark: the same batches, published both ways, end in the same tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from saleslake.publish_few import publish_few

from saleslake import few
from saleslake.changes import change_since
from saleslake.entry import open_settings
from saleslake.lake import Lake
from saleslake.publish import Outcome, publish
from saleslake.silver import quarantine
from saleslake.silver.judge.batches import judged
from saleslake.silver.registry import ENTITIES
from saleslake.table import Table
from tests.conftest import write_config
from tests.silver_support import bronze_rows
from tests.stream_support import order

ENTITY = ENTITIES["orders"]
CONFIG = '[sources.s]\nentity = "orders"\nformat = "jsonl"\npath = "in"\n[rules.orders]\nunreadable = "discard"\n'

FIRST = [
    order("A"),
    order("B", updated_at="2024-05-03T00:00:00Z"),
    order("B", updated_at="2024-05-02T00:00:00Z"),
    order("C"),
    order("C"),
    "broken",
]
SECOND = [
    order("A", "2024-06-09T10:00:00Z", updated_at="2024-06-09T10:00:00Z"),  # another date, so another partition
    order("B", updated_at="2024-05-02T12:00:00Z"),  # older than what is stored
    order("C"),  # the same again, later
    order("D"),
    order("", updated_at="2024-06-09T10:00:00Z"),
]
MOVED = [order("A", "2024-07-09T10:00:00Z", updated_at="2024-07-09T10:00:00Z")]
"""Alone: what else changes on the date that it leaves would have that date looked at anyway."""
ONLY_NEW = [order("E"), order("F", "2024-06-09T10:00:00Z")]
BATCHES = {
    "first": FIRST,
    "second": SECOND,
    "replayed": SECOND,
    "moved": MOVED,
    "only new": ONLY_NEW,
    "only broken": ["{", "[]"],
}


def _judged(lake: Lake, name: str) -> DataFrame:
    hours = list(BATCHES).index("second" if name == "replayed" else name)
    rows = bronze_rows(lake.spark, BATCHES[name]).withColumns(
        {
            "record_id": F.concat(F.lit(f"{hours}/"), "record_id"),
            "content_hash": F.sha2("raw", 256),
            "landed_at": F.col("landed_at") + F.make_dt_interval(hours=F.lit(hours)),
        }
    )
    return judged(rows, "s", lake.settings)


def _lake(folder: Path, spark: SparkSession) -> Lake:
    folder.mkdir()
    return Lake(open_settings(str(write_config(folder, CONFIG))), spark)


def _stored(lake: Lake, table: Table) -> list[tuple[object, ...]]:
    return lake.query("select * from t order by record_id", t=table).fetchall()


@pytest.mark.timeout(600)
def test_few_records_are_published_as_many_are(tmp_path: Path, spark: SparkSession) -> None:
    one, other = _lake(tmp_path / "few", spark), _lake(tmp_path / "many", spark)
    for name in BATCHES:
        before = {table.name: one.pin(table) for table in (ENTITY.table, quarantine.TABLE)}
        mine: Outcome = publish_few(one, ENTITY, _judged(one, name).toArrow())
        theirs = publish(other, ENTITY, _judged(other, name).persist())
        assert mine == theirs, name
        for table in (ENTITY.table, quarantine.TABLE):
            assert _stored(one, table) == _stored(other, table), (name, table.full_name)
            if name == "replayed":
                assert one.pin(table) == before[table.name], "a replay writes nothing"


def test_a_row_that_breaks_a_constraint_is_refused_by_delta_rs_too(tmp_path: Path, spark: SparkSession) -> None:
    lake = _lake(tmp_path / "house", spark)
    rows = _judged(lake, "only new").withColumn("currency", F.lit("euro")).toArrow()
    with pytest.raises(Exception, match="failed validation"):
        few.append(lake, ENTITY.table, rows)
    assert lake.snapshot(ENTITY.table).count() == 0


def test_small_files_of_a_partition_are_compacted_as_they_come(tmp_path: Path, spark: SparkSession) -> None:
    folder = tmp_path / "house"
    folder.mkdir()
    text = CONFIG + "[stream]\ncompact_from_files = 3\n"
    lake = Lake(open_settings(str(write_config(folder, text))), spark)
    rows = _judged(lake, "only new").toArrow()
    for _ in range(2):
        few.append(lake, ENTITY.table, rows)
    assert len(lake.snapshot(ENTITY.table).file_uris()) == 4
    few.append(lake, ENTITY.table, rows)
    log = lake.snapshot(ENTITY.table)
    assert (len(log.file_uris()), log.count()) == (2, 6), "one file a date, and every row still there"
    assert lake.read(ENTITY.table).count() == 6


def test_a_table_with_former_constraints_is_left_to_spark(tmp_path: Path, spark: SparkSession) -> None:
    lake = _lake(tmp_path / "house", spark)
    former = replace(ENTITY.table, constraints={"currency_code": "currency RLIKE '^[A-Z]{3}$'"})
    lake.create(former)
    few.append(lake, ENTITY.table, _judged(lake, "only new").toArrow())
    assert lake.snapshot(ENTITY.table).count() == 2


def test_a_change_feed_without_a_row_is_an_empty_frame(tmp_path: Path, spark: SparkSession) -> None:
    lake = _lake(tmp_path / "house", spark)
    for _ in range(2):
        few.append(lake, ENTITY.table, _judged(lake, "only new").toArrow())
    seen = lake.pin(ENTITY.table)
    lake.delta(ENTITY.table).optimize().executeCompaction()
    now = lake.pin(ENTITY.table)
    assert seen and now and now[1] > seen[1]
    change = change_since(lake, ENTITY.table, seen, now)
    assert change and change.rows is not None, "delta-rs can read it"
    assert change.feed is not None and change.feed.count() == 0
    assert (change.dates(), change.few_keys("order_id")) == (set(), set())
