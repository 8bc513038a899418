"""Where events come from: what Spark reads, and what a micro-batch of it is handed to the intake as."""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from saleslake.config import Settings
from saleslake.config_storage import is_object
from saleslake.errors import ConfigError
from saleslake.kafka_settings import environment, kafka_options
from saleslake.store import place
from saleslake.stream.intake import Intake, Landed

_FILE = "path STRING, modificationTime TIMESTAMP, length LONG, content BINARY"
_FOR_EVER = "36500d"
"""Spark forgets, and then never reads, files much older than the newest one; nothing here is too old."""


class FilesIn:
    """A watched folder. Spark finds the files and remembers which it has seen; the intake lands their bytes."""

    def __init__(self, settings: Settings, folder: str, pattern: str):
        self.settings, self.folder, self.pattern = settings, place(folder, settings.storage), pattern

    def read(self, spark: SparkSession) -> DataFrame:
        """Grain: one row a file (path, modificationTime); its content is left to the intake."""
        self.folder.mkdir(parents=True, exist_ok=True)
        options = {"pathGlobFilter": self.pattern, "maxFileAge": _FOR_EVER}
        own = self.settings.stream.files
        if own.max_files_per_trigger:
            options["maxFilesPerTrigger"] = str(own.max_files_per_trigger)
        else:
            options["maxBytesPerTrigger"] = str(own.max_megabytes_per_trigger * 2**20)
        done = own.done
        if done == "archive":
            archive = self.settings.resolve(own.archive)
            place(archive, self.settings.storage).mkdir(parents=True, exist_ok=True)
            options |= {"cleanSource": "archive", "sourceArchiveDir": archive}
        elif done == "delete":
            options |= {"cleanSource": "delete"}
        reader = spark.readStream.format("binaryFile").schema(_FILE).options(**options)
        return reader.load(str(self.folder)).select("path", "modificationTime")

    def land(self, intake: Intake, batch: DataFrame) -> Landed:
        files = sorted((row["modificationTime"], _path(row["path"])) for row in batch.collect())
        return intake.land_files([place(path, self.settings.storage) for _, path in files])

    @property
    def describes(self) -> str:
        return f"files {self.folder}/{self.pattern}"


class KafkaIn:
    """Topics of a Kafka cluster, by Spark's own connector."""

    def __init__(self, settings: Settings):
        self.settings = settings.stream.kafka
        self.security = kafka_options(environment(settings))

    def read(self, spark: SparkSession) -> DataFrame:
        """Grain: one row a message (topic, partition, offset, landed_at, value); landed_at is the broker's time."""
        reader = (
            spark.readStream.format("kafka")
            .option("kafka.bootstrap.servers", self.settings.bootstrap_servers)
            .option("subscribe", self.settings.topics)
            .option("startingOffsets", self.settings.starting_offsets)
            .option("maxOffsetsPerTrigger", self.settings.max_offsets_per_trigger)
            .options(**{f"kafka.{name}": value for name, value in self.security.items()})
        )
        columns = ("topic", "partition", "offset", F.col("timestamp").alias("landed_at"), "value")
        return reader.load().select(*columns)

    def land(self, intake: Intake, batch: DataFrame) -> Landed:
        return intake.land_messages(batch)

    @property
    def describes(self) -> str:
        return f"kafka {self.settings.bootstrap_servers} {self.settings.topics}"


def _path(path: str) -> str:
    """A path as Spark gives it: `s3a://…`, or `file:/…` with nothing escaped."""
    if is_object(path):
        return path
    return "/" + path.removeprefix("file:").lstrip("/")


def require_kafka(spark_home: Path) -> None:
    """Raise ConfigError if the connector's JARs are not installed."""
    if not any((spark_home / "jars").glob("*spark-sql-kafka*.jar")):
        raise ConfigError("stream.source = 'kafka': Spark's Kafka connector is not installed; run `make install`")
