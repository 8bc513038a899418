"""The stream over topics as people run them: transactions, retention, topics made anew, partitions added. A real broker."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from kafka import KafkaProducer, TopicPartition

from saleslake import bronze
from saleslake.accounting import verify
from saleslake.errors import SaleslakeError
from saleslake.lake import Lake
from saleslake.not_landed import acknowledge
from saleslake.pipeline import Batch
from saleslake.stream.intake import Intake
from saleslake.stream.job import StreamJob
from saleslake.summary import Summary
from tests.stream_support import CONFIG, order, rows
from tools.kafka_broker import KafkaBroker

LANDED = "select count(*) from bronze.events where kind = 'record'"
SOLD = "select count(*) from gold.fact_sales"
Make = Callable[[str], Lake]


def _config(broker: KafkaBroker, topic: str, more: str = "") -> str:
    return CONFIG + f'[stream.kafka]\nbootstrap_servers = "{broker.bootstrap}"\ntopics = "{topic}"\n{more}'


def _stream(lake: Lake, *, accept_lost: bool = False, said: list[str] | None = None) -> Summary:
    batch = Batch(Lake(lake.settings, lake.session))
    say = (lambda _: None) if said is None else said.append
    StreamJob(batch, source="kafka", trigger="1 second", once=True, accept_lost=accept_lost, say=say).run()
    return batch.summary


def _send(broker: KafkaBroker, topic: str, *names: str, partition: int = 0) -> None:
    """Orders of these names, by a producer that knows the topic as it is now."""
    producer = KafkaProducer(**broker.client_settings(), acks="all")
    _sent(producer, topic, names, partition)
    producer.close()


def _sent(producer: KafkaProducer, topic: str, names: Iterable[str], partition: int = 0) -> None:
    for name in names:
        producer.send(topic, order(name).encode(), partition=partition, key=name.encode())
    producer.flush()


class Running:
    """A stream on a thread of its own."""

    def __init__(self, lake: Lake):
        self.said: list[str] = []
        self.error: BaseException | None = None
        batch = Batch(Lake(lake.settings, lake.session))
        self.job = StreamJob(batch, source="kafka", trigger="500 milliseconds", say=self.said.append)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            self.job.run()
        except BaseException as e:
            self.error = e

    @property
    def is_reading(self) -> bool:
        return any(line.startswith("reading kafka") for line in self.said)

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until it holds; fail if the stream ends first."""
        _until(lambda: holds() or not self._thread.is_alive())
        assert holds(), f"the stream ended: {self.error}"

    def ends(self) -> BaseException | None:
        """How it ended by itself."""
        _until(lambda: not self._thread.is_alive(), otherwise=self.job.stopping.set)
        return self.error


def _counted(lake: Lake) -> tuple[int, int]:
    """(what control rows say has landed, offsets they say were read)."""
    units = [unit for control in bronze.controls(lake, bronze.EVENTS) for unit in control.units]
    return sum(unit["records"] for unit in units), sum(unit["until"] - unit["from"] + 1 for unit in units)


def test_what_a_transaction_that_was_aborted_wrote_never_lands(
    make_stream_lake: Make, kafka_broker: KafkaBroker
) -> None:
    kafka_broker.create_topic("transactions")
    lake = make_stream_lake(_config(kafka_broker, "transactions", "max_offsets_per_trigger = 4\n"))
    writer = KafkaProducer(**kafka_broker.client_settings(), acks="all", transactional_id="shop")
    writer.init_transactions()

    def write(*names: str, end: Callable[[], Any] | None) -> None:
        writer.begin_transaction()
        _sent(writer, "transactions", names)
        if end:
            end()

    write("A1", "A2", end=writer.commit_transaction)  # 0, 1, and 2 says so
    write(*(f"bad{n}" for n in range(9)), end=writer.abort_transaction)  # 3 to 11, and 12: more than a micro-batch
    write("A3", end=writer.commit_transaction)  # 13, 14
    write("open", end=None)  # 15
    _stream(lake)
    sold = "select order_id from gold.fact_sales order by 1"
    assert rows(lake, sold) == [("A1",), ("A2",), ("A3",)]
    assert _counted(lake) == (3, 15), "gaps are content: they have been read, and nothing is missing"
    bronze_before = lake.snapshot(bronze.table_of(bronze.EVENTS)).version()
    _stream(lake)
    assert lake.snapshot(bronze.table_of(bronze.EVENTS)).version() == bronze_before, "nothing new writes nothing"
    writer.commit_transaction()  # 16
    with kafka_broker.admin() as admin:
        admin.delete_records({TopicPartition("transactions", 0): 15})
    shutil.rmtree(lake.folder("checkpoints", "events-kafka"))
    _stream(lake)
    assert rows(lake, sold)[3:] == [("open",)]
    assert _counted(lake) == (4, 17), "after a lost checkpoint as well"
    assert verify(lake).holds

    other = make_stream_lake(_config(kafka_broker, "transactions", 'isolation_level = "read_uncommitted"\n'))
    write("half", end=None)
    _stream(other)
    assert ("half",) in rows(other, sold), "whoever wants it, gets what is not committed"
    writer.abort_transaction()
    writer.close()


def test_offsets_that_are_gone_stop_the_stream_until_told_to_go_on_and_verify_until_acknowledged(
    make_stream_lake: Make, kafka_broker: KafkaBroker
) -> None:
    kafka_broker.create_topic("kept", 2)
    lake = make_stream_lake(_config(kafka_broker, "kept"))
    _send(kafka_broker, "kept", *(f"A{n}" for n in range(5)))
    _stream(lake)
    _send(kafka_broker, "kept", *(f"B{n}" for n in range(10)))
    with kafka_broker.admin() as admin:
        admin.delete_records({TopicPartition("kept", 0): 15})
    _send(kafka_broker, "kept", "C1", "C2")
    line = (
        f"Kafka at {kafka_broker.bootstrap}: these offsets never landed and the broker has them no more (retention, or "
        "records deleted): kept/0 [5, 15). To go on without them: saleslake stream --accept-lost-offsets"
    )
    for attempt in range(2):
        with pytest.raises(SaleslakeError) as refused:
            _stream(lake)
        assert str(refused.value) == line, attempt
        shutil.rmtree(lake.folder("checkpoints", "events-kafka"), ignore_errors=True)
    assert rows(lake, LANDED) == [(5,)]
    noticed = lake.snapshot(bronze.table_of(bronze.EVENTS)).version()
    proof = verify(lake)
    assert (proof.not_landed, proof.holds) == (["kept/0 [5, 15)"], False), "noticed is enough"

    said: list[str] = []
    _stream(lake, accept_lost=True, said=said)
    assert said[0] == "going on without kept/0 [5, 15): saleslake verify fails until that is acknowledged"
    assert rows(lake, LANDED) == [(7,)]
    assert noticed < lake.snapshot(bronze.table_of(bronze.EVENTS)).version()
    assert (verify(lake).not_landed, verify(lake).holds) == (["kept/0 [5, 15)"], False), "going on is no excuse"
    acknowledge(lake, ["kept/0 [5, 15)"], "the disk was full")
    proof = verify(lake)
    assert (proof.holds, proof.not_landed) == (True, [])
    assert proof.notes == ["not landed, and acknowledged: kept/0 [5, 15) (the disk was full)"]
    _stream(lake)
    assert _counted(lake)[0] == 7

    # And while the stream runs: it stops at what it was about to read, in the same words.
    stream = Running(lake)
    stream.until(lambda: stream.is_reading)
    with stream.job._guard, kafka_broker.admin() as admin:
        _send(kafka_broker, "kept", "D1", "D2", partition=1)
        admin.delete_records({TopicPartition("kept", 1): 1})
    assert str(stream.ends()) == line.replace("kept/0 [5, 15)", "kept/1 [0, 1)")
    assert verify(lake).not_landed == ["kept/1 [0, 1)"]


def test_a_topic_made_anew_lands_as_new_and_partitions_added_are_read(
    make_stream_lake: Make, kafka_broker: KafkaBroker
) -> None:
    kafka_broker.create_topic("anew")
    lake = make_stream_lake(_config(kafka_broker, "anew", 'starting_offsets = "latest"\n'))
    _stream(lake)
    _send(kafka_broker, "anew", "A0", "A1", "A2")
    _stream(lake)
    assert rows(lake, LANDED) == [(3,)], "latest is where the first run began, also where it read nothing"
    with kafka_broker.admin() as admin:
        admin.create_partitions({"anew": 3})
    _send(kafka_broker, "anew", "P0", partition=2)
    _stream(lake)
    assert rows(lake, LANDED) == [(4,)]
    with kafka_broker.admin() as admin:
        admin.delete_topics(["anew"])
        _until(lambda: "anew" not in admin.list_topics())
    with pytest.raises(SaleslakeError) as missing:
        _stream(lake)
    assert str(missing.value) == (
        f"Kafka at {kafka_broker.bootstrap}, topic anew: there is no such topic: create it, or correct stream.kafka.topics"
    )
    kafka_broker.create_topic("anew")
    _send(kafka_broker, "anew", *(f"N{n}" for n in range(5)))
    said: list[str] = []
    _stream(lake, said=said)
    assert "the topic anew was made anew: all that it holds lands as new" in said[0]
    found = rows(lake, "select record_id from bronze.events where kind = 'record'")
    assert len(found) == len(set(found)) == 9
    places = {record_id.partition("#")[0] for (record_id,) in found}
    assert len(places) == 3
    assert all(place.startswith("kafka/anew@") for place in places)
    assert rows(lake, SOLD) == [(9,)]
    _stream(lake)
    assert rows(lake, LANDED) == [(9,)]
    assert verify(lake).holds


def test_a_lakehouse_of_a_former_version_goes_on_where_it_stood_and_keeps_its_ids(
    make_stream_lake: Make, kafka_broker: KafkaBroker
) -> None:
    kafka_broker.create_topic("former")
    _send(kafka_broker, "former", *(f"A{n}" for n in range(5)))
    lake = make_stream_lake(_config(kafka_broker, "former"))
    at = datetime(2024, 5, 2, tzinfo=UTC)
    schema = "topic string, partition int, offset long, landed_at timestamp, key binary, value binary"
    first = [("former", 0, n, at, None, bytearray(order(f"A{n}").encode())) for n in range(3)]
    Intake(lake).land_messages(lake.spark.createDataFrame(first, schema))
    ids = "select record_id from bronze.events where kind = 'record' order by ordinal"
    old = [("kafka/former/0#0",), ("kafka/former/0#1",), ("kafka/former/0#2",)]
    assert rows(lake, ids) == old
    for _ in range(2):
        _stream(lake)
        found = rows(lake, ids)
        assert found[:3] == old
        assert len(found) == 5
        assert all(id_.startswith("kafka/former@") and id_.endswith(f"/0#{n}") for n, (id_,) in enumerate(found[3:], 3))
    assert rows(lake, SOLD) == [(5,)]
    assert verify(lake).holds


def test_a_stream_that_runs_reads_added_partitions_tells_every_refresh_and_ends_in_words_when_its_topic_goes(
    make_stream_lake: Make, kafka_broker: KafkaBroker
) -> None:
    kafka_broker.create_topic("running")
    lake = make_stream_lake(
        _config(kafka_broker, "running", 'consumer = { "fetch.max.wait.ms" = 100, "max.poll.records" = 50 }\n')
    )
    stream = Running(lake)
    for number in range(2):
        _send(kafka_broker, "running", f"A{number}")
        told = partial(lambda n: len([line for line in stream.said if line.startswith("gold refreshed")]) > n, number)
        stream.until(told)
    with kafka_broker.admin() as admin:
        admin.create_partitions({"running": 2})
        _send(kafka_broker, "running", "B0", "B1", partition=1)
        stream.until(lambda: stream.job.health.now()["totals"]["records"] == 4)
        with stream.job._guard:  # between two micro-batches
            admin.delete_topics(["running"])
            _until(lambda: "running" not in admin.list_topics())
            kafka_broker.create_topic("running", 2)
        _send(kafka_broker, "running", *(f"N{n}" for n in range(6)))
    error = stream.ends()
    assert isinstance(error, SaleslakeError)
    assert "running" in str(error)
    assert "was deleted and made anew while the stream read it" in str(error) or "no such topic" in str(error)
    summary = stream.job.batch.summary
    assert summary.gold_refreshes >= 2
    (facts,) = [one for one in summary.written if one.table == "gold.fact_sales"]
    assert facts.rows >= 2, "what every refresh wrote, not the first only"
    figures = json.loads((lake.settings.root / "data" / "stream.json").read_text())
    assert figures["last_error"] == str(error)[:500]
    assert rows(lake, LANDED) == [(4,)]
    _stream(lake)
    assert rows(lake, LANDED) == [(10,)]
    assert verify(lake).holds


def test_a_cluster_that_does_not_answer_is_one_line(make_stream_lake: Make) -> None:
    timeouts = '"request.timeout.ms" = 1000, "default.api.timeout.ms" = 2000'
    text = '[stream.kafka]\nbootstrap_servers = "127.0.0.1:1"\nconsumer = { ' + timeouts + " }\n"
    with pytest.raises(
        SaleslakeError, match=r"^Kafka at 127.0.0.1:1, topic saleslake-events: TimeoutException: .*$"
    ) as e:
        _stream(make_stream_lake(CONFIG + text))
    assert "\n" not in str(e.value)


def _until(holds: Callable[[], bool], otherwise: Callable[[], None] = lambda: None) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + 120
    while not holds():
        if time.monotonic() > deadline:
            otherwise()
            pytest.fail("waited in vain")
        time.sleep(0.2)
