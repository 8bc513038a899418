"""The embedded engine and the machine: its processes, its memory, its folders, and no Java at all."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from saleslake import bronze
from saleslake.cli.app import app
from saleslake.config import DEFAULT_CONFIG
from saleslake.engine import judging
from saleslake.engine.own_folder import OwnFolder, left_behind, remove_left_behind
from saleslake.engine_choice import attempted, choose
from saleslake.entry import open_settings
from saleslake.errors import SaleslakeError
from saleslake.lake import Lake
from saleslake.publish import publish
from saleslake.silver import users
from saleslake.silver.registry import ENTITIES
from tests.engine.embedded_support import LINES, engine_of, lake_in, lines
from tests.processes import BIN, Processes


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of `saleslake run --demo --engine embedded`."""
    data = tmp_path_factory.mktemp("demo") / "data"
    with mock.patch.dict(os.environ, {"SALESLAKE__PATHS__DATA": str(data)}):
        done = CliRunner().invoke(app, ["run", "--demo", "--engine", "embedded"])
    assert done.exit_code == 0, done.output
    return data


def _demo_lake(data: Path) -> Lake:
    with mock.patch.dict(os.environ, {"SALESLAKE__PATHS__DATA": str(data)}):
        return Lake(open_settings(str(DEFAULT_CONFIG)))


def _judged(lake: Lake, source: str) -> list[dict[str, Any]]:
    with lake.engine.judged(source, bronze.rows(lake, source)) as frame:
        found: list[dict[str, Any]] = lake.engine.fetch(frame).to_pylist()
    return sorted(found, key=lambda row: row["record_id"])


def _wait(for_what: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while not (found := for_what()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return found


def _folders(lake: Lake) -> list[Path]:
    return [path for path in Path(lake.work("embedded")).iterdir() if path.is_dir()]


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# --- judging ---------------------------------------------------------------------------------------


def test_other_processes_judge_as_this_one_does(
    demo: Path, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = _demo_lake(demo)
    here = {name: _judged(lake, name) for name in lake.settings.sources if lake.exists(bronze.table_of(name))}
    assert sum(map(len, here.values())) > 1000
    monkeypatch.setattr(judging, "_JUDGED_HERE", 0)
    monkeypatch.setattr(judging.Judges, "CHUNK", 100)
    there = {name: _judged(lake, name) for name in here}
    workers = list(engine_of(lake)._judges._started()._processes)
    assert there == here
    lake.close()
    assert workers and not any(map(_is_running, workers))
    assert _folders(lake) == [], "and its folders are gone"


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_judging_process_that_is_killed_ends_the_work_with_one_error(
    demo: Path, processes: Processes, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    lake = _demo_lake(demo)
    monkeypatch.setattr(judging, "_JUDGED_HERE", 0)
    pool = engine_of(lake)._judges._started()
    pool.submit(os.getpid).result()
    victims = list(pool._processes)
    rows = bronze.rows(lake, "transactions")
    many = lake.engine.sql("SELECT r.* FROM r, range(400)", r=rows)

    def kill() -> None:
        _wait(lambda: list(Path(lake.work("embedded")).glob("*/judged-*/*.parquet")))
        os.kill(victims[0], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    if when == "before":
        os.kill(victims[0], signal.SIGKILL)
    else:
        thread.start()
    with (
        pytest.raises(SaleslakeError, match="source transactions: a process that judged its records was killed"),
        lake.engine.judged("transactions", many),
    ):
        pass
    if when == "meanwhile":
        thread.join()
    assert len(_judged(lake, "users")) > 0, "and those that come after are judged by others"
    lake.close()


PARENT = """
import os, sys, time
from pathlib import Path
if __name__ == "__main__":
    from tests.engine.embedded_support import engine_of, lake_in
    lake = lake_in(Path(sys.argv[1]))
    engine = engine_of(lake)
    engine._connection()
    pool = engine._judges._started()
    for done in [pool.submit(os.getpid) for _ in range(4)]:
        done.result()
    print(*pool._processes, flush=True)
    time.sleep(100)
"""


def test_a_killed_run_leaves_no_process_and_the_next_run_removes_its_folders(
    tmp_path: Path, processes: Processes
) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    parent = processes.start("python", str(tmp_path / "parent.py"), str(tmp_path), PYTHONPATH=f"lib{os.pathsep}.")
    assert parent.stdout is not None
    workers = [int(pid) for pid in parent.stdout.readline().split()]
    assert workers and all(map(_is_running, workers))
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    _wait(lambda: not any(map(_is_running, workers)), seconds=2)
    lake = lake_in(tmp_path)
    root = Path(lake.work("embedded"))
    (left,) = left_behind(root)
    assert (left / "spill").is_dir()
    lake.engine.fetch(lake.engine.sql("SELECT 1 AS one"))
    (own,) = [folder for folder in root.iterdir() if folder.is_dir()]
    assert own != left and left_behind(root) == []
    lake.close()


def test_the_folder_of_a_run_that_goes_on_is_left_alone(tmp_path: Path) -> None:
    first, second = lake_in(tmp_path), lake_in(tmp_path)
    for lake in (first, second):
        lake.engine.append(LINES, lines(lake, ("a", 1)))
    assert len(_folders(first)) == 2
    second.close()
    assert first.engine.fetch(first.engine.read(LINES)).num_rows == 2
    first.close()
    assert _folders(first) == []
    (Path(first.work("embedded")) / "no-file-in-it").mkdir()
    remove_left_behind(Path(first.work("embedded")))
    assert _folders(first) == []


def test_auto_gives_spark_its_turn_after_a_kill_and_not_because_another_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saleslake.engine_choice.java_problem", lambda: None)
    lake, other = lake_in(tmp_path), lake_in(tmp_path)
    lake.uses = "embedded"
    with attempted(lake, "auto"):
        assert choose(other, "auto").name == "embedded", "that one is alive"
    killed = OwnFolder(Path(lake.work("embedded")), "attempt")
    os.close(killed._descriptor)
    choice = choose(other, "auto")
    assert (choice.name, choice.note) == ("spark", "on Spark: the last attempt on the embedded engine was killed")
    other.uses = "spark"
    with pytest.raises(ZeroDivisionError), attempted(other, "auto"):
        raise ZeroDivisionError
    assert choose(other, "auto").name == "spark", "Spark has not done it either"
    with attempted(other, "auto"):
        pass
    assert choose(other, "auto").name == "embedded"


# --- memory ----------------------------------------------------------------------------------------


def _resident_megabytes() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_nothing_is_left_of_two_hundred_publishes(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    entity, schema = ENTITIES["users"], ENTITIES["users"].judged_arrow
    at: list[float] = []
    for number in range(200):
        row = dict.fromkeys(schema.names) | {
            "record_id": f"r{number}", "user_id": f"u{number % 20}", "reasons": [], "details": [], "warnings": [], "discarded_by": [],
            "source": "users", "file": "u.csv", "ordinal": number, "run_id": "run", "content_hash": f"{number}",
            "landed_at": 1_714_550_400_000_000 + number,
        }  # fmt: skip
        rows = pa.Table.from_pylist([row], schema=schema)
        with lake.engine.kept(lake.engine.rows(rows)) as judged:
            publish(lake, entity, judged)
        if number in (60, 199):
            at.append(_resident_megabytes())
    assert lake.snapshot(users.TABLE).count() == 20
    database = engine_of(lake)._database
    assert database is not None and database.execute("SELECT count(*) FROM duckdb_tables()").fetchall() == [(0,)]
    assert database.execute("SELECT count(*) FROM duckdb_views() WHERE NOT internal").fetchall() == [(0,)]
    assert at[1] - at[0] < 60, f"{at[0]:.0f} MB after 61, {at[1]:.0f} MB after 200"
    lake.close()


def test_what_is_kept_goes_with_its_block_whatever_ends_it(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    with pytest.raises(ZeroDivisionError), lake.engine.kept(lines(lake, ("a", 1))):
        raise ZeroDivisionError
    database = engine_of(lake)._database
    assert database is not None and database.execute("SELECT count(*) FROM duckdb_tables()").fetchall() == [(0,)]
    with (
        pytest.raises(duckdb.Error),
        lake.engine.kept(lake.engine.sql("SELECT no_such_column FROM r", r=lines(lake, ("a", 1)))),
    ):
        pass
    lake.close()


# --- Ctrl-C, and no Java ---------------------------------------------------------------------------


def test_an_interrupt_in_a_query_is_an_interrupt(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    lake.engine.fetch(lake.engine.sql("SELECT 1 AS one"))
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    slow = lake.engine.sql("SELECT i, md5('' || i) AS h FROM range(100000000) r(i) ORDER BY h")
    with pytest.raises(KeyboardInterrupt), lake.engine.kept(slow):
        pass
    timer.join()
    lake.close()


MANY = """
[sources.users]
entity = "users"
format = "csv"
path = "users.csv"
"""


def test_ctrl_c_ends_a_run_as_on_spark_and_its_tables_are_sound(tmp_path: Path, processes: Processes) -> None:
    lake = lake_in(tmp_path, MANY)
    with (tmp_path / "users.csv").open("w") as stream:
        stream.write("user_id,email,created_at,country\n")
        stream.writelines(f"u{n},u{n}@example.com,2024-05-01T10:00:00Z,DE\n" for n in range(100_000))
    command = ("saleslake", "run", "--engine", "embedded", "--config", str(tmp_path / "saleslake.toml"))
    run = processes.start(*command)
    _wait(lambda: list(Path(lake.work("embedded")).glob("*/judged-*/*.parquet")))
    os.killpg(run.pid, signal.SIGINT)  # as the terminal does: to the workers, too
    out, err = run.communicate(timeout=60)
    assert run.returncode == 1, out + err
    assert err.strip() == "error: interrupted: what was written stays and is sound; run again to go on"
    assert _folders(lake) == []
    again = processes.run(*command)
    assert again.returncode == 0, again.stdout + again.stderr
    assert lake.snapshot(users.TABLE).count() == 100_000
    proof = processes.run(
        "saleslake", "verify", "--engine", "embedded", "--json", "--config", str(tmp_path / "saleslake.toml")
    )
    assert json.loads(proof.stdout)["holds"], proof.stdout + proof.stderr


@pytest.fixture
def without_java(tmp_path: Path, processes: Processes) -> Callable[..., Any]:
    def run(*command: str) -> Any:
        data = str(tmp_path / "data")
        return processes.run(
            "saleslake", *command, timeout=120, SALESLAKE__PATHS__DATA=data, PATH=str(BIN), JAVA_HOME=""
        )

    return run


def test_without_java_all_but_the_stream_goes_on(without_java: Callable[..., Any]) -> None:
    first = without_java("run", "--demo")
    assert first.returncode == 0, first.stdout + first.stderr
    said = " ".join(first.stdout.split())
    assert said.count("without Spark: Java not found") == 1 and "spark-submit, the stream and clusters" in said
    on_spark = without_java("run", "--demo", "--engine", "spark")
    assert on_spark.returncode == 2
    assert on_spark.stderr.startswith("error: Java not found") and on_spark.stderr.count("\n") == 1, on_spark.stderr
    for command in (["verify"], ["maintain"], ["status"], ["check"], ["sql", "select count(*) from gold.fact_sales"]):
        done = without_java(*command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        assert done.stderr == "", f"{command}: {done.stderr}"
    stream = without_java("stream", "--once")
    assert stream.returncode == 2
    assert stream.stderr.startswith("error: ") and "Java" in stream.stderr and stream.stderr.count("\n") == 1, (
        stream.stderr
    )
