"""Runs as Prometheus metrics: the latest run of each command. Seconds, records, Unix times; all gauges, for a run is over."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Gauge

from saleslake import checks
from saleslake.config import Source

OUTCOMES = ("applied", "duplicate", "superseded", "quarantined")
ENGINES = ("spark", "embedded")
STEPS = ("heal", "land", "silver", "gold", "check")
_SEVERITIES = {check.name: check.severity for check in checks.CHECKS}


@dataclass(frozen=True)
class Run:
    """One run. `summary`: as `ops.runs` holds it; `usual_seconds`: median of former runs like it, None where there are too few;
    `last_success_at`: of its command, this run included, None where that is not known."""

    command: str
    started_at: datetime
    ended_at: datetime
    succeeded: bool
    summary: Mapping[str, Any]
    usual_seconds: float | None = None
    last_success_at: datetime | None = None

    @property
    def seconds(self) -> float:
        return (self.ended_at - self.started_at).total_seconds()


def registry(runs: Sequence[Run], sources: Mapping[str, Source]) -> CollectorRegistry:
    """Metrics of one run a command, each with the label `command`.

    Every family but two has samples for every run, zeros where nothing happened, so that a push replaces what the run before
    left. The two are the time of the last success and what checks found: a run that failed leaves those as they were.
    """
    metrics = _Metrics()
    for run in runs:
        _add_run(metrics, run)
        _add_sources(metrics, run, sources)
        for check, found in run.summary["checks"].items():
            metrics.set("check_findings", found, run, check=check, severity=_SEVERITIES.get(check, "error"))
    return metrics.registry


_HELP = {
    "run_last_start_timestamp_seconds": "When the latest run of the command began.",
    "run_last_end_timestamp_seconds": "When the latest run of the command ended, well or not.",
    "run_last_success_timestamp_seconds": "When a run of the command last ended well.",
    "run_success": "Whether the latest run of the command ended well: 1 or 0.",
    "run_engine": "Whether the latest run of the command was carried out by the engine: 1 or 0.",
    "run_duration_seconds": "How long the latest run of the command took.",
    "run_usual_duration_seconds": "Median of the command's last 20 good runs of the same kind (with new records, without, all anew); NaN: fewer than 3.",
    "run_step_duration_seconds": "How long each step of the latest run took; 0: it did not come to it.",
    "run_rebuilt_tables": "Damaged tables that the latest run rebuilt.",
    "run_written_rows": "Rows of gold that the latest run wrote or deleted.",
    "run_landed_records": "Records that the latest run landed in bronze.",
    "run_left_out_records": "Records that the latest run left out at landing because they are known.",
    "run_records": "Records that the latest run decided, by what became of them.",
    "run_discarded_records": "Of the records that the latest run quarantined, those that a rule of severity discard closed.",
    "run_retries": "Requests to the source's API that were repeated in the latest run.",
    "run_retries_exhausted": "Whether a request to the source's API failed at its last try in the latest run: 1 or 0.",
    "run_source_failures": "Why the source could not be landed, decided or believed whole in the latest run: how many reasons; 0: it was.",
    "check_findings": "What each check found when it last ran; severity error: must be 0, count: is only told.",
}


class _Metrics:
    """Gauges of a registry, made when they first get a value."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._gauges: dict[str, Gauge] = {}

    def set(self, name: str, value: float, run: Run, **labels: str) -> None:
        labels = {"command": run.command} | labels
        if name not in self._gauges:
            self._gauges[name] = Gauge(f"saleslake_{name}", _HELP[name], list(labels), registry=self.registry)
        self._gauges[name].labels(**labels).set(value)


def _add_run(metrics: _Metrics, run: Run) -> None:
    summary = run.summary
    metrics.set("run_last_start_timestamp_seconds", run.started_at.timestamp(), run)
    metrics.set("run_last_end_timestamp_seconds", run.ended_at.timestamp(), run)
    if run.last_success_at:
        metrics.set("run_last_success_timestamp_seconds", run.last_success_at.timestamp(), run)
    metrics.set("run_success", run.succeeded, run)
    for engine in ENGINES:
        metrics.set("run_engine", summary.get("engine", "spark") == engine, run, engine=engine)
    metrics.set("run_duration_seconds", run.seconds, run)
    metrics.set("run_usual_duration_seconds", math.nan if run.usual_seconds is None else run.usual_seconds, run)
    for step in (*STEPS, *(step for step in summary["seconds"] if step not in STEPS)):
        metrics.set("run_step_duration_seconds", summary["seconds"].get(step, 0.0), run, step=step)
    metrics.set("run_rebuilt_tables", len(summary["healed"]), run)
    metrics.set("run_written_rows", sum(table["rows"] + table["deleted"] for table in summary["written"]), run)


def _add_sources(metrics: _Metrics, run: Run, sources: Mapping[str, Source]) -> None:
    landed = {report["source"]: report for report in run.summary["landed"]}
    troubles = run.summary.get("troubles", {})
    for source in (name for name, settings in sources.items() if not settings.is_stream):
        report = landed.get(source, {})
        metrics.set("run_landed_records", report.get("records", 0), run, source=source)
        metrics.set("run_left_out_records", report.get("left_out", 0), run, source=source)
        metrics.set("run_retries", report.get("retries", 0), run, source=source)
        metrics.set("run_retries_exhausted", report.get("gave_up", False), run, source=source)
        metrics.set(
            "run_source_failures", len(report.get("failed", ())) + len(troubles.get(source, ())), run, source=source
        )
    decided = run.summary["outcomes"]
    for name in dict.fromkeys([*sources, *decided]):
        for outcome in OUTCOMES:
            metrics.set("run_records", decided.get(name, {}).get(outcome, 0), run, source=name, outcome=outcome)
        metrics.set("run_discarded_records", decided.get(name, {}).get("discarded", 0), run, source=name)
