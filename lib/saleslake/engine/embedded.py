"""The embedded engine: DuckDB computes and writes Parquet files, delta-rs commits them. No JVM, bounded memory.

The commit path of delta-rs looks at nothing, so columns, types, NOT NULL and the table's CHECKs are held to here, while the
files are written. Tables are read by the files of their log at one version, never by what lies in a folder.
"""

from __future__ import annotations

import json
import resource
import shutil
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import duckdb
import pyarrow as pa
import structlog
from deltalake import CommitProperties, Schema
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, RemoveAction

from saleslake.engine import prelude
from saleslake.engine.interface import Overtaken
from saleslake.engine.judging import Judges
from saleslake.engine.log import Commit, File, Snapshot, commits
from saleslake.engine.own_folder import OwnFolder, remove_left_behind
from saleslake.engine.sql import bound, matching
from saleslake.engine.types import duck_type
from saleslake.errors import TableError, first_line
from saleslake.lake import signature
from saleslake.machine import cores, memory_megabytes

if TYPE_CHECKING:
    from saleslake.lake import Lake
    from saleslake.table import Table

_ROW_GROUP = 122_880
"""Rows of a row group: what one task of Spark's reads."""
_SMALL_BYTES = 32 * 1024 * 1024
_SCANNED_WHOLE = 50_000
"""A table of so many rows is read at once, without finding first in which files the wanted rows are."""
_MOST_MEMORY_MB = 1536
_LAST_TEXT = "\U0010ffff" * 129
"""Greater than every text of 512 bytes, which is what a key has at most."""
_VACUUM_HOURS = 7 * 24


@dataclass(frozen=True)
class Rows:
    """A frame: a query of DuckDB's, whether what it reads is computed already, and the rows in memory that it names."""

    sql: str
    is_stored: bool = False
    tables: Mapping[str, pa.Table] = field(default_factory=dict)


class Embedded:
    """See `Engine`. One a lakehouse and run; threads may share it."""

    name: Literal["embedded"] = "embedded"

    def __init__(self, lake: Lake):
        self.lake = lake
        self._guard = threading.RLock()
        self._database: duckdb.DuckDBPyConnection | None = None
        self._judges = Judges(lake.settings)
        self._own: OwnFolder | None = None

    # --- reading -----------------------------------------------------------------------------------

    def read(self, table: Table, version: int | None = None) -> Rows:
        return self._of_files(table, self._snapshot(table, version).files)

    def parquet(self, files: Sequence[str], schema: pa.Schema) -> Rows:
        if not files:
            return self.rows(schema.empty_table())
        return Rows(f"SELECT {', '.join(schema.names)} FROM read_parquet({_texts(files)})", is_stored=True)

    def rows(self, rows: pa.Table) -> Rows:
        name = self._name()
        return Rows(f"SELECT * FROM {name}", is_stored=True, tables={name: rows})

    def sql(self, text: str, **inputs: Rows) -> Rows:
        tables = {name: rows for frame in inputs.values() for name, rows in frame.tables.items()}
        return Rows(bound(text, {name: f"({rows.sql})" for name, rows in inputs.items()}, duckdb=True), tables=tables)

    def order_lines(self, orders: Rows) -> Rows:
        return self.sql(prelude.ORDER_LINES_DUCKDB, orders=orders)

    def matching(self, table: Table, keys: Rows, on: dict[str, str], version: int | None = None) -> Rows:
        files = self._snapshot(table, version).files
        if sum(file.rows for file in files) > _SCANNED_WHOLE:
            files = self._files_with(table, files, keys, on)
        return self.sql(matching(on), stored=self._of_files(table, files), keys=keys)

    @contextmanager
    def kept(self, frame: Rows) -> Iterator[Rows]:
        if frame.is_stored:
            yield frame
            return
        name = self._name()
        self._run(f"CREATE TABLE {name} AS {frame.sql}", frame)
        try:
            yield Rows(f"SELECT * FROM {name}", is_stored=True)
        finally:
            self._run(f"DROP TABLE {name}")

    @contextmanager
    def judged(self, source: str, rows: Rows) -> Iterator[Rows]:
        folder = self._folder() / f"judged-{uuid.uuid4().hex}"
        folder.mkdir(parents=True)
        try:
            reader = self._run(_of_records(rows.sql), rows).to_arrow_reader(self._judges.CHUNK)
            files, schema = self._judges.judge(source, reader, folder)
            yield self.parquet(files, schema)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def fetch(self, frame: Rows) -> pa.Table:
        with _interruptible():
            return self._run(frame.sql, frame).to_arrow_table()

    def changes(self, table: Table, first: int, last: int) -> Rows | None:
        found = commits(self.lake, table, first, last)
        if found is None or not all(self._is_there(table, path) for commit in found for path in _named(commit)):
            return None
        parts = [self._changes_of(table, commit) for commit in found if any(_named(commit))]
        columns = ", ".join(table.column_names)
        nothing = f"SELECT {columns}, 'insert' AS _change_type FROM ({self._of_files(table, []).sql})"
        return Rows(" UNION ALL ".join(parts) if parts else nothing)

    def _changes_of(self, table: Table, commit: Commit) -> str:
        columns = ", ".join(table.column_names)
        if commit.cdc:
            kind = "CASE WHEN _change_type IN ('insert', 'update_postimage') THEN 'insert' ELSE 'delete' END"
            files = self._scan(table, commit.cdc)
            return f"SELECT {_cast_columns(table)}, {kind} AS _change_type FROM {files}"
        added, removed = (self._of_paths(table, paths) for paths in (commit.added, commit.removed))
        if not commit.removed or not commit.added:
            rows, kind = (added, "insert") if commit.added else (removed, "delete")
            return f"SELECT {columns}, '{kind}' AS _change_type FROM ({rows})"
        # Files were written anew for the few rows in them that differ: the others are in both.
        return (
            f"(SELECT *, 'insert' AS _change_type FROM ({added} EXCEPT ALL {removed})) UNION ALL "
            f"(SELECT *, 'delete' AS _change_type FROM ({removed} EXCEPT ALL {added}))"
        )

    # --- writing -----------------------------------------------------------------------------------

    def append(self, table: Table, rows: Rows) -> None:
        self.lake.create(table)
        snapshot = self._to_write(table)
        self._commit(table, snapshot, self._written(table, snapshot, rows), [])

    def add_new(self, table: Table, rows: Rows) -> None:
        self.append(table, rows)

    def upsert(
        self, table: Table, rows: Rows, deletes: Rows | None, dates: Iterable[date] | None, newer: str | None = None
    ) -> None:
        snapshot, keys = self._to_write(table), ", ".join(table.keys)
        with self.kept(rows) as new:
            gone = self.sql(f"SELECT {keys} FROM new", new=new)
            if deletes is not None:
                gone = self.sql(
                    f"SELECT {keys} FROM gone UNION ALL SELECT {keys} FROM deletes", gone=gone, deletes=deletes
                )
            with self.kept(gone) as gone_keys:
                candidates = _in_partitions(table, snapshot.files, dates)
                hit = self._files_with(table, candidates, gone_keys, {key: key for key in table.keys})
                sql = f"SELECT {', '.join(table.column_names)} FROM ({new.sql})"
                if hit:
                    same = " AND ".join(f"t.{key} = g.{key}" for key in table.keys)
                    sql = (
                        f"SELECT t.* FROM ({self._of_files(table, hit).sql}) t ANTI JOIN ({gone_keys.sql}) g ON {same} "
                        f"UNION ALL {sql}"
                    )
                whole = Rows(sql, tables={**new.tables, **gone_keys.tables})
                self._commit(table, snapshot, self._written(table, snapshot, whole), hit)

    def overwrite(self, table: Table, rows: Rows | None, where: tuple[str, str] | None = None) -> None:
        if where is None:
            self.lake.recreate(table)
            if rows is not None:
                self.append(table, rows)
            return
        snapshot = self._to_write(table)
        former = [file for file in snapshot.files if file.partition[where[0]] == where[1]]
        added = self._written(table, snapshot, rows) if rows is not None else []
        self._commit(table, snapshot, added, former)

    def compact(self, table: Table) -> tuple[int, int]:
        return self._compact(table, least=2, partitions=None)

    def vacuum(self, table: Table) -> None:
        self.lake.may_write()
        self.lake.snapshot(table).vacuum(
            retention_hours=_VACUUM_HOURS, dry_run=False, full=True, commit_properties=self._properties()
        )

    def close(self) -> None:
        self._judges.close()
        with self._guard:
            if self._database is not None:
                self._database.close()
                self._database = None
            if self._own is not None:
                self._own.close()
                self._own = None

    def _to_write(self, table: Table) -> Snapshot:
        """The version to write after. Raises TableError for a table whose protocol asks for what only Spark keeps."""
        self.lake.may_write()
        snapshot = self._snapshot(table)
        self._refuse(table, snapshot, snapshot.unknown_features(), "keep")
        return snapshot

    def _written(self, table: Table, snapshot: Snapshot, rows: Rows) -> list[AddAction]:
        """The rows as files of the table, which no version names yet. Raises TableError for rows that a CHECK refuses."""
        folder = Path(snapshot.path)
        by = ", ".join(table.partition_by)
        # A name of its own for each: the same name twice would overwrite what a version has.
        target, how = (
            (folder, f"PARTITION_BY ({by}), FILENAME_PATTERN 'part-{{uuid}}', OVERWRITE_OR_IGNORE true, ")
            if by
            else (folder / f"part-{uuid.uuid4()}.parquet", "")
        )
        try:
            files = self._run(
                f"COPY ({_checked(table, snapshot.configuration, rows.sql)}) TO {_text(str(target))} (FORMAT parquet, {how}"
                f"COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE {_ROW_GROUP}, RETURN_STATS true)",
                rows,
            ).fetchall()
        except duckdb.Error as e:
            raise _refused(table, e) from None
        now = int(time.time() * 1000)
        added = []
        for file, count, size, _, columns, partition in files:
            if count == 0:
                Path(file).unlink()
                continue
            stats = json.dumps(_statistics(table, count, columns), ensure_ascii=False)
            path = Path(file).relative_to(folder).as_posix()
            added.append(AddAction(path, size, dict(partition or {}), now, True, stats))
        return added

    def _commit(
        self, table: Table, snapshot: Snapshot, added: list[AddAction], removed: list[File], is_change: bool = True
    ) -> None:
        """Files in, files out, in one version, unless another writer was quicker."""
        if not added and not removed:
            return
        now = int(time.time() * 1000)
        gone = [RemoveAction(f.path, is_change, now, f.size, f.partition) for f in removed]
        schema = Schema.from_json(snapshot.table.schema().to_json())
        self.lake.may_write()
        try:
            snapshot.table.create_write_transaction(
                [*added, *gone], "append", schema, list(table.partition_by), commit_properties=self._properties()
            )
        except CommitFailedError as e:
            if self.lake.snapshot(table).version() == snapshot.version:
                raise TableError(f"{table.full_name}: its log refuses the commit: {first_line(e)}") from None
            raise Overtaken(
                f"{table.full_name}: another writer committed after version {snapshot.version} ({first_line(e)})"
            ) from None
        if is_change:
            try:
                self._compact(table, self.lake.settings.stream.compact_from_files, _partitions(table, added))
            except Overtaken:  # the rows are in: whoever was quicker, or the next write, finds the small files again
                structlog.get_logger().info("compaction_overtaken", table=table.full_name)

    def _properties(self) -> CommitProperties:
        # Tried again, delta-rs would let two blind appends of one key both in.
        return CommitProperties(custom_metadata={"userMetadata": signature(self.lake.run_id)}, max_commit_retries=0)

    def _compact(self, table: Table, least: int, partitions: set[Any] | None) -> tuple[int, int]:
        """Compact partitions (None: all) that hold `least` small files or more."""
        snapshot = self._snapshot(table)
        small = [file for file in snapshot.files if file.size < _SMALL_BYTES]
        count = Counter(_partition(table, file.partition) for file in small)
        wanted = {each for each, n in count.items() if n >= least and (partitions is None or each in partitions)}
        old = [file for file in small if _partition(table, file.partition) in wanted]
        if not old:
            return 0, 0
        self._to_write(table)
        new = self._written(table, snapshot, self._of_files(table, old))
        same = [AddAction(a.path, a.size, a.partition_values, a.modification_time, False, a.stats) for a in new]
        self._commit(table, snapshot, same, old, is_change=False)
        structlog.get_logger().info("compacted", table=table.full_name, files=len(old))
        return len(old), len(new)

    # --- helpers -----------------------------------------------------------------------------------

    def _snapshot(self, table: Table, version: int | None = None) -> Snapshot:
        """Raises TableError for a table whose files hold something else than its rows, as with deletion vectors."""
        snapshot = Snapshot(self.lake.snapshot(table, version), self.lake.path(table))
        self._refuse(table, snapshot, snapshot.unreadable_features(), "read")
        return snapshot

    def _refuse(self, table: Table, snapshot: Snapshot, features: list[str], what: str) -> None:
        if features:
            raise TableError(
                f"{table.full_name} at {snapshot.path}: its protocol has {', '.join(features)}, which the embedded engine "
                f"cannot {what}: run with --engine spark, or rebuild the table with "
                "`saleslake run --full-refresh --engine spark`"
            )

    def _is_there(self, table: Table, path: str) -> bool:
        return (Path(self.lake.path(table)) / path).exists()

    def _of_files(self, table: Table, files: Iterable[File]) -> Rows:
        return Rows(self._of_paths(table, [file.path for file in files]), is_stored=True)

    def _of_paths(self, table: Table, paths: Sequence[str]) -> str:
        if not paths:
            return _nothing(table)
        return f"SELECT {_cast_columns(table)} FROM {self._scan(table, paths)}"

    def _scan(self, table: Table, paths: Sequence[str]) -> str:
        root = self.lake.path(table)
        types = {c.name: duck_type(c.type) for c in table.columns if c.name in table.partition_by}
        columns = "*"
        if {part.partition("=")[0] for part in Path(root).parts} & set(types):
            # DuckDB takes the first folder of that name, and the lakehouse lies in such a one.
            of_path = "url_decode(regexp_extract(_path, '.*/{0}=([^/]*)/', 1))"
            values = [f"CAST({of_path.format(name)} AS {type_}) AS {name}" for name, type_ in types.items()]
            columns, types = ", ".join(["*", *values]), {}
        hive = ", ".join(f"'{name}': {type_}" for name, type_ in types.items())
        options = f"union_by_name = true, hive_partitioning = {str(bool(types)).lower()}"
        options += f", hive_types = {{{hive}}}" if hive else ""
        read = f"read_parquet({_texts([f'{root}/{path}' for path in paths])}, {options}, filename = '_path')"
        # A column may be missing in some of the files, or in all, where a former version of the table had none. No rows of all
        # columns say which there are; the plan is left with the scan alone.
        return f"(SELECT {columns} FROM {read} UNION ALL BY NAME {_nothing(table)})"

    def _files_with(self, table: Table, files: list[File], keys: Rows, on: dict[str, str]) -> list[File]:
        """Those of the files that hold a row which agrees with one of `keys`: a scan of the key columns alone."""
        if not files:
            return []
        scan = f"SELECT _path, {_cast_columns(table)} FROM {self._scan(table, [file.path for file in files])}"
        wanted = self.sql(f"SELECT DISTINCT _path FROM ({matching(on)})", stored=Rows(scan), keys=keys)
        found = self._run(wanted.sql, keys).fetchall()
        root = self.lake.path(table)
        hit = {row[0].removeprefix(f"{root}/") for row in found}
        return [file for file in files if file.path in hit]

    def _folder(self) -> Path:
        """Where this run keeps what it need not hold in memory."""
        with self._guard:
            if self._own is None:
                parent = Path(self.lake.work("embedded"))
                remove_left_behind(parent)
                self._own = OwnFolder(parent, self.lake.run_id)
            return self._own.path

    def _connection(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own: a result that is read in parts ends early once its connection runs another query."""
        with self._guard:
            if self._database is None:
                self._database = self._opened()
            return self._database.cursor()

    def _opened(self) -> duckdb.DuckDBPyConnection:
        database = duckdb.connect()
        spill = self._folder() / "spill"
        spill.mkdir(parents=True, exist_ok=True)
        memory = min(_MOST_MEMORY_MB, memory_megabytes() // 4)
        for setting in (
            "timezone = 'UTC'",
            "preserve_insertion_order = false",
            f"memory_limit = '{memory}MB'",
            f"temp_directory = {_text(str(spill))}",
            f"threads = {cores()}",
            "partitioned_write_flush_threshold = 131072",
            # Beyond them it closes a partition's file and begins another: of 100,000 rows of 1,000 days it made 3,500 files.
            f"partitioned_write_max_open_files = {min(2000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)}",
        ):
            database.execute(f"SET GLOBAL {setting}")
        prelude.for_duckdb(database)
        return database

    def _run(self, sql: str, frame: Rows | None = None) -> duckdb.DuckDBPyConnection:
        connection = self._connection()
        for name, rows in frame.tables.items() if frame else ():
            connection.register(name, rows)
        with _interruptible():
            return connection.execute(sql)

    @staticmethod
    def _name() -> str:
        return f"rows_{uuid.uuid4().hex}"


@contextmanager
def _interruptible() -> Iterator[None]:
    """DuckDB makes a RuntimeError of Ctrl-C, which would pass for a source's trouble."""
    try:
        yield
    except RuntimeError as e:
        if isinstance(e.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise


def _checked(table: Table, configuration: dict[str, str], sql: str) -> str:
    """The rows in the table's columns and types, each refused, by name, that NOT NULL or a CHECK of its log refuses."""
    conditions = {f"{c.name} is NULL": f"{c.name} IS NOT NULL" for c in table.columns if not c.nullable}
    prefix = "delta.constraints."
    conditions |= {f"CHECK {k.removeprefix(prefix)}": v for k, v in configuration.items() if k.startswith(prefix)}
    key = table.keys[0]
    shown = f"coalesce(CAST({key} AS VARCHAR), 'NULL')"
    refusals = " ".join(
        f"WHEN NOT coalesce({condition}, false) THEN error({_text(f'saleslake: {table.full_name}: {what}: {key} ')} || {shown})"
        for what, condition in conditions.items()
    )
    columns = [
        f"CASE {refusals} ELSE {c.name} END AS {c.name}" if c.name == key and refusals else c.name
        for c in table.columns
    ]
    return f"SELECT {', '.join(columns)} FROM (SELECT {_cast_columns(table)} FROM ({sql}))"


def _refused(table: Table, error: duckdb.Error) -> TableError:
    """Why the rows cannot be written, in words."""
    said = first_line(error)
    if "saleslake: " in said:
        return TableError(said.partition("saleslake: ")[2])
    if isinstance(error, duckdb.OutOfMemoryException):
        said += "; free memory, or space for data/work, or run with --engine spark"
    return TableError(f"{table.full_name}: its rows could not be written: {said}")


def _cast_columns(table: Table) -> str:
    return ", ".join(f"CAST({c.name} AS {duck_type(c.type)}) AS {c.name}" for c in table.columns)


def _nothing(table: Table) -> str:
    nulls = ", ".join(f"CAST(NULL AS {duck_type(c.type)}) AS {c.name}" for c in table.columns)
    return f"SELECT {nulls} WHERE false"


def _of_records(sql: str) -> str:
    from saleslake.silver.judge.batches import NEEDED

    return f"SELECT {', '.join(NEEDED)} FROM ({sql}) WHERE kind = 'record'"


def _named(commit: Commit) -> list[str]:
    return commit.cdc or [*commit.added, *commit.removed]


def _in_partitions(table: Table, files: list[File], dates: Iterable[date] | None) -> list[File]:
    if dates is None or not table.partition_by:
        return files
    wanted = {day.isoformat() for day in dates}
    return [file for file in files if file.partition[table.partition_by[0]] in wanted]


def _partition(table: Table, values: Mapping[str, str | None]) -> tuple[str | None, ...]:
    return tuple(values[name] for name in table.partition_by)


def _partitions(table: Table, added: Iterable[AddAction]) -> set[Any]:
    return {_partition(table, action.partition_values) for action in added}


def _statistics(table: Table, rows: int, columns: dict[str, dict[str, str]]) -> dict[str, Any]:
    """What Delta's log says of a file: of the columns that files are pruned by."""
    least: dict[str, Any] = {}
    greatest: dict[str, Any] = {}
    nulls: dict[str, int] = {}
    types = {c.name: duck_type(c.type) for c in table.columns}
    for name in (*table.keys, *table.statistics):
        found = columns.get(f'"{name}"')
        if found is None:  # the partition's
            continue
        nulls[name] = int(found.get("null_count", 0))
        if "min" in found and "max" in found and types[name] in _VALUES:
            value = _VALUES[types[name]]
            least[name], greatest[name] = value(found["min"], 0), value(found["max"], 1)
        elif types[name] == "VARCHAR" and nulls[name] < rows:
            # DuckDB finds no bound of 256 bytes. Without one, delta-rs takes `name >= NULL` for one, and readers miss the rows.
            least[name], greatest[name] = "", _LAST_TEXT
    return {"numRecords": rows, "minValues": least, "maxValues": greatest, "nullCount": nulls}


def _moment(text: str, later_ms: int) -> str:
    """Delta's statistics have milliseconds, so the greatest is rounded up, where there is a later one."""
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC) + timedelta(milliseconds=later_ms)
    except OverflowError:
        return "9999-12-31T23:59:59.999Z"  # readers add the millisecond themselves
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_VALUES: dict[str, Any] = {
    "VARCHAR": lambda text, _: text,
    "BIGINT": lambda text, _: int(text),
    "INTEGER": lambda text, _: int(text),
    "DATE": lambda text, _: text,
    "TIMESTAMPTZ": _moment,
}


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _texts(values: Iterable[str]) -> str:
    return f"[{', '.join(map(_text, values))}]"
