"""Separate processes on one lakehouse and the same keys: stream, batch, full refresh and maintenance."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from saleslake.config import PROJECT_ROOT
from saleslake.entry import open_settings
from saleslake.lake import Lake
from tests.stream_support import CONFIG, order, put, rows

BATCH = """
[sources.shop]
entity = "orders"
format = "jsonl"
path = "shop"
"""
ROUNDS = 4
ORDERS = 30


def _saleslake(config: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "saleslake", *arguments, "--config", str(config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_stream_batch_full_refresh_and_maintenance_lose_and_double_nothing(tmp_path: Path) -> None:
    config = tmp_path / "saleslake.toml"
    config.write_text('[paths]\nroot = "."\ndata = "data"\n' + BATCH + CONFIG)
    put(tmp_path / "shop", "0.jsonl", *[order(f"S{n}") for n in range(ORDERS)])
    program = str(PROJECT_ROOT / "streaming" / "stream.py")
    command = [sys.executable, program, "--config", str(config), "--trigger", "1 second"]
    stream = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        for round_ in range(ROUNDS):
            at = f"2024-06-0{round_ + 1}T00:00:00Z"
            # The stream corrects the even orders and adds its own; the batch corrects the odd ones, on other days.
            changed = [order(f"S{n}", updated_at=at, promo=str(round_)) for n in range(0, ORDERS, 2)]
            put(tmp_path / "events", f"{round_}.jsonl", *changed, *[order(f"E{round_}-{n}") for n in range(ORDERS)])
            corrected = [order(f"S{n}", f"2024-05-0{round_ + 1}T00:00:00Z", updated_at=at) for n in range(1, ORDERS, 2)]
            put(tmp_path / "shop", f"{round_ + 1}.jsonl", *corrected)
            for work in (("run",), ("run", "--full-refresh"), ("maintain",), ("run",))[round_ : round_ + 1]:
                done = _saleslake(config, *work)
                assert done.returncode == 0, (work, done.stderr)
        deadline = time.monotonic() + 90
        lake = Lake(open_settings(str(config)))
        while json.loads((tmp_path / "data" / "stream.json").read_text())["totals"]["records"] < ROUNDS * 45:
            assert stream.poll() is None, stream.communicate()
            assert time.monotonic() < deadline, "the stream never saw all events"
            time.sleep(0.5)
        stream.terminate()
        _, problems = stream.communicate(timeout=120)
        assert stream.returncode == 0, problems
    finally:
        stream.kill()
    done = _saleslake(config, "run")
    assert done.returncode == 0, done.stderr
    done = _saleslake(config, "verify", "--json")
    assert done.returncode == 0, done.stdout
    found = rows(lake, "select count(*), count(distinct order_id) from silver.orders")
    assert found == [(ORDERS + ROUNDS * ORDERS,) * 2]
    winners = rows(
        lake, "select cast(date as text), count(*) from silver.orders where order_id like 'S%' group by 1 order by 1"
    )
    assert winners == [("2024-05-01", ORDERS // 2), (f"2024-05-0{ROUNDS}", ORDERS // 2)]
