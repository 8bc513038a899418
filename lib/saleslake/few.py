"""Few rows with fewer Spark jobs: compared in DuckDB, written by delta-rs.

Spark reads and judges records, whatever their number. What follows for a few thousand rows, which of them differ from
what is stored and their commit, takes Spark seconds of planning and these two a fraction of one. The tables cannot
tell: the schema, the CHECKs, the change feed and the signature are the same, and so is the lock that is held.
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
_MOST_LITERAL_KEYS = 5000
_MOST_KEYS_TOGETHER = 1000
"""Of a commit that replaces rows the log keeps the condition, a literal a key, for a month: so many are 20 kB, and inserts
beyond them have a commit of their own."""
_BETWEEN = "\x1f"
"""Between the columns of a key as one text; ASCII's unit separator."""
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
    if not _is_as_described(log, table):
        lake.append(table, frame(lake, rows))
        return
    write_deltalake(log, rows, mode="append", writer_properties=_WRITER, commit_properties=_commit(lake))
    _compact(lake, table, rows)


def upsert(
    lake: Lake, table: Table, inserts: pa.Table, updates: pa.Table, deletes: pa.Table, dates: Iterable[date]
) -> None:
    """Bring rows to the table by key. `inserts`: of keys it lacks; `updates`: of keys it has; `deletes`: rows it has, to go.

    In one commit, or two where there are many rows: each row, and each group of rows of the same `table.whole`, is in one.
    `dates`: every partition in which a stored row of these keys lies, or one of them will. The caller holds the table's lock.
    """
    inserts, updates, deletes = (fitted(table, rows) for rows in (inserts, updates, deletes))
    gone = pa.concat_tables([updates.select(table.keys), deletes.select(table.keys)])
    if gone.num_rows and inserts.num_rows + gone.num_rows > _MOST_KEYS_TOGETHER:
        apart, inserts = _apart(table, inserts, gone)
        append(lake, table, apart)
    if gone.num_rows:
        _replace(lake, table, pa.concat_tables([updates, inserts]), deletes, dates)
    else:
        append(lake, table, inserts)


def _apart(table: Table, inserts: pa.Table, gone: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Inserts that share no `table.whole` with rows that go or are replaced, and those that do."""
    if not table.whole:
        return inserts, inserts.slice(0, 0)
    whole = ", ".join(table.whole)
    with Lake.duck(new=numbered(inserts.select(list(table.whole))), gone=gone) as connection:
        found = connection.execute(f"select _row from new semi join gone using ({whole})").fetchall()
    joined = {row[0] for row in found}
    alone = [number for number in range(inserts.num_rows) if number not in joined]
    return picked(inserts, alone), picked(inserts, sorted(joined))


def _replace(lake: Lake, table: Table, upserts: pa.Table, deletes: pa.Table, dates: Iterable[date]) -> None:
    """Rows instead of those of the same keys, and instead of `deletes`, in one commit.

    The change feed tells of deletes and inserts where a MERGE would tell of updates. It is no MERGE of delta-rs: the files
    that one writes say that their texts are Arrow's string views, and Arrow's own reader of Delta tables cannot filter those.
    """
    log, wanted = lake.snapshot(table), sorted(set(dates))
    keys = pa.concat_tables([upserts.select(table.keys), deletes.select(table.keys)])
    of_keys = _of_keys(table, keys)
    if of_keys is None or not _is_as_described(log, table):
        _merge_by_spark(lake, table, upserts, deletes, wanted)
        return
    if table.partition_by and len(wanted) <= _MOST_LITERAL_DATES:
        of_keys = f"date IN ({date_literals(wanted)}) AND {of_keys}"
    write_deltalake(
        log, upserts, mode="overwrite", predicate=of_keys, writer_properties=_WRITER, commit_properties=_commit(lake)
    )
    _compact(lake, table, upserts)


def _of_keys(table: Table, keys: pa.Table) -> str | None:
    """The condition that a row has one of these keys, in delta-rs' SQL; None where it would be too long, or ambiguous."""
    if keys.num_rows > _MOST_LITERAL_KEYS:
        return None
    columns, texts = zip(*(_as_text(name, keys.column(name)) for name in table.keys), strict=True)
    if len(columns) == 1:
        column, values = columns[0], texts[0]
    else:
        # One text for a key of several columns: as conditions joined by OR they took delta-rs seconds, and more by the square.
        if any(_BETWEEN in text for values in texts for text in values):
            return None
        column = f"concat_ws('{_BETWEEN}', {', '.join(columns)})"
        values = [_BETWEEN.join(key) for key in zip(*texts, strict=True)]
    literals = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    return f"{column} IN ({literals})"


def _as_text(name: str, values: pa.ChunkedArray) -> tuple[str, list[str]]:
    """A column of keys as text, in delta-rs' SQL and of these values."""
    if pa.types.is_string(values.type):
        return name, values.to_pylist()
    if pa.types.is_timestamp(values.type):
        return f"CAST(CAST({name} AS BIGINT) AS VARCHAR)", values.cast(pa.int64()).cast(pa.string()).to_pylist()
    return f"CAST({name} AS VARCHAR)", values.cast(pa.string()).to_pylist()


def _merge_by_spark(lake: Lake, table: Table, upserts: pa.Table, deletes: pa.Table, dates: list[date]) -> None:
    condition = table.same_key
    if table.partition_by and len(dates) <= _MOST_LITERAL_DATES:
        condition = f"t.date IN ({date_literals(dates)}) AND {condition}"
    rows = [_marked(upserts, False), _marked(deletes, True)]
    values: dict[str, str | Column] = {name: f"s.{name}" for name in table.column_names}
    merger = lake.delta(table).alias("t").merge(frame(lake, pa.concat_tables(rows)).alias("s"), condition)
    merger = merger.whenMatchedDelete("s._delete").whenMatchedUpdate(set=values)
    merger.whenNotMatchedInsert(values=values).execute()


def frame(lake: Lake, rows: pa.Table) -> DataFrame:
    """Arrow rows as a frame."""
    # No rows may mean no chunks either, as when a feed holds commits of OPTIMIZE alone: Spark asks a chunk for its type.
    return lake.spark.createDataFrame(rows if rows.num_rows else rows.schema.empty_table())


def values_of(lake: Lake, values: Iterable[str], name: str) -> DataFrame:
    """Texts as a frame of one column."""
    return frame(lake, pa.table({name: pa.array(sorted(values), pa.string())}))


def _is_as_described(log: Log, table: Table) -> bool:
    """Whether the table's CHECKs are those of today. A former version's may be such as only Spark can read."""
    return _constraints(log.metadata().configuration) == _constraints(table.configuration)


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
