"""Where the project lies and how it is reached; from the environment of the workers."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.sdk import Asset

HOME = Path(os.environ.get("SALESLAKE_HOME") or Path(__file__).resolve().parents[3])
CONFIG = os.environ.get("SALESLAKE_CONFIG") or str(HOME / "conf" / "saleslake.toml")
SPARK_CONNECTION = os.environ.get("SALESLAKE_SPARK_CONN_ID", "spark_default")
"""Connection of SparkSubmitOperator: `local[2]`, `spark://host:7077`, `yarn`, `k8s://…`."""
PY_FILES = os.environ.get("SALESLAKE_PY_FILES") or None
"""The package as a zip, for clusters where it is not installed."""

BATCH_SCHEDULE = os.environ.get("SALESLAKE_BATCH_SCHEDULE", "@hourly")
MAINTENANCE_SCHEDULE = os.environ.get("SALESLAKE_MAINTENANCE_SCHEDULE", "30 3 * * *")
START = datetime(2024, 1, 1, tzinfo=UTC)

POOL = "saleslake_writers"
"""Two slots. Landing takes one, so that APIs and files land side by side; what writes silver or gold takes both."""
WHOLE_POOL = 2

GOLD = Asset("saleslake_gold", uri="saleslake://lakehouse/gold")
"""Gold is refreshed and its checks passed."""
SERVED = Asset("saleslake_served", uri="saleslake://lakehouse/served")
"""The databases that serve gold hold it."""
VERIFIED = Asset("saleslake_verified", uri="saleslake://lakehouse/verified")
"""It was proven where every record went."""

DATABASES = {"postgres": "SALESLAKE_POSTGRES_DSN", "redshift": "SALESLAKE_REDSHIFT_DSN"}
"""Variable that publishing reads an address from, by target. Given by the environment, or by the connection
`saleslake_<target>`, which is put into the environment of that one process."""


def connection_of(target: str) -> str:
    return f"saleslake_{target}"


def program(name: str) -> str:
    """A program of the project's environment. Raises FileNotFoundError where it is not on PATH."""
    found = shutil.which(name)
    if not found:
        raise FileNotFoundError(f"{name} is not on PATH: put the project's .venv/bin first on the workers' PATH")
    return found


RETRIES = {
    "retries": 3,
    "retry_delay": timedelta(seconds=int(os.environ.get("SALESLAKE_RETRY_SECONDS", "60"))),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=15),
}
