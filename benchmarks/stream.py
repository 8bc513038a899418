"""`make bench-stream`: how many events a second the stream takes to gold, and how long an event is on its way.

A backlog in files, read to the end; then a steady rate, with the time from an event's file being renamed into the
watched folder to the commit that makes it visible in gold.fact_sales. Prints one table a part, with the settings.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from benchmarks.memory import Peak
from saleslake.config import PROJECT_ROOT
from saleslake.machine import cores, memory_megabytes

WORK = Path(__file__).parent / "out" / "stream"
out = Console(highlight=False)

CONFIG = """
[paths]
root = "."
data = "data"
[channels]
instore = "store"
mobileapp = "mobile"
online = "web"
[sources.events_orders]
entity = "orders"
format = "events"
[sources.events_transactions]
entity = "transactions"
format = "events"
version = "updated_at"
defaults = { currency = "EUR" }
[sources.events_transactions_csv]
entity = "transactions"
format = "events_csv"
columns = ["transaction_id", "customer_id", "product_id", "sale_date", "quantity", "total_price", "sales_channel", "currency", "updated_at"]
version = "updated_at"
defaults = { currency = "EUR" }
[stream]
trigger = "2 seconds"
[stream.files]
path = "events"
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="events of the backlog")
    parser.add_argument("--files", default="1000,50000", help="events a file of the backlog, separated by commas")
    parser.add_argument("--rate", type=int, default=500, help="events a second of the steady part")
    parser.add_argument("--seconds", type=int, default=300, help="length of the steady part; 0 leaves it out")
    args = parser.parse_args()
    out.print(f"{cores()} cores, {memory_megabytes() // 1024} GiB")
    for events_a_file in [int(n) for n in args.files.split(",") if n]:
        _backlog(args.events, events_a_file)
    if args.seconds:
        _steady(args.rate, args.seconds)
    return 0


def _house() -> Path:
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    (WORK / "saleslake.toml").write_text(CONFIG)
    return WORK / "saleslake.toml"


def _simulate(config: Path, *options: str) -> list[str]:
    base = [sys.executable, "-m", "saleslake", "simulate", "--config", str(config), "--to", "files", "--seed", "7"]
    return [*base, "--truth", str(WORK / "truth.json"), *options]


def _stream(config: Path, *options: str) -> subprocess.Popen[bytes]:
    program = str(PROJECT_ROOT / "streaming" / "stream.py")
    return subprocess.Popen([sys.executable, program, "--config", str(config), *options], stdout=subprocess.DEVNULL)


def _backlog(events: int, events_a_file: int) -> None:
    config = _house()
    sizes = ("--events", str(events), "--rate", "0", "--events-per-file", str(events_a_file))
    subprocess.run(_simulate(config, *sizes, "--start", "2024-05-01T00:00:00Z", "--file-seconds", "3600"), check=True)
    started = time.monotonic()
    process = _stream(config, "--once")
    peak = Peak(process.pid)
    if process.wait():
        sys.exit(f"error: the stream ended with {process.returncode}")
    seconds = time.monotonic() - started
    peak.stop()
    ready = _started_reading()
    table = Table(
        "events", "events a file", "seconds", "without the start", "events/s", "micro-batches", "peak MB", box=None
    )
    whole = seconds - ready
    table.add_row(
        f"{events:,}", f"{events_a_file:,}", f"{seconds:.1f}", f"{whole:.1f}", f"{events / whole:,.0f}",
        str(len(_batches())), f"{peak.megabytes:,}",
    )  # fmt: skip
    out.print(table)
    _compare_batches()
    _verify(config)


def _steady(rate: int, seconds: int) -> None:
    config = _house()
    stream = _stream(config)
    peak = Peak(stream.pid)
    deadline = time.monotonic() + 120
    while _figures().get("state") != "running" and time.monotonic() < deadline:
        time.sleep(0.2)
    # The first events of a new lakehouse wait for Spark's compiler: they are sent and drained before the clock starts.
    subprocess.run(_simulate(config, "--events", "2000", "--rate", "200", "--seed", "1"), check=True)
    _drained(2000)
    began = time.time()
    sender = subprocess.Popen(_simulate(config, "--events", str(rate * seconds), "--rate", str(rate)))
    memory: list[tuple[float, int]] = []
    while sender.poll() is None:
        memory.append((time.time() - began, peak.now()))
        time.sleep(2)
    _drained(2000 + rate * seconds)
    stream.send_signal(signal.SIGTERM)
    stream.wait(timeout=120)
    peak.stop()
    latencies = _latencies(began)
    quarter = max(1, len(memory) // 4)
    table = Table(
        "events/s",
        "seconds",
        "orders seen",
        "median s",
        "p95 s",
        "max s",
        "MB first quarter",
        "MB last quarter",
        box=None,
    )
    table.add_row(
        f"{rate:,}", str(seconds), f"{len(latencies):,}", f"{statistics.median(latencies):.1f}",
        f"{statistics.quantiles(latencies, n=20)[18]:.1f}", f"{max(latencies):.1f}",
        f"{statistics.mean(m for _, m in memory[:quarter]):,.0f}", f"{statistics.mean(m for _, m in memory[-quarter:]):,.0f}",
    )  # fmt: skip
    out.print(table)
    _compare_batches()
    _verify(config)


def _figures() -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((WORK / "data" / "stream.json").read_text())
    except (OSError, ValueError):
        return {}
    return found


def _drained(events: int) -> None:
    """Until the stream has landed so many events, and gold has followed."""
    while _figures().get("totals", {}).get("records", 0) < events:
        time.sleep(0.5)
    time.sleep(15)


def _log() -> list[dict[str, Any]]:
    found = []
    for path in sorted((WORK / "data" / "logs").glob("*.jsonl")):
        found += [json.loads(line) for line in path.read_text().splitlines()]
    return found


def _batches() -> list[dict[str, Any]]:
    return [line for line in _log() if line["event"] == "micro_batch"]


def _started_reading() -> float:
    """Seconds from the start of the process to the first look at the input."""
    lines = _log()
    first, reading = (
        next(line["timestamp"] for line in lines if line["event"] == e) for e in ("run_started", "stream_reading")
    )
    return _seconds(reading) - _seconds(first)


def _seconds(stamp: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


def _compare_batches() -> None:
    seconds = [line["seconds"] for line in _batches()]
    n = min(20, len(seconds) // 2)
    if n:
        first, last = statistics.mean(seconds[1 : n + 1]), statistics.mean(seconds[-n:])
        out.print(f"micro-batch: first {n} {first:.1f} s, last {n} {last:.1f} s on average")


def _latencies(began: float) -> list[float]:
    """Seconds from the renaming of an order's file to the commit of fact_sales that has it first. One figure an order."""
    visible: dict[str, float] = {}
    table = WORK / "data" / "tables" / "gold" / "fact_sales"
    for commit in sorted((table / "_delta_log").glob("*.json")):
        at = commit.stat().st_mtime
        for line in commit.read_text().splitlines():
            add = json.loads(line).get("add")
            if add and (table / add["path"]).exists():
                for value in pq.read_table(table / add["path"], columns=["order_id"]).column(0).to_pylist():
                    visible.setdefault(value, at)
    found: dict[str, float] = {}
    for path in (WORK / "events").iterdir():
        written = path.stat().st_mtime
        if written < began:
            continue
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                key = json.loads(line).get("order_id")
            except (ValueError, AttributeError):
                continue
            if key in visible and visible[key] >= written:
                found.setdefault(key, visible[key] - written)
    return list(found.values())


def _verify(config: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "saleslake",
        "verify",
        "--config",
        str(config),
        "--truth",
        str(WORK / "truth.json"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "200"})
    out.print(
        done.stdout.strip().splitlines()[-1] if done.returncode == 0 else f"[red]verify failed[/]: {done.stdout[-500:]}"
    )


if __name__ == "__main__":
    sys.exit(main())
