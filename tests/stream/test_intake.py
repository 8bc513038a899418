"""What lands, once: ranges of offsets, half-finished files, and what a killed run left behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import DataFrame

from saleslake.lake import Lake
from saleslake.stream.intake import Intake
from tests.stream_support import CONFIG, order, put, rows

IDS = "select record_id from bronze.events where kind = 'record' order by file, ordinal"


@pytest.fixture
def lake(make_stream_lake: Callable[[str], Lake]) -> Lake:
    return make_stream_lake(CONFIG)


def _messages(lake: Lake, *offsets: tuple[int, int, bytes | None]) -> DataFrame:
    """Messages (partition, offset, value) of the topic t."""
    at = datetime(2024, 5, 2, tzinfo=UTC)
    schema = "topic string, partition int, offset long, landed_at timestamp, key binary, value binary"
    values = [("t", p, o, at, None, bytearray(v) if v is not None else None) for p, o, v in offsets]
    return lake.spark.createDataFrame(values, schema)


def test_messages_land_once_by_offset_however_they_are_cut(lake: Lake) -> None:
    one = order("A").encode()
    Intake(lake).land_messages(_messages(lake, (0, 0, one), (0, 1, one), (1, 0, one)))
    again = Intake(lake).land_messages(_messages(lake, (0, 0, one), (0, 1, one), (0, 2, one), (1, 0, one)))
    assert (again.records, again.left_out) == (1, 3)
    assert [row[0] for row in rows(lake, IDS)] == ["kafka/t/0#0", "kafka/t/0#1", "kafka/t/0#2", "kafka/t/1#0"]
    nothing = Intake(lake).land_messages(_messages(lake, (1, 0, one)))
    assert (nothing.records, nothing.left_out) == (0, 1)


def test_a_message_without_a_value_or_that_is_no_text_is_one_record_with_a_defect(lake: Lake) -> None:
    Intake(lake).land_messages(_messages(lake, (0, 0, None), (0, 1, b"\xff\xfe{"), (0, 2, order("A").encode())))
    found = rows(lake, "select ordinal, defect from bronze.events where kind = 'record' order by ordinal")
    assert found == [(0, "empty_message"), (1, "undecodable"), (2, None)]


def test_a_landed_file_that_bronze_lacks_is_taken_up_under_its_own_id(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(Path(lake.settings.resolve("events")), "1.jsonl", order("A"), order("B"))
    killed = Intake(lake)
    monkeypatch.setattr(killed, "_append_units", lambda units, left_out: pytest.fail.Exception)
    killed.land_files([path])
    assert rows(lake, IDS) == []
    unit = next(iter(Path(lake.folder("landing", "events")).glob("*/*.manifest.json")))
    other = Intake(Lake(lake.settings, lake.session))
    other.recover()
    expected = json.loads(unit.read_text())["unit"]
    assert [row[0] for row in rows(lake, IDS)] == [f"{expected}#1", f"{expected}#2"]
    again = other.land_files([path])
    assert (again.records, again.left_out) == (0, 2), "offered again, its events are there"


def test_a_file_that_is_gone_or_broken_costs_no_neighbour(lake: Lake) -> None:
    folder = Path(lake.settings.resolve("events"))
    good = put(folder, "good.jsonl", order("A"))
    broken = folder / "broken.jsonl.gz"
    broken.write_bytes(b"\x1f\x8b\x08\x00half")
    Intake(lake).land_files([folder / "gone.jsonl", broken, good])
    assert len(rows(lake, IDS)) == 1


def test_the_clock_is_the_greatest_event_time_landed_and_survives_a_restart(lake: Lake) -> None:
    intake = Intake(lake)
    for offset, moment in enumerate(("2024-05-01T10:00:00Z", "2024-05-01T09:00:00Z", "9999-01-01T00:00:00Z")):
        intake.land_messages(_messages(lake, (0, offset, order("A", moment).encode())))
    assert intake.clock == Intake(lake).clock == datetime(2024, 5, 1, 10, tzinfo=UTC)
    found = rows(lake, "select strftime(stream_time, '%H') from bronze.events where kind = 'record' order by ordinal")
    assert found == [(None,), ("10",), ("10",)]
