"""One read-only query over the lakehouse."""

from __future__ import annotations

from typing import Any

import duckdb

from saleslake.errors import ConfigError
from saleslake.lake import Lake
from saleslake.serve.duck import connect, require_tables


def run_query(lake: Lake, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """(column names, rows) of one SELECT. Raises ConfigError for anything else, and for SQL that does not run."""
    try:
        statements = duckdb.extract_statements(query)
    except duckdb.Error as e:
        raise ConfigError(f"SQL: {_first(e)}") from None
    if len(statements) != 1 or statements[0].type not in (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN):
        raise ConfigError("SQL: give one query; the tables are read-only here")
    require_tables(lake)
    with connect(lake) as connection:
        # The data are registered already; nothing else on this machine or network is the query's business.
        connection.execute("set enable_external_access = false")
        try:
            result = connection.execute(query)
            columns = [column[0] for column in result.description or []]
            return columns, result.fetchall()
        except duckdb.Error as e:
            raise ConfigError(f"SQL: {_first(e)}") from None


def _first(error: Exception) -> str:
    return " ".join(line.strip() for line in str(error).strip().splitlines()[:3])
