"""Settings of the streaming job; part of `config`, from which everything else imports them."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from saleslake.config_source import Strict

_INTERVAL = re.compile(r"\s*\d+(\.\d+)?\s+(milliseconds?|seconds?|minutes?|hours?)\s*")


CONSUMER_OPTIONS = (
    "client.dns.lookup",
    "client.id",
    "client.rack",
    "connections.max.idle.ms",
    "default.api.timeout.ms",
    "fetch.max.bytes",
    "fetch.max.wait.ms",
    "fetch.min.bytes",
    "max.partition.fetch.bytes",
    "max.poll.records",
    "metadata.max.age.ms",
    "receive.buffer.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.timeout.ms",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "send.buffer.bytes",
    "socket.connection.setup.timeout.max.ms",
    "socket.connection.setup.timeout.ms",
)
"""Options that say how fast and from where messages come, never which: no other can be set."""


class FilesInput(Strict):
    """A watched folder of files, one event a line."""

    path: str = "data/events"
    pattern: str = "*.{json,jsonl,ndjson,csv,gz}"
    """Names that are taken; hidden names (`.x`, `_x`) never are. Producers write another name first, then rename."""
    max_megabytes_per_trigger: int = Field(default=128, ge=1)
    max_files_per_trigger: int | None = Field(default=None, ge=1)
    """Given, it is what limits a micro-batch; Spark takes one limit only."""
    done: Literal["keep", "archive", "delete"] = "keep"
    """What happens to a file once it is in bronze; its bytes stay in landing in any case."""
    archive: str = "data/events_done"


class SocketInput(Strict):
    """A TCP server that sends events, one a line. For demonstrations: what it sends while nobody reads is lost."""

    host: str = "127.0.0.1"
    port: int = Field(default=9999, ge=1, le=65535)
    reconnect_seconds: float = Field(default=60.0, ge=0)
    """How long to try again after the server went away, before the stream ends with an error."""
    spool: str = "data/spool"
    """Lines are written to files here before they are read: what is in a file survives a crash."""


class KafkaInput(Strict):
    """Topics of a Kafka cluster. Security settings come from the environment: `KAFKA_SASL_MECHANISM` is Kafka's `sasl.mechanism`."""

    bootstrap_servers: str = "127.0.0.1:9092"
    topics: str = "saleslake-events"
    """Names, separated by commas."""
    max_offsets_per_trigger: int = Field(default=50_000, ge=1)
    starting_offsets: Literal["earliest", "latest"] = "earliest"
    """Where to begin with a topic that bronze has nothing of; afterwards bronze says where to go on."""
    isolation_level: Literal["read_committed", "read_uncommitted"] = "read_committed"
    """Whether messages of transactions that were aborted, or may still be, are left unread."""
    framing: Literal["none", "schema_registry_json"] = "none"
    """Whether a message that begins as a schema registry frames it (00, four bytes of id) is read where JSON follows."""
    consumer: dict[str, str | int] = Field(default_factory=dict)
    """Further options of Kafka's consumer, by Kafka's names."""

    @field_validator("consumer")
    @classmethod
    def _safe(cls, value: dict[str, str | int]) -> dict[str, str | int]:
        for name in value:
            if name.startswith(("security.", "sasl.", "ssl.")):
                variable = "KAFKA_" + name.upper().replace(".", "_")
                raise ValueError(f"{name!r} is of security, which comes from the environment: set {variable}")
            if name not in CONSUMER_OPTIONS:
                raise ValueError(f"{name!r} cannot be set here; there are: {', '.join(CONSUMER_OPTIONS)}")
        return value


class Stream(Strict):
    """The streaming job: where events come from, how often they are taken, how they are told apart."""

    source: Literal["files", "socket", "kafka"] = "files"
    trigger: str = "2 seconds"
    type_field: str = "type"
    """Top-level field that says what an event is; where it is missing, the key that the event carries does."""
    files: FilesInput = FilesInput()
    socket: SocketInput = SocketInput()
    kafka: KafkaInput = KafkaInput()
    late_after_seconds: int = Field(default=600, ge=0)
    """sales_by_minute: an event this much older than the newest one landed before it counts as late."""
    minute_trigger: str = "30 seconds"
    """How often sales_by_minute is brought up to date."""
    sweep_seconds: float = Field(default=60.0, gt=0)
    """How often the watched folder is searched for files that changed after they were read."""
    compact_from_files: int = Field(default=24, ge=2)
    """A partition with so many small files is compacted as the stream goes."""

    @field_validator("trigger", "minute_trigger")
    @classmethod
    def _interval(cls, value: str) -> str:
        if not _INTERVAL.fullmatch(value):
            raise ValueError(f"{value!r} is no interval: give one like '5 seconds'")
        return value.strip()
