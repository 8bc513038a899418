"""The stream's own /metrics: its health figures, read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector

from saleslake.config import Monitoring

Figures = Callable[[], dict[str, Any]]

STATES = ("starting", "running", "stopping", "stopped", "failed")

_TOTALS = {
    "batches": ("batches", "Micro-batches that landed something, since the stream started."),
    "records": ("landed_records", "Events that landed in bronze, since the stream started."),
    "left_out": ("left_out_records", "Events left out because bronze holds them, since the stream started."),
    "quarantined": ("quarantined_records", "Events that were quarantined, since the stream started."),
    "discarded": (
        "discarded_records",
        "Of them those that a rule of severity discard closed, since the stream started.",
    ),
    "gold_refreshes": ("gold_refreshes", "Refreshes of gold that wrote something, since the stream started."),
}

_QUERY = {
    "input_rows_per_second": ("input_rows_per_second", "Rows that arrived a second, in the latest micro-batch.", 1.0),
    "processed_rows_per_second": ("processed_rows_per_second", "Rows taken a second, in the latest micro-batch.", 1.0),
    "batch_duration_ms": ("batch_duration_seconds", "How long the latest micro-batch took.", 0.001),
    "state_rows": ("state_rows", "Rows of state that the query keeps.", 1.0),
    "state_bytes": ("state_bytes", "Memory of that state.", 1.0),
    "event_time_lag_seconds": (
        "event_time_lag_seconds",
        "How old the newest event was when the latest micro-batch was done.",
        1.0,
    ),
}

_QUERY_TIMES = {
    "watermark": ("watermark_timestamp_seconds", "Event time before which the query waits for nothing more."),
    "at": ("last_progress_timestamp_seconds", "When the latest micro-batch began."),
}


@contextmanager
def served(figures: Figures, own: Monitoring) -> Iterator[None]:
    """`/metrics` on `monitoring.stream_port` for as long as this lasts; nothing if that is 0.

    A port that cannot be had is a warning: the stream is worth more than its figures.
    """
    if not own.stream_port:
        yield
        return
    registry = CollectorRegistry()
    registry.register(StreamCollector(figures))
    ProcessCollector(registry=registry)
    try:
        server, thread = start_http_server(own.stream_port, own.stream_host, registry)
    except OSError as e:
        address = f"{own.stream_host}:{own.stream_port}"
        structlog.get_logger().warning(
            "metrics_not_served", address=address, reason=str(e), fix="monitoring.stream_port"
        )
        yield
        return
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class StreamCollector:
    """Health figures as metrics. Counters begin at 0 with each start of the stream."""

    def __init__(self, figures: Figures):
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        now = self._figures()
        yield from _states(now)
        for name, help_, moment in (
            ("start_time_seconds", "When the stream was started.", now["started_at"]),
            ("last_landed_timestamp_seconds", "When an event last landed in bronze.", now.get("last_landed_at")),
        ):
            family = GaugeMetricFamily(f"saleslake_stream_{name}", help_)
            _add_time(family, [], moment)
            yield family
        for total, (name, help_) in _TOTALS.items():
            yield CounterMetricFamily(f"saleslake_stream_{name}", help_, value=now["totals"][total])
        yield from _queries(now["queries"])


def _states(now: dict[str, Any]) -> Iterator[Metric]:
    info = GaugeMetricFamily("saleslake_stream_info", "The run and its input; always 1.", labels=["run_id", "source"])
    info.add_metric([now["run_id"], now["source"]], 1)
    state = GaugeMetricFamily("saleslake_stream_state", "1 for the state the stream is in, else 0.", labels=["state"])
    for name in STATES:
        state.add_metric([name], float(now["state"] == name))
    yield from (info, state)


def _queries(queries: dict[str, dict[str, Any]]) -> Iterator[Metric]:
    for figure, (name, help_, unit) in _QUERY.items():
        family = GaugeMetricFamily(f"saleslake_stream_{name}", help_, labels=["query"])
        for query, now in queries.items():
            if now.get(figure) is not None:
                family.add_metric([query], now[figure] * unit)
        yield family
    for figure, (name, help_) in _QUERY_TIMES.items():
        family = GaugeMetricFamily(f"saleslake_stream_{name}", help_, labels=["query"])
        for query, now in queries.items():
            _add_time(family, [query], now.get(figure))
        yield family


def _add_time(family: GaugeMetricFamily, labels: list[str], text: str | None) -> None:
    """Unix seconds of an ISO time; nothing for none, and for 1970, which is how Spark says that there is no watermark yet."""
    if text:
        seconds = datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
        if seconds > 0:
            family.add_metric(labels, seconds)
