"""Stored tables as plain rows, and a comparison of whole tables whose message names the rows that differ."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from saleslake.lake import Lake
from saleslake.table import Table
from tests.oracle import Row

CHANNELS = {"web": "web", "instore": "store", "pos": "store"}
LINEAGE = ("record_id", "run_id", "landed_at", "first_seen", "file", "ordinal")
"""What two runs over the same records may differ in."""


def as_rows(table: pa.Table) -> list[Row]:
    """Rows as plain Python values; timestamps are UTC."""
    return list(table.to_pylist())


def stored(lake: Lake, table: Table) -> list[Row]:
    """All rows of a Delta table as it is now, read without Spark."""
    if not lake.exists(table):
        return []
    return as_rows(lake.rows(table).to_table())


def assert_same(name: str, found: Iterable[Row], expected: Iterable[Row], without: tuple[str, ...] = ()) -> None:
    """Both hold the same rows, as often, in the columns that `expected` names."""
    expected = list(expected)
    found = list(found)
    if not expected:
        assert not found, f"{name}: should be empty, holds {len(found)} rows, e.g. {found[0]}"
        return
    columns = sorted(c for c in expected[0] if not c.startswith("_") and c not in without)
    is_, should = (Counter(_key(row, columns) for row in rows) for rows in (found, expected))
    missing, surplus = list((should - is_).elements()), list((is_ - should).elements())
    if missing or surplus:
        shown = [f"{name}: {len(missing)} rows missing, {len(surplus)} too many; columns {columns}"]
        shown += [f"  missing: {key}" for key in sorted(missing)[:8]] + [
            f"  surplus: {key}" for key in sorted(surplus)[:8]
        ]
        raise AssertionError("\n".join(shown))


def _key(row: Row, columns: list[str]) -> str:
    return " | ".join(_text(row[c]) for c in columns)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_text(v) for v in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_text(value[k])}" for k in sorted(value)) + "}"
    if hasattr(value, "astimezone"):
        return f"{value.replace(tzinfo=None).isoformat()}Z"
    if hasattr(value, "normalize"):  # 1.5 and 1.5000 are one number, and so are 0 and -0
        value = value if value else abs(value)
        return f"{value:f}".rstrip("0").rstrip(".") if "." in f"{value:f}" else f"{value:f}"
    return str(value)


def pins(lake: Lake, tables: Iterable[Table]) -> dict[str, Any]:
    """(table id, version) of each table."""
    return {table.full_name: lake.pin(table) for table in tables}


def partitions_touched(lake: Lake, table: Table, since: int) -> set[str]:
    """Dates whose files were added or removed by the commits after version `since`."""
    log, touched = Path(lake.path(table)) / "_delta_log", set()
    for path in sorted(log.glob("*.json")):
        if path.stem.isdecimal() and int(path.stem) > since:
            for action in map(json.loads, path.read_text().splitlines()):
                for kind in ("add", "remove"):
                    if action.get(kind, {}).get("dataChange"):
                        touched.add(action[kind]["partitionValues"]["date"])
    return touched
