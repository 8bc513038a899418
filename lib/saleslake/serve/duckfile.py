"""Gold as one DuckDB file to take away: the tables with their keys and comments, and the views."""

from __future__ import annotations

from pathlib import Path

import duckdb

from saleslake.errors import ConfigError
from saleslake.lake import Lake
from saleslake.serve import ddl
from saleslake.serve.pins import served_pins
from saleslake.serve.tables import SERVED
from saleslake.store import Place


def write(lake: Lake, path: Place) -> dict[str, int]:
    """Write the file anew, under another name until it is whole. Returns rows by table.

    Raises ConfigError for a name that DuckDB would confuse with the schema in it.
    """
    if path.name.partition(".")[0] == ddl.SCHEMA:
        raise ConfigError(
            f"serving.duckdb.path = {str(path)!r}: `{ddl.SCHEMA}.` would be file and schema: choose another name"
        )
    pins = served_pins(lake)
    # DuckDB writes to local disks only.
    folder = path.parent if isinstance(path, Path) else Path(lake.work("staging"))
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{path.name}.{lake.run_id}.tmp"
    rows: dict[str, int] = {}
    try:
        with duckdb.connect(str(partial)) as connection:
            connection.execute("set timezone = 'UTC'")
            for statement in ddl.statements("duckdb"):
                connection.execute(statement)
            for name, (_, version) in pins.items():
                table = SERVED[name]
                connection.register("_rows", lake.rows(table, version))
                columns = ", ".join(table.column_names)
                connection.execute(f"insert into {ddl.SCHEMA}.{name} ({columns}) select {columns} from _rows")
                connection.unregister("_rows")
                rows[name] = (connection.execute(f"select count(*) from {ddl.SCHEMA}.{name}").fetchone() or (0,))[0]
            for view in ddl.views():
                connection.execute(view)
        if isinstance(path, Path):
            partial.replace(path)
        else:
            path.upload(partial)
    finally:
        partial.unlink(missing_ok=True)
    return rows
