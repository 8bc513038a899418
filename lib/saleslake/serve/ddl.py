"""CREATE TABLE for PostgreSQL, Redshift and DuckDB, from the table modules. `python -m saleslake.serve.ddl` writes `sql/`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pyspark.sql import types as T

from saleslake.config import PROJECT_ROOT
from saleslake.serve.duck import VIEWS, view_statements
from saleslake.serve.tables import REFERENCES, SERVED
from saleslake.table import Column, Table

Dialect = Literal["postgres", "redshift", "duckdb"]
SCHEMA = "gold"
VARCHAR = 1024
"""Bytes of a text in Redshift, which plans memory by the declared width; the export cuts longer ones."""

_TYPES: dict[Dialect, dict[str, str]] = {
    "postgres": {"string": "text", "timestamp": "timestamptz", "double": "double precision", "array": "text[]"},
    "redshift": {
        "string": f"varchar({VARCHAR})", "timestamp": "timestamp", "double": "double precision", "array": "super",
    },
    "duckdb": {"string": "varchar", "timestamp": "timestamptz", "double": "double", "array": "varchar[]"},
}  # fmt: skip
_REDSHIFT_LAYOUT = {
    # The fact and its orders lie on the same node by order; small dimensions on every node.
    "fact_sales": "diststyle key distkey (order_id) sortkey (date, sku)",
    "dim_order": "diststyle key distkey (order_id) sortkey (date)",
    "dim_user": "diststyle all sortkey (user_id)",
    "dim_product": "diststyle all sortkey (sku)",
    "dim_date": "diststyle all sortkey (date)",
    "customer_purchase_frequency": "diststyle key distkey (user_id) sortkey (user_id)",
}


def create_table(table: Table, dialect: Dialect, schema: str = SCHEMA) -> str:
    """One statement, without semicolon. Columns in the order of the module."""
    lines = [f"    {_column(column, dialect)}" for column in table.columns]
    lines.append(f"    primary key ({', '.join(table.keys)})")
    if dialect == "redshift":
        lines += [f"    {line}" for line in foreign_keys(table, schema)]
    body = ",\n".join(lines)
    layout = f"\n{_layout(table)}" if dialect == "redshift" else ""
    return f"create table if not exists {schema}.{table.name} (\n{body}\n){layout}"


def comments(table: Table, schema: str = SCHEMA) -> list[str]:
    """What the table and its columns hold, as statements."""
    full = f"{schema}.{table.name}"
    found = [f"comment on table {full} is {_text(table.grain)}"]
    return found + [f"comment on column {full}.{c.name} is {_text(c.comment)}" for c in table.columns]


def foreign_keys(table: Table, schema: str = SCHEMA) -> list[str]:
    """For Redshift's planner, which does not enforce them."""
    found = []
    for column, dimension in REFERENCES.items():
        if column in table.column_names and table.name != dimension:
            found.append(f"foreign key ({column}) references {schema}.{dimension} ({column})")
    return found


def indexes(table: Table, schema: str = SCHEMA) -> list[str]:
    """For PostgreSQL: the columns that tables are joined by, beside the key."""
    columns = [c for c in REFERENCES if c in table.column_names and table.keys[0] != c]
    return [f"create index if not exists {table.name}_{c} on {schema}.{table.name} ({c})" for c in columns]


def views(schema: str = SCHEMA) -> list[str]:
    """The statements of `sql/views.sql`, in a schema of another name."""
    return [re.sub(rf"\b{SCHEMA}\.", f"{schema}.", view) for view in view_statements(VIEWS[0])]


def view_names() -> list[str]:
    """Their names, in the order they are made."""
    return [view.split()[2].removeprefix(f"{SCHEMA}.") for view in views()]


def column_type(type_: T.DataType, dialect: Dialect) -> str:
    """Raises KeyError for a type that no table has yet: add it to `_TYPES`."""
    if isinstance(type_, T.DecimalType):
        return f"{'numeric' if dialect != 'duckdb' else 'decimal'}({type_.precision}, {type_.scale})"
    plain = {"integer": "integer", "long": "bigint", "boolean": "boolean", "date": "date"}
    return plain.get(type_.typeName()) or _TYPES[dialect][type_.typeName()]


def _column(column: Column, dialect: Dialect) -> str:
    return f"{column.name} {column_type(column.type, dialect)}{'' if column.nullable else ' not null'}"


def _layout(table: Table) -> str:
    if table.name in _REDSHIFT_LAYOUT:
        return _REDSHIFT_LAYOUT[table.name]
    return f"diststyle even sortkey ({', '.join(table.partition_by or table.keys)})"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def statements(dialect: Dialect) -> list[str]:
    """Schema, tables, comments and indexes. Dimensions come first, for the references."""
    found = [f"create schema if not exists {SCHEMA}"]
    for table in ordered():
        found += [create_table(table, dialect), *comments(table)]
        if dialect == "postgres":
            found += indexes(table)
    return found


def script(dialect: Dialect) -> str:
    """The whole of `sql/<dialect>/tables.sql`."""
    head = f"-- The tables of gold for {_NAMES[dialect]}, made from the table modules: `python -m saleslake.serve.ddl` writes this file anew.\n"
    return head + "".join(("\n" if s.startswith("create table") else "") + f"{s};\n" for s in statements(dialect))


def ordered() -> list[Table]:
    """Every served table, those that others refer to first."""
    first = [SERVED[name] for name in dict.fromkeys(REFERENCES.values())]
    return first + [table for table in SERVED.values() if table not in first]


_NAMES: dict[Dialect, str] = {"postgres": "PostgreSQL", "redshift": "Amazon Redshift", "duckdb": "DuckDB"}


def path(dialect: Dialect) -> Path:
    return PROJECT_ROOT / "sql" / dialect / "tables.sql"


def main(say: Callable[[str], None] = print) -> None:
    for dialect in _NAMES:
        path(dialect).write_text(script(dialect))
        say(str(path(dialect).relative_to(PROJECT_ROOT)))


if __name__ == "__main__":
    main()
