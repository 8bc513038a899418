"""Builds the SparkSession: what results depend on is set here, what the machine decides is found.

Under `spark-submit` the JVM is already up, so memory and JARs come from `spark-defaults.conf` (written
into the environment by `make install`) or the command line; started from Python they are set here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyspark
from pyspark import SparkConf, SparkContext, java_gateway
from pyspark.errors import PySparkRuntimeError
from pyspark.sql import SparkSession

from saleslake import class_archive, s3
from saleslake.config import Settings
from saleslake.errors import ConfigError
from saleslake.lake import signature
from saleslake.machine import cores, empty_conf_dir, file_system, heap_megabytes, java_problem, jvm_options

BATCH = "saleslake run"
"""The application's name of a run of the whole batch."""
_SAID_SHOWN = 600
# Results depend on these, so nothing outside may change them.
_SEMANTICS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.json.enableExactStringParsing": "true",
    "spark.sql.json.enablePartialResults": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # A partition is replaced only by name, never because a frame happens to hold none of its rows.
    "spark.sql.sources.partitionOverwriteMode": "static",
}

_DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
}


def build_session(
    settings: Settings, app_name: str = "saleslake", run_id: str = "", extra: dict[str, str] | None = None
) -> SparkSession:
    """The session of this process, started if need be. `extra`: settings of one job, which `[spark.conf]` overrides.

    Raises ConfigError if no usable Java is found, saying what to install, or if `[spark.conf]` would change results.
    """
    _check(settings)
    running = SparkContext._active_spark_context is not None
    under_submit = "PYSPARK_GATEWAY_PORT" in os.environ
    if not running and not under_submit:
        problem = java_problem()
        if problem:
            raise ConfigError(problem)
    builder = SparkSession.builder.appName(app_name)
    spark_home = Path(pyspark.__file__).parent
    s3.check_buckets(settings)
    own = _tuning() | file_system(spark_home) | _DELTA | s3.session_conf(settings) | (extra or {})
    for name, value in (own | settings.spark.conf | _SEMANTICS).items():
        builder = builder.config(name, value)
    if not running and not under_submit:
        builder = builder.master(settings.spark.master or f"local[{cores()}]")
        if "spark.driver.extraJavaOptions" not in settings.spark.conf:
            # A run of the batch loads most classes, so it is the one that archives them for later starts.
            write = class_archive.to_write(spark_home) if app_name == BATCH else None
            builder = builder.config("spark.driver.extraJavaOptions", jvm_options(spark_home, write))
        if empty_conf_dir(spark_home).is_dir():
            os.environ.setdefault("SPARK_CONF_DIR", str(empty_conf_dir(spark_home)))
        if settings.monitoring.spark_port:  # Spark's UI listens on every address of the machine otherwise
            os.environ.setdefault("SPARK_LOCAL_IP", settings.monitoring.stream_host)
        builder = builder.config("spark.driver.memory", settings.spark.driver_memory or f"{heap_megabytes()}m")
        builder = builder.config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
        spark = _started(builder, Path(settings.work) / "logs" / "spark-jvm.log")
    else:
        spark = builder.getOrCreate()
    _without_checksums(spark)
    spark.conf.set("spark.databricks.delta.commitInfo.userMetadata", signature(run_id))
    return spark


def _without_checksums(spark: SparkSession) -> None:
    """Write and read no `.crc` files on the local disk: they double the files, and what Python writes has none."""
    jvm: Any = spark._jvm
    jsc: Any = spark.sparkContext._jsc
    system = jvm.org.apache.hadoop.fs.FileSystem.get(jvm.java.net.URI.create("file:///"), jsc.hadoopConfiguration())
    system.setWriteChecksum(False)
    system.setVerifyChecksum(False)


def _check(settings: Settings) -> None:
    """Raise ConfigError if `[spark.conf]` would change a setting that results depend on."""
    for name, value in settings.spark.conf.items():
        if _SEMANTICS.get(name, value) != value:
            raise ConfigError(
                f"{settings.config_file}: spark.conf.{name} = {value!r}: results depend on it, so it stays "
                f"{_SEMANTICS[name]!r}: take the line out"
            )


def _tuning() -> dict[str, str]:
    """Sized for the machine; `[spark.conf]` overrides each line."""
    n = cores()
    return {
        # One reducer a core: the tables here are small beside Spark's default of 200, and AQE only merges.
        "spark.sql.shuffle.partitions": str(n),
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": str(n),
        "spark.sql.files.maxPartitionBytes": "64m",
        "spark.sql.files.openCostInBytes": "1m",
        # Every sort and aggregation takes a page at once; by default 64 MB here, zeroed, however small the data.
        "spark.buffer.pageSize": "4m",
        # The state of a stream stays out of the heap.
        "spark.sql.streaming.stateStore.providerClass": "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider",
        # A batch has hundreds of generated classes; with room for 100 they are compiled anew, 20 ms each, every time.
        "spark.sql.codegen.cache.maxEntries": "2000",
        # Spark describes every plan, and keeps it, for a UI that nobody looks at.
        "spark.sql.ui.explainMode": "simple",
        "spark.sql.maxPlanStringLength": "2000",
        "spark.sql.ui.retainedExecutions": "5",
        "spark.ui.retainedJobs": "20",
        "spark.ui.retainedStages": "20",
        "spark.ui.retainedTasks": "100",
        # Trying several codecs on every column costs more than writing the cache, which lives for seconds.
        "spark.sql.inMemoryColumnarStorage.compressed": "false",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.databricks.delta.stats.collect.using.tableSchema": "true",
        # Asking Python's stack for every Column costs more than planning a small query.
        "spark.python.sql.dataFrameDebugging.enabled": "false",
        "spark.sql.parquet.compression.codec": "zstd",
        "parquet.compression.codec.zstd.level": "1",
    }


def _started(builder: SparkSession.Builder, log: Path) -> SparkSession:
    """The session, and with it its JVM. Raises ConfigError with what Java printed if that ends before it is up.

    What Java and Spark print belongs in the log. Nor may the JVM hold the output of this process: when it archives its
    classes it lives on for seconds, and whoever reads that output (`make run | tee`) would wait for it.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    before = log.stat().st_size if log.exists() else 0
    conf = SparkConf(loadDefaults=False).setAll([(name, str(value)) for name, value in builder._options.items()])
    try:
        if SparkContext._gateway is None:  # the JVM of a session that was stopped serves the next one, too
            with log.open("ab") as said:
                launch: Any = java_gateway.launch_gateway
                gateway = launch(conf, {"stdout": said, "stderr": said})
            SparkContext._ensure_initialized(gateway=gateway)
        return builder.getOrCreate()
    except PySparkRuntimeError as e:
        if e.getCondition() != "JAVA_GATEWAY_EXITED":
            raise
        with log.open("rb") as file:
            file.seek(before)
            printed = " ".join(file.read().decode(errors="replace").split())
    raise ConfigError(
        f"Java ended before Spark was up. It printed: {printed[:_SAID_SHOWN] or 'what stands above'} (whole: {log})"
    )
