"""Promise 2 over batch and stream: the same records in the same landing order end in the same tables, however they came.

Records of a seed, cut at random places, each piece brought by the batch or by the stream. `SALESLAKE_EXAMPLES` says how
many examples are tried (each takes minutes), `SALESLAKE_SEED` which is the first.
"""

from __future__ import annotations

import json
import os
import random
from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from saleslake.accounting import verify
from saleslake.engine.interface import Name
from saleslake.entry import open_settings
from saleslake.ingest.window import Window
from saleslake.lake import Lake
from saleslake.pipeline import Batch
from saleslake.simulator.events import simulated
from saleslake.simulator.spec import Spec
from tests import oracle
from tests.chaos.cases import SETUPS
from tests.chaos.harness import against_oracle, contents
from tests.conftest import write_config
from tests.stream_support import CONFIG, put, stream_once

HEADER = CONFIG.split('columns = ["')[1].split('"]')[0].replace('", "', ",")
BATCH = """
[sources.orders_files]
entity = "orders"
format = "jsonl"
path = "in/*-orders.jsonl"
[sources.transactions_files]
entity = "transactions"
format = "jsonl"
path = "in/*-transactions.jsonl"
version = "updated_at"
defaults = { currency = "EUR" }
[sources.transactions_csv]
entity = "transactions"
format = "csv"
path = "in/*-transactions.csv"
version = "updated_at"
"""
SETUP = replace(
    SETUPS["stream"],
    feeds=SETUPS["stream"].feeds
    | {
        "orders_files": oracle.Feed("orders", "jsonl"),
        "transactions_files": oracle.Feed("transactions", "jsonl", version="updated_at", currency="EUR"),
        "transactions_csv": oracle.Feed("transactions", "csv", version="updated_at"),
    },
)
Piece = tuple[str, Name, list[str]]
"""Who brings it, `batch` or `stream`; the engine that it works on; and its lines."""

SEED = int(os.environ.get("SALESLAKE_SEED", "5"))
EXAMPLES = int(os.environ.get("SALESLAKE_EXAMPLES", "1"))


def _file_of(line: str) -> str | None:
    """Which of the batch's files a line belongs to; None for an unknown type, which the batch's sources do not know, and for
    a quote that is not closed, which in a file takes the lines after it along."""
    try:
        record, _ = json.JSONDecoder().raw_decode(line)  # of two objects on a line, the first says whose it is
    except ValueError:
        if line.startswith('"'):
            return None
        return "transactions.csv" if "," in line and not line.startswith("{") else "orders.jsonl"
    if not isinstance(record, dict):
        return "orders.jsonl"
    kind = record.get("type") or ("transaction" if "transaction_id" in record else "order")
    return {"order": "orders.jsonl", "transaction": "transactions.jsonl"}.get(kind)


def _cut(lines: list[str], pieces: int, rng: random.Random) -> list[list[str]]:
    places = sorted(rng.sample(range(1, len(lines)), pieces - 1))
    return [lines[a:b] for a, b in zip([0, *places], [*places, len(lines)], strict=True)]


def _bring(folder: Path, spark: SparkSession, plan: list[Piece]) -> Lake:
    folder.mkdir()
    for name in ("orders.jsonl", "transactions.jsonl", "transactions.csv"):
        put(folder / "in", f"0-{name}", *([HEADER] if name.endswith("csv") else []))
    for number, (who, engine, lines) in enumerate(plan, 1):
        text = f"{BATCH}{CONFIG}max_files_per_trigger = 1\n"
        lake = Lake(open_settings(str(write_config(folder, text))), spark, uses=engine)
        if who == "stream":
            for at in range(0, len(lines), 60):  # each file a micro-batch
                put(folder / "events", f"{number}-{at:03}.jsonl", *lines[at : at + 60])
            stream_once(lake)
            continue
        by_file: dict[str, list[str]] = {}
        for line in lines:
            by_file.setdefault(str(_file_of(line)), []).append(line)
        for name, mine in by_file.items():
            put(folder / "in", f"{number}-{name}", *([HEADER] if name.endswith("csv") else []), *mine)
        summary = Batch(lake).run(Window())
        assert not summary.failures, summary.failures
    return Lake(lake.settings, spark)


def _compared(lake: Lake) -> dict[str, list[tuple[object, ...]]]:
    """Silver, gold and quarantine, without lineage: which source brought a record is lineage, too."""
    return contents(lake, leave_out=("source", "header", "content_hash"))


@pytest.mark.parametrize("seed", range(SEED, SEED + EXAMPLES))
def test_batch_stream_and_any_mixture_of_them_end_in_the_same_tables(
    tmp_path: Path, spark: SparkSession, seed: int
) -> None:
    print(f"seed {seed}")
    rng = random.Random(seed)
    start = 1_714_606_800 + rng.randrange(86_400)
    spec = Spec(120, seed, start, 0.01, late=0.1, duplicated=0.1, corrected=0.25, out_of_order=0.2, malformed=0.1)
    lines = [event.line for event in simulated(spec) if _file_of(event.line)]
    cut = _cut(lines, 3, rng)
    who = rng.choice([("batch", "stream", "batch"), ("stream", "batch", "stream")])
    plans: dict[str, list[Piece]] = {
        "one batch": [("batch", "embedded", lines)],
        "stream": [("stream", "embedded", lines)],
        # Which engine it was must not show either, wherever it changes.
        "mixed": list(zip(who, ("spark", "embedded", "spark"), cut, strict=True)),
    }
    found = {}
    for name, plan in plans.items():
        lake = _bring(tmp_path / name, spark, plan)
        assert against_oracle(lake, SETUP) == "", name
        found[name] = _compared(lake)
    proof = verify(lake)
    assert proof.holds, proof
    assert found["one batch"]["gold.fact_sales"]
    assert found["one batch"]["silver.quarantine"]
    for name, tables in found.items():
        differing = [table for table in tables if tables[table] != found["one batch"][table]]
        assert not differing, (seed, name, differing)
