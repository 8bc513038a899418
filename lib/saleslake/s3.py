"""One S3 server for all who read and write there: Spark's S3A, delta-rs and Arrow are told the same.

Credentials are in none of these settings: each finds them where Amazon's tools do (environment, profile, the machine's
role); from `.env`, `config.load` puts them into the environment.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow.fs as pafs

from saleslake.config import Settings, Storage
from saleslake.config_storage import is_object
from saleslake.errors import ConfigError, first_line
from saleslake.store import file_system

LOG_STORE = "saleslake.ConditionalPutLogStore"


def jar_folder() -> Path:
    """Where `make install-s3` puts Hadoop's S3A and our log store: in the environment, beside Spark's own JARs."""
    return Path(sys.prefix) / "s3"


def jars() -> list[Path]:
    """What is there; nothing, unless it is complete."""
    folder = jar_folder()
    found = sorted(folder.glob("*.jar")) if folder.is_dir() else []
    return found if any(path.name.startswith("saleslake-") for path in found) else []


def session_conf(settings: Settings) -> dict[str, str]:
    """Spark's settings for `s3a://` paths; none where there are no such paths. Raises ConfigError without the JARs."""
    if not settings.object_paths:
        return {}
    found = jars()
    if not found:
        where = settings.data if settings.is_on_objects else "a path"
        raise ConfigError(
            f"{settings.config_file}: {where} is on s3a://, and Hadoop's S3A is not installed: run `make install-s3`"
        )
    return {"spark.jars": ",".join(path.as_uri() for path in found), **hadoop_conf(settings.storage)}


def hadoop_conf(storage: Storage) -> dict[str, str]:
    """S3A's settings, and Delta's log store for it."""
    conf = {
        "spark.delta.logStore.s3a.impl": LOG_STORE,
        "spark.hadoop.fs.s3a.endpoint.region": storage.region_in_force,
        # Not the analytics accelerator, which reads ahead what nobody asked for.
        "spark.hadoop.fs.s3a.input.stream.type": "classic",
        "spark.hadoop.fs.s3a.path.style.access": str(storage.bucket_in_path).lower(),
    }
    if storage.server:
        conf["spark.hadoop.fs.s3a.endpoint"] = storage.server
        conf["spark.hadoop.fs.s3a.connection.ssl.enabled"] = str(storage.server.startswith("https:")).lower()
    return conf


def delta_options(path: str, storage: Storage) -> dict[str, str] | None:
    """delta-rs' options for a table at `path`; None on a local disk. It commits by conditional PUT, as Spark does here."""
    if not is_object(path):
        return None
    options = {
        "AWS_REGION": storage.region_in_force,
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": str(not storage.bucket_in_path).lower(),
        "AWS_CONDITIONAL_PUT": "etag",
    }
    if storage.server:
        options |= {"AWS_ENDPOINT_URL": storage.server, "AWS_ALLOW_HTTP": "true"}
    return options


def check_buckets(settings: Settings) -> None:
    """Raise ConfigError for a bucket that is not there, or that we may not look at, before anything is done."""
    storage = settings.storage
    where = storage.server or "AWS"
    for bucket in sorted({path.removeprefix("s3a://").partition("/")[0] for path in settings.object_paths}):
        try:
            found = file_system(storage).get_file_info(bucket)
        except OSError as e:
            raise ConfigError(
                f"s3a://{bucket}: {where} does not answer as it should ({first_line(e)}): check storage.endpoint and "
                "storage.region, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            ) from None
        if found.type == pafs.FileType.NotFound:
            raise ConfigError(
                f"s3a://{bucket}: no such bucket at {where}: make it, or correct the path in {settings.config_file}"
            )
