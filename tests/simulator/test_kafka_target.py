"""Security settings come from the environment; the topic gets every event; what goes wrong is one clear line."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest
from kafka import KafkaConsumer

from saleslake.config import load
from saleslake.errors import ConfigError, SaleslakeError
from saleslake.kafka_settings import client_settings, environment, kafka_options
from saleslake.simulator.events import Event, simulated
from saleslake.simulator.kafka_target import KafkaTarget
from saleslake.simulator.send import send_all
from saleslake.simulator.spec import Spec
from tools.kafka_broker import KafkaBroker

SPEC = Spec(1200, 4, 1_717_200_000)
SOURCE = '[paths]\nroot = "."\n[sources.users]\nentity = "users"\nformat = "csv"\npath = "u.csv"\n'


def never() -> bool:
    return False


def events(count: int) -> list[Event]:
    return list(simulated(Spec(count, 4, 1_717_200_000)))


def test_security_settings_come_from_the_environment_under_kafkas_own_names() -> None:
    environ = {
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "PLAIN",
        "KAFKA_SSL_TRUSTSTORE_LOCATION": "/ca.pem",
        "KAFKA_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM": "",
        "KAFKA_SASL_JAAS_CONFIG": "",
        "KAFKA_HOME": "/opt/kafka",
        "KAFKA_HEAP_OPTS": "-Xmx1g",
        "MY_KAFKA_SASL_MECHANISM": "GSSAPI",
    }
    assert kafka_options(environ) == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "ssl.truststore.location": "/ca.pem",
        "ssl.endpoint.identification.algorithm": "",
    }


def test_the_producer_gets_the_login_of_the_jaas_line_and_pem_files() -> None:
    login = r'org.apache.kafka.common.security.plain.PlainLoginModule required username="me" password="a\"b\\c";'
    options = {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.jaas.config": login,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": "/ca.pem",
        "ssl.endpoint.identification.algorithm": "",
        "sasl.login.class": "x.Y",
    }
    assert client_settings(options) == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "me",
        "sasl_plain_password": 'a"b\\c',
        "ssl_cafile": "/ca.pem",
        "ssl_check_hostname": False,
    }


def test_settings_only_java_understands_are_errors_that_name_the_variable_and_no_secret() -> None:
    with pytest.raises(ConfigError, match=r"KAFKA_SSL_TRUSTSTORE_LOCATION is of type JKS.*KAFKA_SSL_CAFILE"):
        client_settings({"ssl.truststore.location": "/store.jks"})
    assert client_settings({"ssl.truststore.location": "/store.jks", "ssl.cafile": "/ca.pem"}) == {
        "ssl_cafile": "/ca.pem"
    }
    with pytest.raises(ConfigError, match='KAFKA_SASL_JAAS_CONFIG: no username="…" in it') as raised:
        client_settings({"sasl.jaas.config": 'required password="hush";'})
    assert "hush" not in str(raised.value)


def test_the_environment_goes_before_the_file_env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "saleslake.toml").write_text(SOURCE)
    (tmp_path / ".env").write_text("KAFKA_SASL_MECHANISM=PLAIN\nKAFKA_SECURITY_PROTOCOL=SASL_SSL\n")
    monkeypatch.setenv("KAFKA_SASL_MECHANISM", "SCRAM-SHA-256")
    options = kafka_options(environment(load(tmp_path / "saleslake.toml")))
    assert options["sasl.mechanism"] == "SCRAM-SHA-256" and options["security.protocol"] == "SASL_SSL"


def test_without_kafka_python_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kafka", None)
    with pytest.raises(ConfigError, match="pip install kafka-python"):
        KafkaTarget("127.0.0.1:1", "events", {})


def test_a_topic_gets_every_event_under_its_key(kafka_broker: KafkaBroker) -> None:
    kafka_broker.create_topic("simulated", partitions=2)
    target = KafkaTarget(kafka_broker.bootstrap, "simulated", {})
    target.open()
    for event in events(50):
        target.send(event)
    target.close()
    consumer = KafkaConsumer(
        "simulated", **kafka_broker.client_settings(), auto_offset_reset="earliest", group_id=None,
        consumer_timeout_ms=10_000,
    )  # fmt: skip
    found = [(message.key, message.value) for message, _ in zip(consumer, range(50), strict=False)]
    consumer.close()
    assert sorted(found) == sorted((event.key.encode(), event.line.encode()) for event in events(50))


def test_an_event_that_the_broker_does_not_take_ends_the_sending(kafka_broker: KafkaBroker, tmp_path: Path) -> None:
    with kafka_broker.admin() as admin:
        small = {"num_partitions": 1, "replication_factor": 1, "configs": {"max.message.bytes": "64"}}
        admin.create_topics({"small": small}, wait_for_metadata=True)
    target = KafkaTarget(kafka_broker.bootstrap, "small", {})
    target.open()
    with pytest.raises(SaleslakeError, match=r"^Kafka at 127\.0\.0\.1:\d+, topic small: MessageSizeTooLargeError: "):
        send_all(SPEC, target, tmp_path / "truth.json", never)
    assert json.loads((tmp_path / "truth.json").read_text())["complete"] is False


def test_no_broker_is_one_clear_error_within_bounded_time() -> None:
    begin = time.monotonic()
    with pytest.raises(
        SaleslakeError, match=r"^Kafka at 127.0.0.1:1, topic events: KafkaTimeoutError: Unable"
    ) as raised:
        KafkaTarget("127.0.0.1:1", "events", {}, connect_seconds=1).open()
    assert "\n" not in str(raised.value)
    assert time.monotonic() - begin < 10
