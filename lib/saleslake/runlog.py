"""ops.runs: one row a run, which monitoring reads; written without a JVM so that a failed run is logged too."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake

from saleslake.lake import Lake

SCHEMA = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("command", pa.string(), nullable=False),
        pa.field("started_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("ended_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("error", pa.string()),
        pa.field("records_processed_count", pa.int64(), nullable=False),
        pa.field("records_dropped_count", pa.int64(), nullable=False),
        pa.field("execution_time_seconds", pa.float64(), nullable=False),
        pa.field("retry_attempts", pa.int64(), nullable=False),
        pa.field("partitions_written", pa.int64(), nullable=False),
        pa.field("summary", pa.string(), nullable=False),
        # Last and nullable: tables of former versions get it added, and their rows have none.
        pa.field("engine", pa.string()),
    ]
)
"""records_processed: decided by silver in this run, or landed where silver was no step of it (landing jobs);
records_dropped: quarantined by silver in this run, discarded ones too; summary: the run's summary as JSON; engine: spark or embedded, NULL where none was chosen."""


def path(lake: Lake) -> str:
    return lake.folder("tables", "ops", "runs")


def append(lake: Lake, **row: Any) -> None:
    """Append one run. `started_at` is a UTC datetime; the end is now."""
    ended = datetime.now(UTC)
    full = {
        "run_id": lake.run_id,
        "ended_at": ended,
        "execution_time_seconds": (ended - row["started_at"]).total_seconds(),
        **row,
    }
    table = pa.Table.from_pylist([full], schema=SCHEMA)
    write_deltalake(path(lake), table, mode="append", schema_mode="merge", storage_options=lake.options(path(lake)))
