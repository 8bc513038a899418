"""Whole processes: spark-submit, Ctrl-C, two that want one lock, no Java. `kill -9`: tests/chaos."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from saleslake.ingest.window import Window
from saleslake.lake import Lake
from saleslake.pipeline import Batch
from tests.jobs.shop import CONFIG, deliver, revenue
from tests.processes import BIN, ROOT, Processes

Make = Callable[[str], Lake]


@pytest.fixture
def lake(make_lake: Make, tmp_path: Path) -> Lake:
    deliver(tmp_path)
    return make_lake(CONFIG.format(timeout=60))


def config(lake: Lake) -> str:
    return str(lake.settings.config_file)


def test_a_chain_of_jobs_runs_under_plain_spark_submit(lake: Lake, processes: Processes) -> None:
    said = {
        "land_files": "land_files: 4 records landed (",
        "silver": "silver: 4 records decided, 1 quarantined (",
        "gold": "gold: 9 gold tables written (",
        "check": "fact_equals_orders: 0 ok",
    }
    for job, what in said.items():
        done = processes.run("spark-submit", str(ROOT / "jobs" / f"{job}.py"), "--config", config(lake))
        assert done.returncode == 0, done.stdout + done.stderr
        assert what in done.stdout
    assert revenue(lake) == [("2024-03-02", "A", 4, 40)]


def test_ctrl_c_is_one_line_and_loses_nothing(lake: Lake, processes: Processes, tmp_path: Path) -> None:
    process = processes.start("saleslake", "run", "--config", config(lake))
    bronze, end = tmp_path / "data" / "tables" / "bronze" / "orders", time.monotonic() + 300
    while not list(bronze.glob("landed_date=*/*.parquet")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, f"nothing in {bronze}"
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does: Python and its JVM both get it
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert err.strip().splitlines() == [
        "error: interrupted: what was written stays and is sound; run again to go on"
    ], out + err
    assert not Batch(lake).run(Window()).failures
    assert revenue(lake) == [("2024-03-02", "A", 4, 40)]


def test_a_second_process_waits_for_the_lock_and_names_its_holder(
    lake: Lake, make_lake: Make, processes: Processes
) -> None:
    make_lake(CONFIG.format(timeout=1))
    with lake.lock("silver"):
        done = processes.run("saleslake", "run", "--config", config(lake))
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1, done.stderr
    assert lake.run_id in errors[0]
    assert "silver" in errors[0]
    assert not Batch(lake).run(Window()).failures


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    """An environment without Java."""
    (tmp_path / "empty").mkdir()
    return {"PATH": f"{BIN}{os.pathsep}{tmp_path / 'empty'}", "JAVA_HOME": str(tmp_path / "empty")}


def test_without_java_a_run_is_the_embedded_engines(lake: Lake, processes: Processes, nowhere: dict[str, str]) -> None:
    done = processes.run("saleslake", "run", "--config", config(lake), **nowhere)  # type: ignore[arg-type]
    assert done.returncode == 0, done.stderr
    assert "on the embedded engine" in done.stdout


def test_without_java_set_up_succeeds_and_says_what_java_would_add(
    processes: Processes, nowhere: dict[str, str]
) -> None:
    done = processes.run("python", str(ROOT / "tools" / "bootstrap.py"), **nowhere)  # type: ignore[arg-type]
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "no Java found: saleslake runs on its embedded engine; Java 17 or 21 would add Spark: spark-submit, the stream, "
        "a cluster"
    ]
