"""Land the APIs and the files side by side, then silver → gold → checks → publish.

A run goes by the watermark that bronze holds, not by its own date: it takes what is new since the last landing that
succeeded, so a run that was missed, late or failed leaves no gap, and one that is repeated finds nothing new.
For a stretch of the past, `saleslake_backfill`.
"""

from __future__ import annotations

from airflow.sdk import DAG
from lakehouse.settings import BATCH_SCHEDULE, START
from lakehouse.steps import DEFAULTS, to_serving
from lakehouse.submit import SubmitJob

with DAG(
    dag_id="saleslake_batch",
    doc_md=__doc__,
    schedule=BATCH_SCHEDULE,
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags=["saleslake"],
):
    to_serving(
        [
            SubmitJob(
                task_id="land_api",
                job="jobs/land_api.py",
                doc_md="The pages of every API since its watermark, byte for byte, and one row a record in bronze.",
            ),
            SubmitJob(
                task_id="land_files",
                job="jobs/land_files.py",
                doc_md="CSV and JSON files whose content is new, byte for byte, and one row a record in bronze.",
            ),
        ]
    )
