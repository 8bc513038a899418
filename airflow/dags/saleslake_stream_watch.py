"""Every five minutes: is the stream's own report fresh? One that has been silent too long is ended, and started again
by `saleslake_stream`.

A stream reports after every micro-batch, and every few seconds while there is nothing to do. This DAG has to run on
the machine of the stream's driver, where its process id means something.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import time
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import DAG, Param, task
from lakehouse.settings import CONFIG, START, program
from lakehouse.steps import DEFAULTS

_log = logging.getLogger("saleslake.watch")
_GRACE_SECONDS = 120
"""SIGTERM lets the micro-batch in hand finish; after this long it is SIGKILL."""


@task(doc_md="What the stream last said of itself: `saleslake status`. Nothing, where no stream has ever run.")
def look() -> dict[str, Any] | None:
    done = subprocess.run(
        [program("saleslake"), "status", "--json", "--config", CONFIG], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip() or f"saleslake status ended with {done.returncode}")
    stream: dict[str, Any] | None = json.loads(done.stdout)["stream"]
    return stream and {name: stream[name] for name in ("pid", "state", "running", "at", "last_error")}


@task(doc_md="Ends a stream that runs but has said nothing for longer than `silent_minutes`.")
def end_if_silent(stream: dict[str, Any] | None, params: dict[str, Any]) -> str:
    if not stream or not stream["running"]:
        return "no stream is running on this machine"
    silent = (datetime.now(UTC) - datetime.fromisoformat(stream["at"].replace("Z", "+00:00"))).total_seconds()
    if silent <= params["silent_minutes"] * 60:
        return f"running, last heard of {silent:.0f} s ago"
    pid = int(stream["pid"])
    _log.warning("the stream (process %s) has been silent for %.0f s: ending it", pid, silent)
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, number)
            for _ in range(_GRACE_SECONDS):
                os.kill(pid, 0)
                time.sleep(1)
        except ProcessLookupError:
            return f"ended process {pid}, silent for {silent:.0f} s; saleslake_stream starts it again"
    raise RuntimeError(f"process {pid} of the stream outlived SIGKILL: look at it on the machine itself")


with DAG(
    dag_id="saleslake_stream_watch",
    doc_md=__doc__,
    schedule="*/5 * * * *",
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    params={"silent_minutes": Param(15, type="number", exclusiveMinimum=0, description="How long silence is borne.")},
    tags=["saleslake"],
):
    end_if_silent(look())
