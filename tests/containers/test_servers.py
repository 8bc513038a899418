"""What the compose file says to Kafka and PostgreSQL, said to real ones."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import psycopg
import pytest

from tests.containers.compose import ROOT, services
from tests.processes import Processes
from tools import kafka_broker
from tools.kafka_broker import HOST, KafkaBroker
from tools.postgres_server import programs

KAFKA = services()["kafka"]["environment"]


class ComposeBroker(KafkaBroker):
    """A broker with the properties that Kafka's image makes of the compose file's variables; ports are free ones."""

    def _write_configuration(self) -> None:
        super()._write_configuration()  # for the log's own
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            host_port = probe.getsockname()[1]
        lines = []
        for variable, value in KAFKA.items():
            if variable.startswith("KAFKA_") and variable != "KAFKA_HEAP_OPTS":
                value = value.replace("/var/lib/kafka/data", "log").replace("INTERNAL://kafka", f"INTERNAL://{HOST}")
                value = value.replace("localhost:9093", f"{HOST}:{self._controller_port}")
                value = value.replace("INTERNAL://:9092", f"INTERNAL://{HOST}:{self.port}").replace(
                    ":9092", f":{self.port}"
                )
                value = value.replace("HOST://:29092", f"HOST://{HOST}:{host_port}").replace(":29092", f":{host_port}")
                lines.append(f"{variable.removeprefix('KAFKA_').lower().replace('_', '.')}={value}\n")
        (self.folder / "server.properties").write_text("".join(lines), encoding="ascii")


def test_a_real_broker_starts_with_the_settings_of_the_compose_file_and_makes_its_topic(
    tmp_path: Path, own_servers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_broker, "_cluster_id", lambda: KAFKA["CLUSTER_ID"])
    command = services()["kafka-topic"]["command"]
    topic, partitions = command[command.index("--topic") + 1], int(command[command.index("--partitions") + 1])
    with ComposeBroker(tmp_path / "kafka") as broker:
        broker.create_topic(topic, partitions)
        with broker.admin() as admin:
            (found,) = admin.describe_topics([topic])
    assert len(found["partitions"]) == partitions
    assert f"cluster.id={KAFKA['CLUSTER_ID']}" in (tmp_path / "kafka" / "log" / "meta.properties").read_text()


def test_the_topic_is_the_one_that_saleslake_reads() -> None:
    from saleslake import config

    command = services()["kafka-topic"]["command"]
    assert command[command.index("--topic") + 1] == config.load(config.DEFAULT_CONFIG).stream.kafka.topics


def test_grafanas_user_reads_every_table_and_writes_none(database: str, processes: Processes) -> None:
    address = psycopg.conninfo.conninfo_to_dict(database)
    done = processes.run(
        str(ROOT / "conf" / "postgres" / "10-reader.sh"),
        PATH=f"{programs()}:{os.environ['PATH']}",
        PGHOST=str(address["host"]), PGPORT=str(address["port"]), PGPASSWORD=str(address["password"]),
        POSTGRES_USER=str(address["user"]), POSTGRES_DB=str(address["dbname"]),
        READER_USER="grafana", READER_PASSWORD="it's",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("create schema gold")
        owner.execute("create table gold.later as select 1 as n")
    with psycopg.connect(database, user="grafana", password="it's", autocommit=True) as reader:
        assert reader.execute("select n from gold.later").fetchall() == [(1,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("insert into gold.later values (2)")
