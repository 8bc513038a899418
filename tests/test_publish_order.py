"""Which version of a key wins, and what becomes of the others."""

from __future__ import annotations

from pyspark.sql import SparkSession

from saleslake.publish import ranked_versions
from tests.gold_support import moment

COLUMNS = (
    "k string, record_id string, content_hash string, version_time timestamp, landed_at timestamp, "
    "file string, ordinal long"
)


def places(
    spark: SparkSession, *versions: tuple[str, int | None, int, str, int], keys: tuple[str, ...] = ("k",)
) -> list[str]:
    """`place` of each (content, hour of its version, hour of landing, file, ordinal) of one key, in the order given."""

    def hour(n: int | None) -> object:
        return None if n is None else moment(f"2025-01-31 {n:02d}:00:00")

    rows = [
        ("k", f"{n:03d}", content, hour(version), hour(landed), file, ordinal)
        for n, (content, version, landed, file, ordinal) in enumerate(versions)
    ]
    found = ranked_versions(spark.createDataFrame(rows, COLUMNS), keys)
    assert found.columns == [*(name.split()[0] for name in COLUMNS.split(", ")), "place"]
    return [row["place"] for row in sorted(found.collect(), key=lambda row: row["record_id"])]


def test_back_and_forth_ends_at_the_last_and_its_equal_is_a_duplicate(spark: SparkSession) -> None:
    assert places(spark, ("A", 1, 1, "f", 1), ("B", 2, 2, "f", 1), ("A", 3, 3, "f", 1)) == [
        "duplicate",
        "superseded",
        "greatest",
    ]


def test_of_one_version_time_the_later_landing_then_file_then_ordinal_wins(spark: SparkSession) -> None:
    assert places(spark, ("B", 1, 2, "f", 1), ("A", 1, 1, "z", 9)) == ["greatest", "superseded"]
    assert places(spark, ("A", 1, 1, "a", 9), ("B", 1, 1, "b", 1)) == ["superseded", "greatest"]
    assert places(spark, ("A", 1, 1, "a", 10), ("B", 1, 1, "a", 9)) == ["greatest", "superseded"]


def test_a_late_old_version_is_superseded(spark: SparkSession) -> None:
    assert places(spark, ("new", 5, 1, "f", 1), ("old", 4, 9, "f", 1)) == ["greatest", "superseded"]


def test_equal_records_are_one_greatest_and_duplicates(spark: SparkSession) -> None:
    assert places(spark, *[("A", 1, 1, "f", n) for n in (1, 2, 3)]) == ["duplicate", "duplicate", "greatest"]


def test_a_version_without_a_time_is_the_oldest_and_among_such_landing_decides(spark: SparkSession) -> None:
    assert places(spark, ("A", None, 9, "f", 1), ("B", 1, 1, "f", 1)) == ["superseded", "greatest"]
    assert places(spark, ("A", None, 1, "f", 1), ("B", None, 2, "f", 1), ("A", None, 3, "f", 1)) == [
        "duplicate",
        "superseded",
        "greatest",
    ]


def test_keys_do_not_touch_each_other_even_with_equal_content(spark: SparkSession) -> None:
    assert places(spark, ("A", 1, 1, "f", 1), ("A", 1, 1, "f", 2), keys=("k", "ordinal")) == ["greatest", "greatest"]
