"""Metrics to a Pushgateway at the end of a run. A push that fails is a warning: it must never hide what the run was about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog

from saleslake.errors import first_line
from saleslake.lake import Lake

if TYPE_CHECKING:  # what is off costs nothing, not even its import
    from prometheus_client import CollectorRegistry

    from saleslake.accounting import Proof


def after_run(lake: Lake, command: str, started_at: datetime, summary: Mapping[str, Any], *, failed: bool) -> None:
    """Push the run and the tables as they now are, if there is a Pushgateway. `summary`: as `ops.runs` holds it.

    Call it after the run has been logged. Of the stream only the tables: its own figures are at its `/metrics`.
    """
    ended_at = datetime.now(UTC)
    with _quietly(lake) as address:
        if address and command != "stream":
            _push_run(lake, command, started_at, ended_at, summary, failed)
        if address:
            _push_tables(lake)


def after_verify(lake: Lake, proof: Proof) -> None:
    """Write down which tables a proof found sound, and push the tables, if there is a Pushgateway."""
    from saleslake.monitor import verified

    with _quietly(lake) as address:
        verified.note(lake, proof)
        if address:
            _push_tables(lake)


@contextmanager
def _quietly(lake: Lake) -> Iterator[str]:
    """Yields the address of the Pushgateway; whatever goes wrong is a warning."""
    address = lake.settings.monitoring.pushgateway
    try:
        yield address
    except Exception as e:
        structlog.get_logger().warning("metrics_not_pushed", pushgateway=address, reason=first_line(e))


def _push_run(
    lake: Lake, command: str, started_at: datetime, ended_at: datetime, summary: Mapping[str, Any], failed: bool
) -> None:
    from prometheus_client import pushadd_to_gateway

    from saleslake.monitor import batch, history

    run = batch.Run(command, started_at, ended_at, not failed, summary, last_success_at=None if failed else ended_at)
    registry = batch.registry([history.as_logged(lake, run)], lake.settings.sources)
    # Added, not put: what a failed run does not tell, the time of the last success, stays.
    _send(lake, pushadd_to_gateway, registry, {"command": command})


def _push_tables(lake: Lake) -> None:
    from prometheus_client import push_to_gateway

    from saleslake.monitor import tables

    # Put, not added: a table or a source that is gone goes from the gateway too.
    _send(lake, push_to_gateway, tables.registry(lake), {})


def _send(lake: Lake, send: Callable[..., None], registry: CollectorRegistry, grouping: dict[str, str]) -> None:
    own = lake.settings.monitoring
    send(own.pushgateway, own.job, registry, grouping_key=grouping, timeout=own.push_timeout_seconds)
