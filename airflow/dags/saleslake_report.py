"""Whenever gold is new: the questions of `sql/questions.sql`, answered into `<reports>/<name>.csv`.

Consumes the asset that batch and backfill produce once gold is refreshed and its checks have passed.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from airflow.sdk import DAG, task
from lakehouse.settings import CONFIG, GOLD, HOME, START, program
from lakehouse.steps import DEFAULTS

REPORTS = Path(os.environ.get("SALESLAKE_REPORTS") or HOME / "data" / "reports")


@task(doc_md="Names of the questions.")
def questions() -> list[str]:
    return re.findall(r"^-- (\w+): ", (HOME / "sql" / "questions.sql").read_text(encoding="utf-8"), flags=re.MULTILINE)


@task(doc_md="One question, answered by DuckDB over the tables; a reader sees the former report or the new one.")
def answer(name: str) -> str:
    command = [program("saleslake"), "sql", f"@{name}", "--format", "csv", "--config", CONFIG]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip() or f"saleslake sql @{name} ended with {done.returncode}")
    REPORTS.mkdir(parents=True, exist_ok=True)
    target = REPORTS / f"{name}.csv"
    partial = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    partial.write_text(done.stdout, encoding="utf-8")
    partial.replace(target)
    return str(target)


with DAG(
    dag_id="saleslake_report",
    doc_md=__doc__,
    schedule=[GOLD],
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags=["saleslake"],
):
    answer.expand(name=questions())
