"""Decides what is worth telling of a run, and writes it down for the person who has to act. Sends nothing."""

from __future__ import annotations

import shlex
import socket
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, get_args

from saleslake.config_alerts import Alerts, Kind
from saleslake.errors import Interrupted, SaleslakeError, first_line

if TYPE_CHECKING:  # a summary brings Spark along, and `alert-test` does without
    from saleslake.summary import Summary

_TITLES: dict[Kind, str] = {
    "stream_failed": "stream ended by an error",
    "check_failed": "check failed",
    "retries_exhausted": "a source gives no answer",
    "run_failed": "run failed",
    "quarantine": "many records quarantined",
}
_MOST_LISTED = 10
_LONGEST = 1000
"""Characters of one line: a server's answer may be a page."""


@dataclass(frozen=True)
class Alert:
    """One thing worth telling: its kind, and one line that says what happened."""

    kind: Kind
    what: str


@dataclass(frozen=True)
class Run:
    """What is known of the run that an alert is about. `log` is empty where the run had not begun one."""

    command: str
    run_id: str
    started: datetime
    seconds: float
    config: str
    log: str = ""


@dataclass(frozen=True)
class Message:
    """One message about one run: to be read, and its facts for a program."""

    subject: str
    body: str
    facts: dict[str, object] = field(default_factory=dict)


def alerts_of(command: str, summary: Summary | None, error: BaseException | None, settings: Alerts) -> list[Alert]:
    """What is worth telling of a run that ended with this summary and error, of the kinds in `alerts.when`.

    Nothing is told twice: a failed check is why its run failed. A run that a person interrupted is not told at all.
    """
    found = _of_summary(summary, settings) if summary is not None else []
    found = [alert for alert in found if alert.kind in settings.when]
    kind: Kind = "stream_failed" if command == "stream" else "run_failed"
    if error is not None and not isinstance(error, Interrupted) and kind in settings.when:
        failures = [_one_line(failure) for failure in summary.failures] if summary is not None else []
        said = told(error)
        whole = failures if failures and said.startswith(failures[0]) else [said]
        found += [Alert(kind, what) for what in whole if what not in {alert.what for alert in found}]
    return sorted(found, key=lambda alert: get_args(Kind).index(alert.kind))


def told(error: BaseException) -> str:
    """The error as the run itself tells it, in one line."""
    if isinstance(error, SaleslakeError):
        return _one_line(str(error))
    return f"{type(error).__name__}: {first_line(error)}"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_LONGEST]


def _of_summary(summary: Summary, settings: Alerts) -> list[Alert]:
    failed = [Alert("check_failed", _one_line(result.problem)) for result in summary.checks if result.failed]
    gave_up = [
        Alert("retries_exhausted", _one_line(reason))
        for report in summary.landed
        if report.gave_up
        for reason in report.failed
    ]
    return failed + gave_up + _quarantined(summary, settings)


def _quarantined(summary: Summary, settings: Alerts) -> list[Alert]:
    # What a rule discards is left out on purpose: it counts for neither.
    decided = sum(outcome.wanted for outcome in summary.outcomes.values())
    rejected = sum(outcome.open for outcome in summary.outcomes.values())
    if decided < settings.quarantine_from_records or rejected <= settings.quarantine_share * decided:
        return []
    return [
        Alert(
            "quarantine",
            f"{rejected:,} of {decided:,} records decided were quarantined ({rejected / decided:.1%}; "
            f"alerts.quarantine_share = {settings.quarantine_share:g})",
        )
    ]


def message(run: Run, alerts: list[Alert], summary: Summary | None) -> Message:
    """The one message that tells all of them. `alerts` has one at least, the gravest first."""
    host = socket.gethostname()
    titles = list(dict.fromkeys(_TITLES[alert.kind] for alert in alerts))
    subject = f"saleslake {run.command} on {host}: {', '.join(titles)}"
    figures = _figures(summary)
    lines = [alert.what for alert in alerts]
    more = [f"… and {len(lines) - _MOST_LISTED} more"] if len(lines) > _MOST_LISTED else []
    body = [
        ", ".join(titles).capitalize() + ".",
        "",
        *(f"  {line}" for line in lines[:_MOST_LISTED] + more),
        "",
        f"Run      {run.run_id}: {run.command}, {run.seconds:.1f} s from {run.started:%Y-%m-%d %H:%M:%S} UTC, on {host}",
        *([f"Figures  {figures}"] if figures else []),
        *(f"         {line}" for line in _by_source(summary)),
        f"Config   {run.config}",
        *([f"Log      {run.log}"] if run.log else []),
        "",
        "Look further:",
        *(f"  {command}" for command in _commands(run, {alert.kind for alert in alerts}, summary is not None)),
    ]  # fmt: skip
    facts: dict[str, object] = {
        "host": host,
        "command": run.command,
        "run_id": run.run_id,
        "started_at": run.started.isoformat(),
        "seconds": round(run.seconds, 3),
        "config": run.config,
        "log": run.log,
        "alerts": [{"kind": alert.kind, "what": alert.what} for alert in alerts],
        "figures": figures,
    }
    return Message(subject, "\n".join(body) + "\n", facts)


def _figures(summary: Summary | None) -> str:
    if summary is None:
        return ""
    outcomes = summary.outcomes.values()
    # The stream decides what it lands, and counts it once.
    landed = {} if summary.stream_input else {"landed": sum(report.records for report in summary.landed)}
    counts = landed | {
        "decided": sum(outcome.records for outcome in outcomes),
        "quarantined": sum(outcome.quarantined for outcome in outcomes),
        "discarded": sum(outcome.discarded for outcome in outcomes),
        "retries": sum(report.retries for report in summary.landed),
        "gold tables written": sum(written.anything for written in summary.written),
    }
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _by_source(summary: Summary | None) -> list[str]:
    lines = []
    for name, outcome in (summary.outcomes if summary else {}).items():
        if outcome.open:
            reasons = ", ".join(f"{reason} {n:,}" for reason, n in Counter(outcome.reasons).most_common(4))
            lines.append(f"{name}: {outcome.open:,} of {outcome.wanted:,} quarantined ({reasons})")
    return lines[:_MOST_LISTED]


def _commands(run: Run, kinds: set[Kind], is_in_ops: bool) -> list[str]:
    where = f" --config {shlex.quote(run.config)}"
    commands = [f"saleslake status{where}"]
    if "check_failed" in kinds:
        commands.append(f"saleslake check{where}")
    if "quarantine" in kinds:
        query = "select source, reasons, count(*) from silver.quarantine_status where status = 'open' group by all order by 3 desc"
        commands.append(f'saleslake sql "{query}"{where}')
    if is_in_ops:
        query = f"select status, error, summary from ops.runs where run_id = '{run.run_id}'"
        commands.append(f'saleslake sql "{query}"{where}')
    return commands
