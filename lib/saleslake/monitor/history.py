"""The runs of `ops.runs` as monitoring sees them; read without a JVM."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from saleslake import runlog
from saleslake.lake import Lake
from saleslake.monitor.batch import Run
from saleslake.serve.duck import connect

_LIKE_IT = 20
_ENOUGH = 3

# Runs are like one another if they had as much to do: new records, none, or all of bronze again.
_RUNS = """
with runs as (
    select *, case when summary like '%(all of bronze)%' then 'anew' when records_processed_count > 0 then 'new' else 'none' end as kind
    from ops.runs),
latest as (select * from runs qualify row_number() over (partition by command order by started_at desc, run_id) = 1)
select command, epoch_us(started_at), execution_time_seconds, status = 'done', summary,
       (select epoch_us(max(ended_at)) from runs r where r.command = latest.command and r.status = 'done'),
       (select list(execution_time_seconds order by started_at desc)[:$like_it] from runs r
        where r.command = latest.command and r.kind = latest.kind and r.status = 'done' and r.started_at < latest.started_at)
from latest order by command"""

_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def latest_runs(lake: Lake) -> list[Run]:
    """The latest run of each command, by command; empty if there was none."""
    if not lake.is_table(runlog.path(lake)):
        return []
    with connect(lake) as connection:
        return [_run(*row) for row in connection.execute(_RUNS, {"like_it": _LIKE_IT}).fetchall()]


def as_logged(lake: Lake, run: Run) -> Run:
    """A run that has just ended, as `ops.runs` has it, with its history; as it is, if it could not be logged."""
    logged = {found.command: found for found in latest_runs(lake)}.get(run.command)
    return logged if logged and logged.started_at == run.started_at else run


def _run(
    command: str,
    started: int,
    seconds: float,
    succeeded: bool,
    summary: str,
    last_success: int | None,
    like_it: list[float] | None,
) -> Run:
    content: dict[str, Any] = json.loads(summary)
    return Run(
        command,
        _moment(started),
        _moment(started) + timedelta(seconds=seconds),
        succeeded,
        content,
        _median(like_it or []),
        None if last_success is None else _moment(last_success),
    )


def _median(seconds: list[float]) -> float | None:
    if len(seconds) < _ENOUGH:
        return None
    ordered = sorted(seconds)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
