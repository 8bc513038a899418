"""Topics of a Kafka cluster, by Spark's own connector. Where each partition goes on is told by bronze, not by Spark's checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable

import structlog
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from saleslake.errors import SaleslakeError
from saleslake.kafka_settings import environment, kafka_options
from saleslake.lake import Lake
from saleslake.landing import remove_tree
from saleslake.not_landed import NOTICED, PASSED
from saleslake.stream.intake import Intake, Landed
from saleslake.stream.kafka_admin import Broker
from saleslake.stream.offsets import Gone, Plan, plan

CHECKPOINT = ("checkpoints", "events-kafka")


class KafkaIn:
    """Topics of a Kafka cluster. `accept_lost`: go on after offsets that are gone."""

    def __init__(self, lake: Lake, *, accept_lost: bool = False, say: Callable[[str], None] = lambda _: None):
        self.lake, self.accept_lost, self.say = lake, accept_lost, say
        self.settings = lake.settings.stream.kafka
        self.topics = list(dict.fromkeys(name.strip() for name in self.settings.topics.split(",") if name.strip()))
        own = {name: str(value) for name, value in self.settings.consumer.items()}
        self.options = own | kafka_options(environment(lake.settings))
        self.ids: dict[str, str] = {}
        self._plan = Plan()
        self._broker: Broker | None = None

    def prepare(self, intake: Intake) -> Landed:
        """Compare what bronze has with what the broker has, and note in bronze where new topics begin.

        Raises SaleslakeError, after noting them, for offsets that are gone, unless told to go on.
        """
        self._broker = Broker(self.lake.spark, self.settings.bootstrap_servers, self.options)
        found = self._compare(intake)
        for name in found.made_anew:
            told = f"the topic {name} was made anew: all that it holds lands as new; what the former one held unread is gone"
            structlog.get_logger().warning("topic_made_anew", topic=name, id=self.ids[name])
            self.say(told)
        landed = intake.note(intake.positions.beginning(found.begun))
        if found.gone:
            noted = self._gone(intake, found.gone)
            landed.after = noted.after or landed.after
            landed.before = landed.before or noted.before
        self._plan = found
        return landed

    def read(self, spark: SparkSession) -> DataFrame:
        """Grain: one row a message (topic, partition, offset, landed_at, key, value); landed_at is the broker's time."""
        # Only where it is empty does Spark begin where it is told to.
        remove_tree(self.lake.place(*CHECKPOINT))
        starts = {name: {str(p): at for p, at in of.items()} for name, of in self._plan.starts.items()}
        reader = (
            spark.readStream.format("kafka")
            .option("kafka.bootstrap.servers", self.settings.bootstrap_servers)
            .option("kafka.isolation.level", self.settings.isolation_level)
            .option("subscribe", ",".join(self.topics))
            .option("startingOffsets", json.dumps(starts))
            .option("maxOffsetsPerTrigger", self.settings.max_offsets_per_trigger)
            .options(**{f"kafka.{name}": value for name, value in self.options.items()})
        )
        columns = ("topic", "partition", "offset", F.col("timestamp").alias("landed_at"), "key", "value")
        return reader.load().select(*columns)

    def land(self, intake: Intake, batch: DataFrame, batch_id: int) -> Landed:
        return intake.land_messages(batch, self._ends(intake, batch_id), self._is_same)

    def explain(self, intake: Intake) -> None:
        """Raise SaleslakeError for what has become of the topics, if that is why the stream failed."""
        if self._broker is None:
            return
        found = self._compare(intake)
        if found.made_anew:
            raise _made_anew(found.made_anew[0])
        if found.gone:
            self.accept_lost = False
            self._gone(intake, found.gone)

    def close(self) -> None:
        if self._broker is not None:
            self._broker.close()
            self._broker = None

    @property
    def describes(self) -> str:
        return f"kafka {self.settings.bootstrap_servers} {','.join(self.topics)}"

    def _compare(self, intake: Intake) -> Plan:
        assert self._broker is not None
        topics = self._broker.topics(self.topics)
        self.ids = {topic.name: topic.id for topic in topics}
        intake.positions.labels = {topic.name: topic.label for topic in topics}
        return plan(intake.positions.offsets, topics, self.settings.starting_offsets)

    def _gone(self, intake: Intake, gone: list[Gone]) -> Landed:
        """Note what is gone in bronze; SaleslakeError unless that is accepted."""
        told = ", ".join(one.text for one in gone)
        noted = intake.note(intake.positions.losing(gone, PASSED if self.accept_lost else NOTICED))
        structlog.get_logger().error("offsets_lost", offsets=told, accepted=self.accept_lost)
        if not self.accept_lost:
            raise SaleslakeError(
                f"Kafka at {self.settings.bootstrap_servers}: these offsets never landed and the broker has them no more "
                f"(retention, or records deleted): {told}. To go on without them: saleslake stream --accept-lost-offsets"
            )
        self.say(f"going on without {told}: saleslake verify fails until that is acknowledged")
        return noted

    def _ends(self, intake: Intake, batch_id: int) -> dict[str, int]:
        """Partition → end of what this micro-batch reads of it; past its last message, where that was aborted or is a marker."""
        log = self.lake.place(*CHECKPOINT, "offsets", str(batch_id)).read_text()
        ends = json.loads(log.strip().split("\n")[-1])
        return {intake.positions.place(topic, int(p)): end for topic, of in ends.items() for p, end in of.items()}

    def _is_same(self) -> None:
        """Asked when a micro-batch has been read: a topic made anew meanwhile would have given other messages under these offsets."""
        assert self._broker is not None
        for name, id_ in self._broker.ids(self.topics).items():
            if id_ != self.ids[name]:
                raise _made_anew(name)


def _made_anew(topic: str) -> SaleslakeError:
    return SaleslakeError(
        f"stream.kafka.topics: {topic} was deleted and made anew while the stream read it; start the stream again: "
        "all that it holds now lands as new"
    )
