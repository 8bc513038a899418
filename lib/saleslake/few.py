"""Few rows with fewer Spark jobs: compared in DuckDB, appended by delta-rs.

Spark reads and judges records, whatever their number. What follows for a few thousand rows, which of them differ from
what is stored and their commit, takes Spark seconds of planning and these two a fraction of one. The tables cannot
tell: the schema, the CHECKs, the change feed and the signature are the same, and so is the lock that is held.
Rows that replace others are Spark's to MERGE.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import structlog
from deltalake import CommitProperties, WriterProperties, write_deltalake
from deltalake import DeltaTable as Log

from saleslake.lake import Lake, signature
from saleslake.table import Table, date_literals

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_MOST_LITERAL_DATES = 1000
_SMALL_BYTES = 32 * 1024 * 1024
_WRITER = WriterProperties(compression="ZSTD", compression_level=1)


def applies(lake: Lake, rows: int) -> bool:
    """Whether so many rows are few, and the lakehouse one that delta-rs may write to: a local disk, writers taking turns."""
    settings = lake.settings
    return 0 < settings.run.few_rows >= rows and not settings.is_on_objects and settings.silver_writers == "lock"


def fitted(table: Table, rows: pa.Table) -> pa.Table:
    """Rows with the table's columns, in its types. Raises pyarrow.ArrowInvalid where a value does not fit."""
    from pyspark.sql.pandas.types import to_arrow_schema

    schema = to_arrow_schema(table.schema, timezone="UTC")
    columns = [rows.column(field.name).cast(field.type) for field in schema]
    # Nullability is the log's to enforce; an Arrow field that promises it would be checked before.
    return pa.table(columns, schema=pa.schema([field.with_nullable(True) for field in schema]))


def empty(table: Table) -> pa.Table:
    """No rows of the table."""
    from pyspark.sql.pandas.types import to_arrow_schema

    return to_arrow_schema(table.schema, timezone="UTC").empty_table()


def numbered(rows: pa.Table) -> pa.Table:
    """Adds `_row`, by which `picked` finds a row again after SQL has chosen among them."""
    return rows.append_column("_row", pa.array(range(rows.num_rows), pa.int64()))


def picked(rows: pa.Table, numbers: Iterable[int]) -> pa.Table:
    """The rows of these numbers."""
    # Typed, for Arrow takes no type of no numbers.
    return rows.take(pa.array(list(numbers), pa.int64()))


def append(lake: Lake, table: Table, rows: pa.Table) -> None:
    """Append rows in one commit. The caller holds the table's lock."""
    if rows.num_rows == 0:
        return
    lake.create(table)
    rows = fitted(table, rows)
    log = lake.snapshot(table)
    if _constraints(log.metadata().configuration) != _constraints(table.configuration):
        # Described by a former version: its CHECKs may be such as only Spark can read.
        lake.append(table, frame(lake, rows))
        return
    write_deltalake(log, rows, mode="append", writer_properties=_WRITER, commit_properties=_commit(lake))
    _compact(lake, table, rows)


def merge(lake: Lake, table: Table, upserts: pa.Table, deletes: pa.Table | None, dates: Iterable[date]) -> None:
    """Update or insert `upserts`, and delete `deletes` (rows of the table), by key in one commit. The caller holds the table's lock.

    `dates`: every partition in which a stored row of these keys lies, or one of them will. By Spark: the files of
    delta-rs' MERGE say that their texts are Arrow's string views, and Arrow's own reader of Delta tables cannot filter those.
    """
    lake.create(table)
    condition, wanted = table.same_key, sorted(set(dates))
    if table.partition_by and len(wanted) <= _MOST_LITERAL_DATES:
        condition = f"t.date IN ({date_literals(wanted)}) AND {condition}"
    parts = [(fitted(table, upserts), False)]
    if deletes is not None and deletes.num_rows:
        parts.append((fitted(table, deletes), True))
    source = frame(lake, pa.concat_tables([_marked(rows, delete) for rows, delete in parts]))
    values: dict[str, str | Column] = {name: f"s.{name}" for name in table.column_names}
    merger = lake.delta(table).alias("t").merge(source.alias("s"), condition)
    if len(parts) > 1:
        merger = merger.whenMatchedDelete("s._delete")
    merger.whenMatchedUpdate(set=values).whenNotMatchedInsert(values=values).execute()


def frame(lake: Lake, rows: pa.Table) -> DataFrame:
    """Arrow rows as a frame."""
    # No rows may mean no chunks either, as when a feed holds commits of OPTIMIZE alone: Spark asks a chunk for its type.
    return lake.spark.createDataFrame(rows if rows.num_rows else rows.schema.empty_table())


def values_of(lake: Lake, values: Iterable[str], name: str) -> DataFrame:
    """Texts as a frame of one column."""
    return frame(lake, pa.table({name: pa.array(sorted(values), pa.string())}))


def _constraints(configuration: dict[str, str]) -> dict[str, str]:
    return {name: sql for name, sql in configuration.items() if name.startswith("delta.constraints.")}


def _marked(rows: pa.Table, delete: bool) -> pa.Table:
    return rows.append_column("_delete", pa.repeat(pa.scalar(delete), rows.num_rows))


def _commit(lake: Lake) -> CommitProperties:
    return CommitProperties(custom_metadata={"userMetadata": signature(lake.run_id)})


def _compact(lake: Lake, table: Table, rows: pa.Table) -> None:
    """Compact the partitions just written to that have gathered too many small files."""
    most = lake.settings.stream.compact_from_files
    log = lake.snapshot(table)
    if len(log.file_uris()) < most:
        return
    files = pa.table(log.get_add_actions(flatten=True))
    files = files.filter(pc.less(files.column("size_bytes"), _SMALL_BYTES))
    if not table.partition_by:
        if files.num_rows >= most:
            _optimize(lake, table, log, None)
        return
    column = table.partition_by[0]
    small = Counter(str(value) for value in files.column(f"partition.{column}").to_pylist())
    for value in sorted({str(value) for value in pc.unique(rows.column(column)).to_pylist()}):
        if small[value] >= most:
            _optimize(lake, table, lake.snapshot(table), [(column, "=", value)])


def _optimize(lake: Lake, table: Table, log: Log, where: list[tuple[str, str, str]] | None) -> None:
    found = log.optimize.compact(partition_filters=where, writer_properties=_WRITER, commit_properties=_commit(lake))
    structlog.get_logger().info(
        "compacted", table=table.full_name, partition=where[0][2] if where else "", files=found["numFilesRemoved"]
    )
