"""The DAGs as Airflow loads them: complete, documented, bounded, and without a secret in what it shows. No Spark."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tools.airflow_home import DAGS, POOL, ROOT

DESCRIBE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag({dags!r})

def listed(found):
    return list(found) if isinstance(found, (list, tuple)) else [found] if found else []

def task(t):
    return dict(
        upstream=sorted(t.upstream_task_ids), pool=t.pool, slots=t.pool_slots, doc=t.doc_md or "", retries=t.retries,
        backoff=bool(t.retry_exponential_backoff), timeout=str(t.execution_timeout), trigger=t.trigger_rule.value,
        failure=[f.__name__ for f in listed(t.on_failure_callback)], application=getattr(t, "application", ""),
        arguments=[str(a) for a in t.application_args] if isinstance(getattr(t, "application_args", None), list) else None,
        outlets=[o.name for o in t.outlets],
    )

print("RESULT" + json.dumps(dict(
    errors=bag.import_errors,
    loaded=sorted(m for m in sys.modules if m.split(".")[0] in ("pyspark", "saleslake", "delta")),
    dags={{d.dag_id: dict(doc=d.doc_md or "", catchup=d.catchup, runs=d.max_active_runs,
          tasks={{t.task_id: task(t) for t in d.tasks}}) for d in bag.dags.values()}},
)))
"""


@pytest.fixture(scope="module")
def found(in_airflow: Callable[..., str]) -> dict[str, Any]:
    return result_of(in_airflow(DESCRIBE.format(dags=str(DAGS))))


def result_of(output: str) -> Any:
    return json.loads(next(line for line in output.splitlines() if line.startswith("RESULT"))[len("RESULT") :])


def test_every_dag_loads_and_none_brings_in_spark_or_our_own_code(found: dict[str, Any]) -> None:
    assert found["errors"] == {}
    assert found["loaded"] == []
    assert set(found["dags"]) == {path.stem for path in DAGS.glob("*.py")}


def test_every_dag_is_documented_runs_once_at_a_time_and_makes_up_for_nothing_by_date(found: dict[str, Any]) -> None:
    for name, dag in found["dags"].items():
        assert dag["doc"].strip(), name
        assert (dag["catchup"], dag["runs"]) == (False, 1), name


def test_every_task_is_documented_bounded_and_tried_again(found: dict[str, Any]) -> None:
    for name, dag in found["dags"].items():
        for task_name, task in dag["tasks"].items():
            at = f"{name}.{task_name}"
            assert task["doc"].strip(), at
            if task_name == "every_task_succeeded":
                assert (task["retries"], task["trigger"]) == (0, "one_failed"), at
                continue
            assert task["failure"] == ["on_failure"], at
            assert task["retries"] >= 3 or task_name == "land_arguments", at
            assert task["backoff"], at
            # The stream alone has no end.
            assert (task["timeout"] == "None") == (at == "saleslake_stream.stream"), at


def test_the_batch_lands_side_by_side_then_goes_step_by_step_to_what_is_served(found: dict[str, Any]) -> None:
    tasks = found["dags"]["saleslake_batch"]["tasks"]
    assert {name: task["upstream"] for name, task in tasks.items() if name != "every_task_succeeded"} == {
        "land_api": [],
        "land_files": [],
        "silver": ["land_api", "land_files"],
        "gold": ["silver"],
        "check": ["gold"],
        "publish_arguments": [],
        "publish": ["check", "publish_arguments"],
    }
    assert tasks["check"]["outlets"] == ["saleslake_gold"]
    # A run in which anything failed ends as failed, whatever its last step did.
    assert set(tasks["every_task_succeeded"]["upstream"]) == {
        "land_api",
        "land_files",
        "silver",
        "gold",
        "check",
        "publish",
    }


def test_writers_of_one_table_never_run_at_once(found: dict[str, Any]) -> None:
    """Landing takes one slot of two; whatever writes silver or gold takes both."""
    name, slots, _ = POOL
    for dag in found["dags"].values():
        for task_name, task in dag["tasks"].items():
            if task["application"] and task_name != "stream":
                assert task["pool"] == name
                assert task["slots"] == (int(slots) if task_name in ("silver", "gold", "maintain", "verify") else 1), (
                    task_name
                )


def test_every_task_submits_a_job_that_takes_its_arguments(found: dict[str, Any]) -> None:
    seen = set()
    for dag in found["dags"].values():
        for task in dag["tasks"].values():
            if not task["application"]:
                continue
            path = Path(task["application"])
            assert path.is_file() and path.is_relative_to(ROOT)
            seen.add(path.name)
            help_ = subprocess.run(
                [sys.executable, str(path), "--help"], capture_output=True, text=True, check=True
            ).stdout
            for argument in task["arguments"] or ():
                assert not argument.startswith("--") or argument in help_, (path, argument)
    assert seen == {
        "land_api.py", "land_files.py", "silver.py", "gold.py", "check.py", "publish_serving.py", "maintain.py", "verify.py",
        "stream.py",
    }  # fmt: skip


CALL = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag({dags!r})
try:
    told = bag.dags[{dag!r}].get_task({task!r}).python_callable({arguments})
except Exception as e:
    told = f"{{type(e).__name__}}: {{e}}"
print("RESULT" + json.dumps(told))
"""


def call(in_airflow: Callable[..., str], dag: str, task: str, arguments: str = "", **environment: str) -> Any:
    return result_of(in_airflow(CALL.format(dags=str(DAGS), dag=dag, task=task, arguments=arguments), **environment))


def backfill(in_airflow: Callable[..., str], **params: Any) -> Any:
    given = {"since": "2024-03-01T00:00:00Z", "until": "2024-03-08T00:00:00Z", "sources": [], "refetch": False} | params
    told = call(in_airflow, "saleslake_backfill", "land_arguments", repr(given))
    return told[2:] if isinstance(told, list) else told


def test_a_backfill_asks_for_its_stretch_and_sources(in_airflow: Callable[..., str]) -> None:
    stretch = ["--since", "2024-03-01T00:00:00+00:00", "--until", "2024-03-08T00:00:00+00:00"]
    assert backfill(in_airflow) == stretch
    more = backfill(in_airflow, sources=["orders_api", "products_api"], refetch=True)
    assert more == [*stretch, "--source", "orders_api", "--source", "products_api", "--refetch"]
    assert "is not before until" in backfill(in_airflow, until="2024-03-01T00:00:00Z")


def test_publishing_goes_to_what_is_connected_and_is_a_dry_run_for_redshift_otherwise(
    in_airflow: Callable[..., str],
) -> None:
    def told(**environment: str) -> list[str]:
        return list(call(in_airflow, "saleslake_batch", "publish_arguments", **environment)[2:])

    assert told() == ["--to", "redshift"]
    assert told(SALESLAKE_POSTGRES_DSN="postgresql://u@127.0.0.1/x") == ["--to", "postgres"]
    both = {f"AIRFLOW_CONN_SALESLAKE_{name}": "postgres://u:p@127.0.0.1/x" for name in ("POSTGRES", "REDSHIFT")}
    assert told(**both) == ["--to", "postgres,redshift", "--execute"]


def watched(in_airflow: Callable[..., str], pid: int, silent: timedelta, running: bool = True) -> str:
    at = (datetime.now(timezone.utc) - silent).isoformat()
    stream = {"pid": pid, "state": "running", "running": running, "at": at, "last_error": None}
    return str(call(in_airflow, "saleslake_stream_watch", "end_if_silent", f"{stream!r}, {{'silent_minutes': 15}}"))


def test_the_watch_ends_a_stream_that_has_been_silent_and_no_other(in_airflow: Callable[..., str]) -> None:
    stream = subprocess.Popen(["sleep", "600"])
    threading.Thread(target=stream.wait, daemon=True).start()  # a parent that reaps it, as spark-submit does
    assert watched(in_airflow, stream.pid, timedelta(minutes=14)).startswith("running, last heard of 8")
    assert watched(in_airflow, stream.pid, timedelta(hours=2), running=False).startswith("no stream is running")
    assert stream.poll() is None
    assert watched(in_airflow, stream.pid, timedelta(minutes=16)).startswith(f"ended process {stream.pid}")
    assert stream.wait(timeout=10) == -signal.SIGTERM
