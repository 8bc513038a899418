"""DuckDB over the Delta tables, through delta-rs: no JVM, read-only, every table as `layer.name`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import duckdb

from saleslake import project
from saleslake.errors import SaleslakeError, first_line
from saleslake.lake import Lake

VIEWS = ("views.sql", "duckdb/views.sql")
"""Files of `sql/`: the views that every target shares, and those over silver."""


def tables(lake: Lake) -> dict[str, str]:
    """`layer.name` → path of every Delta table of the lakehouse."""
    found = {}
    for layer in ("bronze", "silver", "gold", "ops"):
        for path in lake.tables_of(layer):
            found[f"{layer}.{path.rpartition('/')[2]}"] = path
    return found


def require_tables(lake: Lake, *layers: str) -> None:
    """Raise SaleslakeError if there is no table, or none in one of these layers."""
    there = {name.split(".")[0] for name in tables(lake)}
    missing = next((f"{layer} " for layer in layers if layer not in there), "") if there else ""
    if missing or not there:
        raise SaleslakeError(f"no {missing}tables at {lake.folder('tables')}: run `saleslake run` first")


@contextmanager
def connect(lake: Lake, versions: Mapping[str, int] | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in which every table and every view of `VIEWS` can be queried and nothing written.

    `versions`: those of some tables (`layer.name`); the others are read as they are now.
    """
    connection = duckdb.connect()
    try:
        connection.execute("set timezone = 'UTC'")
        there = tables(lake)
        for name, path in there.items():
            layer, table = name.split(".")
            connection.execute(f"create schema if not exists {layer}")
            source = f"_{layer}_{table}"
            connection.register(source, lake.rows_at(path, (versions or {}).get(name)))
            connection.execute(f'create view {layer}."{table}" as select * from {source}')
        for view in view_statements(*VIEWS):
            if all(name in there for name in _used(view)):
                _make(connection, view)
        yield connection
    finally:
        connection.close()


def _make(connection: duckdb.DuckDBPyConnection, view: str) -> None:
    try:
        connection.execute(view)
    except duckdb.BinderException as e:
        raise SaleslakeError(
            f"tables made by another version of saleslake ({first_line(e)}): saleslake run brings them up to this one"
        ) from None


def view_statements(*files: str) -> list[str]:
    """The statements of files of views below `sql/`."""
    lines = [line for file in files for line in project.read("sql", *file.split("/")).splitlines()]
    text = "\n".join(line for line in lines if not line.startswith("--"))
    return [statement.strip() for statement in text.split(";") if statement.strip()]


def _used(view: str) -> set[str]:
    body = view.split(" as", 1)[1]
    words = {word.strip("(),") for word in body.split()}
    return {word for word in words if word.split(".")[0] in ("silver", "gold") and word.count(".") == 1}
