"""Where events come from: what Spark reads, and what a micro-batch of it is handed to the intake as."""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from saleslake.config import Settings
from saleslake.config_storage import is_object
from saleslake.errors import ConfigError
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

    def prepare(self, intake: Intake) -> Landed:
        """Nothing: Spark's checkpoint and the intake know where a folder stands."""
        return Landed()

    def land(self, intake: Intake, batch: DataFrame, batch_id: int) -> Landed:
        files = sorted((row["modificationTime"], _path(row["path"])) for row in batch.collect())
        return intake.land_files([place(path, self.settings.storage) for _, path in files])

    def explain(self, intake: Intake) -> None:
        """Nothing: what went wrong with files is told by the error itself."""

    def close(self) -> None:
        """Nothing is open."""

    @property
    def describes(self) -> str:
        return f"files {self.folder}/{self.pattern}"


def _path(path: str) -> str:
    """A path as Spark gives it: `s3a://…`, or `file:/…` with nothing escaped."""
    if is_object(path):
        return path
    return "/" + path.removeprefix("file:").lstrip("/")


def require_kafka(spark_home: Path) -> None:
    """Raise ConfigError if the connector's JARs are not installed."""
    if not any((spark_home / "jars").glob("*spark-sql-kafka*.jar")):
        raise ConfigError("stream.source = 'kafka': Spark's Kafka connector is not installed; run `make install`")
