"""A run that is killed anywhere and started again ends in the tables of one that nobody killed.

At most points of `make chaos` on the shared session, where the point raises; and once for each source by SIGKILL.
"""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from saleslake.engine.interface import Name
from tests.chaos.cases import IN_PROCESS, POINTS
from tests.chaos.harness import (
    PARTITIONS,
    House,
    Outcome,
    Run,
    Tables,
    as_process,
    compared,
    kill_and_finish,
    on_session,
    whole,
)
from tests.processes import Processes, kill
from tools.kafka_broker import KafkaBroker

SEED = 11
EVENTS = 100
TOPIC = "kill-points"


@dataclass
class Case:
    """What every case of a source starts from, copied for each, and what it has to come to."""

    house: House
    tables: Tables

    def copied(self, folder: Path) -> House:
        shutil.copytree(self.house.folder, folder)
        return House(folder, self.house.source)

    @staticmethod
    def of(house: House, spark: SparkSession) -> Case:
        copy = house.folder.with_name(f"{house.folder.name}-whole")
        shutil.copytree(house.folder, copy)
        return Case(house, whole(House(copy, house.source), on_session(spark)))


@pytest.fixture(scope="module")
def files(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """An empty lakehouse, and four files for one micro-batch."""
    house = House(tmp_path_factory.mktemp("killed") / "files", "files", files=4)
    house.feed(SEED, EVENTS, 0)
    return Case.of(house, spark)


@pytest.fixture(scope="module")
def batch(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A lakehouse that holds one part of the input, and the other part waiting."""
    house = House(tmp_path_factory.mktemp("killed") / "batch", "batch")
    house.feed(SEED, EVENTS, 0)
    whole(house, on_session(spark))
    house.feed(SEED, EVENTS, 1)
    return Case.of(house, spark)


@pytest.fixture(scope="module")
def kafka(spark: SparkSession, session_kafka_broker: KafkaBroker, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """An empty lakehouse, and a topic for two micro-batches, which every case reads from its start."""
    session_kafka_broker.create_topic(TOPIC, PARTITIONS)
    house = House(tmp_path_factory.mktemp("killed") / "kafka", "kafka", session_kafka_broker.bootstrap, TOPIC)
    house.feed(SEED, EVENTS, 0)
    return Case.of(house, spark)


def the_tables_are_the_same(case: Case, folder: Path, point: str, dies: Run, finishes: Run) -> None:
    house, outcome = case.copied(folder), Outcome(case.house.source, point)
    kill_and_finish(house, outcome, dies, finishes)
    assert outcome.killed, f"{point} was never reached: {outcome.problem}"
    assert not outcome.problem
    assert compared(house, case.tables, parts=1) == ""


@pytest.mark.parametrize("point", IN_PROCESS["files"])
def test_a_stream_of_files_that_dies_at_a_point_goes_on_as_if_it_had_not(
    files: Case, spark: SparkSession, tmp_path: Path, point: str
) -> None:
    the_tables_are_the_same(files, tmp_path / "house", point, on_session(spark), on_session(spark))


@pytest.mark.parametrize("point", IN_PROCESS["batch"])
def test_a_batch_on_spark_that_dies_at_a_point_goes_on_as_if_it_had_not(
    batch: Case, spark: SparkSession, tmp_path: Path, point: str
) -> None:
    run = on_session(spark, "spark")
    the_tables_are_the_same(batch, tmp_path / "house", point, run, run)


@pytest.mark.parametrize("point", POINTS["batch"])
def test_a_batch_without_a_jvm_killed_by_the_system_at_a_point_goes_on_as_if_it_had_not(
    batch: Case, processes: Processes, tmp_path: Path, point: str
) -> None:
    run = as_process(processes)
    the_tables_are_the_same(batch, tmp_path / "house", point, run, run)


@pytest.mark.parametrize("point", IN_PROCESS["kafka"])
def test_a_stream_of_messages_that_dies_at_a_point_goes_on_as_if_it_had_not(
    kafka: Case, spark: SparkSession, tmp_path: Path, point: str
) -> None:
    the_tables_are_the_same(kafka, tmp_path / "house", point, on_session(spark), on_session(spark))


# --- by SIGKILL ------------------------------------------------------------------------------------


def test_a_stream_of_files_killed_by_the_system_goes_on_as_if_it_had_not(
    files: Case, spark: SparkSession, processes: Processes, tmp_path: Path
) -> None:
    the_tables_are_the_same(files, tmp_path / "house", "after_gold_write:1", as_process(processes), on_session(spark))


def test_a_stream_of_messages_killed_by_the_system_goes_on_as_if_it_had_not(
    kafka: Case, spark: SparkSession, processes: Processes, tmp_path: Path
) -> None:
    """Bronze has the micro-batch, and Spark's checkpoint does not know it."""
    the_tables_are_the_same(kafka, tmp_path / "house", "before_commit_log:1", as_process(processes), on_session(spark))


@pytest.mark.parametrize("engine", ["embedded", "spark"])
def test_a_batch_killed_by_the_system_in_the_midst_of_a_write_goes_on_as_if_it_had_not(
    batch: Case, spark: SparkSession, processes: Processes, tmp_path: Path, engine: Name
) -> None:
    """Not at a point of ours: as soon as a new file lies in silver, whether or not it is committed. The other engine goes on."""
    house = batch.copied(tmp_path / "house")
    silver = house.folder / "data" / "tables" / "silver" / "orders"
    before = set(silver.glob("date=*/*.parquet"))
    process = processes.start("saleslake", "run", "--config", str(house.config), "--engine", engine)
    wait(lambda: process.poll() is not None or set(silver.glob("date=*/*.parquet")) != before)
    assert process.poll() is None, process.communicate()
    kill(process)
    assert process.returncode == -signal.SIGKILL
    assert on_session(spark, "spark" if engine == "embedded" else "embedded")(house, "") == ""
    assert compared(house, batch.tables, parts=2) == ""


def wait(until: Callable[[], bool], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, f"not so after {seconds:g} s"
        time.sleep(0.005)
