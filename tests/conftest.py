"""What tests share: a Spark session, lakehouses in temporary folders, processes, servers; and their tiers."""

from __future__ import annotations

import os
import secrets
import shutil
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pyspark.sql import SparkSession

from saleslake import config
from saleslake.config import Settings
from saleslake.entry import open_settings
from saleslake.lake import Lake
from saleslake.session import build_session
from tests import tiers
from tests.lakes import Sample, build_sample, build_streamed, built_once, sample_api, streamed_lake
from tests.processes import Processes
from tools.kafka_broker import KafkaBroker
from tools.postgres_server import PostgresServer

os.environ["NO_PROXY"] = "127.0.0.1,localhost"
_guard = tiers.Guard()


def pytest_itemcollected(item: pytest.Item) -> None:
    """The tier of each test follows from the fixtures that it asks for."""
    tiers.mark(item)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> tiers.Scheduling:
    """Tests that share what is dear run in one worker."""
    return tiers.Scheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes longest comes first, so that no worker waits for it at the end. Deep tests run if `-m` names them."""
    items.sort(key=lambda item: not item.nodeid.startswith(tiers.TOGETHER))
    if "deep" not in config.option.markexpr:
        deep = [item for item in items if item.get_closest_marker("deep")]
        config.hook.pytest_deselected(items=deep)
        items[:] = [item for item in items if item not in deep]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """A test starts no more than its tier allows."""
    _guard.test, _guard.tier = item.nodeid, tiers.tier_of(getattr(item, "fixturenames", []))
    try:
        return (yield)  # type: ignore[return-value]
    finally:
        _guard.tier = tiers.TIERS[-1]


@pytest.fixture
def processes() -> Iterator[Processes]:
    """Starts programs, each ended with the test."""
    started = Processes()
    yield started
    started.end()


@pytest.fixture(scope="session")
def session_processes() -> Iterator[Processes]:
    """The same for what many tests look at: ended with the last of them."""
    started = Processes()
    yield started
    started.end()


@pytest.fixture(scope="session")
def session_kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """One broker for all tests, for fixtures that outlive a test. Their topics stay, so they need names of their own."""
    with KafkaBroker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def kafka_broker(session_kafka_broker: KafkaBroker) -> Iterator[KafkaBroker]:
    """That broker. The topics which a test makes go with the test, so the next one may use the same names."""
    with session_kafka_broker.admin() as admin:
        before = set(admin.list_topics())
    yield session_kafka_broker
    with session_kafka_broker.admin() as admin:
        made = {name for name in admin.list_topics() if not name.startswith("__")} - before
        if made:
            admin.delete_topics(sorted(made))


@pytest.fixture
def own_servers() -> None:
    """For tests that start a server of their own kind, and stop it."""


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for all tests."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def database(postgres_server: PostgresServer) -> str:
    """The address of a database of the test's own."""
    name = f"test_{secrets.token_hex(4)}"
    with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
        connection.execute(f"create database {name}".encode())
    return postgres_server.dsn.removesuffix("/postgres") + f"/{name}"


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The session every test shares, built by the code under test."""
    folder = tmp_path_factory.mktemp("session")
    settings = config.load(write_config(folder, '[sources.users]\nentity = "users"\nformat = "csv"\npath = "u.csv"'))
    session = build_session(settings, "tests", "tests")
    yield session
    session.stop()


def write_config(folder: Path, text: str) -> Path:
    """A configuration file in `folder` whose root, and data, is that folder."""
    path = folder / "saleslake.toml"
    path.write_text('[paths]\nroot = "."\ndata = "data"\n' + textwrap.dedent(text), encoding="utf-8")
    return path


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[[str], Settings]:
    """Settings from the TOML text of a test, checked as every entry point checks them."""
    return lambda text: open_settings(str(write_config(tmp_path, text)))


@pytest.fixture
def make_lake(make_settings: Callable[[str], Settings]) -> Iterator[Callable[[str], Lake]]:
    """A lakehouse in a temporary folder from the TOML text of a test, on the embedded engine. Each call is a run of its own."""
    with ExitStack() as stack:
        yield lambda text: closed_with(stack, Lake(make_settings(text)))


@pytest.fixture
def make_spark_lake(spark: SparkSession, make_settings: Callable[[str], Settings]) -> Callable[[str], Lake]:
    """The same on Spark."""
    return lambda text: Lake(make_settings(text), spark)


@pytest.fixture
def make_stream_lake(spark: SparkSession, make_settings: Callable[[str], Settings]) -> Iterator[Callable[[str], Lake]]:
    """The same for the stream: Spark reads, and the embedded engine writes, as `auto` has it."""
    with ExitStack() as stack:
        yield lambda text: closed_with(stack, Lake(make_settings(text), spark, uses="embedded"))


@pytest.fixture(params=["embedded", "spark"])
def make_any_lake(
    request: pytest.FixtureRequest, spark: SparkSession, make_settings: Callable[[str], Settings]
) -> Iterator[Callable[[str], Lake]]:
    """The same on either engine, one after the other."""
    session = spark if request.param == "spark" else None
    with ExitStack() as stack:
        yield lambda text: closed_with(stack, Lake(make_settings(text), session))


def closed_with(stack: ExitStack, lake: Lake) -> Lake:
    """The lake, whose engines are closed when the stack is."""
    stack.callback(lake.close)
    return lake


@pytest.fixture
def sample(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Iterator[Sample]:
    """A copy of the sample's lakehouse as the batch left it, and the sample's APIs."""
    built = built_once(tmp_path_factory, "sample", build_sample)
    shutil.copytree(built, tmp_path / "sample")
    with sample_api() as api:
        yield Sample(tmp_path / "sample", api)


@pytest.fixture
def streamed(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Lake:
    """A copy of a lakehouse that the stream has filled."""
    built = built_once(tmp_path_factory, "streamed", partial(build_streamed, spark))
    shutil.copytree(built, tmp_path / "streamed")
    return streamed_lake(spark, tmp_path / "streamed")
