"""The stream's own /metrics: its figures at the moment they are asked for, and only while it runs."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from saleslake.config import Monitoring
from saleslake.monitor.stream import served
from tools.processes import free_port

FIGURES: dict[str, Any] = {
    "run_id": "r1",
    "source": "files",
    "state": "running",
    "started_at": "2024-05-01T10:00:00.000Z",
    "last_landed_at": None,
    "queries": {
        "events": {
            "batch_duration_ms": 1500,
            "input_rows_per_second": None,
            "processed_rows_per_second": 40.5,
            "event_time_lag_seconds": 3.25,
            "state_rows": 0,
            "watermark": None,
            "at": "2024-05-01T10:00:05.000Z",
        },
        "sales_by_minute": {"state_rows": 7, "watermark": "1970-01-01T00:00:00.000Z"},
    },
    "totals": {"batches": 2, "records": 100, "left_out": 1, "quarantined": 9, "discarded": 4, "gold_refreshes": 1},
}


def _scraped(port: int) -> dict[tuple[str, ...], float]:
    text = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
    return {
        (sample.name.removeprefix("saleslake_stream_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_it_serves_the_figures_as_they_are_when_asked() -> None:
    figures, port = dict(FIGURES), free_port()
    with served(lambda: figures, Monitoring(stream_port=port)):
        found = _scraped(port)
        assert found["landed_records_total",] == 100
        assert found["quarantined_records_total",] == 9
        assert found["discarded_records_total",] == 4
        assert found["batch_duration_seconds", "events"] == 1.5
        assert found["event_time_lag_seconds", "events"] == 3.25
        assert found["state_rows", "sales_by_minute"] == 7
        assert found["last_progress_timestamp_seconds", "events"] == 1714557605
        assert (found["state", "running"], found["state", "stopped"]) == (1, 0)
        assert ("input_rows_per_second", "events") not in found, "Spark has not told yet"
        assert ("watermark_timestamp_seconds", "sales_by_minute") not in found, "1970 is Spark's word for none"
        assert ("last_landed_timestamp_seconds",) not in found
        assert found["process_resident_memory_bytes",] > 0

        figures["totals"] = FIGURES["totals"] | {"records": 150}
        figures["last_landed_at"] = "2024-05-01T10:01:00.000Z"
        found = _scraped(port)
        assert found["landed_records_total",] == 150
        assert found["last_landed_timestamp_seconds",] == 1714557660


def test_its_port_is_free_again_afterwards() -> None:
    port = free_port()
    for _ in range(2):
        with served(lambda: FIGURES, Monitoring(stream_port=port)):
            _scraped(port)
    with pytest.raises(requests.ConnectionError):
        _scraped(port)


def test_it_listens_where_it_is_told_and_nowhere_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    with served(lambda: pytest.fail("asked"), Monitoring()):
        pass
    port = free_port()
    with served(lambda: FIGURES, Monitoring(stream_port=port, stream_host="127.0.0.2")):
        assert requests.get(f"http://127.0.0.2:{port}/metrics", timeout=5, proxies={"http": ""}).ok
        with pytest.raises(requests.ConnectionError):
            _scraped(port)


def test_a_port_that_is_taken_is_a_warning_and_the_stream_goes_on() -> None:
    went_on = False
    with socket.create_server(("127.0.0.1", 0)) as taken, capture_logs() as logs:
        port = taken.getsockname()[1]
        with served(lambda: FIGURES, Monitoring(stream_port=port)):
            went_on = True
    assert went_on
    assert [(line["event"], line["address"]) for line in logs] == [("metrics_not_served", f"127.0.0.1:{port}")]


def test_sparks_own_endpoints_are_off_unless_a_port_is_set() -> None:
    assert Monitoring().spark_conf == {}
    conf = Monitoring(spark_port=4040).spark_conf
    assert (conf["spark.ui.enabled"], conf["spark.ui.port"]) == ("true", "4040")
