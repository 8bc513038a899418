"""Which version of a key wins, and what becomes of the others: one SQL text, on either engine."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pyspark.sql import types as T

from saleslake.lake import Lake
from saleslake.silver import winner
from tests.frames import table

CONFIG = '[sources.s]\nentity = "orders"\nformat = "jsonl"\npath = "in"\n'
TYPES = {
    "version_time": T.TimestampType(),
    "landed_at": T.TimestampType(),
    "ordinal": T.LongType(),
    "place": T.LongType(),
}


def _shape(*names: str) -> T.StructType:
    return T.StructType([T.StructField(name, TYPES.get(name, T.StringType())) for name in names])


NARROW = _shape("k", "content_hash", "version_time", "landed_at", "file", "ordinal", "record_id")
Version = tuple[str, str, int | None, int, str, int]
"""Key, content, hour of its version time, hour of its landing, file, ordinal."""


def _row(version: Version) -> tuple[object, ...]:
    key, content, of_version, landed, file, ordinal = version
    hours = [None if hour is None else f"2025-01-31 {hour:02d}:00" for hour in (of_version, landed)]
    return (key, content, *hours, file, ordinal, "".join(str(part) for part in version))


def expect_places(lake: Lake, *versions: tuple[Version, str], keys: tuple[str, ...] = ("k",)) -> None:
    """Each version with its place, and nothing else about it changed."""
    # The last first: the engine must not find them in their order.
    narrow = lake.engine.rows(table(NARROW, [_row(version) for version, _ in reversed(versions)]))
    found = lake.engine.fetch(lake.engine.sql(winner.ranked(keys), versions=narrow)).to_pylist()
    given = table(NARROW, [_row(version) for version, _ in versions]).to_pylist()
    expected = [row | {"place": place} for row, (_, place) in zip(given, versions, strict=True)]
    assert sorted(found, key=str) == sorted(expected, key=str)


@pytest.fixture
def lake(make_any_lake: Callable[[str], Lake]) -> Lake:
    return make_any_lake(CONFIG)


def test_back_and_forth_ends_at_the_last_and_its_equal_is_a_duplicate(lake: Lake) -> None:
    expect_places(
        lake,
        (("k", "A", 1, 1, "f", 1), "duplicate"),
        (("k", "B", 2, 2, "f", 1), "superseded"),
        (("k", "A", 3, 3, "f", 1), "greatest"),
        # The same again, and one more: what is between two equal ones is superseded, its own equal a duplicate.
        (("long", "10", 1, 1, "f", 1), "duplicate"),
        (("long", "12", 2, 1, "f", 2), "duplicate"),
        (("long", "10", 3, 2, "f", 1), "duplicate"),
        (("long", "12", 4, 2, "f", 2), "superseded"),
        (("long", "10", 5, 3, "f", 1), "greatest"),
    )


def test_of_one_version_time_the_later_landing_then_file_then_ordinal_wins(lake: Lake) -> None:
    expect_places(
        lake,
        (("landing", "B", 1, 2, "f", 1), "greatest"),
        (("landing", "A", 1, 1, "z", 9), "superseded"),
        (("file", "A", 1, 1, "a", 9), "superseded"),
        (("file", "B", 1, 1, "b", 1), "greatest"),
        (("ordinal", "A", 1, 1, "a", 10), "greatest"),
        (("ordinal", "B", 1, 1, "a", 9), "superseded"),
    )


def test_a_late_old_version_is_superseded(lake: Lake) -> None:
    expect_places(
        lake,
        (("k", "new", 5, 1, "f", 1), "greatest"),
        (("k", "old", 4, 9, "f", 1), "superseded"),
    )


def test_equal_records_are_one_greatest_and_duplicates(lake: Lake) -> None:
    expect_places(
        lake,
        (("k", "A", 1, 1, "f", 1), "duplicate"),
        (("k", "A", 1, 1, "f", 2), "duplicate"),
        (("k", "A", 1, 1, "f", 3), "greatest"),
    )


def test_an_equal_of_a_version_that_lost_is_a_duplicate_and_that_version_superseded(lake: Lake) -> None:
    expect_places(
        lake,
        (("k", "A", 1, 1, "f", 1), "duplicate"),
        (("k", "A", 1, 1, "f", 2), "superseded"),
        (("k", "B", 2, 1, "f", 3), "greatest"),
    )


def test_a_version_without_a_time_is_the_oldest_and_among_such_landing_decides(lake: Lake) -> None:
    expect_places(
        lake,
        (("one", "A", None, 9, "f", 1), "superseded"),
        (("one", "B", 1, 1, "f", 1), "greatest"),
        (("all", "A", None, 1, "f", 1), "duplicate"),
        (("all", "B", None, 2, "f", 1), "superseded"),
        (("all", "A", None, 3, "f", 1), "greatest"),
    )


def test_keys_do_not_touch_each_other_even_with_equal_content(lake: Lake) -> None:
    expect_places(
        lake,
        (("k", "A", 1, 1, "f", 1), "greatest"),
        (("k", "A", 1, 1, "f", 2), "greatest"),
        keys=("k", "ordinal"),
    )


def test_a_stored_version_is_newer_equal_or_older_as_the_order_says(lake: Lake) -> None:
    """`is_newer` compares what `ranked` sorts: NULL is smallest, and then the next column decides."""
    hours = [None, "2025-01-31 01:00", "2025-01-31 02:00"]
    versions = [
        (of_version, landed, file, ordinal)
        for of_version in hours
        for landed in hours[1:]
        for file in ("a", "b")
        for ordinal in (9, 10)
    ]
    shape = _shape("place", "version_time", "landed_at", "file", "ordinal")
    given = lake.engine.rows(table(shape, [(n, *version) for n, version in enumerate(versions)]))
    sql = f"SELECT s.place AS one, t.place AS other FROM v s JOIN v t ON {winner.is_newer('s', 't')}"
    found = {(row["one"], row["other"]) for row in lake.engine.fetch(lake.engine.sql(sql, v=given)).to_pylist()}
    assert found == {(one, other) for one in range(len(versions)) for other in range(one)}
