"""Gold in PostgreSQL: what changed since the last time, in one transaction, so readers see the old or the new and never half.

Which versions a database holds is written in it, in `saleslake_published`, by the same transaction: killed anywhere, it
holds what it held, and the next run goes on from there.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import structlog
from psycopg import sql

from saleslake import kill_points
from saleslake.errors import SaleslakeError, first_line
from saleslake.lake import Lake
from saleslake.serve import ddl
from saleslake.serve.pins import batches, changed_partitions, served_pins
from saleslake.serve.tables import SERVED
from saleslake.state import Pin
from saleslake.table import Table

_STATE = "saleslake_published"
_VIEWS = "(views)"


@dataclass
class Published:
    """What became of one table: nothing, some dates, or all of it."""

    table: str
    version: int
    dates: set[str] | None = None
    """None: the whole table was compared."""
    inserted: int = 0
    deleted: int = 0


def publish(lake: Lake, dsn: str, schema: str, *, everything: bool = False) -> list[Published]:
    """Bring the schema up to gold. Returns a line a table that was looked at; none if it held all of it already.

    `everything` compares whole tables, whatever the database says it holds. Raises SaleslakeError for what PostgreSQL
    answers, without the address, which holds the password.
    """
    pins = served_pins(lake)
    try:
        with psycopg.connect(dsn, connect_timeout=10, application_name="saleslake publish") as connection:
            written = _Publication(lake, connection, schema).run(pins, everything)
            kill_points.reached("before_publish_commit")
    except psycopg.Error as e:
        raise SaleslakeError(f"serving.postgres: {told(e, dsn)}") from None
    for table in written:
        structlog.get_logger().info("published", target="postgres", **table.__dict__)
    return written


class _Publication:
    """One transaction."""

    def __init__(self, lake: Lake, connection: psycopg.Connection, schema: str):
        self.lake, self.connection, self.schema = lake, connection, schema

    def run(self, pins: dict[str, Pin], everything: bool) -> list[Published]:
        # Two at once would each delete what the other has not yet inserted.
        self._do(
            "select pg_advisory_xact_lock(hashtext('saleslake publish ' || {schema}))", schema=sql.Literal(self.schema)
        )
        self._do("set local timezone = 'UTC'")
        self._do("create schema if not exists {schema}", schema=sql.Identifier(self.schema))
        self._do("set local search_path = {schema}", schema=sql.Identifier(self.schema))
        self._do(
            f"create table if not exists {_STATE} "
            "(table_name text primary key, delta_id text not null, version bigint not null, published_at timestamptz not null)"
        )
        held = self._held()
        made_anew = {table.name for table in ddl.ordered() if self._prepare(table)}
        written = []
        for name, pin in pins.items():
            seen = None if everything or name in made_anew else held.get(name)
            if seen != pin:
                written.append(self._bring(SERVED[name], seen, pin))
        self._make_views(held.get(_VIEWS) if not made_anew else None)
        return written

    def _make_views(self, held: Pin | None) -> None:
        """Anew where a table under them is, or where they read differently: readers of a view wait for its maker."""
        statements = ddl.views(self.schema)
        now = (hashlib.sha256(";".join(statements).encode()).hexdigest(), 0)
        if held == now:
            return
        for name in reversed(ddl.view_names()):
            self._do("drop view if exists {view}", view=sql.Identifier(name))
        for statement in statements:
            self.connection.execute(statement.encode())
        self._note(_VIEWS, now)

    def _held(self) -> dict[str, Pin]:
        rows = self.connection.execute(f"select table_name, delta_id, version from {_STATE}").fetchall()
        return {name: (delta_id, version) for name, delta_id, version in rows}

    def _prepare(self, table: Table) -> bool:
        """Create the table, or create it anew where its columns are not the module's. Returns whether it did."""
        rows = self.connection.execute(
            "select column_name, format_type(a.atttypid, a.atttypmod) from information_schema.columns c "
            "join pg_attribute a on a.attrelid = to_regclass(%s) and a.attname = c.column_name "
            "where table_schema = %s and table_name = %s order by ordinal_position",
            (f"{self.schema}.{table.name}", self.schema, table.name),
        ).fetchall()
        wanted = [(c.name, _canonical(ddl.column_type(c.type, "postgres"))) for c in table.columns]
        if rows == wanted:
            return False
        if rows:
            structlog.get_logger().warning(
                "published_table_changed", table=f"{self.schema}.{table.name}", fix="made anew"
            )
            self._do("drop table {table} cascade", table=sql.Identifier(table.name))
        made = ddl.create_table(table, "postgres", self.schema)
        for statement in (made, *ddl.comments(table, self.schema), *ddl.indexes(table, self.schema)):
            self.connection.execute(statement.encode())  # as bytes: nothing in it is a placeholder
        return True

    def _bring(self, table: Table, seen: Pin | None, pin: Pin) -> Published:
        dates = changed_partitions(self.lake, table, seen, pin)
        done = Published(table.full_name, pin[1], dates)
        if dates is None or dates:
            self._copy(table, batches(self.lake, table, pin[1], dates))
            done.deleted, done.inserted = self._merge(table, dates)
        self._note(table.name, pin)
        return done

    def _note(self, name: str, pin: Pin) -> None:
        self.connection.execute(
            f"insert into {_STATE} values (%s, %s, %s, now()) on conflict (table_name) do update set "
            "delta_id = excluded.delta_id, version = excluded.version, published_at = excluded.published_at",
            (name, *pin),
        )

    def _copy(self, table: Table, rows: Iterable[pa.RecordBatch]) -> None:
        """Into a temporary table `staged`, by COPY."""
        self._do("drop table if exists staged")
        self._do("create temporary table staged (like {table}) on commit drop", table=sql.Identifier(table.name))
        with self.connection.cursor() as cursor, cursor.copy("copy staged from stdin (format csv)") as copy:
            for piece in _as_csv(rows):
                copy.write(piece)
        self._do("analyze staged")

    def _merge(self, table: Table, dates: set[str] | None) -> tuple[int, int]:
        """Only rows that differ are touched, so that a whole table costs its readers no more than its changes."""
        names = {"table": sql.Identifier(table.name)}
        scope = ""
        if dates is not None:
            listed = ", ".join(f"'{date.fromisoformat(d).isoformat()}'" for d in sorted(dates))
            scope = f"t.{table.partition_by[0]} in ({listed}) and "
        deleted = self._do(
            f"delete from {{table}} t where {scope}not exists "
            f"(select from staged s where {table.same_key} and s.* is not distinct from t.*)",
            **names,
        )
        inserted = self._do(
            f"insert into {{table}} select * from staged s where not exists (select from {{table}} t where {table.same_key})",
            **names,
        )
        return deleted, inserted

    def _do(self, statement: str, **parts: sql.Composable) -> int:
        return self.connection.execute(sql.SQL(statement).format(**parts)).rowcount


def _as_csv(rows: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """As PostgreSQL reads it: texts quoted, so that an empty one is none; NULLs empty and unquoted."""
    options = pacsv.WriteOptions(include_header=False)
    for batch in rows:
        if batch.num_rows:
            columns = [_plain(batch.column(i)) for i in range(batch.num_columns)]
            buffer = io.BytesIO()
            pacsv.write_csv(pa.table(columns, names=batch.schema.names), buffer, options)
            yield buffer.getvalue()


def _plain(column: pa.Array) -> pa.Array:
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return pa.array([None if value is None else _array(value) for value in column.to_pylist()], pa.string())
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        # PostgreSQL cannot store U+0000 in a text.
        return pc.replace_substring(column, "\0", "�")
    if pa.types.is_decimal(column.type):
        return column.cast(pa.string())
    return column


def _array(values: list[str | None]) -> str:
    """An array as PostgreSQL writes it: `{"a","b"}`."""
    told = [
        "NULL" if v is None else '"' + v.replace("\\", "\\\\").replace('"', '\\"').replace("\0", "�") + '"'
        for v in values
    ]
    return "{" + ",".join(told) + "}"


def _canonical(type_: str) -> str:
    """The type as PostgreSQL names it."""
    return {"timestamptz": "timestamp with time zone"}.get(type_, type_).replace(", ", ",")


def told(error: psycopg.Error, dsn: str) -> str:
    """What the server or the driver says, in one line and without the password."""
    text = first_line(error)
    try:
        password = psycopg.conninfo.conninfo_to_dict(dsn).get("password")
    except psycopg.Error:
        return "the connection string cannot be read: give postgresql://user:password@host:port/database"
    return text.replace(str(password), "***") if password else text
