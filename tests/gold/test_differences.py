"""gold.sync.differences: which rows a table lacks, holds otherwise, or should not hold."""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession

from saleslake.gold.sync import differences
from saleslake.table import DATE, MONEY, NAMES, STRING, Column, Table
from tests.frames import expect, frame

SMALL = Table(
    layer="gold",
    name="small",
    grain="one row a date and sku",
    keys=("date", "sku"),
    columns=(
        Column("sku", STRING, "", nullable=False),
        Column("price", MONEY, ""),
        Column("flags", NAMES, ""),
        Column("date", DATE, "", nullable=False),
    ),
)
DIFFERENCES = "sku string, price decimal(18,4), flags array<string>, date date, _action string"
DAY, NEXT = "2025-01-31", "2025-02-01"


def test_what_is_new_or_changed_is_upserted_and_what_is_not_expected_deleted(spark: SparkSession) -> None:
    expected: list[tuple[Any, ...]] = [
        ("same", 1, ["f"], DAY),
        ("priced", 1, [], DAY),
        ("a digit", "1.0001", [], DAY),
        ("flag", 1, ["f", "g"], DAY),
        ("new", 1, None, DAY),
        ("other day", 1, [], NEXT),
    ]
    stored: list[tuple[Any, ...]] = [
        ("same", 1, ["f"], DAY),
        ("priced", 2, [], DAY),
        ("a digit", 1, [], DAY),
        ("flag", 1, ["g", "f"], DAY),
        ("gone", 1, ["f"], DAY),
        ("other day", 1, [], DAY),
    ]
    expect(
        differences(SMALL, frame(spark, SMALL, expected), frame(spark, SMALL, stored)),
        DIFFERENCES,
        [
            ("priced", 1, [], DAY, "upsert"),
            ("a digit", "1.0001", [], DAY, "upsert"),
            ("flag", 1, ["f", "g"], DAY, "upsert"),
            ("new", 1, None, DAY, "upsert"),
            ("gone", None, None, DAY, "delete"),
            ("other day", 1, [], NEXT, "upsert"),
            ("other day", None, None, DAY, "delete"),
        ],
    )


def test_null_equals_null_and_nothing_else(spark: SparkSession) -> None:
    expected: list[tuple[Any, ...]] = [
        ("nothing at all", None, None, DAY),
        ("emptied", None, None, DAY),
        ("filled", 0, [], DAY),
        ("new and empty", None, None, DAY),
        ("null in flags", 1, [None], DAY),
    ]
    stored: list[tuple[Any, ...]] = [
        ("nothing at all", None, None, DAY),
        ("emptied", 0, [], DAY),
        ("filled", None, None, DAY),
        ("null in flags", 1, [], DAY),
        ("gone and empty", None, None, DAY),
    ]
    expect(
        differences(SMALL, frame(spark, SMALL, expected), frame(spark, SMALL, stored)),
        DIFFERENCES,
        [
            ("emptied", None, None, DAY, "upsert"),
            ("filled", 0, [], DAY, "upsert"),
            ("new and empty", None, None, DAY, "upsert"),
            ("null in flags", 1, [None], DAY, "upsert"),
            ("gone and empty", None, None, DAY, "delete"),
        ],
    )


def test_equal_tables_differ_in_nothing_whatever_the_order_of_rows(spark: SparkSession) -> None:
    rows: list[tuple[Any, ...]] = [("a", 1, [], DAY), ("b", None, None, DAY), ("a", "0.0001", ["f"], NEXT)]
    expect(differences(SMALL, frame(spark, SMALL, rows), frame(spark, SMALL, rows[::-1])), DIFFERENCES, [])
