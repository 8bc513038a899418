"""Two processes on one lakehouse and the same keys: a stream, and beside it batch, full refresh and maintenance."""

from __future__ import annotations

import json
import time
from pathlib import Path
from subprocess import Popen

from pyspark.sql import SparkSession

from saleslake.accounting import verify
from saleslake.config import PROJECT_ROOT, Settings
from saleslake.entry import open_settings
from saleslake.ingest.window import Window
from saleslake.lake import Lake
from saleslake.maintenance import maintain
from saleslake.pipeline import Batch
from tests.conftest import write_config
from tests.processes import Processes
from tests.stream_support import CONFIG, order, put, rows

BATCH = """
[sources.shop]
entity = "orders"
format = "jsonl"
path = "shop"
"""
WORKS = ("run", "full refresh", "maintain", "run")
ORDERS = 30


def _do(work: str, settings: Settings, spark: SparkSession) -> None:
    """In this process; a Lake of its own makes it a run of its own."""
    lake = Lake(settings, spark)
    if work == "maintain":
        maintain(lake)
        return
    failures = Batch(lake).run(Window(), full_refresh=work == "full refresh").failures
    assert not failures, (work, failures)


def test_stream_batch_full_refresh_and_maintenance_lose_and_double_nothing(
    tmp_path: Path, spark: SparkSession, processes: Processes
) -> None:
    """The stream has a process, and so a JVM, of its own: only locks in files keep it and the batch apart."""
    config = write_config(tmp_path, BATCH + CONFIG)
    settings = open_settings(str(config))
    put(tmp_path / "shop", "0.jsonl", *[order(f"S{n}") for n in range(ORDERS)])
    program = str(PROJECT_ROOT / "streaming" / "stream.py")
    stream = processes.start("python", program, "--config", str(config), "--trigger", "1 second")
    for round_, work in enumerate(WORKS):
        at = f"2024-06-0{round_ + 1}T00:00:00Z"
        # The stream corrects the even orders and adds its own; the batch corrects the odd ones, on other days.
        changed = [order(f"S{n}", updated_at=at, promo=str(round_)) for n in range(0, ORDERS, 2)]
        put(tmp_path / "events", f"{round_}.jsonl", *changed, *[order(f"E{round_}-{n}") for n in range(ORDERS)])
        corrected = [order(f"S{n}", f"2024-05-0{round_ + 1}T00:00:00Z", updated_at=at) for n in range(1, ORDERS, 2)]
        put(tmp_path / "shop", f"{round_ + 1}.jsonl", *corrected)
        if round_ == 0:  # by now the stream works, so what follows is beside it
            _wait_for_the_stream(tmp_path, 45, stream)
        _do(work, settings, spark)
    _wait_for_the_stream(tmp_path, len(WORKS) * 45, stream)
    stream.terminate()
    _, problems = stream.communicate(timeout=300)
    assert stream.returncode == 0, problems
    _do("run", settings, spark)
    lake = Lake(settings, spark)
    proof = verify(lake)
    assert proof.holds, proof
    found = rows(lake, "select count(*), count(distinct order_id) from silver.orders")
    assert found == [(ORDERS + len(WORKS) * ORDERS,) * 2]
    winners = rows(
        lake, "select cast(date as text), count(*) from silver.orders where order_id like 'S%' group by 1 order by 1"
    )
    assert winners == [("2024-05-01", ORDERS // 2), (f"2024-05-0{len(WORKS)}", ORDERS // 2)]


def _wait_for_the_stream(root: Path, records: int, stream: Popen[str]) -> None:
    told, deadline = root / "data" / "stream.json", time.monotonic() + 300
    while not told.exists() or json.loads(told.read_text())["totals"]["records"] < records:
        assert stream.poll() is None, stream.communicate()
        assert time.monotonic() < deadline, f"the stream never saw {records} events"
        time.sleep(0.1)
