"""One run of saleslake, in a process of its own as a scheduled one is; one JSON line at the end.

`full` makes the lakehouse of `--input`; `increment`, `nothing_new` and `verify` go on with what they find in `--output`; `totals`
says what is in it. Nothing but the run itself is timed: imports are not, and the start of Spark's session is by itself.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.common import Totals
from benchmarks.data import ORDERS, SALES
from saleslake.accounting import verify
from saleslake.config import Settings
from saleslake.entry import open_settings
from saleslake.ingest.window import Window
from saleslake.lake import Lake
from saleslake.pipeline import Batch, Summary, raise_failures
from saleslake.serve.duck import connect

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

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
path = "incoming/orders"
[sources.transactions]
entity = "transactions"
format = "csv"
path = "incoming/transactions"
defaults = { currency = "EUR" }
"""
RUNS = ("full", "increment", "nothing_new", "verify")
Line = dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=("embedded", "spark"), required=True)
    parser.add_argument("--run", choices=(*RUNS, "totals"), required=True)
    parser.add_argument("--input", type=Path, help="full, increment: the folder that comes in")
    parser.add_argument("--output", type=Path, required=True, help="folder of the lakehouse; for `full` new or empty")
    args = parser.parse_args()
    if args.input:
        come_in(args.input, args.output, args.run)
    settings = open_settings(str(args.output / "saleslake.toml"))
    if args.run == "totals":
        line: Line = {"totals": asdict(totals(Lake(settings)))}
    elif args.run == "verify":
        line = _proved(settings)
    else:
        line = _batch(settings, args.engine, args.run)
    sys.stdout.write(json.dumps(line) + "\n")
    return 0


def come_in(source: Path, output: Path, run: str) -> None:
    """Put the files where the lakehouse looks for them; by name they come one after the other, as they do by time."""
    (output / "saleslake.toml").write_text(CONFIG)
    for name in (ORDERS, SALES):
        kind, ending = name.split(".")
        folder = output / "incoming" / kind
        folder.mkdir(parents=True, exist_ok=True)
        if run == "full":
            (folder / f"0-base.{ending}").symlink_to((source / name).resolve())
        else:
            shutil.copy(source / name, folder / f"1-increment.{ending}")


def _batch(settings: Settings, engine: str, run: str) -> Line:
    session, start = _session(settings) if engine == "spark" else (None, 0.0)
    lake = Lake(settings, session)
    summary = Summary()

    def work() -> None:
        nonlocal summary
        summary = Batch(lake).run(Window())
        lake.close()

    seconds = _timed(work)
    if session is not None:
        session.stop()
    raise_failures(summary)
    if summary.nothing_new != (run == "nothing_new"):
        sys.exit(f"error: {run}: nothing_new is {summary.nothing_new}")
    steps = {step: round(seconds, 2) for step, seconds in summary.seconds.items()}
    return {"start": round(start, 2), "seconds": seconds, "steps": steps, "wrote": _written(summary)}


def _session(settings: Settings) -> tuple[SparkSession, float]:
    from saleslake.session import build_session

    started = time.perf_counter()
    return build_session(settings, "benchmark", "benchmark"), time.perf_counter() - started


def _proved(settings: Settings) -> Line:
    """The whole proof by the embedded engine, whichever one wrote the tables."""
    lake = Lake(settings)

    def work() -> None:
        proof = verify(lake)
        lake.close()
        if not proof.holds:
            sys.exit(f"error: verify: {proof}")

    return {"start": 0.0, "seconds": _timed(work)}


def _timed(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return round(time.perf_counter() - started, 2)


def _written(summary: Summary) -> dict[str, int]:
    """Partitions written, or rows where a table has none."""
    silver = {f"silver.{source}": len(outcome.dates) for source, outcome in summary.outcomes.items()}
    return silver | {w.table: len(w.dates) or w.rows for w in summary.written if w.anything}


def totals(lake: Lake) -> Totals:
    """What all programs must agree on, from the stored tables."""
    landed = "select count(*) from bronze.{} where kind = 'record'"
    with connect(lake) as connection:

        def rows(sql: str) -> list[tuple[Any, ...]]:
            return connection.execute(sql).fetchall()

        records = sum(int(rows(landed.format(source))[0][0]) for source in ("orders", "transactions"))
        rejected = rows("select count(*) from silver.quarantine")[0][0]
        lines, orders, units = rows("select count(*), count(distinct order_id), sum(quantity) from gold.fact_sales")[0]
        net = rows("select currency, sum(net)::decimal(38, 4) from gold.product_revenue group by 1 order by 1")
    return Totals(records, rejected, lines, orders, str(units), {currency: str(amount) for currency, amount in net})


if __name__ == "__main__":
    sys.exit(main())
