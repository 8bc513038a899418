"""Ask the APIs once more for a stretch of the past: `since` (excluded) to `until` (included).

What is known already is left out, a later version never gives way to an older one, and the watermark moves only if the
stretch is contiguous with it, never back. So a backfill may run beside the hourly batch, and twice.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.sdk import DAG, Param, task
from airflow.sdk.exceptions import AirflowFailException
from lakehouse.settings import CONFIG, START
from lakehouse.steps import DEFAULTS, to_serving
from lakehouse.submit import SubmitJob

PARAMETERS = {
    "since": Param("2024-01-01T00:00:00Z", type="string", format="date-time", description="Versions after this time."),
    "until": Param("2024-01-02T00:00:00Z", type="string", format="date-time", description="Versions up to this time."),
    "sources": Param([], type="array", items={"type": "string"}, description="API sources by name; none: all."),
    "refetch": Param(False, type="boolean", description="Land pages again even if all their records are known."),
}


@task(retries=0, doc_md="The parameters as arguments of jobs/land_api.py.")
def land_arguments(params: dict[str, Any]) -> list[str]:
    since, until = (datetime.fromisoformat(params[name].replace("Z", "+00:00")) for name in ("since", "until"))
    if since >= until:
        raise AirflowFailException(f"since {params['since']} is not before until {params['until']}: nothing to fetch")
    arguments = ["--config", CONFIG, "--since", since.isoformat(), "--until", until.isoformat()]
    for source in params["sources"]:
        arguments += ["--source", source]
    return [*arguments, "--refetch"] if params["refetch"] else arguments


with DAG(
    dag_id="saleslake_backfill",
    doc_md=__doc__,
    schedule=None,
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    params=PARAMETERS,
    tags=["saleslake"],
):
    to_serving(
        [
            SubmitJob(
                task_id="land_api",
                job="jobs/land_api.py",
                application_args=land_arguments(),
                doc_md="The pages of the stretch, byte for byte, and one row a record in bronze.",
            )
        ]
    )
