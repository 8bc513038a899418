"""The broker that other tests stand on: keys, restarts, crashes, passwords. Needs Maven once; without it these tests fail."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaTimeoutError, UnknownTopicOrPartitionError

from saleslake.errors import SaleslakeError
from saleslake.simulator.kafka_target import KafkaTarget
from tools.kafka_broker import KafkaBroker, KafkaBrokerError, main

ORDERS = [(b"order-1", b'{"n": 1}'), (b"order-2", b'{"n": 2}'), (b"order-1", b'{"n": 3}'), (None, b"no key")]


def test_messages_come_back_with_their_keys_and_those_of_one_key_in_order(kafka_broker: KafkaBroker) -> None:
    kafka_broker.create_topic("orders", partitions=3)
    produce(kafka_broker, "orders", ORDERS)
    found = consume(kafka_broker, "orders", len(ORDERS))
    assert sorted(found, key=repr) == sorted(ORDERS, key=repr)
    assert [value for key, value in found if key == b"order-1"] == [b'{"n": 1}', b'{"n": 3}']
    with kafka_broker.admin() as admin:
        (topic,) = admin.describe_topics(["orders"])
    assert len(topic["partitions"]) == 3


def test_a_topic_made_twice_keeps_its_messages(kafka_broker: KafkaBroker) -> None:
    kafka_broker.create_topic("twice")
    produce(kafka_broker, "twice", ORDERS)
    kafka_broker.create_topic("twice", partitions=5)
    assert consume(kafka_broker, "twice", len(ORDERS)) == ORDERS


def test_a_topic_that_nobody_made_is_an_error_not_a_new_topic(kafka_broker: KafkaBroker) -> None:
    with kafka_broker.admin() as admin:
        with pytest.raises(UnknownTopicOrPartitionError):
            admin.delete_topics(["ordres"])
        assert "ordres" not in admin.list_topics()


def test_the_simulator_names_a_topic_that_is_not_there(kafka_broker: KafkaBroker) -> None:
    with pytest.raises(SaleslakeError, match=r"^Kafka at 127.0.0.1:\d+ has no topic nowhere: create it first$"):
        KafkaTarget(kafka_broker.bootstrap, "nowhere", {}, connect_seconds=5).open()


def test_after_a_stop_or_a_crash_the_messages_are_there_at_the_same_address(kafka_broker: KafkaBroker) -> None:
    kafka_broker.create_topic("kept", partitions=2)
    produce(kafka_broker, "kept", ORDERS[:2])
    address = kafka_broker.bootstrap
    kafka_broker.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", kafka_broker.port), timeout=1)
    kafka_broker.start()
    produce(kafka_broker, "kept", ORDERS[2:])
    kafka_broker.kill()
    kafka_broker.start()
    assert sorted(consume(kafka_broker, "kept", len(ORDERS)), key=repr) == sorted(ORDERS, key=repr)
    assert kafka_broker.bootstrap == address


def test_with_a_password_only_who_knows_it_is_let_in(tmp_path: Path, own_servers: None) -> None:
    with KafkaBroker(tmp_path / "with blank", sasl=("saleslake", "right")) as broker:
        broker.create_topic("secret")
        produce(broker, "secret", ORDERS)
        assert consume(broker, "secret", len(ORDERS)) == ORDERS
        for wrong in ({"sasl_plain_password": "wrong"}, {"security_protocol": "PLAINTEXT"}):
            with (
                pytest.raises(KafkaTimeoutError, match=f"Unable to bootstrap from {broker.bootstrap}"),
                broker.admin(bootstrap_timeout_ms=2000, **wrong),
            ):
                pass
        # kafka-python keeps the reason to itself; the broker says it.
        assert "Authentication failed: Invalid username or password" in broker.log.read_text()


def test_a_port_in_use_is_said_in_one_line(
    kafka_broker: KafkaBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--port", str(kafka_broker.port), "--data", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"error: port {kafka_broker.port} on 127.0.0.1 cannot be had (Address already in use); give another\n"
    )


def test_a_second_broker_in_the_same_folder_is_refused_and_the_first_goes_on(kafka_broker: KafkaBroker) -> None:
    with pytest.raises(KafkaBrokerError, match=r"another broker runs in .*; stop it or give another folder"):
        KafkaBroker(kafka_broker.folder).start()
    kafka_broker.create_topic("still-here")
    produce(kafka_broker, "still-here", ORDERS)
    assert consume(kafka_broker, "still-here", len(ORDERS)) == ORDERS


def test_a_broker_that_does_not_start_says_kafkas_reason(tmp_path: Path, own_servers: None) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "meta.properties").write_text("version=1\ncluster.id=ours\nnode.id=2\n")
    with pytest.raises(KafkaBrokerError, match=r"(?s)Kafka stopped \(exit 1\).*node.id"):
        KafkaBroker(tmp_path).start()


def produce(broker: KafkaBroker, topic: str, messages: list[tuple[bytes | None, bytes]]) -> None:
    """Every message acknowledged, or an error."""
    producer = KafkaProducer(**broker.client_settings(), acks="all")
    try:
        for sent in [producer.send(topic, key=key, value=value) for key, value in messages]:
            sent.get(timeout=60)
    finally:
        producer.close()


def consume(broker: KafkaBroker, topic: str, count: int) -> list[tuple[bytes | None, bytes]]:
    """The first `count` messages, or fewer if no more come."""
    consumer = KafkaConsumer(
        topic, **broker.client_settings(), auto_offset_reset="earliest", group_id=None, consumer_timeout_ms=60_000
    )
    found: list[tuple[bytes | None, bytes]] = []
    try:
        for message in consumer:
            found.append((message.key, message.value))
            if len(found) == count:
                break
    finally:
        consumer.close()
    return found
