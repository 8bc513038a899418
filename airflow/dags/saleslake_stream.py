"""The streaming job, kept running: a run lasts as long as the job; whenever it ends, for whatever reason, the next begins.

Being killed is harmless to it. A second stream on the lakehouse waits for the lock of the first, and its task is tried
again. `saleslake_stream_watch` ends one that has fallen silent.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG
from lakehouse.settings import START
from lakehouse.steps import DEFAULTS
from lakehouse.submit import SubmitJob

with DAG(
    dag_id="saleslake_stream",
    doc_md=__doc__,
    schedule="@continuous",
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS | {"execution_timeout": None, "max_retry_delay": timedelta(minutes=5)},
    tags=["saleslake"],
):
    SubmitJob(
        task_id="stream",
        job="streaming/stream.py",
        # It runs for as long as it is wanted, and would hold the writers' pool as long: locks keep it and the batch apart.
        pool="default_pool",
        doc_md="Events to bronze, silver and gold as they come, until the task is ended or the job fails.",
    )
