"""One lakehouse: its settings, its Spark session (if any), and how tables are created, read and appended to."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
from deltalake import DeltaTable as ReadOnlyTable
from deltalake.exceptions import DeltaError
from pyarrow.dataset import Dataset
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from saleslake import __version__, first_commit, leases
from saleslake.conditional import ConditionalObject
from saleslake.config import Settings
from saleslake.engine.log import Snapshot
from saleslake.landing import LandingZone, remove_tree
from saleslake.locks import holder_of, writer_lock
from saleslake.s3 import delta_options
from saleslake.state import StateFile, StateObject
from saleslake.store import Place, place

if TYPE_CHECKING:  # Spark takes most of a second to import, and readers without a JVM do without it
    from delta.tables import DeltaTable
    from pyspark.sql import DataFrame, SparkSession

    from saleslake.engine.interface import Engine, Name
    from saleslake.table import Table

_creating: dict[str, threading.Lock] = {}


@lru_cache
def _database() -> duckdb.DuckDBPyConnection:
    """Opened once, for that takes longer than most questions; each is asked by a cursor of its own, which sees no other's tables."""
    database = duckdb.connect()
    database.execute("set global timezone = 'UTC'")
    return database


def new_run_id() -> str:
    """Sortable by time, unique by chance: `20240131T101500Z-9f3a1c`."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def signature(run_id: str) -> str:
    """What every commit of saleslake carries as user metadata; commits without it are somebody else's."""
    return f"saleslake {__version__} run={run_id}"


@dataclass
class Lake:
    """The context every step works in."""

    settings: Settings
    session: SparkSession | None = None
    run_id: str = field(default_factory=new_run_id)
    uses: Name | None = None
    """The engine that computes and writes. None: Spark's where there is a session, else the embedded one."""
    _engines: dict[Name, Engine] = field(default_factory=dict, repr=False)

    @property
    def engine(self) -> Engine:
        """What computes and writes silver and gold."""
        return self._engine(self.uses or ("embedded" if self.session is None else "spark"))

    @property
    def landing_engine(self) -> Engine:
        """What brings bytes to bronze: on a local disk no run needs Spark for that, whichever engine it has."""
        by_spark = self.settings.is_on_objects or self.settings.silver_writers == "conflict"
        return self.engine if by_spark else self._engine("embedded")

    def _engine(self, name: Name) -> Engine:
        if name not in self._engines:
            # Spark takes most of a second to import, and DuckDB a tenth.
            if name == "spark":
                from saleslake.engine.spark import Spark

                self._engines[name] = Spark(self)
            else:
                from saleslake.engine.embedded import Embedded

                self._engines[name] = Embedded(self)
        return self._engines[name]

    def close(self) -> None:
        """Give back what its engines hold of the machine; the session is its caller's."""
        for engine in self._engines.values():
            engine.close()
        self._engines.clear()

    @property
    def spark(self) -> SparkSession:
        assert self.session is not None, "this step needs a Spark session"
        return self.session

    @property
    def landing(self) -> LandingZone:
        return LandingZone(self.place("landing"), Path(self.work("staging")))

    @property
    def state(self) -> StateFile | StateObject:
        """`data/state.json`."""
        path = self.folder("state.json")
        return StateObject(self._cell(path)) if self.settings.is_on_objects else StateFile(path)

    def folder(self, *parts: str) -> str:
        """A folder or file below `data/`."""
        return "/".join([self.settings.data, *parts])

    def place(self, *parts: str) -> Place:
        """The same, to be read and written."""
        return place(self.folder(*parts), self.settings.storage)

    def work(self, *parts: str) -> str:
        """A folder or file of this machine's own, on a local disk."""
        return "/".join([self.settings.work, *parts])

    def path(self, table: Table) -> str:
        """Where a table lies: `data/tables/<layer>/<name>`."""
        return self.folder("tables", table.layer, table.name)

    @contextmanager
    def lock(self, name: str, timeout_seconds: float | None = None) -> Iterator[None]:
        """The writer lock `name` (`silver`, `gold`, `landing-<source>`), bounded by `run.lock_timeout_seconds` unless told otherwise.

        A file lock, or a lease where there are none.
        """
        timeout = self.settings.run.lock_timeout_seconds if timeout_seconds is None else timeout_seconds
        if not self.settings.is_on_objects:
            with writer_lock(self.session, self.folder("locks"), name, self._holder, timeout):
                yield
            return
        cell = self._cell(self.folder("locks", f"{name}.json"))
        seconds = self.settings.storage.lease_seconds
        with leases.leased(cell, name, self._holder, timeout, seconds, lambda number: self._fence(name, number)):
            yield

    def holder(self, name: str) -> str:
        """Who holds the writer lock `name` of a lakehouse on a disk, as a hint for those that only read; empty: nobody."""
        return "" if self.settings.is_on_objects else holder_of(self.folder("locks"), name)

    def may_write(self) -> None:
        """To be asked before each write under a lock. Raises LockTimeout if that is a lease, and may be another's by now."""
        if self.settings.is_on_objects:
            leases.check_all(self._holder)

    @property
    def _holder(self) -> str:
        return f"run {self.run_id}"

    def _cell(self, url: str) -> ConditionalObject:
        return ConditionalObject(self.spark, url)

    def _fence(self, name: str, number: int) -> None:
        """Change the description of every table under the lock `name`: a commit begun before that, by whoever held it, fails."""
        for path in self._under_lock(name):
            if self.is_table(path):
                self.spark.sql(f"ALTER TABLE delta.`{path}` SET TBLPROPERTIES ('saleslake.fence' = '{name} {number}')")

    def _under_lock(self, name: str) -> list[str]:
        if name.startswith("landing-"):
            return [self.folder("tables", "bronze", name.removeprefix("landing-"))]
        if name == "sales_by_minute":
            return [self.folder("tables", "gold", name)]
        return [path for path in self.tables_of(name) if not path.endswith("/sales_by_minute")]

    # --- without a JVM -----------------------------------------------------------------------------

    def exists(self, table: Table) -> bool:
        return self.is_table(self.path(table))

    def is_table(self, path: str) -> bool:
        return bool(ReadOnlyTable.is_deltatable(path, self.options(path)))

    def tables_of(self, layer: str) -> list[str]:
        """The paths of a layer's tables."""
        folder = self.place("tables", layer)
        paths = sorted(str(path) for path in folder.iterdir()) if folder.is_dir() else []
        return [path for path in paths if self.is_table(path)]

    def options(self, path: str) -> dict[str, str] | None:
        """delta-rs' storage options for a table at `path`."""
        return delta_options(path, self.settings.storage)

    def open_table(self, path: str, version: int | None = None) -> ReadOnlyTable:
        return ReadOnlyTable(path, version=version, storage_options=self.options(path))

    def snapshot(self, table: Table, version: int | None = None) -> ReadOnlyTable:
        """The table's log as delta-rs reads it: version, id, files, number of rows."""
        return self.open_table(self.path(table), version)

    def rows(self, table: Table, version: int | None = None) -> Dataset:
        """The table's rows for DuckDB and Arrow, in the version or now."""
        return self.rows_at(self.path(table), version)

    def rows_at(self, path: str, version: int | None = None) -> Dataset:
        """The same of the table at `path`."""
        # By Arrow's own file system where there is one: delta-rs' calls Python for each read, and a process that ends
        # while one of Arrow's threads still holds such a buffer is aborted.
        files = None if self.settings.is_on_objects else SubTreeFileSystem(path, LocalFileSystem())
        return self.open_table(path, version).to_pyarrow_dataset(filesystem=files)

    def pin(self, table: Table) -> tuple[str, int] | None:
        """(table id, version) now, or None if there is no such table."""
        if not self.exists(table):
            return None
        snapshot = self.snapshot(table)
        return str(snapshot.metadata().id), int(snapshot.version())

    def query(
        self, sql: str, parameters: dict[str, object] | None = None, **tables: Table
    ) -> duckdb.DuckDBPyConnection:
        """Run SQL over Delta tables in DuckDB, each under the name of its keyword."""
        connection = self.duck()
        for name, table in tables.items():
            connection.register(name, self.rows(table))
        return connection.execute(sql, parameters or {})

    @staticmethod
    def duck(**rows: pa.Table | Dataset) -> duckdb.DuckDBPyConnection:
        """DuckDB, with Arrow tables, or data sets, under the names of their keywords."""
        connection = _database().cursor()
        for name, table in rows.items():
            connection.register(name, table)
        return connection

    # --- with Spark --------------------------------------------------------------------------------

    def create(self, table: Table) -> None:
        """Create the table, empty, with its comments, constraints and partitioning, unless it is there."""
        with _creating.setdefault(self.path(table), threading.Lock()):
            if self.exists(table):
                return
            if self.settings.is_on_objects:
                commit = first_commit.text(table, signature(self.run_id))
                self._cell(f"{self.path(table)}/{first_commit.NAME}").put(commit.encode(), None)
            else:
                first_commit.write(table, self.path(table), signature(self.run_id))

    def recreate(self, table: Table) -> None:
        """Replace the table by an empty one with the description as it now is, whatever lies there."""
        self.may_write()
        if not self._is_readable(table) or Snapshot(self.snapshot(table), self.path(table)).unknown_features():
            # Data files without a log are no table. And what another tool switched on would stay on: a table of its own id is made.
            remove_tree(self.place("tables", table.layer, table.name))
        if not self.exists(table):
            self.create(table)
        elif self.settings.is_on_objects:
            self._replace_by_spark(table)
        else:
            snapshot = Snapshot(self.snapshot(table), self.path(table))
            first_commit.write_replacement(table, snapshot, signature(self.run_id))

    def _replace_by_spark(self, table: Table) -> None:
        from delta.tables import DeltaTable

        # Not createOrReplace: by location, Delta 4.4 does nothing where a table is, and says nothing.
        define = DeltaTable.replace(self.spark).location(self.path(table)).addColumns(table.schema)
        define = define.comment(table.comment)
        if table.partition_by:
            define = define.partitionedBy(*table.partition_by)
        for name, value in table.configuration.items():
            define = define.property(name, value)
        define.execute()

    def _is_readable(self, table: Table) -> bool:
        try:
            return self.exists(table) and self.snapshot(table).version() >= 0
        except DeltaError:
            return False

    def read(self, table: Table, version: int | None = None) -> DataFrame:
        """The table as a frame, at a version or now."""
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        return reader.load(self.path(table))

    def delta(self, table: Table) -> DeltaTable:
        """The table to be merged into or compacted, now."""
        self.may_write()
        from delta.tables import DeltaTable

        return DeltaTable.forPath(self.spark, self.path(table))

    def append(self, table: Table, rows: DataFrame) -> None:
        """Append rows that already have the table's schema, in one commit."""
        self.create(table)
        self.may_write()
        rows.write.format("delta").mode("append").save(self.path(table))
