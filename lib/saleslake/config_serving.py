"""Settings of what gold is published to; part of `config`, from which everything else imports them."""

from __future__ import annotations

from pydantic import Field

from saleslake.config_source import Strict

_SQL_NAME = r"^[a-z_][a-z0-9_]{0,62}$"


class Postgres(Strict):
    """A PostgreSQL database. Its address holds a password, so it comes from the environment."""

    dsn_env: str = "SALESLAKE_POSTGRES_DSN"
    """Name of the variable with the connection string: `postgresql://user:password@host:5432/database`."""
    schema_name: str = Field(default="gold", pattern=_SQL_NAME, alias="schema")


class Redshift(Strict):
    """An Amazon Redshift cluster, which loads files from S3."""

    dsn_env: str = "SALESLAKE_REDSHIFT_DSN"
    schema_name: str = Field(default="gold", pattern=_SQL_NAME, alias="schema")
    export: str = "data/serving/redshift"
    """Folder that the Parquet files, their manifests and the statements are written to."""
    s3: str = Field(default="s3://bucket/saleslake", pattern=r"^s3://[^\s']+[^/\s']$")
    """Where that folder is copied to, as the statements name it."""
    iam_role: str = Field(default="default", pattern=r"^(default|arn:[A-Za-z0-9:/_+=,.@-]+)$")


class DuckDBFile(Strict):
    """One file to take away."""

    path: str = "data/serving/saleslake.duckdb"


class Serving(Strict):
    """What `saleslake publish` writes to."""

    postgres: Postgres = Postgres()
    redshift: Redshift = Redshift()
    duckdb: DuckDBFile = DuckDBFile()
