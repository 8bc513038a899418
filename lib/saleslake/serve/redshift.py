"""Gold for Amazon Redshift: Parquet files with a manifest a table, and the statements that load them.

A table is loaded into a staging table by COPY, and takes the place of the old rows in one transaction, so a query sees
the old or the new. The files go to S3 by whatever copies files there; the statements name them there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import structlog

from saleslake.config import Settings
from saleslake.config_storage import is_object
from saleslake.errors import SaleslakeError
from saleslake.lake import Lake
from saleslake.landing import remove_tree
from saleslake.serve import ddl
from saleslake.serve.pins import batches, served_pins
from saleslake.serve.postgres import told
from saleslake.serve.tables import SERVED
from saleslake.state import Pin
from saleslake.store import Place, whole_file
from saleslake.table import Table

LOAD = "load.sql"
_REST = "…"
_ROWS_A_FILE = 2_000_000


@dataclass
class Exported:
    """One table: its files' rows, and where they lie below the export folder."""

    table: str
    version: int
    rows: int
    manifest: str


def export(lake: Lake, folder: Place) -> list[Exported]:
    """Write the current rows, the manifests and `load.sql`. Files of a version that is there already are kept.

    A text longer than the column that is to hold it is cut, and the log says so. Keys never are: they are shorter.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done = [_export(lake, SERVED[name], pin, folder) for name, pin in served_pins(lake).items()]
    with whole_file(folder / LOAD, lake.landing.scratch) as stream:
        stream.write(script(lake.settings, done).encode())
    for table in done:
        structlog.get_logger().info("exported", target="redshift", **table.__dict__)
    return done


def in_s3(settings: Settings) -> str:
    """Where the files are for Redshift: the export folder, if that is an object store, else where it is copied to."""
    folder = settings.resolve(settings.serving.redshift.export)
    return f"s3://{folder.removeprefix('s3a://')}" if is_object(folder) else settings.serving.redshift.s3


def execute(settings: Settings, folder: Place) -> None:
    """Run `load.sql` in the cluster, in one transaction. The files must be in S3 by now."""
    dsn = settings.secret(settings.serving.redshift.dsn_env, "serving.redshift.dsn_env").get_secret_value()
    try:
        with psycopg.connect(dsn, connect_timeout=30, autocommit=True) as connection:
            for statement in (folder / LOAD).read_text().split(";\n"):
                if statement.strip():
                    connection.execute(statement.encode())
    except psycopg.Error as e:
        raise SaleslakeError(f"serving.redshift: {told(e, dsn)}") from None


def script(settings: Settings, tables: list[Exported]) -> str:
    """`load.sql`: create what is missing, COPY each table beside the old one, then swap the rows of all at once."""
    own = settings.serving.redshift
    schema, by_name = own.schema_name, {table.table: table for table in tables}
    names = [table.name for table in ddl.ordered() if table.name in by_name]  # first what others refer to
    role = "default" if own.iam_role == "default" else f"'{own.iam_role}'"
    lines = [f"create schema if not exists {schema}"]
    for name in names:
        lines.append(ddl.create_table(SERVED[name], "redshift", schema))
    for table in (by_name[name] for name in names):
        arrays = " serializetojson" if _has_arrays(SERVED[table.table]) else ""
        lines += [
            f"create temporary table staged_{table.table} (like {schema}.{table.table})",
            # Parquet's columns go to the table's by their place, so both have the order of the module.
            f"copy staged_{table.table}\nfrom '{in_s3(settings)}/{table.manifest}'\niam_role {role}\nmanifest format as parquet{arrays}",
        ]
    # DELETE, for TRUNCATE commits at once in Redshift.
    for name in names:
        columns = ", ".join(SERVED[name].column_names)
        lines.append(f"delete from {schema}.{name}")
        lines.append(f"insert into {schema}.{name} ({columns}) select {columns} from staged_{name}")
    for view in ddl.views(schema):
        lines.append(view.replace("create view", "create or replace view", 1))
    head = "-- Loads gold into Amazon Redshift; run it in one transaction, after the files beside it are in S3.\n"
    return head + "".join(f"{line};\n" for line in ["begin", *lines, "commit"])


def _export(lake: Lake, table: Table, pin: Pin, folder: Place) -> Exported:
    place = f"{table.name}/{pin[0]}-{pin[1]:010d}"
    target = folder / place
    manifest = target / "manifest.json"
    if not manifest.exists():
        remove_tree(target)
        target.mkdir(parents=True, exist_ok=True)
        _write(lake, table, pin, target)
    there: list[Place] = [*target.glob("*.parquet")]
    files = sorted(there, key=str)
    base = f"{in_s3(lake.settings)}/{place}"
    entries = [
        {"url": f"{base}/{file.name}", "mandatory": True, "meta": {"content_length": file.stat().st_size}}
        for file in files
    ]
    # Last, and under its name when it is whole: a folder with a manifest is complete.
    with whole_file(manifest, lake.landing.scratch) as stream:
        stream.write(json.dumps({"entries": entries}, indent=1).encode())
    rows = sum(pq.ParquetFile(file.open("rb")).metadata.num_rows for file in files)
    return Exported(table.name, pin[1], rows, f"{place}/manifest.json")


def _write(lake: Lake, table: Table, pin: Pin, target: Place) -> None:
    """At least one file: COPY refuses a manifest that names none."""
    writer: pq.ParquetWriter | None = None
    number = rows = 0
    for batch in batches(lake, table, pin[1]):
        found = _as_redshift_reads(table, batch)
        if writer is None or rows >= _ROWS_A_FILE:
            if writer:
                writer.close()
            writer = pq.ParquetWriter(_sink(target / f"part-{number:05d}.parquet"), found.schema, compression="zstd")
            number, rows = number + 1, 0
        writer.write_table(found)
        rows += found.num_rows
    if writer is None:
        nothing = lake.rows(table, pin[1]).schema.empty_table().select(table.column_names)
        found = _as_redshift_reads(
            table, pa.RecordBatch.from_arrays([c.combine_chunks() for c in nothing.columns], schema=nothing.schema)
        )
        writer = pq.ParquetWriter(_sink(target / "part-00000.parquet"), found.schema, compression="zstd")
        writer.write_table(found)
    writer.close()


def _sink(file: Place) -> Any:
    """What Arrow writes a file to."""
    return file if isinstance(file, Path) else file.system.open_output_stream(file.key)


def _as_redshift_reads(table: Table, batch: pa.RecordBatch) -> pa.Table:
    """Times without zone (they are UTC), for Redshift's `timestamp`; texts no longer than its columns."""
    columns = []
    for column, values in zip(table.columns, batch.columns, strict=True):
        if pa.types.is_timestamp(values.type):
            values = values.cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us"))
        elif pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            values = _cut(table, column.name, values)
        columns.append(values)
    return pa.table(columns, names=table.column_names)


def _cut(table: Table, column: str, values: pa.Array) -> pa.Array:
    """Texts of no more bytes than Redshift's column holds, a longer one cut before a character, with `…` in place of the rest."""
    lengths = pc.binary_length(values)
    if (pc.max(lengths).as_py() or 0) <= ddl.VARCHAR:
        return values
    too_long = pc.sum(pc.greater(lengths, ddl.VARCHAR)).as_py()
    structlog.get_logger().warning(
        "texts_cut", target="redshift", table=table.full_name, column=column, rows=too_long, bytes=ddl.VARCHAR
    )
    most = ddl.VARCHAR - len(_REST.encode())
    cut = [
        text
        if text is None or len(text.encode()) <= ddl.VARCHAR
        else text.encode()[:most].decode(errors="ignore") + _REST
        for text in values.to_pylist()
    ]
    return pa.array(cut, values.type)


def _has_arrays(table: Table) -> bool:
    return any(column.type.typeName() == "array" for column in table.columns)
