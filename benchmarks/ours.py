"""The benchmark's work with saleslake: full load, 1 % increment, nothing new; one JSON line at the end.

All three runs share one session, as a scheduled batch's steps do; the session's start is timed on its own.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from pathlib import Path

from benchmarks.common import Totals
from saleslake.entry import open_settings
from saleslake.ingest.window import Window
from saleslake.lake import Lake
from saleslake.pipeline import Batch, Summary
from saleslake.serve.duck import connect
from saleslake.session import build_session

CONFIG = """
[paths]
root = "."
data = "data"
[channels]
instore = "store"
mobileapp = "mobile"
online = "web"
[sources.orders]
entity = "orders"
format = "jsonl"
path = "incoming"
"""


def main() -> int:
    parser = argparse.ArgumentParser(description="The benchmark's work with saleslake.")
    parser.add_argument("--input", type=Path, required=True, help="folder with orders.jsonl")
    parser.add_argument("--increment", type=Path, required=True, help="folder with the increment's orders.jsonl")
    parser.add_argument("--output", type=Path, required=True, help="folder of the lakehouse, new or empty")
    args = parser.parse_args()
    incoming = args.output / "incoming"
    incoming.mkdir(parents=True)
    (incoming / "orders.jsonl").symlink_to(args.input.resolve() / "orders.jsonl")
    config = args.output / "saleslake.toml"
    config.write_text(CONFIG)

    clock = time.perf_counter()
    settings = open_settings(str(config))
    spark = build_session(settings, "benchmark", "benchmark")
    line: dict[str, object] = {"tool": "saleslake", "start": round(time.perf_counter() - clock, 2)}
    for name in ("full", "increment", "nothing_new"):
        if name == "increment":
            line["totals"] = totals(Lake(settings)).__dict__
            shutil.copy(args.increment / "orders.jsonl", incoming / "increment.jsonl")
        clock = time.perf_counter()
        summary = Batch(Lake(settings, spark)).run(Window())
        line[name] = round(time.perf_counter() - clock, 2)
        line[f"{name}_steps"] = {step: round(seconds, 2) for step, seconds in summary.seconds.items()}
        line[f"{name}_files"] = _written(summary)
    spark.stop()
    sys.stdout.write(json.dumps(line) + "\n")
    return 0


def _written(summary: Summary) -> dict[str, int]:
    silver = sum(len(outcome.dates) for outcome in summary.outcomes.values())
    return {"silver partitions": silver, **{w.table: len(w.dates) or w.rows for w in summary.written if w.anything}}


def totals(lake: Lake) -> Totals:
    """What all programs must agree on, from the stored tables."""
    with connect(lake) as connection:
        records = connection.execute("select count(*) from bronze.orders where kind = 'record'").fetchall()[0][0]
        rejected = connection.execute("select count(*) from silver.quarantine").fetchall()[0][0]
        rows, orders, units = connection.execute(
            "select count(*), count(distinct order_id), sum(quantity) from gold.fact_sales"
        ).fetchall()[0]
        net = connection.execute(
            "select currency, sum(net)::decimal(38, 4) from gold.product_revenue group by 1 order by 1"
        ).fetchall()
    return Totals(records, rejected, rows, orders, str(units), {currency: str(amount) for currency, amount in net})


if __name__ == "__main__":
    sys.exit(main())
