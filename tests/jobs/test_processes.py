"""Whole processes: spark-submit per job, `kill -9`, Ctrl-C, two processes that want one lock, no Java."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from saleslake.accounting import verify
from saleslake.ingest.window import Window
from saleslake.lake import Lake
from saleslake.pipeline import Batch
from saleslake.serve.duck import connect

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
CONFIG = """
[run]
lock_timeout_seconds = {timeout}
[sources.orders]
entity = "orders"
format = "json"
path = "in/orders.json"
[sources.sales]
entity = "transactions"
format = "csv"
path = "in/sales.csv"
defaults = {{ currency = "EUR" }}
"""
ORDERS = """[
{"order_id": "o1", "user_id": "u1", "amount": 20, "currency": "EUR", "created_at": "2024-03-01T10:00:00Z",
 "items": [{"sku": "A", "qty": 2, "price": 10}]},
{"order_id": "o2", "created_at": "2024-03-01", "currency": "EUR", "items": []},
{"order_id": "o1", "user_id": "u1", "amount": 30, "currency": "EUR", "created_at": "2024-03-02T10:00:00Z",
 "items": [{"sku": "A", "qty": 3, "price": 10}]}
]"""
SALES = (
    "transaction_id,customer_id,product_id,sale_date,quantity,total_price,sales_channel\nt1,u1,A,2024-03-02,1,10,web\n"
)
REVENUE = "select date::varchar, sku, units::int, net::int from gold.product_revenue order by all"

Make = Callable[[str], Lake]


@pytest.fixture
def lake(make_lake: Make, tmp_path: Path) -> Lake:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "orders.json").write_text(ORDERS)
    (tmp_path / "in" / "sales.csv").write_text(SALES)
    return make_lake(CONFIG.format(timeout=60))


def environment(**more: str) -> dict[str, str]:
    """What `source .venv/bin/activate` would set."""
    return {
        k: v for k, v in os.environ.items() if k not in ("SPARK_HOME", "SPARK_CONF_DIR", "PYSPARK_GATEWAY_PORT")
    } | {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "VIRTUAL_ENV": str(BIN.parent),
        **more,
    }


def command(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / arguments[0]), *arguments[1:]], capture_output=True, text=True, env=environment(**env), timeout=300
    )


def config(lake: Lake) -> str:
    return str(lake.settings.config_file)


def revenue(lake: Lake) -> list[tuple[object, ...]]:
    with connect(lake) as connection:
        return connection.execute(REVENUE).fetchall()


@pytest.fixture
def started(lake: Lake) -> Iterator[subprocess.Popen[str]]:
    """`saleslake run` as a process group of its own."""
    process = subprocess.Popen(
        [str(BIN / "saleslake"), "run", "--config", config(lake)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(), start_new_session=True,
    )  # fmt: skip
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def wait_for(what: Path, process: subprocess.Popen[str], pattern: str) -> None:
    end = time.monotonic() + 120
    while not list(what.glob(pattern)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, f"no {what}/{pattern}"
        time.sleep(0.05)


def test_each_job_runs_under_plain_spark_submit(lake: Lake) -> None:
    said = {
        "land_files": "4 records landed",
        "silver": "4 records decided, 1 quarantined",
        "gold": "9 gold tables written",
    }
    for job, what in said.items():
        done = command("spark-submit", str(ROOT / "jobs" / f"{job}.py"), "--config", config(lake))
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"{job}: {what} (" in done.stdout
    assert revenue(lake) == [("2024-03-02", "A", 4, 40)]


def test_a_run_killed_after_silver_leaves_nothing_for_the_next_to_trip_over(
    lake: Lake, started: subprocess.Popen[str], tmp_path: Path
) -> None:
    wait_for(tmp_path / "data" / "tables" / "silver" / "orders", started, "date=*/*.parquet")
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    assert not Batch(lake).run(Window()).failures
    assert revenue(lake) == [("2024-03-02", "A", 4, 40)]
    assert verify(lake).holds
    assert Batch(lake).run(Window()).nothing_new


def test_ctrl_c_is_one_line_and_loses_nothing(lake: Lake, started: subprocess.Popen[str], tmp_path: Path) -> None:
    wait_for(tmp_path / "data" / "tables" / "bronze" / "orders", started, "landed_date=*/*.parquet")
    os.killpg(started.pid, signal.SIGINT)  # what a terminal does: Python and its JVM both get it
    out, err = started.communicate(timeout=60)
    assert started.returncode == 1
    assert err.strip().splitlines() == [
        "error: interrupted: what was written stays and is sound; run again to go on"
    ], out + err
    assert not Batch(lake).run(Window()).failures
    assert revenue(lake) == [("2024-03-02", "A", 4, 40)]


def test_a_second_process_waits_for_the_lock_and_names_its_holder(lake: Lake, make_lake: Make) -> None:
    make_lake(CONFIG.format(timeout=1))
    with lake.lock("silver"):
        done = command("saleslake", "run", "--config", config(lake))
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1, done.stderr
    assert lake.run_id in errors[0]
    assert "silver" in errors[0]
    assert not Batch(lake).run(Window()).failures


def test_without_java_make_and_saleslake_say_what_to_install(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    nowhere = {"PATH": f"{BIN}{os.pathsep}{tmp_path / 'empty'}", "JAVA_HOME": str(tmp_path / "empty")}
    run = command("saleslake", "run", "--config", config(lake), **nowhere)
    made = command("python", str(ROOT / "tools" / "bootstrap.py"), **nowhere)
    for done, code in ((run, 1), (made, 2)):
        assert done.returncode in (code, 2)
        (line,) = [line for line in done.stderr.splitlines() if line.strip()]
        assert line.startswith(
            f"error: Java not found (JAVA_HOME={tmp_path / 'empty'} has no bin/java): install a JDK 17 or 21"
        )
