"""What the embedded engine wrote, and Spark reads; and the other way round."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow.dataset as ds
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from saleslake.engine_choice import choose
from saleslake.errors import TableError
from saleslake.lake import Lake
from tests.engine.embedded_support import (
    FIRST,
    LINES,
    SECOND,
    changed,
    commit,
    lake_in,
    line,
    lines,
    of_kind,
    stored,
    version,
)

NAMES = ["a", "z" * 300, "é" * 200, "日本", "\U0010ffff", "\uffff", "😀", "", "O'Brien", 'b"c\\d', "a\nb"]
MOMENTS = [
    "0001-01-01 00:00:00+00", "1961-05-01 00:00:00.0015+00", "2024-05-01 23:59:59.999999+00", "9999-12-31 23:59:59.999999+00",
]  # fmt: skip


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    lake = lake_in(tmp_path)
    yield lake
    lake.close()


def test_spark_and_delta_rs_find_each_row_by_its_key(lake: Lake, spark: SparkSession) -> None:
    for name in NAMES:
        lake.engine.append(LINES, line(lake, name="'" + name.replace("'", "''") + "'"))
    for moment in MOMENTS:
        lake.engine.append(LINES, line(lake, name="'of its own day'", moment=f"TIMESTAMPTZ '{moment}'"))
    by_spark = spark.read.format("delta").load(lake.path(LINES))
    for name in NAMES:
        assert by_spark.where(F.col("name") == name).count() == 1, ascii(name)
        assert lake.rows(LINES).filter(ds.field("name") == name).count_rows() == 1, ascii(name)
    for moment in MOMENTS:
        assert by_spark.where(f"moment = TIMESTAMP '{moment}'").count() == 1, moment
        assert by_spark.where(f"moment >= TIMESTAMP '{moment}' AND date = DATE '{moment[:10]}'").count() >= 1, moment
    assert by_spark.where("note IS NULL").count() == len(NAMES) + len(MOMENTS)


def test_the_images_of_sparks_merge_are_read_and_its_compaction_has_none(lake: Lake, spark: SparkSession) -> None:
    from delta.tables import DeltaTable

    lake.engine.append(LINES, lines(lake, ("a", 1), ("b", 1)))
    lake.engine.append(LINES, lines(lake, ("c", 1)))
    source = spark.read.format("delta").load(lake.path(LINES)).where("name <> 'c'")
    moved = source.withColumns({"n": F.col("n") + 1, "date": F.lit(SECOND).cast("date")}).where("name = 'a'")
    new = source.where("name = 'a'").withColumn("name", F.lit("d"))
    merge = (
        DeltaTable.forPath(spark, lake.path(LINES))
        .alias("t")
        .merge(moved.unionByName(new).unionByName(source.where("name = 'b'")).alias("s"), "t.name = s.name")
    )
    merge.whenMatchedDelete("s.name = 'b'").whenMatchedUpdateAll().whenNotMatchedInsertAll().execute()
    assert of_kind(commit(lake, 3), "cdc"), "Spark wrote the images"
    expected = [
        ("delete", "a", 1, FIRST),
        ("delete", "b", 1, FIRST),
        ("insert", "a", 2, SECOND),
        ("insert", "d", 1, FIRST),
    ]
    assert changed(lake, 3) == expected
    DeltaTable.forPath(spark, lake.path(LINES)).optimize().executeCompaction()
    assert version(lake) == 4 and changed(lake, 4) == []
    lake.engine.upsert(LINES, lines(lake, ("c", 2)), None, None)
    feed = (
        spark.read.format("delta").option("readChangeFeed", "true").option("startingVersion", 5).load(lake.path(LINES))
    )
    assert {"delete", "insert"} == {row[0] for row in feed.where("name = 'c'").select("_change_type").collect()}
    assert stored(lake) == [("a", 2, SECOND), ("c", 2, FIRST), ("d", 1, FIRST)]


def test_rows_that_spark_deleted_by_vectors_never_come_back(
    lake: Lake, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.engine.append(LINES, lines(lake, ("a", 1), ("b", 1)))
    path = lake.path(LINES)
    spark.sql(f"ALTER TABLE delta.`{path}` SET TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')")
    spark.sql(f"DELETE FROM delta.`{path}` WHERE name = 'a'")
    with pytest.raises(TableError, match=r"deletionVectors.* cannot read: run with --engine spark"):
        stored(lake)
    with pytest.raises(TableError, match="deletionVectors"):
        lake.engine.append(LINES, lines(lake, ("c", 1)))
    monkeypatch.setattr("saleslake.engine_choice.java_problem", lambda: None)
    assert choose(lake, "auto").name == "spark"
    lake.recreate(LINES)
    lake.engine.append(LINES, lines(lake, ("c", 1)))
    assert [row["name"] for row in spark.read.format("delta").load(path).collect()] == ["c"]
