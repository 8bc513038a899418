"""Events to a topic of Kafka, through kafka-python, which only this needs."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from typing import Any

from saleslake.errors import ConfigError, SaleslakeError, first_line
from saleslake.kafka_settings import client_settings, kafka_options
from saleslake.simulator.events import Event

CONNECT_SECONDS = 10.0
DELIVER_SECONDS = 60.0
_AT_ONCE = 5000
"""Events under way at most: the library would take in any number of them."""


class KafkaTarget:
    """Sends each event under its key, so that the events of a key stay in order within their partition; `acks=all`.

    Raises ConfigError where the library is missing or security settings are wrong, SaleslakeError where no broker
    answers within `connect_seconds` or events are not acknowledged within a minute.
    """

    def __init__(self, servers: str, topic: str, environ: Mapping[str, str], connect_seconds: float = CONNECT_SECONDS):
        self.where = f"{servers}/{topic}"
        self._servers, self._topic, self._milliseconds = servers, topic, int(connect_seconds * 1000)
        self._settings = client_settings(kafka_options(environ))
        self._library = _library()
        self._producer: Any = None
        self._error: BaseException | None = None
        self._sent = 0

    def open(self) -> None:
        try:
            self._producer = self._library.KafkaProducer(
                bootstrap_servers=[server.strip() for server in self._servers.split(",")],
                acks="all",
                linger_ms=5,
                bootstrap_timeout_ms=self._milliseconds,
                max_block_ms=self._milliseconds,
                delivery_timeout_ms=int(DELIVER_SECONDS * 1000),
                **self._settings,
            )
            known = self._partitions()
        except (self._library.errors.KafkaError, OSError, ValueError, TypeError, AssertionError) as e:
            self._abandon()
            raise self._failed(e) from None
        if not known:
            self._abandon()
            raise SaleslakeError(f"Kafka at {self._servers} has no topic {self._topic}: create it first")

    def _partitions(self) -> set[int]:
        """Of the topic; none if it is not there, which the library tells by waiting in vain."""
        try:
            return set(self._producer.partitions_for(self._topic) or ())
        except self._library.errors.KafkaTimeoutError:
            return set()

    def send(self, event: Event) -> None:
        try:
            future = self._producer.send(self._topic, key=event.key.encode(), value=event.line.encode())
            future.add_errback(self._note)
            self._sent += 1
            if self._sent % _AT_ONCE == 0:
                self._producer.flush(timeout=DELIVER_SECONDS)
        except (self._library.errors.KafkaError, OSError, ValueError, AssertionError) as e:
            # Why an event was not taken says more than what the flush made of it.
            raise self._failed(self._error or e) from None
        self.tick()

    def tick(self) -> None:
        if self._error is not None:
            raise self._failed(self._error)

    def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            producer.flush(timeout=DELIVER_SECONDS)
        except (self._library.errors.KafkaError, OSError, ValueError, AssertionError) as e:
            raise self._failed(self._error or e) from None
        finally:
            producer.close(timeout=1)
        self.tick()

    def _abandon(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(timeout=0)

    def _note(self, error: BaseException) -> None:
        # Called on the library's own thread, where raising would tell nobody.
        self._error = self._error or error

    def _failed(self, error: BaseException) -> SaleslakeError:
        kind, text = type(error).__name__, first_line(error)
        told = text if text.startswith(kind) else f"{kind}: {text}"  # the library's own errors name their kind
        return SaleslakeError(f"Kafka at {self._servers}, topic {self._topic}: {told}")


def _library() -> Any:
    # What goes wrong is told in one line of ours; the library would add its own to the terminal.
    logging.getLogger("kafka").addHandler(logging.NullHandler())
    try:
        return importlib.import_module("kafka")
    except ImportError:
        raise ConfigError("--to kafka needs the library kafka-python: pip install kafka-python") from None
