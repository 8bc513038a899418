"""Writer locks between processes: with a JVM and without one, and when `kill -9` leaves one of a pair alive."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from saleslake.config import Settings
from saleslake.errors import LockTimeout
from saleslake.lake import Lake
from saleslake.locks import hand_to_jvm, no_writer
from tests.processes import Processes

CONFIG = '[sources.users]\nentity = "users"\nformat = "csv"\npath = "u.csv"'
OWNER = """
import fcntl, struct, sys
for path in sys.argv[1:]:
    with open(path, "r+b") as file:
        found = fcntl.fcntl(file, fcntl.F_GETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
        kind, _, _, _, pid = struct.unpack("hhqqi4x", found)
        print(0 if kind == fcntl.F_UNLCK else pid)
"""


@pytest.fixture
def both(spark: SparkSession, make_settings: Callable[[str], Settings]) -> list[Lake]:
    """A run with a JVM and one without, in this process."""
    settings = make_settings(CONFIG)
    return [Lake(settings, spark), Lake(settings)]


def _holding(processes: Processes, lake: Lake, engine: str, program: str = "python") -> subprocess.Popen[str]:
    script, settings = Path(__file__).with_name("holding.py"), lake.settings.root / "saleslake.toml"
    return processes.start(program, str(script), str(settings), engine)


def _held(process: subprocess.Popen[str], lake: Lake) -> dict[str, int]:
    """The pids, once it holds the lock."""
    _wait(lambda: process.poll() is not None or (lake.settings.root / "held.json").exists())
    assert process.poll() is None, process.communicate()
    return json.loads((lake.settings.root / "held.json").read_text())


def _wait(until: Callable[[], bool], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, f"not so after {seconds:g} s"
        time.sleep(0.005)


def _refused(lakes: list[Lake], by: str) -> None:
    for lake in lakes:
        with pytest.raises(LockTimeout, match=f"silver.lock: held by {by} since"), lake.lock("silver", 0):
            pass
    with pytest.raises(LockTimeout), no_writer(lakes[0].folder("locks"), "silver", 0):
        pass


def _owners(processes: Processes, lake: Lake) -> list[int]:
    """Who has `silver.lock` and `silver.jvm.lock`, by the system. Asked in another process: this one may hold them."""
    paths = [lake.folder("locks", f"silver{suffix}") for suffix in (".lock", ".jvm.lock")]
    return [int(line) for line in processes.run("python", "-c", OWNER, *paths).stdout.split()]


def _jvm_of(spark: SparkSession) -> int:
    return int(spark._jvm.java.lang.ProcessHandle.current().pid())


def _in_the_midst_of_a_write(lake: Lake) -> None:
    """When a file lies in the table that no commit names yet, after some that do."""
    table = Path(lake.folder("tables", "appended"))
    _wait(lambda: len(list(table.glob("_delta_log/*.json"))) >= 2)
    before = set(table.glob("*.parquet"))
    _wait(lambda: set(table.glob("*.parquet")) != before)


@contextmanager
def _nothing_is_committed(lake: Lake, seconds: float = 1.0) -> Iterator[None]:
    log = Path(lake.folder("tables", "appended", "_delta_log"))
    before = sorted(log.iterdir())
    yield
    time.sleep(seconds)
    assert sorted(log.iterdir()) == before


def test_a_process_with_a_jvm_keeps_out_one_without(both: list[Lake], processes: Processes) -> None:
    spark = both[0]
    with spark.lock("silver"):
        for _ in range(2):  # what is only Python's in the JVM would go with it, and a lock with its file
            spark.spark._jvm.java.lang.System.gc()
        assert _owners(processes, spark) == [os.getpid(), _jvm_of(spark.spark)]
        refused = _holding(processes, spark, "embedded")
        assert refused.wait(60) == 1
        assert f"silver.lock: held by run {spark.run_id} since" in refused.communicate()[1]
        _refused(both[1:], f"run {spark.run_id}")
        assert spark.holder("silver").startswith(f"run {spark.run_id} since")
        assert _owners(processes, spark) == [os.getpid(), _jvm_of(spark.spark)], "who looks on drops nothing"
    assert _owners(processes, spark) == [0, 0]
    assert spark.holder("silver") == ""


def test_a_process_without_a_jvm_keeps_out_one_with_it_and_when_killed_leaves_it_free(
    both: list[Lake], processes: Processes
) -> None:
    """Whatever its children still do, forked or executed."""
    process = _holding(processes, both[0], "embedded")
    pids = _held(process, both[0])
    try:
        assert _owners(processes, both[0]) == [pids["python"]] * 2
        _refused(both, "run of-embedded")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        for child in pids["children"][1:]:
            os.kill(child, 0)  # lives
        for lake in both:
            with lake.lock("silver", 0):
                assert lake.holder("silver").startswith(f"run {lake.run_id} since")
    finally:
        os.killpg(process.pid, signal.SIGKILL)


def test_python_killed_in_mid_commit_its_jvm_keeps_everybody_out_until_it_is_gone(
    both: list[Lake], processes: Processes
) -> None:
    process = _holding(processes, both[0], "spark", "spark-submit")
    pids = _held(process, both[0])
    assert process.pid == pids["jvm"] != pids["python"], "the JVM is the parent"
    assert _owners(processes, both[0]) == [pids["python"], pids["jvm"]]
    _in_the_midst_of_a_write(both[0])
    os.kill(pids["jvm"], signal.SIGSTOP)  # so that it is not gone before anybody has looked
    os.kill(pids["python"], signal.SIGKILL)
    _wait(lambda: _owners(processes, both[0]) == [0, pids["jvm"]], 30)
    for lake in both:
        with pytest.raises(LockTimeout), lake.lock("silver", 0):
            pass
        assert _owners(processes, both[0]) == [0, pids["jvm"]], "who was refused keeps nothing"
    _refused(both, "run of-spark")
    os.kill(pids["jvm"], signal.SIGCONT)
    with both[1].lock("silver", 60), _nothing_is_committed(both[0]):
        pass
    assert process.wait(60) != 0
    with both[0].lock("silver", 0):
        pass


def test_a_jvm_killed_in_mid_commit_its_python_keeps_everybody_out_until_it_lets_go(
    both: list[Lake], processes: Processes
) -> None:
    process = _holding(processes, both[0], "spark")
    pids = _held(process, both[0])
    _in_the_midst_of_a_write(both[0])
    os.kill(pids["jvm"], signal.SIGKILL)
    _wait((both[0].settings.root / "alone").exists)
    assert _owners(processes, both[0]) == [pids["python"], 0]
    with _nothing_is_committed(both[0], 0):
        _refused(both, "run of-spark")
    (both[0].settings.root / "go").touch()
    with both[0].lock("silver", 60):
        assert both[0].holder("silver").startswith(f"run {both[0].run_id} since")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert "lock_not_released" in out + err


def test_a_run_that_goes_over_to_spark_hands_on_the_part_of_the_writer(
    both: list[Lake], spark: SparkSession, processes: Processes
) -> None:
    run, me, jvm = both[1], os.getpid(), _jvm_of(spark)
    with run.lock("silver"):
        assert _owners(processes, run) == [me, me]
        hand_to_jvm(spark, "run of-another")
        assert _owners(processes, run) == [me, me]
        hand_to_jvm(spark, f"run {run.run_id}")
        assert _owners(processes, run) == [me, jvm]
        hand_to_jvm(spark, f"run {run.run_id}")
        with run.lock("silver"):  # a thread that has no use for the session takes nothing back
            pass
        assert _owners(processes, run) == [me, jvm]
        _refused(both[:1], f"run {run.run_id}")
    assert _owners(processes, run) == [0, 0]
    with run.lock("silver"):
        with Lake(run.settings, spark, run.run_id).lock("silver"):
            assert _owners(processes, run) == [me, jvm]
        assert _owners(processes, run) == [me, jvm], "Spark may go on writing"
    assert _owners(processes, run) == [0, 0]
