"""Emits the events of one run. What goes wrong with that is one warning in the log and nothing more."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import requests
import structlog

from saleslake.bounded import Aside
from saleslake.errors import Interrupted, SaleslakeError, first_line
from saleslake.lake import Lake
from saleslake.secrecy import hider
from saleslake.sources.urls import is_loopback

if TYPE_CHECKING:
    from openlineage.client.event_v2 import RunEvent

    from saleslake.summary import Summary

_SECONDS_BETWEEN = 3600.0
PARENT = "OPENLINEAGE_PARENT_ID"
"""Where Airflow's provider says what started us: `namespace/job/run`."""


class Emitter:
    """Of one run; does nothing unless `lineage.url` is set. `started` and `ended` raise nothing."""

    def __init__(self, lake: Lake, command: str):
        self.lake, self.command = lake, command
        self.settings = lake.settings.lineage
        self.is_on = bool(self.settings.url)
        self._warned = threading.Event()
        self._under_way: Aside | None = None
        self._next = 0.0

    def started(self, at: datetime) -> None:
        """While Spark starts, nobody waits for this."""
        if self.is_on:
            if (
                self.settings.api_key_env
                and self.settings.url.startswith("http:")
                and not is_loopback(self.settings.url)
            ):
                structlog.get_logger().warning(
                    "credentials_sent_unencrypted", setting="lineage.url", fix="use https:// in lineage.url"
                )
            self._aside(lambda: self._event("START", at))

    def running(self, summary: Summary) -> None:
        """Of a stream, which may not end for months: from time to time what it has read and written so far. Nobody waits."""
        if not self.is_on or not summary.outcomes or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _SECONDS_BETWEEN
        try:
            # Here and now, for the summary changes as the stream goes on.
            event = self._about(summary, "RUNNING", datetime.now(UTC))
        except Exception as e:
            self._warn(first_line(e))
        else:
            self._aside(lambda: event)

    def ended(self, summary: Summary, error: BaseException | None, at: datetime) -> None:
        """Takes `lineage.timeout_seconds` at most."""
        if not self.is_on:
            return
        try:
            if not self._aside(lambda: self._end(summary, error, at)).wait(self.settings.timeout_seconds):
                self._warn(f"no answer within lineage.timeout_seconds = {self.settings.timeout_seconds:g}")
        except KeyboardInterrupt:
            self._warn("interrupted")

    def _aside(self, make: Callable[[], RunEvent]) -> Aside:
        """Emit an event after the one before it."""
        before = self._under_way

        def work() -> None:
            if before is not None:
                before.wait(self.settings.timeout_seconds)
            self._emit(make)

        self._under_way = Aside(work)
        return self._under_way

    def _event(self, state: str, at: datetime, **more: object) -> RunEvent:
        from openlineage.client.event_v2 import RunState

        from saleslake.lineage.events import About, event

        about = About(self.lake, self.command, self.settings.namespace, os.environ.get(PARENT, "").strip())
        return event(about, RunState(state), at, **more)  # type: ignore[arg-type]

    def _about(self, summary: Summary, state: str, at: datetime, error: str = "") -> RunEvent:
        from saleslake.lineage.datasets import read_and_written

        inputs, outputs = read_and_written(self.lake, summary)
        return self._event(state, at, inputs=inputs, outputs=outputs, error=error)

    def _end(self, summary: Summary, error: BaseException | None, at: datetime) -> RunEvent:
        state = "COMPLETE" if error is None else "ABORT" if isinstance(error, Interrupted) else "FAIL"
        said = ""
        if error is not None:
            known = isinstance(error, SaleslakeError)
            said = hider(self.lake.settings)(str(error) if known else f"{type(error).__name__}: {first_line(error)}")
        return self._about(summary, state, at, said)

    def _emit(self, make: Callable[[], RunEvent]) -> None:
        try:
            self._send(make())
        except requests.HTTPError as e:
            self._warn(f"HTTP {e.response.status_code}")
        except requests.RequestException as e:
            self._warn(type(e).__name__)
        except Exception as e:
            self._warn(first_line(e))

    def _send(self, event: RunEvent) -> None:
        """By OpenLineage's transport, not by its client.

        The client would take further settings from the environment and from files, and add where the code comes from.
        """
        from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport

        config = HttpConfig(
            # urljoin would take the endpoint in place of the address's own last part
            url=self.settings.url.rstrip("/") + "/",
            endpoint=self.settings.endpoint.lstrip("/"),
            timeout=self.settings.timeout_seconds,
            retry={"total": 0},
            session=self._session(),
        )
        if self.settings.api_key_env:
            key = self.lake.settings.secret(self.settings.api_key_env, "lineage.api_key_env").get_secret_value()
            config.auth = ApiKeyTokenProvider({"api_key": key})
        transport = HttpTransport(config)
        try:
            transport.emit(event)
        finally:
            transport.close()

    def _session(self) -> requests.Session:
        session = requests.Session()
        session.auth = lambda request: request  # else one of .netrc would take the place of our key
        session.trust_env = not is_loopback(self.settings.url)
        return session

    def _warn(self, reason: str) -> None:
        """Once a run: who reads the log learns nothing from the second."""
        if not self._warned.is_set():
            self._warned.set()
            hidden = hider(self.lake.settings)(reason)
            structlog.get_logger().warning("lineage_not_sent", url=self.settings.url, reason=hidden)
