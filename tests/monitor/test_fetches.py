"""What the last fetch of each API came to, as metrics and in status, read without a JVM."""

from __future__ import annotations

from collections.abc import Callable

from saleslake import bronze
from saleslake.cli import render
from saleslake.config import Settings
from saleslake.lake import Lake
from saleslake.monitor import tables
from saleslake.sources.fetched import Fetched
from saleslake.status import status

API = '[sources.{0}]\nentity = "orders"\nformat = "api"\n[sources.{0}.api]\nurl = "https://shop.example/{0}"\n'
AT = "2024-05-01T10:00:00.000000Z"


def window(fetched: Fetched, failure: str | None = None) -> dict[str, object]:
    return {"fetched_at": AT, "since": None, "until": None} | fetched.facts() | {"failure": failure}


def test_the_last_window_of_each_api_is_a_metric_and_stands_in_status(
    make_settings: Callable[[str], Settings],
) -> None:
    lake = Lake(make_settings(API.format("good") + API.format("bad") + API.format("new")))
    lake.create(bronze.table_of("good"))
    good = Fetched(pages=3, records=8, distinct_ids=7, overlaps=1, end="empty page", complete=True)
    lake.landing.save_window("good", "20240501T090000Z-000000", window(Fetched()))
    lake.landing.save_window("good", "20240501T100000Z-000000", window(good))
    lake.landing.save_window("bad", "20240501T100000Z-000000", window(Fetched(pages=1, stated_total=5), "stated 5"))
    found = {
        (sample.name.removeprefix("saleslake_source_last_fetch_"), sample.labels["source"]): sample.value
        for family in tables.registry(lake).collect()
        for sample in family.samples
        if "last_fetch" in sample.name
    }
    assert {key: found[key] for key in found if key[1] == "good"} == {
        ("complete", "good"): 1,
        ("timestamp_seconds", "good"): 1714557600,
        ("pages", "good"): 3,
        ("records", "good"): 8,
        ("distinct_ids", "good"): 7,
        ("overlaps", "good"): 1,
        ("refetches", "good"): 0,
    }
    assert (found["complete", "bad"], found["stated_total", "bad"]) == (0, 5)
    assert not [key for key in found if key[1] == "new"], "it was not asked yet"
    assert status(lake)["windows"].keys() == {"good", "bad"}
    with render.out.capture() as said:
        render.status(status(lake))
    text = " ".join(said.get().split())
    assert f"last window of good: (the beginning, open] at {AT}: complete (empty page): 3 pages, 8 records" in text
    assert "NOT COMPLETE: 1 pages, 0 records, 0 ids, 5 stated stated 5" in text
