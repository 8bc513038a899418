"""What the broker says of topics and offsets, through Kafka's own client in Spark's JVM: the same settings, the same login."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JJavaError

from saleslake.errors import SaleslakeError
from saleslake.stream.offsets import Held, Topic

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
"""How Kafka writes the id of a topic that has none: sixteen zero bytes."""


class Broker:
    """An admin client of the cluster. To be closed."""

    def __init__(self, spark: SparkSession, servers: str, options: Mapping[str, str]):
        jvm: Any = spark._jvm
        self._jvm = jvm
        self.servers = servers
        properties = jvm.java.util.Properties()
        for name, value in {**options, "bootstrap.servers": servers}.items():
            properties.put(name, value)
        self._admin = self._told(lambda: self._jvm.org.apache.kafka.clients.admin.AdminClient.create(properties))

    def __enter__(self) -> Broker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._admin.close(self._jvm.java.time.Duration.ZERO)

    def topics(self, names: Iterable[str]) -> list[Topic]:
        """Each topic with its id and what it holds. Raises SaleslakeError for one that is not there, and where no broker answers."""
        described = self._described(names)
        held = self._held([(name, p) for name, (_, partitions) in described.items() for p in partitions])
        return [
            Topic(name, id_, {p: held[name, p] for p in partitions}) for name, (id_, partitions) in described.items()
        ]

    def ids(self, names: Iterable[str]) -> dict[str, str]:
        """The id of each topic, empty where the broker gives none. Raises as `topics`."""
        return {name: id_ for name, (id_, _) in self._described(names).items()}

    def _described(self, names: Iterable[str]) -> dict[str, tuple[str, list[int]]]:
        wanted = self._jvm.java.util.ArrayList()
        for name in names:
            wanted.add(name)
        futures = self._told(lambda: self._admin.describeTopics(wanted).topicNameValues())
        found = {}
        for name in wanted:
            topic = self._told(futures[name].get, f"topic {name}")
            id_ = topic.topicId().toString()
            found[str(name)] = (
                "" if id_ == _NO_ID else str(id_),
                sorted(int(p.partition()) for p in topic.partitions()),
            )
        return found

    def _held(self, partitions: list[tuple[str, int]]) -> dict[tuple[str, int], Held]:
        admin, kafka = self._jvm.org.apache.kafka.clients.admin, self._jvm.org.apache.kafka.common
        keys = {place: kafka.TopicPartition(*place) for place in partitions}

        def asked(spec: Any, level: Any) -> dict[tuple[str, int], int]:
            of_all = self._jvm.java.util.HashMap()
            for key in keys.values():
                of_all.put(key, spec)
            options = admin.ListOffsetsOptions(level)
            found = self._told(lambda: self._admin.listOffsets(of_all, options).all().get(), "offsets")
            return {place: int(found[key].offset()) for place, key in keys.items()}

        every, ended = kafka.IsolationLevel.READ_UNCOMMITTED, kafka.IsolationLevel.READ_COMMITTED
        earliest = asked(admin.OffsetSpec.earliest(), every)
        readable, end = (asked(admin.OffsetSpec.latest(), level) for level in (ended, every))
        return {place: Held(earliest[place], readable[place], end[place]) for place in partitions}

    def _told(self, ask: Callable[[], Any], what: str = "") -> Any:
        try:
            return ask()
        except Py4JJavaError as e:
            told = cause(e)
            if told.startswith("UnknownTopicOrPartitionException") and what.startswith("topic "):
                told = "there is no such topic: create it, or correct stream.kafka.topics"
            where = f"Kafka at {self.servers}" + (f", {what}" if what else "")
            raise SaleslakeError(f"{where}: {told}") from None


def cause(error: Py4JJavaError) -> str:
    """What Java says went wrong first, in one line: the class and message at the root of an exception."""
    found: Any = error.java_exception
    while found.getCause() is not None:
        found = found.getCause()
    message = (str(found.getMessage() or "").strip().split("\n") or [""])[0]
    return f"{found.getClass().getSimpleName()}: {message[:400]}"
