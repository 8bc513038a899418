"""Runs as metrics: what a run tells, what a failed one leaves alone, and what is usual."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from deltalake import write_deltalake

from saleslake import runlog
from saleslake.config import Settings
from saleslake.entry import summary_dict
from saleslake.ingest.report import Landed
from saleslake.lake import Lake
from saleslake.monitor import batch, history
from saleslake.monitor.batch import Run
from saleslake.publish import Outcome
from saleslake.summary import Summary

SOURCES = """
[sources.shop]
entity = "orders"
format = "api"
[sources.shop.api]
url = "https://shop.example/orders"
[sources.users]
entity = "users"
format = "csv"
path = "u.csv"
[sources.events]
entity = "orders"
format = "events"
"""
BEGAN = datetime(2024, 5, 1, 10, tzinfo=UTC)
Make = Callable[[str], Settings]


def _run(summary: Summary, **more: Any) -> Run:
    return Run(
        "run", BEGAN, BEGAN + timedelta(seconds=90), **({"succeeded": True} | more), summary=summary_dict(summary)
    )


def _samples(run: Run, settings: Settings) -> dict[tuple[str, ...], float]:
    """(name, label values but for the command's) → value."""
    found = {}
    for family in batch.registry([run], settings.sources).collect():
        for sample in family.samples:
            labels = tuple(value for name, value in sorted(sample.labels.items()) if name != "command")
            assert sample.labels["command"] == "run"
            found[(sample.name.removeprefix("saleslake_"), *labels)] = sample.value
    return found


def test_a_run_tells_what_became_of_each_source(make_settings: Make) -> None:
    landed = Landed("shop", records=10, left_out=3, retries=5, gave_up=True, failed=["gave up"])
    outcome = Outcome(records=10, applied=6, duplicate=1, superseded=1, quarantined=2, discarded=1)
    summary = Summary(landed=[landed], outcomes={"shop": outcome}, seconds={"land": 2.5, "publish": 1.0})
    found = _samples(_run(summary, succeeded=False), make_settings(SOURCES))
    assert found["run_landed_records", "shop"] == 10
    assert found["run_left_out_records", "shop"] == 3
    assert found["run_retries", "shop"] == 5
    assert found["run_retries_exhausted", "shop"] == 1
    assert found["run_source_failures", "shop"] == 1
    assert {outcome: found["run_records", outcome, "shop"] for outcome in batch.OUTCOMES} == {
        "applied": 6,
        "duplicate": 1,
        "superseded": 1,
        "quarantined": 2,
    }
    assert found["run_discarded_records", "shop"] == 1
    assert found["run_step_duration_seconds", "land"] == 2.5
    assert found["run_step_duration_seconds", "publish"] == 1.0, "a step that is not known of is told too"
    assert found["run_success",] == 0
    assert found["run_duration_seconds",] == 90
    assert found["run_last_start_timestamp_seconds",] == BEGAN.timestamp()
    assert found["run_last_end_timestamp_seconds",] == BEGAN.timestamp() + 90


def test_a_run_that_did_nothing_tells_zeros_so_that_the_former_figures_go(make_settings: Make) -> None:
    full = Summary(
        landed=[Landed("shop", records=10)],
        outcomes={"shop": Outcome(records=10, quarantined=2)},
        seconds={"land": 1.0},
    )
    settings = make_settings(SOURCES)
    before, after = _samples(_run(full), settings), _samples(_run(Summary()), settings)
    assert set(before) == set(after)
    assert {name for name, value in after.items() if value and not math.isnan(value)} == {
        ("run_success",),
        ("run_duration_seconds",),
        ("run_last_start_timestamp_seconds",),
        ("run_last_end_timestamp_seconds",),
    }


def test_a_source_of_the_stream_is_decided_by_runs_and_landed_by_none(make_settings: Make) -> None:
    found = _samples(_run(Summary()), make_settings(SOURCES))
    assert {key[1] for key in found if key[0] == "run_landed_records"} == {"shop", "users"}
    assert {key[2] for key in found if key[0] == "run_records"} == {"shop", "users", "events"}


def test_a_run_that_failed_does_not_speak_of_success_or_of_checks_it_did_not_come_to(make_settings: Make) -> None:
    settings = make_settings(SOURCES)
    families = {key[0] for key in _samples(_run(Summary(), succeeded=False), settings)}
    assert not {"run_last_success_timestamp_seconds", "check_findings"} & families
    ended = _samples(_run(Summary(), last_success_at=BEGAN), settings)
    assert ended["run_last_success_timestamp_seconds",] == BEGAN.timestamp()


def _logged(lake: Lake, rows: list[tuple[str, int, float, str, int, str]]) -> None:
    """ops.runs of these: command, hour of its start, seconds, status, records, outcome's name."""
    full = [
        {
            "run_id": f"r{n}",
            "command": command,
            "started_at": BEGAN + timedelta(hours=hour),
            "ended_at": BEGAN + timedelta(hours=hour, seconds=seconds),
            "status": status,
            "error": None,
            "records_processed_count": records,
            "records_dropped_count": 0,
            "execution_time_seconds": seconds,
            "retry_attempts": 0,
            "partitions_written": 0,
            "summary": json.dumps(summary_dict(Summary(outcomes={source: Outcome(records=records)}))),
        }
        for n, (command, hour, seconds, status, records, source) in enumerate(rows)
    ]
    import pyarrow as pa

    write_deltalake(runlog.path(lake), pa.Table.from_pylist(full, schema=runlog.SCHEMA), mode="append")


def test_usual_is_the_median_of_good_runs_of_the_same_kind(make_settings: Make) -> None:
    lake = Lake(make_settings(SOURCES))
    assert history.latest_runs(lake) == []
    with_news = [("run", hour, seconds, "done", 5, "shop") for hour, seconds in enumerate([100.0, 110.0, 130.0, 400.0])]
    _logged(lake, with_news)
    _logged(lake, [("run", 10 + n, 3.0, "done", 0, "shop") for n in range(5)])
    _logged(lake, [("run", 20, 900.0, "done", 9, "orders (all of bronze)"), ("run", 21, 1.0, "failed", 5, "shop")])
    _logged(lake, [("run", 30, 250.0, "done", 5, "shop"), ("gold", 4, 9.0, "failed", 0, "shop")])
    gold, run = history.latest_runs(lake)
    assert (run.seconds, run.usual_seconds) == (250.0, 120.0)
    assert run.last_success_at == BEGAN + timedelta(hours=30, seconds=250)
    assert (gold.command, gold.succeeded, gold.usual_seconds, gold.last_success_at) == ("gold", False, None, None)


def test_a_failed_run_keeps_the_time_of_the_last_success_of_its_command(make_settings: Make) -> None:
    lake = Lake(make_settings(SOURCES))
    _logged(lake, [("run", 0, 10.0, "done", 1, "shop"), ("run", 1, 5.0, "failed", 0, "shop")])
    _logged(lake, [("gold", 2, 10.0, "done", 1, "shop")])
    run = history.latest_runs(lake)[1]
    assert not run.succeeded
    assert run.last_success_at == BEGAN + timedelta(seconds=10)


def test_a_run_is_told_as_it_was_logged_and_as_it_is_where_that_failed(make_settings: Make) -> None:
    lake = Lake(make_settings(SOURCES))
    _logged(lake, [("run", 0, 10.0, "done", 1, "shop")])
    mine = Run("run", BEGAN, BEGAN + timedelta(seconds=11), True, summary_dict(Summary()))
    assert history.as_logged(lake, mine).seconds == 10
    later = Run("run", BEGAN + timedelta(hours=1), BEGAN + timedelta(hours=2), True, summary_dict(Summary()))
    assert history.as_logged(lake, later) is later
