"""Settings of object storage; part of `config`, from which everything else imports them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, field_validator

from saleslake.config_source import Strict

_SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_BUCKET = re.compile(r"s3a://[a-z0-9][a-z0-9.-]+(/.*)?")


class Storage(Strict):
    """The S3 server that `s3a://` paths lie on. Credentials come from where AWS has them come from, never from here."""

    endpoint: str = ""
    """`http://host:port` of a server that is not AWS; default `$AWS_ENDPOINT_URL_S3`, `$AWS_ENDPOINT_URL`, else AWS."""
    region: str = ""
    """Default `$AWS_REGION`, `$AWS_DEFAULT_REGION`, else us-east-1."""
    path_style: bool | None = None
    """Whether the bucket stands in the path rather than in the host's name; default: yes where there is an endpoint."""
    lease_seconds: float = Field(default=30.0, ge=5)
    """A writer that has not renewed its lease for so long counts as dead, and the next one takes its place."""

    @field_validator("endpoint")
    @classmethod
    def _is_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/")):
            raise ValueError(f"{value!r} is no server's address: give one like http://127.0.0.1:9000")
        if parts.username or parts.password:
            raise ValueError("credentials do not belong here: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        return value.rstrip("/")

    @property
    def server(self) -> str:
        """The endpoint in force; empty for AWS."""
        named = self.endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
        return named.rstrip("/")

    @property
    def region_in_force(self) -> str:
        return self.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"

    @property
    def bucket_in_path(self) -> bool:
        return bool(self.server) if self.path_style is None else self.path_style


def export_credentials(env_file: Path) -> None:
    """Put AWS's credentials that stand in the file into the environment, where all who use S3 look; what is set stays."""
    given = dotenv_values(env_file)
    for name in _SECRETS:
        if (value := given.get(name)) and name not in os.environ:
            os.environ[name] = value


def normal_url(url: str) -> str:
    """`s3://…` as `s3a://…`, as Spark knows it. Raises ValueError for another scheme, or where there is no bucket."""
    normal = "s3a://" + url.removeprefix("s3://") if url.startswith("s3://") else url
    if not _BUCKET.fullmatch(normal):
        raise ValueError(f"{url!r}: a path is one on the local disk or s3a://bucket/…")
    return normal.rstrip("/")


def is_object(path: str) -> bool:
    """Whether a resolved path lies on an object store."""
    return path.startswith("s3a://")
