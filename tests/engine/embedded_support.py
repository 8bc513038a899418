"""Small lakehouses of the embedded engine, and a table that has every type that matters to it. No JVM."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import types as T

from saleslake import config
from saleslake.engine.embedded import Embedded
from saleslake.engine.interface import Frame
from saleslake.engine.log import actions
from saleslake.lake import Lake
from saleslake.table import DATE, LONG, MONEY, STRING, TIMESTAMP, Column, Table
from tests.conftest import write_config

USERS = '[sources.users]\nentity = "users"\nformat = "csv"\npath = "u.csv"'
LINES = Table(
    layer="gold",
    name="lines",
    grain="one row a line",
    keys=("name", "moment"),
    columns=(
        Column("name", STRING, "of the line", nullable=False),
        Column("moment", TIMESTAMP, "of the sale", nullable=False),
        Column("amount", MONEY, "of it"),
        Column("n", LONG, "how many"),
        Column("note", STRING, "anything"),
        Column("date", DATE, "of moment", nullable=False),
    ),
    partition_by=("date",),
    constraints={"some": "n > 0"},
    properties={"delta.enableChangeDataFeed": "true"},
    statistics=("note",),
)
FIRST, SECOND = "2024-05-01", "2024-05-02"
Values = tuple[str, int]
_BY_TYPE = {
    T.StringType: "'x'",
    T.TimestampType: "TIMESTAMPTZ '2024-05-01 10:00:00+00'",
    T.DateType: "DATE '2024-05-01'",
    T.BooleanType: "true",
    T.LongType: "1",
    T.IntegerType: "1",
    T.DecimalType: "1",
}
_BY_NAME = {"currency": "'EUR'", "kind": "'record'", "status": "'valued'"}
_BY_TABLE = {"gold.product_revenue": {"net": "2", "gross": "1", "returns": "1"}}


def lake_in(folder: Path, text: str = USERS) -> Lake:
    """A lakehouse in that folder. Each call is a run of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    return Lake(config.load(write_config(folder, text)))


def closed_after(lake: Lake) -> AbstractContextManager[Lake]:
    return closing(lake)


def engine_of(lake: Lake) -> Embedded:
    engine = lake.engine
    assert isinstance(engine, Embedded)
    return engine


def line(lake: Lake, **given: str) -> Frame:
    """One row of LINES: SQL by column. Its date is that of its moment."""
    values = {
        "name": "'a'",
        "moment": f"TIMESTAMPTZ '{FIRST} 10:00:00+00'",
        "amount": "1.5",
        "n": "1",
        "note": "NULL",
    } | given
    values.setdefault("date", f"CAST({values['moment']} AS DATE)")
    return lake.engine.sql("SELECT " + ", ".join(f"{value} AS {name}" for name, value in values.items()))


def row_of(lake: Lake, table: Table, **given: str) -> Frame:
    """One row that the table takes; of it SQL by column."""
    values = {
        c.name: _BY_TYPE.get(type(c.type)) or ("['x']" if c.type == T.ArrayType(STRING) else "[]")
        for c in table.columns
    }
    values |= {name: value for name, value in _BY_NAME.items() if name in values}
    values |= _BY_TABLE.get(table.full_name, {}) | given
    return lake.engine.sql("SELECT " + ", ".join(f"{value} AS {name}" for name, value in values.items()))


def lines(lake: Lake, *rows: Values, date: str = FIRST) -> Frame:
    """Rows of LINES of one day, by name and n."""
    values = ", ".join(f"('{name}', {n})" for name, n in rows)
    return lake.engine.sql(
        f"""SELECT name, TIMESTAMPTZ '{FIRST} 10:00:00+00' AS moment, 1.5 AS amount, n, 'x' AS note, DATE '{date}' AS date
        FROM (VALUES {values}) v(name, n)"""
    )


def stored(lake: Lake, table: Table = LINES, version: int | None = None) -> list[tuple[Any, ...]]:
    """(name, n, date) of what is stored, in order."""
    return _short(lake.engine.fetch(lake.engine.read(table, version)))


def changed(lake: Lake, first: int, last: int | None = None) -> list[tuple[Any, ...]] | None:
    """(kind, name, n, date) of what those versions changed, in order."""
    frame = lake.engine.changes(LINES, first, first if last is None else last)
    if frame is None:
        return None
    return sorted(
        (row["_change_type"], row["name"], row["n"], str(row["date"])) for row in lake.engine.fetch(frame).to_pylist()
    )


def _short(rows: pa.Table) -> list[tuple[Any, ...]]:
    return sorted((row["name"], row["n"], str(row["date"])) for row in rows.to_pylist())


def version(lake: Lake, table: Table = LINES) -> int:
    return int(lake.snapshot(table).version())


def commit(lake: Lake, number: int, table: Table = LINES) -> list[dict[str, dict[str, Any]]]:
    """The actions of one commit."""
    return actions((Path(lake.path(table)) / f"_delta_log/{number:020d}.json").read_bytes())


def of_kind(found: Iterable[dict[str, dict[str, Any]]], kind: str) -> list[dict[str, Any]]:
    return [action[kind] for action in found if kind in action]


def statistics(lake: Lake, table: Table = LINES) -> dict[str, Any]:
    """What the newest commit says of the one file it added."""
    (add,) = of_kind(commit(lake, version(lake, table), table), "add")
    found: dict[str, Any] = json.loads(add["stats"])
    return found


def put_commit(lake: Lake, *found: dict[str, Any], table: Table = LINES) -> None:
    """A commit by hand, after the newest."""
    path = Path(lake.path(table)) / f"_delta_log/{version(lake, table) + 1:020d}.json"
    path.write_text("".join(json.dumps(action) + "\n" for action in ({"commitInfo": {"operation": "BY HAND"}}, *found)))


def data_files(lake: Lake, table: Table = LINES) -> list[Path]:
    """What lies in the table's folder, but for its log."""
    root = Path(lake.path(table))
    return sorted(path for path in root.rglob("*") if path.is_file() and "_delta_log" not in path.parts)


Write = Callable[[Lake], object]
