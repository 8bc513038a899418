"""Which version of a key wins, and what becomes of the others."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession

from saleslake.publish import ranked_versions
from tests.frames import expect, frame

NARROW = (
    "k string, content_hash string, version_time timestamp, landed_at timestamp, file string, ordinal long, "
    "record_id string"
)
RANKED = f"{NARROW}, place string"
Version = tuple[str, str, int | None, int, str, int]
"""Key, content, hour of its version time, hour of its landing, file, ordinal."""


def _row(version: Version, *place: str) -> tuple[object, ...]:
    key, content, of_version, landed, file, ordinal = version
    hours = [None if hour is None else f"2025-01-31 {hour:02d}:00:00" for hour in (of_version, landed)]
    return (key, content, *hours, file, ordinal, "".join(str(part) for part in version), *place)


def expect_places(spark: SparkSession, *versions: tuple[Version, str], keys: tuple[str, ...] = ("k",)) -> None:
    """Each version with its place, and nothing else about it changed."""
    # The last first: Spark must not find them in their order.
    narrow: DataFrame = frame(spark, NARROW, [_row(version) for version, _ in reversed(versions)])
    expect(ranked_versions(narrow, keys), RANKED, [_row(version, place) for version, place in versions])


def test_back_and_forth_ends_at_the_last_and_its_equal_is_a_duplicate(spark: SparkSession) -> None:
    expect_places(
        spark,
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


def test_of_one_version_time_the_later_landing_then_file_then_ordinal_wins(spark: SparkSession) -> None:
    expect_places(
        spark,
        (("landing", "B", 1, 2, "f", 1), "greatest"),
        (("landing", "A", 1, 1, "z", 9), "superseded"),
        (("file", "A", 1, 1, "a", 9), "superseded"),
        (("file", "B", 1, 1, "b", 1), "greatest"),
        (("ordinal", "A", 1, 1, "a", 10), "greatest"),
        (("ordinal", "B", 1, 1, "a", 9), "superseded"),
    )


def test_a_late_old_version_is_superseded(spark: SparkSession) -> None:
    expect_places(
        spark,
        (("k", "new", 5, 1, "f", 1), "greatest"),
        (("k", "old", 4, 9, "f", 1), "superseded"),
    )


def test_equal_records_are_one_greatest_and_duplicates(spark: SparkSession) -> None:
    expect_places(
        spark,
        (("k", "A", 1, 1, "f", 1), "duplicate"),
        (("k", "A", 1, 1, "f", 2), "duplicate"),
        (("k", "A", 1, 1, "f", 3), "greatest"),
    )


def test_an_equal_of_a_version_that_lost_is_a_duplicate_and_that_version_superseded(spark: SparkSession) -> None:
    expect_places(
        spark,
        (("k", "A", 1, 1, "f", 1), "duplicate"),
        (("k", "A", 1, 1, "f", 2), "superseded"),
        (("k", "B", 2, 1, "f", 3), "greatest"),
    )


def test_a_version_without_a_time_is_the_oldest_and_among_such_landing_decides(spark: SparkSession) -> None:
    expect_places(
        spark,
        (("one", "A", None, 9, "f", 1), "superseded"),
        (("one", "B", 1, 1, "f", 1), "greatest"),
        (("all", "A", None, 1, "f", 1), "duplicate"),
        (("all", "B", None, 2, "f", 1), "superseded"),
        (("all", "A", None, 3, "f", 1), "greatest"),
    )


def test_keys_do_not_touch_each_other_even_with_equal_content(spark: SparkSession) -> None:
    expect_places(
        spark,
        (("k", "A", 1, 1, "f", 1), "greatest"),
        (("k", "A", 1, 1, "f", 2), "greatest"),
        keys=("k", "ordinal"),
    )
