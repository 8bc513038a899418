"""The DAGs as Airflow loads them: complete, documented, bounded, and without a secret in what it shows. No Spark."""

from __future__ import annotations

import json
import runpy
import signal
import subprocess
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
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


def test_every_task_submits_a_job_that_takes_its_arguments(
    found: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    seen: dict[str, str] = {}
    for dag in found["dags"].values():
        for task in dag["tasks"].values():
            if not task["application"]:
                continue
            path = Path(task["application"])
            assert path.is_file() and path.is_relative_to(ROOT)
            with pytest.raises(SystemExit, match=r"^0$"):
                runpy.run_path(str(path))["main"](["--help"])
            seen[path.name] = capsys.readouterr().out
            for argument in task["arguments"] or ():
                assert not argument.startswith("--") or argument in seen[path.name], (path, argument)
    assert seen.keys() == {
        "land_api.py", "land_files.py", "silver.py", "gold.py", "check.py", "publish_serving.py", "maintain.py", "verify.py",
        "stream.py",
    }  # fmt: skip


CALL = """
import json, os
from airflow.dag_processing.dagbag import DagBag
bag, answers = DagBag({dags!r}), []
for arguments, environment in {cases!r}:
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        answers.append(bag.dags[{dag!r}].get_task({task!r}).python_callable(*arguments))
    except Exception as e:
        answers.append(f"{{type(e).__name__}}: {{e}}")
    os.environ.clear()
    os.environ.update(before)
print("RESULT" + json.dumps(answers))
"""
Call = Callable[..., list[Any]]


@pytest.fixture
def call(in_airflow: Callable[..., str]) -> Call:
    """Calls a task once for each of some (arguments, environment), all in one process: Airflow takes seconds to load."""

    def called(dag: str, task: str, *cases: tuple[tuple[Any, ...], dict[str, str]]) -> list[Any]:
        return list(result_of(in_airflow(CALL.format(dags=str(DAGS), dag=dag, task=task, cases=cases))))

    return called


def test_a_backfill_asks_for_its_stretch_and_sources(call: Call) -> None:
    given = {"since": "2024-03-01T00:00:00Z", "until": "2024-03-08T00:00:00Z", "sources": [], "refetch": False}
    others = {"sources": ["orders_api", "products_api"], "refetch": True}, {"until": "2024-03-01T00:00:00Z"}
    plain, more, wrong = call(
        "saleslake_backfill", "land_arguments", *[((given | other,), {}) for other in ({}, *others)]
    )
    stretch = ["--since", "2024-03-01T00:00:00+00:00", "--until", "2024-03-08T00:00:00+00:00"]
    assert plain[2:] == stretch
    assert more[2:] == [*stretch, "--source", "orders_api", "--source", "products_api", "--refetch"]
    assert "is not before until" in wrong


def test_publishing_goes_to_what_is_connected_and_is_a_dry_run_for_redshift_otherwise(call: Call) -> None:
    both = {f"AIRFLOW_CONN_SALESLAKE_{name}": "postgres://u:p@127.0.0.1/x" for name in ("POSTGRES", "REDSHIFT")}
    told = call(
        "saleslake_batch",
        "publish_arguments",
        ((), {}),
        ((), {"SALESLAKE_POSTGRES_DSN": "postgresql://u@127.0.0.1/x"}),
        ((), both),
    )
    assert [arguments[2:] for arguments in told] == [
        ["--to", "redshift"],
        ["--to", "postgres"],
        ["--to", "postgres,redshift", "--execute"],
    ]


def test_the_watch_ends_a_stream_that_has_been_silent_and_no_other(call: Call) -> None:
    stream = subprocess.Popen(["sleep", "600"])
    threading.Thread(target=stream.wait, daemon=True).start()  # a parent that reaps it, as spark-submit does

    def said(silent: timedelta, running: bool = True) -> tuple[tuple[Any, ...], dict[str, str]]:
        at = (datetime.now(UTC) - silent).isoformat()
        figures = {"pid": stream.pid, "state": "running", "running": running, "at": at, "last_error": None}
        return (figures, {"silent_minutes": 15}), {}

    of_late, ended_before = call(
        "saleslake_stream_watch", "end_if_silent", said(timedelta(minutes=9)), said(timedelta(hours=2), running=False)
    )
    assert 540 <= int(of_late.removeprefix("running, last heard of ").removesuffix(" s ago")) < 900
    assert ended_before.startswith("no stream is running")
    assert stream.poll() is None
    (silent,) = call("saleslake_stream_watch", "end_if_silent", said(timedelta(minutes=16)))
    assert silent.startswith(f"ended process {stream.pid}")
    assert stream.wait(timeout=10) == -signal.SIGTERM
