"""What either engine makes of a table: the same rows, one commit, a change feed that tells them, and nothing that a promise of the table forbids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date

import pytest
from pyspark.sql import SparkSession

from saleslake.engine.interface import Name
from saleslake.lake import Lake
from saleslake.table import DATE, INT, STRING, TIMESTAMP, Column, Table
from tests.comparing import stored
from tests.frames import moment, table

CONFIG = '[sources.s]\nentity = "orders"\nformat = "jsonl"\npath = "in"\n[stream]\ncompact_from_files = 3\n'
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
    constraints={"lines_are_counted": "line > 0"},
    properties={"delta.enableChangeDataFeed": "true"},
)
Line = tuple[str, int, str | None, date]
DAYS = [date(1, 1, 1), date(2024, 5, 1), date(9999, 12, 31)]
AWKWARD = ["O'Brien", "''", "a\\b", "a\nb", '"q"', "日本", "%_", "", "--", "/*", "\t", "😀", "$1", "{}", "NULL", "b|c"]
FIRST: list[Line] = [(name, line, "old", DAYS[n % 3]) for n, name in enumerate(AWKWARD) for line in (1, 2)]
UPDATED: list[Line] = [(name, 1, "new", DAYS[(n + 1) % 3]) for n, name in enumerate(AWKWARD[:8])]
"""To another partition."""
DELETED: list[Line] = [(name, 2, "old", DAYS[n % 3]) for n, name in enumerate(AWKWARD[:4])]
INSERTED: list[Line] = [(AWKWARD[0], 3, "more", DAYS[0]), ("another", 1, None, DAYS[1])]
_GONE = {line[:2] for line in (*UPDATED, *DELETED)}
LEFT = [*(line for line in FIRST if line[:2] not in _GONE), *UPDATED, *INSERTED]
BOTH: tuple[Name, ...] = ("embedded", "spark")


def rows(lake: Lake, *lines: Line) -> object:
    """The lines as a frame of the lake's engine."""
    at = [(order_id, n, moment(f"1961-05-01 00:{abs(n):02d}"), note, day) for order_id, n, note, day in lines]
    return lake.engine.rows(table(LINES.schema, at))


def in_it(lake: Lake, of: Table = LINES) -> Counter[Line]:
    return Counter((row["order_id"], row["line"], row["note"], row["date"]) for row in stored(lake, of))


@pytest.fixture
def lake(make_any_lake: Callable[[str], Lake]) -> Lake:
    found = make_any_lake(CONFIG)
    found.engine.append(LINES, rows(found, *FIRST))
    return found


def test_rows_are_inserted_updated_moved_and_deleted_in_one_commit(lake: Lake, spark: SparkSession) -> None:
    before = lake.pin(LINES)
    gone = lake.engine.sql("SELECT order_id, line, minute FROM d", d=rows(lake, *DELETED))
    lake.engine.upsert(LINES, rows(lake, *UPDATED, *INSERTED), gone, DAYS)
    after = lake.pin(LINES)
    assert before and after and after[1] == before[1] + 1
    assert in_it(lake) == Counter(LEFT)
    for name in BOTH:
        other = Lake(lake.settings, spark, uses=name)
        read = other.engine.fetch(other.engine.read(LINES)).to_pylist()
        assert Counter((r["order_id"], r["line"], r["note"], r["date"]) for r in read) == Counter(LEFT), name
        feed = other.engine.changes(LINES, before[1] + 1, after[1])
        assert feed is not None
        told: dict[str, Counter[Line]] = {"insert": Counter(), "delete": Counter()}
        for r in other.engine.fetch(feed).to_pylist():
            told[r["_change_type"]][r["order_id"], r["line"], r["note"], r["date"]] += 1
        # A row that was written anew with its file may be in both.
        assert told["insert"] - told["delete"] == Counter([*UPDATED, *INSERTED]), name
        assert told["delete"] - told["insert"] == Counter(line for line in FIRST if line[:2] in _GONE), name
        other.close()


def test_a_row_that_the_table_forbids_is_refused_and_nothing_of_its_write_is_there(lake: Lake) -> None:
    before, files = lake.pin(LINES), set(lake.snapshot(LINES).file_uris())
    bad: list[Line] = [("another", 0, "more", DAYS[1])]
    with pytest.raises(Exception, match=r"(?i)lines_are_counted"):
        lake.engine.append(LINES, rows(lake, INSERTED[0], *bad))
    with pytest.raises(Exception, match=r"(?i)lines_are_counted"):
        lake.engine.upsert(LINES, rows(lake, *UPDATED, *bad), None, DAYS)
    nulls = lake.engine.sql(
        "SELECT order_id, line, CAST(NULL AS TIMESTAMP) AS minute, note, date FROM r", r=rows(lake, *INSERTED)
    )
    with pytest.raises(Exception, match="minute"):
        lake.engine.append(LINES, nulls)
    assert (lake.pin(LINES), set(lake.snapshot(LINES).file_uris())) == (before, files)


def test_what_is_overwritten_by_partition_leaves_the_others_alone(lake: Lake) -> None:
    new: list[Line] = [("only", 1, "new", DAYS[1])]
    lake.engine.overwrite(LINES, rows(lake, *new), ("date", DAYS[1].isoformat()))
    rest = [line for line in FIRST if line[3] != DAYS[1]]
    assert in_it(lake) == Counter([*rest, *new])
    lake.engine.overwrite(LINES, None, ("date", DAYS[1].isoformat()))
    assert in_it(lake) == Counter(rest)


def test_small_files_are_compacted_and_the_change_feed_tells_nothing_of_it(lake: Lake) -> None:
    lake.engine.append(LINES, rows(lake, *INSERTED))
    before, held = lake.pin(LINES), in_it(lake)
    lake.engine.compact(LINES)
    after = lake.pin(LINES)
    assert before and after and after[1] > before[1]
    assert len(lake.snapshot(LINES).file_uris()) == len(DAYS)
    assert in_it(lake) == held
    feed = lake.engine.changes(LINES, before[1] + 1, after[1])
    assert feed is not None
    assert lake.engine.fetch(feed).num_rows == 0


def test_the_embedded_engine_compacts_small_files_as_they_come(make_lake: Callable[[str], Lake]) -> None:
    lake = make_lake(CONFIG)
    for n, files in ((1, 1), (2, 2), (3, 1)):
        lake.engine.append(LINES, rows(lake, ("A", n, "more", DAYS[1])))
        assert (len(lake.snapshot(LINES).file_uris()), lake.snapshot(LINES).count()) == (files, n)
