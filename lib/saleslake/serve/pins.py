"""Which versions of gold belong together, found without a JVM."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date

import pyarrow as pa
import pyarrow.dataset as ds

from saleslake.errors import LockTimeout, SaleslakeError
from saleslake.lake import Lake
from saleslake.leases import Record, read_record
from saleslake.locks import no_writer
from saleslake.serve.tables import SERVED
from saleslake.state import Pin
from saleslake.table import Table

_POLL_SECONDS = 0.1


def served_pins(lake: Lake) -> dict[str, Pin]:
    """Name → (table id, version) of every served table that is there, at one moment between two refreshes of gold.

    Raises SaleslakeError if there is no gold, LockTimeout if a refresh lasts longer than `run.lock_timeout_seconds`.
    """
    if lake.settings.is_on_objects:
        found = _between_leases(lake)
    else:
        with no_writer(lake.folder("locks"), "gold", lake.settings.run.lock_timeout_seconds):
            found = _pins(lake)
    if not found:
        raise SaleslakeError(f"no gold tables at {lake.folder('tables', 'gold')}: run `saleslake run` first")
    return found


def batches(lake: Lake, table: Table, version: int, partitions: set[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Rows of a version, its columns in the order of the module; of some partitions (ISO dates) or all."""
    rows = lake.rows(table, version)
    wanted = None
    if partitions is not None:
        wanted = ds.field(table.partition_by[0]).isin([date.fromisoformat(value) for value in sorted(partitions)])
    yield from rows.scanner(columns=table.column_names, filter=wanted).to_batches()


def changed_partitions(lake: Lake, table: Table, seen: Pin | None, now: Pin) -> set[str] | None:
    """Values of the partition column whose files differ between two versions; None: all may, or the old one is gone."""
    if not table.partition_by or seen is None or seen[0] != now[0]:
        return None
    try:
        old, new = (_files(lake, table, version) for version in (seen[1], now[1]))
    except Exception:  # delta-rs has no common class for a version whose log is cleaned up
        return None
    return {partition for partition, _ in old ^ new}


def _files(lake: Lake, table: Table, version: int) -> set[tuple[str, str]]:
    column = table.partition_by[0]
    actions = pa.table(lake.snapshot(table, version).get_add_actions(flatten=True))
    values = actions.column(f"partition.{column}").cast(pa.string()).to_pylist()
    return set(zip(values, actions.column("path").to_pylist(), strict=True))


def _pins(lake: Lake) -> dict[str, Pin]:
    return {name: pin for name, table in SERVED.items() if (pin := lake.pin(table))}


def _between_leases(lake: Lake) -> dict[str, Pin]:
    """Looked at while nobody holds gold's lease, and again if somebody held it meanwhile; that of a dead run counts for nothing."""
    began = time.monotonic()
    while True:
        before = _gold_lease(lake)
        if not before.holder or time.monotonic() - began >= lake.settings.storage.lease_seconds:
            found, after = _pins(lake), _gold_lease(lake)
            if after == before:
                return found
        if time.monotonic() - began >= lake.settings.run.lock_timeout_seconds:
            raise LockTimeout(
                f"lease {lake.folder('locks', 'gold.json')}: held by {before.holder}; waited "
                f"{lake.settings.run.lock_timeout_seconds:g} s: let that run finish, or stop it"
            )
        time.sleep(_POLL_SECONDS)


def _gold_lease(lake: Lake) -> Record:
    try:
        return read_record(lake.place("locks", "gold.json").read_bytes())
    except FileNotFoundError:
        return Record()
