"""Sends what is worth telling of a run that ended, or of one that goes on. What goes wrong with that is a line in the log and nothing more."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import structlog

from saleslake.alerts.channels import Send, channels
from saleslake.alerts.message import Alert, Message, Run, alerts_of, message
from saleslake.bounded import Aside
from saleslake.config import Settings
from saleslake.errors import ConfigError, SaleslakeError, first_line
from saleslake.secrecy import Hide, hider

if TYPE_CHECKING:
    from saleslake.summary import Summary


def tell(
    settings: Settings,
    command: str,
    run_id: str,
    started: datetime,
    summary: Summary | None,
    error: BaseException | None,
    *,
    log: str = "",
) -> None:
    """Send one message if there is something to tell and somebody to tell it to. Raises nothing.

    `log` is the run's log file, if there is one.
    """
    if settings.alerts.configured:
        seconds = (datetime.now(UTC) - started).total_seconds()
        run = Run(command, run_id, started, seconds, str(settings.config_file), log)
        _tell(settings, run, lambda: alerts_of(command, summary, error, settings.alerts), summary)


def tell_now(settings: Settings, run: Run, alert: Alert) -> None:
    """Send one message while the run goes on, which does not wait for it. Raises nothing."""
    if settings.alerts.configured and alert.kind in settings.alerts.when:
        Aside(partial(_tell, settings, run, lambda: [alert], None))


def _tell(settings: Settings, run: Run, find: Callable[[], list[Alert]], summary: Summary | None) -> None:
    try:
        found = find()
        if found:
            for setting, result in send(settings, message(run, found, summary)).items():
                if isinstance(result, SaleslakeError):
                    _log().error("alert_not_sent", reason=str(result))
                else:
                    _log().info("alert_sent", by=setting, kinds=[alert.kind for alert in found], result=result)
    except (Exception, KeyboardInterrupt) as e:  # an alert must never hide what it was about
        _log().error("alert_not_sent", reason=hider(settings)(first_line(e)))


def warn_if_silent(settings: Settings) -> None:
    """Say at the start of a run that its alerts could not be sent: at the end it is too late to set a variable."""
    own = settings.alerts
    for variable, setting in (
        (own.smtp.password_env if own.smtp else "", "alerts.smtp.password_env"),
        (own.webhook.url_env if own.webhook else "", "alerts.webhook.url_env"),
    ):
        try:
            if variable:
                settings.secret(variable, setting)
        except ConfigError as e:
            _log().warning("alerts_cannot_be_sent", reason=str(e))


def test_message(settings: Settings) -> Message:
    """What `saleslake alert-test` sends."""
    kinds = ", ".join(settings.alerts.when)
    return Message(
        "saleslake: a test of the alerts",
        f"Nothing is wrong: somebody tried `saleslake alert-test`.\n\nConfig   {settings.config_file}\nTold     {kinds}\n",
        {"command": "alert-test", "config": str(settings.config_file), "alerts": []},
    )


def send(settings: Settings, text: Message) -> dict[str, str | SaleslakeError]:
    """Send by every channel at once; by setting, what happened. Takes `alerts.timeout_seconds` at most."""
    hide = hider(settings)
    hidden = replace(
        text, subject=_sendable(hide(text.subject)), body=_sendable(hide(text.body)), facts=_hidden(text.facts, hide)
    )
    deadline = time.monotonic() + settings.alerts.timeout_seconds
    results: dict[str, str | SaleslakeError] = {}
    under_way = {
        name: Aside(partial(_try, name, one, hidden, hide, results)) for name, one in channels(settings).items()
    }
    for name, aside in under_way.items():
        if not aside.wait(max(0.0, deadline - time.monotonic())):
            late = f"{name}: no end within alerts.timeout_seconds = {settings.alerts.timeout_seconds:g}"
            results.setdefault(name, SaleslakeError(late))
    return dict(results)


def _try(name: str, send_it: Send, text: Message, hide: Hide, results: dict[str, str | SaleslakeError]) -> None:
    try:
        results[name] = hide(send_it(text))
    except SaleslakeError as e:
        results[name] = SaleslakeError(hide(str(e)))
    except Exception as e:
        results[name] = SaleslakeError(hide(f"{name}: {type(e).__name__}: {first_line(e)}"))


def _hidden(facts: dict[str, object], hide: Hide) -> dict[str, object]:
    def clean(value: object) -> object:
        if isinstance(value, dict):
            return {key: clean(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [clean(inner) for inner in value]
        return _sendable(hide(value)) if isinstance(value, str) else value

    return {key: clean(value) for key, value in facts.items()}


def _sendable(text: str) -> str:
    """Without what no encoding of the world can carry, such as half a character in a file name."""
    return text.encode("utf-8", errors="replace").decode()


def _log() -> structlog.typing.FilteringBoundLogger:
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return log
