"""Few rows brought to a table by delta-rs: the same rows as a MERGE would leave, told to Spark, DuckDB and Arrow alike."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from pyspark.sql import SparkSession
from saleslake.gold.sync_few import Scope, sync_few
from saleslake.gold.touched import _as_it_is

from saleslake import few
from saleslake.changes import change_since
from saleslake.entry import open_settings
from saleslake.lake import Lake
from saleslake.table import DATE, INT, STRING, TIMESTAMP, Column, Table
from tests.conftest import write_config

LINES = Table(
    layer="gold",
    name="lines",
    grain="one row a line of an order",
    keys=("order_id", "line", "minute"),
    columns=(
        Column("order_id", STRING, "of the order", nullable=False),
        Column("line", INT, "of the line", nullable=False),
        Column("minute", TIMESTAMP, "of the sale", nullable=False),
        Column("note", STRING, "anything"),
        Column("date", DATE, "of minute", nullable=False),
    ),
    partition_by=("date",),
    whole=("order_id",),
    constraints={"lines_are_counted": "line > 0"},
    properties={"delta.enableChangeDataFeed": "true"},
)
DAYS = [date(1, 1, 1), date(2024, 5, 1), date(9999, 12, 31)]
AWKWARD = ["O'Brien", "''", "a\\b", "a\nb", '"q"', "日本", "%_", "", "--", "/*", "\t", "😀", "$1", "{}", "NULL", "b|c"]


def _rows(*lines: tuple[str, int, str, date]) -> pa.Table:
    schema = pa.schema(
        [
            ("order_id", pa.string()),
            ("line", pa.int32()),
            ("minute", pa.timestamp("us", "UTC")),
            ("note", pa.string()),
            ("date", pa.date32()),
        ]
    )
    found = [
        {
            "order_id": order_id,
            "line": line,
            "minute": datetime(1961, 5, 1, 0, line, tzinfo=UTC),
            "note": note,
            "date": day,
        }
        for order_id, line, note, day in lines
    ]
    return pa.Table.from_pylist(found, schema=schema)


FIRST = [(name, line, "old", DAYS[n % 3]) for n, name in enumerate(AWKWARD) for line in (1, 2)]
UPDATED = [(name, 1, "new", DAYS[(n + 1) % 3]) for n, name in enumerate(AWKWARD[:8])]  # to another partition
DELETED = [(name, 2, "old", DAYS[n % 3]) for n, name in enumerate(AWKWARD[:4])]
INSERTED = [(AWKWARD[0], 3, "more", DAYS[0]), ("another", 1, "more", DAYS[1])]
LEFT = sorted(
    [row for row in FIRST if row[:2] not in {r[:2] for r in (*UPDATED, *DELETED)}] + UPDATED + INSERTED, key=str
)


def _lake(folder: Path, spark: SparkSession) -> Lake:
    config = write_config(folder, '[sources.s]\nentity = "orders"\nformat = "jsonl"\npath = "in"\n')
    lake = Lake(open_settings(str(config)), spark)
    few.append(lake, LINES, _rows(*FIRST))
    return lake


def _upsert(lake: Lake, inserted: list[tuple[str, int, str, date]]) -> None:
    few.upsert(lake, LINES, _rows(*inserted), _rows(*UPDATED), _rows(*DELETED), DAYS)


def _stored(lake: Lake) -> list[tuple[object, ...]]:
    sql = "select order_id, line, note, date from t where note <> 'nothing'"
    return sorted(lake.query(sql, t=LINES).fetchall(), key=str)


@pytest.mark.parametrize(
    ("limit", "value", "commits", "by"),
    [
        ("", 0, 1, "WRITE"),
        ("_MOST_KEYS_TOGETHER", 1, 2, "WRITE"),
        ("_MOST_LITERAL_KEYS", 1, 1, "MERGE"),
        ("_BETWEEN", "|", 1, "MERGE"),
    ],
    ids=["together", "inserts apart", "too many keys", "a key that cannot be told from another"],
)
def test_rows_are_inserted_updated_moved_and_deleted(
    tmp_path: Path,
    spark: SparkSession,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    value: int | str,
    commits: int,
    by: str,
) -> None:
    lake = _lake(tmp_path, spark)
    if limit:
        monkeypatch.setattr(few, limit, value)
    seen = lake.pin(LINES)
    inserted = INSERTED + ([("b|c", 3, "more", DAYS[0])] if limit == "_BETWEEN" else [])
    left = sorted(LEFT + inserted[len(INSERTED) :], key=str)
    _upsert(lake, inserted)
    now = lake.pin(LINES)
    assert seen and now and now[1] - seen[1] == commits
    assert lake.snapshot(LINES).history(1)[0]["operation"] == by
    assert _stored(lake) == left
    assert sorted(map(tuple, lake.read(LINES).drop("minute").collect()), key=str) == left, "as Spark reads it"
    change = change_since(lake, LINES, seen, now)
    assert change and change.rows is not None
    after = _as_it_is(change.rows, LINES).drop(["minute", "_change_type", "_commit_version"])
    assert sorted((tuple(row.values()) for row in after.to_pylist()), key=str) == sorted(UPDATED + inserted, key=str)
    feed = lake.spark.read.format("delta").option("readChangeFeed", "true").option("startingVersion", seen[1] + 1)
    kinds = {row[0] for row in feed.load(lake.path(LINES)).where("note = 'old'").select("_change_type").collect()}
    assert kinds <= {"delete", "update_preimage"}, "and its change feed"


def test_an_order_is_written_whole(tmp_path: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = _lake(tmp_path, spark)
    monkeypatch.setattr(few, "_MOST_KEYS_TOGETHER", 1)
    seen = lake.pin(LINES)
    _upsert(lake, INSERTED)
    assert seen
    first = lake.rows(LINES, seen[1] + 1).to_table(filter=ds.field("note") != "old")
    assert [row["order_id"] for row in first.to_pylist()] == ["another"], "the others' lines go with those they join"


def test_a_replacement_that_breaks_a_constraint_changes_nothing(tmp_path: Path, spark: SparkSession) -> None:
    lake = _lake(tmp_path, spark)
    seen = lake.pin(LINES)
    with pytest.raises(Exception, match="failed validation"):
        _upsert(lake, [("another", 0, "more", DAYS[1])])
    assert lake.pin(LINES) == seen


def test_a_run_that_ends_between_the_two_commits_is_made_good_by_the_next(
    tmp_path: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, expected = _lake(tmp_path, spark), _rows(*LEFT)
    monkeypatch.setattr(few, "_MOST_KEYS_TOGETHER", 1)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(few, "_replace", killed)
        with pytest.raises(KeyboardInterrupt):
            sync_few(lake, LINES, expected, Scope())
    assert len(_stored(lake)) == len(FIRST) + 1, "the order that joins none is there"
    written = sync_few(lake, LINES, expected, Scope())
    assert (written.rows, written.deleted) == (len(UPDATED) + 1, len(DELETED))
    assert _stored(lake) == LEFT
