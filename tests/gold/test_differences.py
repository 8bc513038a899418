"""gold.sync.differences: which rows a table lacks, holds otherwise, or should not hold; on either engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from saleslake.gold.sync import differences
from saleslake.lake import Lake
from saleslake.table import DATE, MONEY, NAMES, STRING, Column, Table
from tests.frames import table

CONFIG = '[sources.s]\nentity = "orders"\nformat = "jsonl"\npath = "in"\n'
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
DAY, NEXT = "2025-01-31", "2025-02-01"
Rows = list[tuple[Any, ...]]


@pytest.fixture
def lake(make_any_lake: Callable[[str], Lake]) -> Lake:
    return make_any_lake(CONFIG)


def expect(lake: Lake, expected: Rows, stored: Rows, differing: dict[str, str]) -> None:
    """By sku and date what is to be done; and the row as it should be, and as it is, beside it."""
    frames = {"expected": table(SMALL, expected), "stored": table(SMALL, stored)}
    engine = lake.engine
    found = engine.fetch(engine.sql(differences(SMALL), **{name: engine.rows(rows) for name, rows in frames.items()}))
    should, is_ = ({(row["sku"], row["date"]): row for row in rows.to_pylist()} for rows in frames.values())
    told = {}
    for row in found.to_pylist():
        key = (row["sku"] or row["old_sku"], row["date"] or row["old_date"])
        nothing = dict.fromkeys(SMALL.column_names)
        assert {name: row[name] for name in SMALL.column_names} == should.get(key, nothing)
        assert {name: row[f"old_{name}"] for name in SMALL.column_names} == is_.get(key, nothing)
        told[f"{key[0]} {key[1]}"] = row["_action"]
    assert told == {key if key[-3] == "-" else f"{key} {DAY}": action for key, action in differing.items()}


def test_what_is_new_or_changed_is_upserted_and_what_is_not_expected_deleted(lake: Lake) -> None:
    expected: Rows = [
        ("same", 1, ["f"], DAY),
        ("priced", 1, [], DAY),
        ("a digit", "1.0001", [], DAY),
        ("flag", 1, ["f", "g"], DAY),
        ("new", 1, None, DAY),
        ("other day", 1, [], NEXT),
    ]
    stored: Rows = [
        ("same", 1, ["f"], DAY),
        ("priced", 2, [], DAY),
        ("a digit", 1, [], DAY),
        ("flag", 1, ["g", "f"], DAY),
        ("gone", 1, ["f"], DAY),
        ("other day", 1, [], DAY),
    ]
    expect(
        lake,
        expected,
        stored,
        {
            "priced": "update",
            "a digit": "update",
            "flag": "update",
            "new": "insert",
            "gone": "delete",
            f"other day {NEXT}": "insert",
            f"other day {DAY}": "delete",
        },
    )


def test_null_equals_null_and_nothing_else(lake: Lake) -> None:
    expected: Rows = [
        ("nothing at all", None, None, DAY),
        ("emptied", None, None, DAY),
        ("filled", 0, [], DAY),
        ("new and empty", None, None, DAY),
        ("null in flags", 1, [None], DAY),
    ]
    stored: Rows = [
        ("nothing at all", None, None, DAY),
        ("emptied", 0, [], DAY),
        ("filled", None, None, DAY),
        ("null in flags", 1, [], DAY),
        ("gone and empty", None, None, DAY),
    ]
    expect(
        lake,
        expected,
        stored,
        {
            "emptied": "update",
            "filled": "update",
            "new and empty": "insert",
            "null in flags": "update",
            "gone and empty": "delete",
        },
    )


def test_equal_tables_differ_in_nothing_whatever_the_order_of_rows(lake: Lake) -> None:
    rows: Rows = [("a", 1, [], DAY), ("b", None, None, DAY), ("a", "0.0001", ["f"], NEXT)]
    expect(lake, rows, rows[::-1], {})
