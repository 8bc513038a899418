"""What came of an API is on record: in bronze's control rows, in a manifest of the window, in the proof and for a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from saleslake import accounting, bronze
from saleslake.config import Settings
from saleslake.ingest import api
from saleslake.ingest.commit import staging
from saleslake.lake import Lake
from saleslake.mock_api import Fault
from tests.comparing import assert_same
from tests.test_known_pages import Shop, day, order


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    opened: list[Shop] = []

    def open_(served: list[Any], **settings: Any) -> Shop:
        opened.append(Shop(tmp_path, served, **settings))
        return opened[0]

    yield open_
    for one in opened:
        one.api.stop()


def controls(s: Shop) -> list[bronze.Control]:
    return bronze.controls(s.lake(), "shop")


def window(s: Shop) -> dict[str, Any]:
    return s.lake().landing.last_window("shop") or {}


def test_every_window_says_whether_it_was_complete_and_a_watermark_that_passed_one_that_was_not_fails_the_proof(
    shop: Callable[..., Shop],
) -> None:
    s = shop([order(f"o{n}", day(n)) for n in range(1, 4)], lag=0)
    report = s.run()
    (first,) = controls(s)
    assert first.fetch == report.fetch
    facts = {"pages": 2, "records": 3, "distinct_ids": 3, "overlaps": 0, "complete": True, "failure": None}
    assert first.fetch is not None and first.fetch.items() >= facts.items()
    assert window(s).items() >= facts.items()

    # A fetch that breaks off: what came lands, and the watermark stays.
    s.api.add_orders([order(f"o{n}", day(n)) for n in range(4, 9)])
    s.api.add_faults(Fault("500", "orders", page=2))
    (failure,) = s.run().failed
    _, second = controls(s)
    assert second.fetch is not None
    assert (second.fetch["complete"], second.fetch["failure"], second.watermark) == (False, failure, None)
    assert (window(s)["complete"], s.watermark) == (False, day(3))
    proof = accounting.verify(s.lake())
    assert [w.state for w in proof.windows["shop"].all] == ["complete", "not complete"]
    assert proof.not_landed == []
    assert all(found.adds_up for found in proof.sources)

    # The next one comes whole; one that brings nothing has its manifest all the same.
    s.run()
    assert (len(s.prices), s.watermark) == (8, day(8))
    s.lands_nothing()
    assert (len(controls(s)), window(s)["complete"]) == (3, True)
    assert accounting.verify(s.lake()).not_landed == []

    # As no run of ours writes it: a watermark moved by a window that is not complete.
    lake, last = s.lake(), controls(s)[-1]
    wrong = replace(last, units=[], watermark="2024-12-01T00:00:00.000000Z", fetch=second.fetch)
    with staging(lake, "shop") as stage:
        stage.add_control(wrong, "shop", lake.run_id)
        bronze.append(lake, "shop", stage)
    (line,) = accounting.verify(s.lake()).not_landed
    assert "2024-12-01" in line and failure in line
    assert not accounting.verify(s.lake()).holds
    s.run(refetch=True)
    assert accounting.verify(s.lake()).not_landed == []


def test_a_page_that_comes_again_lands_once(shop: Callable[..., Shop]) -> None:
    served = [order("o1", day(1)), order("o1", day(1)), order("o2", day(2)), order("o2", day(3))]
    s = shop(served, page_size=1)
    s.run()
    assert len(s.landed) == 3
    s.lands_nothing()
    assert accounting.verify(s.lake()).sources[0].adds_up


def test_of_pages_with_the_same_records_the_last_is_kept() -> None:
    """What a fetch that began anew brings twice lands as it came last: a price of 10, 12 and 10 ends at 10."""
    assert api._once({"1": ["ten"], "2": ["twelve"], "3": ["ten"], "4": []}) == {"2", "3", "4"}
    assert api._once({"1": ["a", "b"], "2": ["b"], "3": ["c", "b"]}) == {"1", "3"}


def test_records_are_identified_alike_in_memory_and_on_either_engine(
    spark: SparkSession, tmp_path: Path, make_settings: Callable[[str], Settings]
) -> None:
    texts = ["", "a", "é\u2028\u0085…", "\x00x", "😀" * 9, '{"a": 1}\r', None]
    headers = [None, "h", "", "h;é", None, "h", "h"]
    n = len(texts)
    staged = pa.table(
        {
            **{
                name: pa.array([f"{name} {i}" for i in range(n)])
                for name in ("kind", "unit", "file", "source", "run_id")
            },
            "raw": pa.array(texts, pa.string()),
            "header": pa.array(headers, pa.string()),
            "defect": pa.nulls(n, pa.string()),
            "ordinal": pa.array([0, 1, -1, 2**62, 4, 5, 6], pa.int64()),
            "landed_at": pa.array(
                [0, 1, -1, 86_399_999_999, 1_709_251_200_000_000, -62_135_596_800_000_000, 253_402_300_799_999_999],
                pa.timestamp("us", tz="UTC"),
            ),
        },
        schema=bronze.Staging._SCHEMA,
    )
    pq.write_table(staged, tmp_path / "records.parquet")
    in_memory = bronze.identified(staged)
    source = '[sources.users]\nentity = "users"\nformat = "csv"\npath = "u.csv"\n'
    # Where writers take no turns, Spark lands as well.
    for session, run in ((None, ""), (spark, '[run]\nsilver_writers = "conflict"\n')):
        lake = Lake(make_settings(run + source), session)
        engine = lake.landing_engine
        frame = engine.parquet([str(tmp_path / "records.parquet")], bronze.Staging._SCHEMA)
        computed = engine.fetch(bronze.with_identity(lake, frame)).to_pylist()
        assert_same("identity", in_memory.select(list(computed[0])).to_pylist(), computed)


def test_a_window_of_many_records_is_decided_as_one_of_few(
    shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    served = [order("o1", day(1)), order("bad", day(2), items=[]), order("far", "9999-12-31T23:59:59.999999Z")]
    s = shop(
        [*served, order("ô\u2028b", day(3)), order("old", "0001-01-01T00:10:00Z", created_at="0001-01-01")], lag=10**9
    )
    s.run()
    assert (sorted(s.prices), s.watermark) == (["far", "o1", "old", "ô\u2028b"], day(3))
    s.lands_nothing()
    s.serve([order("o1", day(1)), order("o1", day(4), price=12), order("o1", day(4), price=13)])
    assert s.run().records == 3, "the page with the older one comes along with its winner"
    assert (s.prices["o1"], s.watermark) == (13, day(4))
    s.lands_nothing()
    assert accounting.verify(s.lake()).sources[0].adds_up
