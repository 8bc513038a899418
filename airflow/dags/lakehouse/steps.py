"""The steps that every DAG of the batch ends with: silver → gold → checks → publish."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import TriggerRule, task
from airflow.sdk.exceptions import AirflowFailException

from lakehouse.failure import on_failure, on_retry
from lakehouse.settings import CONFIG, DATABASES, GOLD, RETRIES, SERVED, WHOLE_POOL, connection_of
from lakehouse.submit import SubmitJob, is_connected

DEFAULTS: dict[str, Any] = {
    **RETRIES,
    "owner": "saleslake",
    "execution_timeout": timedelta(hours=2),
    "on_failure_callback": on_failure,
    "on_retry_callback": on_retry,
}


def to_serving(landings: list[SubmitJob]) -> None:
    """From what landed to what is served. A source that could not be landed or decided holds up no other: the run fails, but goes on."""
    silver = SubmitJob(
        task_id="silver",
        job="jobs/silver.py",
        pool_slots=WHOLE_POOL,
        trigger_rule=TriggerRule.ALL_DONE,
        doc_md="Bronze to silver and quarantine: what landed and was not decided yet. Harmless to run again.",
    )
    gold = SubmitJob(
        task_id="gold",
        job="jobs/gold.py",
        application_args=["--no-check"],
        pool_slots=WHOLE_POOL,
        trigger_rule=TriggerRule.ALL_DONE,
        doc_md="Silver to the star schema and its metrics: only the keys and dates that changed.",
    )
    check = SubmitJob(
        task_id="check",
        job="jobs/check.py",
        outlets=[GOLD],
        doc_md="Sanity checks in SQL. One that fails stops publishing; `saleslake check` shows what it found.",
    )
    publish = SubmitJob(
        task_id="publish",
        job="jobs/publish_serving.py",
        application_args=publish_arguments(),
        secrets={variable: connection_of(target) for target, variable in DATABASES.items()},
        outlets=[SERVED],
        doc_md="Gold to PostgreSQL and Redshift where they are connected; else Redshift's files and statements, not run.",
    )
    landings >> silver >> gold >> check >> publish
    [*landings, silver, gold, check, publish] >> every_task_succeeded()


@task(doc_md="What publishing is told: the databases that have an address.")
def publish_arguments() -> list[str]:
    import os

    connected = [
        target
        for target, variable in DATABASES.items()
        if os.environ.get(variable) or is_connected(connection_of(target))
    ]
    arguments = ["--config", CONFIG, "--to", ",".join(connected or ["redshift"])]
    return [*arguments, "--execute"] if "redshift" in connected else arguments


@task(
    trigger_rule=TriggerRule.ONE_FAILED,
    retries=0,
    on_failure_callback=None,
    doc_md="Fails where any task has failed: the last steps run even where a landing did not, and would make the run look well.",
)
def every_task_succeeded() -> None:
    raise AirflowFailException("a task of this run has failed")
