"""How many records a second one core judges, Arrow columns included: `python -m benchmarks.judge [--orders 200000]`.

In one process, by the time of its CPU; the best of several rounds, for what else the machine does only adds to it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import pyarrow as pa

from saleslake import bronze
from saleslake.config import Settings
from saleslake.entry import open_settings
from saleslake.generate import generate
from saleslake.silver.judge.batches import NEEDED, judge_of
from saleslake.sources.files import split_lines

CONFIG = """
[paths]
root = "."
[sources.orders]
entity = "orders"
format = "jsonl"
path = "orders.jsonl"
[sources.transactions]
entity = "transactions"
format = "csv"
path = "transactions.csv"
defaults = { currency = "EUR" }
"""
_BATCH = 10_000
"""Rows that Spark hands to Python at once."""
_ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=200_000)
    orders = parser.parse_args().orders
    with tempfile.TemporaryDirectory() as folder:
        generate(orders, 1, Path(folder))
        (Path(folder) / "saleslake.toml").write_text(CONFIG)
        settings = open_settings(str(Path(folder) / "saleslake.toml"))
        for source in settings.sources:
            batches = _landed(settings, source)
            records = sum(batch.num_rows for batch in batches)
            seconds = min(_seconds(settings, source, batches) for _ in range(_ROUNDS))
            print(
                f"{source}: {records / seconds:,.0f} records a second and core, {seconds / records * 1e6:.1f} µs each"
            )


def _landed(settings: Settings, source: str) -> list[pa.RecordBatch]:
    """The source's file as rows of bronze."""
    config = settings.sources[source]
    batches = list(split_lines(Path(settings.resolve(config.path[0])), config))
    count = sum(batch.num_rows for batch in batches)
    rows = pa.Table.from_batches(batches)
    for name, value in (
        ("unit", "u"),
        ("file", config.path[0]),
        ("source", source),
        ("run_id", "r"),
        ("kind", "record"),
    ):
        rows = rows.append_column(name, pa.repeat(pa.scalar(value), count))
    rows = rows.append_column("landed_at", pa.repeat(pa.scalar(0, pa.timestamp("us", tz="UTC")), count))
    landed: list[pa.RecordBatch] = bronze.identified(rows).select(NEEDED).combine_chunks().to_batches(_BATCH)
    return landed


def _seconds(settings: Settings, source: str, batches: list[pa.RecordBatch]) -> float:
    judge = judge_of(source, settings)
    started = time.process_time()
    for batch in batches:
        judge(batch)
    return time.process_time() - started


if __name__ == "__main__":
    main()
