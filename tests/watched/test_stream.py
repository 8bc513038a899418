"""A stream over Kafka, watched: ours and Spark's endpoints, through Prometheus; a part of its events is bad."""

from __future__ import annotations

from tests.monitor.dashboards import load, values_of
from tests.watched.scene import Watched


def test_a_stream_is_scraped_while_it_runs_and_ends_well_when_it_is_told_to(watched: Watched) -> None:
    assert watched.codes["stream"] == 0, watched.outputs["stream"]
    at = watched.streamed_at
    assert watched.value("saleslake_stream_landed_records_total", at) == 70
    assert watched.value("saleslake_stream_quarantined_records_total", at) == 10
    assert at - watched.value("saleslake_stream_last_landed_timestamp_seconds", at) < 900
    assert watched.value('saleslake_stream_state{state="running"}', at) == 1
    assert watched.ask("saleslake_stream_watermark_timestamp_seconds", at)
    assert {labels["job"] for labels, up in watched.ask('up{job=~"stream|spark_.*"} == 1', at)} == {
        "stream",
        "spark_driver",
        "spark_executors",
    }
    assert watched.value('up{job="stream"}', watched.stopped_at) == 0


def test_every_panel_of_the_stream_shows_something(watched: Watched) -> None:
    assert watched.empty_panels("stream", watched.streamed_at) == set()
    for variable in load("stream")["templating"]["list"]:
        assert watched.ask(values_of(variable["definition"]), watched.streamed_at), variable["name"]


def test_its_endpoints_are_for_this_machine_only(watched: Watched) -> None:
    """By another of the machine's addresses nobody answers."""
    assert len(watched.served) == 3
    assert watched.open_to_others == []
