"""spark-submit of one job of the project."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import BaseHook, Context
from airflow.sdk.exceptions import AirflowFailException

from lakehouse.settings import CONFIG, HOME, POOL, PY_FILES, SPARK_CONNECTION

_WRONG_SETTINGS = 2
"""Exit code of a job whose configuration or arguments are wrong."""


class SubmitJob(SparkSubmitOperator):
    """Submits `job`, a path below the project, with `--config` and `application_args`.

    `secrets` names connections by the variable that the job reads; they get into the environment of the submitted process
    only: no argument, no rendered field, no XCom shows them. A job that says its settings are wrong is not tried again.
    """

    def __init__(self, *, job: str, secrets: Mapping[str, str] | None = None, **kwargs: Any):
        kwargs.setdefault("application_args", [])
        if isinstance(kwargs["application_args"], list):
            kwargs["application_args"] = ["--config", CONFIG, *kwargs["application_args"]]
        super().__init__(
            application=str(HOME / job),
            name=f"saleslake {job}",
            conn_id=SPARK_CONNECTION,
            py_files=PY_FILES,
            pool=kwargs.pop("pool", POOL),
            **kwargs,
        )
        self.job = job
        self.secrets = dict(secrets or {})

    def execute(self, context: Context) -> None:
        with _environment(self.secrets):
            try:
                super().execute(context)
            except Exception as e:
                if self._exit_code() == _WRONG_SETTINGS:
                    raise AirflowFailException(f"{self.job}: its settings are wrong, see the log above") from e
                raise

    def _exit_code(self) -> int | None:
        submitted = getattr(self._hook, "_submit_sp", None)
        return None if submitted is None else submitted.returncode


@contextmanager
def _environment(secrets: Mapping[str, str]) -> Iterator[None]:
    """Connections as variables of this process, for as long as it submits. What the environment has already stays."""
    added = {
        variable: _address(BaseHook.get_connection(connection))
        for variable, connection in secrets.items()
        if variable not in os.environ and is_connected(connection)
    }
    os.environ.update(added)
    try:
        yield
    finally:
        for variable in added:
            os.environ.pop(variable, None)


def _address(connection: Any) -> str:
    """Airflow writes `postgres://` for the type; libpq wants `postgresql://`."""
    uri: str = connection.get_uri()
    scheme, _, rest = uri.partition("://")
    return f"{'postgresql' if scheme in ('postgres', 'redshift') else scheme}://{rest}"


def is_connected(connection: str) -> bool:
    """Whether Airflow has a connection of this name."""
    try:
        BaseHook.get_connection(connection)
    except Exception:  # Airflow raises one class or another, by version and by where it asks
        return False
    return True
