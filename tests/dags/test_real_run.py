"""The batch DAG for real: Airflow submits every job to Spark, the API has faults, a task is killed half-way and tried again,
and what is served is what gold says."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psycopg
import pytest
from pyspark.sql import SparkSession

from saleslake.accounting import verify
from saleslake.config import PROJECT_ROOT
from saleslake.entry import open_settings
from saleslake.gold import star
from saleslake.lake import Lake
from saleslake.mock_api import MockApi, parse_faults
from saleslake.table import Table
from tests.receivers import http_receiver
from tools import airflow_home
from tools.postgres_server import PostgresServer

SECRET = "canary-in-a-connection-5d1f"
SAMPLE = PROJECT_ROOT / "sample_data"
FILES = {
    "api_orders.json": "orders_api", "api_products.json": "products_api", "transactions.csv": "transactions",
    "users.csv": "users", "products.csv": "products_csv", "stock.csv": "stock",
}  # fmt: skip
PATIENCE_SECONDS = 1400


@dataclass
class Killer(threading.Thread):
    """Ends the job's driver once, JVM and Python alike, as soon as it has written to the table."""

    job: str
    log: Path
    killed: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        while not self.killed:
            time.sleep(0.1)
            if self.log.is_file():
                # Python first: it would end by itself, and with an exit code of its own, once its JVM is gone.
                found = sorted(self._drivers(), reverse=True)
                for pid in found:
                    os.kill(pid, signal.SIGKILL)
                self.killed += found

    def _drivers(self) -> list[int]:
        pids = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
                environment = (folder / "environ").read_bytes().decode(errors="replace")
            except OSError:
                continue
            of_this_test = str(self.log.parents[4]) in environment
            if of_this_test and any(part.endswith(self.job) for part in command) and "airflow" not in command[1]:
                pids.append(int(folder.name))
        return pids


@dataclass
class Run:
    data: Path
    output: str
    code: int
    killed: list[int]
    served: dict[str, int]
    home: Path
    secrets: tuple[str, ...]


@pytest.fixture(scope="module")
def run(airflow_python: Path, postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run of saleslake_batch over the sample: the API answers 429 and 500 at first, silver is killed after its first write."""
    home, data = tmp_path_factory.mktemp("airflow"), tmp_path_factory.mktemp("lake") / "data"
    api = MockApi(
        SAMPLE / "api_orders.json",
        SAMPLE / "api_products.json",
        SECRET,
        faults=parse_faults("500@orders:2x1,429=1@orders:1"),
    )
    config = with_token(home / "saleslake.toml")
    killer = Killer("jobs/silver.py", data / "tables" / "silver" / "users" / "_delta_log" / f"{1:020d}.json")
    with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
        connection.execute("create database airflow_run")
    dsn = postgres_server.dsn.removesuffix("/postgres") + "/airflow_run"
    with api:
        env = airflow_home.environment(
            home,
            SALESLAKE_CONFIG=str(config),
            SALESLAKE_TEST_TOKEN=SECRET,
            SALESLAKE__PATHS__DATA=str(data),
            SALESLAKE__SOURCES__ORDERS_API__API__URL=f"{api.url}/orders",
            SALESLAKE__SOURCES__PRODUCTS_API__API__URL=f"{api.url}/products",
            SALESLAKE_RETRY_SECONDS="1",
            AIRFLOW_CONN_SALESLAKE_POSTGRES=dsn.replace("postgresql://", "postgres://"),
        )
        airflow_home.prepare(env)
        killer.start()
        done = airflow_home.airflow(["dags", "test", "saleslake_batch"], env, timeout=PATIENCE_SECONDS)
    secrets = (SECRET, postgres_server.password)
    return Run(data, done.stdout + done.stderr, done.returncode, killer.killed, served(dsn), home, secrets)


def served(dsn: str) -> dict[str, int]:
    """Rows of each of gold's tables in PostgreSQL."""
    with psycopg.connect(dsn) as connection:
        found = connection.execute(
            "select table_name from information_schema.tables where table_schema = 'gold' and table_type = 'BASE TABLE'"
        )
        tables = [row[0] for row in found.fetchall()]
        counts = {}
        for name in tables:
            row = connection.execute(f'select count(*) from gold."{name}"'.encode()).fetchone()
            assert row is not None
            counts[name] = row[0]
        return counts


def with_token(target: Path) -> Path:
    """The sample's configuration with a token for its APIs."""
    text = (PROJECT_ROOT / "conf" / "saleslake.toml").read_text()
    auth = 'auth = { kind = "bearer", token_env = "SALESLAKE_TEST_TOKEN" }'
    text = re.sub(r"^(\[sources\.\w+\.api\])$", rf"\1\n{auth}", text, flags=re.MULTILINE)
    target.write_text(text.replace('root = ".."', f'root = "{PROJECT_ROOT}"'))
    return target


def test_the_run_succeeds_although_the_api_faltered_and_silver_was_killed(run: Run) -> None:
    assert run.killed, "silver was never killed: this run proved nothing"
    assert run.code == 0, run.output[-3000:]
    assert "task failed, to be tried again" in run.output
    assert "DagRun Finished" in run.output or "success" in run.output


def test_every_record_is_where_the_sample_says_and_the_proof_holds(in_lake: Lake, spark: SparkSession) -> None:
    proof = verify(Lake(in_lake.settings, spark))
    assert proof.holds, proof
    found = {source.source: asdict(source) for source in proof.sources}
    for file, wanted in json.loads((SAMPLE / "expected.json").read_text()).items():
        assert {state: found[FILES[file]][state] for state in wanted} == wanted, file


@pytest.fixture
def in_lake(run: Run, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setenv("SALESLAKE__PATHS__DATA", str(run.data))
    return Lake(open_settings(str(run.home / "saleslake.toml")))


def test_what_postgresql_serves_is_what_gold_holds(run: Run, in_lake: Lake) -> None:
    def rows(table: Table) -> int:
        return in_lake.snapshot(table).count()

    held = {table.name: rows(table) for table in star.TABLES.values()}
    assert held["fact_sales"] > 1000
    assert {name: run.served.get(name) for name in held} == held


def test_no_secret_is_in_a_log_a_rendered_field_or_the_metadata_database(run: Run) -> None:
    """The API's token and the database's password were in use the whole time."""
    assert [secret for secret in run.secrets if secret in run.output] == []
    files = [path for folder in (run.home, run.data) for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == "airflow.db" for path in files)
    assert [path for path in files if any(secret.encode() in path.read_bytes() for secret in run.secrets)] == []


@pytest.mark.deep
def test_wrong_settings_are_not_tried_again_and_one_message_goes_to_the_webhook(
    airflow_python: Path, tmp_path: Path
) -> None:
    with http_receiver() as hook:
        address = f"{hook.url}/services/{SECRET}"
        env = airflow_home.environment(
            tmp_path,
            SALESLAKE_CONFIG=str(tmp_path / "nowhere.toml"),
            AIRFLOW_CONN_SALESLAKE_ALERT_WEBHOOK=json.dumps({"conn_type": "http", "password": address}),
        )
        airflow_home.prepare(env)
        done = airflow_home.airflow(["dags", "test", "saleslake_maintenance"], env, timeout=PATIENCE_SECONDS)
    output = done.stdout + done.stderr
    assert "configuration file not found" in output
    assert [json.loads(body)["text"].splitlines()[0] for body in hook.bodies] == [
        "saleslake: saleslake_maintenance.maintain failed (try 1): jobs/maintain.py: its settings are wrong, see the log above"
    ]
    assert SECRET not in output
