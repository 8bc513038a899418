"""Each night: compact small files, remove those no version of the last week names; then prove where every record went.

Both take the writers' locks, table by table, so batch and stream go on beside them.
"""

from __future__ import annotations

from airflow.sdk import DAG
from lakehouse.settings import MAINTENANCE_SCHEDULE, START, VERIFIED, WHOLE_POOL
from lakehouse.steps import DEFAULTS
from lakehouse.submit import SubmitJob

with DAG(
    dag_id="saleslake_maintenance",
    doc_md=__doc__,
    schedule=MAINTENANCE_SCHEDULE,
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags=["saleslake"],
):
    maintain = SubmitJob(
        task_id="maintain",
        job="jobs/maintain.py",
        pool_slots=WHOLE_POOL,
        doc_md="OPTIMIZE and VACUUM of every table; files of the last seven days stay for readers of older versions.",
    )
    verify = SubmitJob(
        task_id="verify",
        job="jobs/verify.py",
        pool_slots=WHOLE_POOL,
        outlets=[VERIFIED],
        doc_md="Reads and judges bronze again: landed = applied + duplicate + superseded + quarantined, and gold is what silver says.",
    )
    maintain >> verify
