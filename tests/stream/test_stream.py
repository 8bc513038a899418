"""The stream over files, to the end of what is there: what lands, what is left out, what gold says."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from saleslake.accounting import verify
from saleslake.lake import Lake
from saleslake.pipeline import Batch
from saleslake.state import StateFile
from saleslake.stream.job import StreamJob
from tests.stream_support import CONFIG, order, put, rows, stream_once, transaction, versions

MIXED = [
    *[order(f"O{n}", f"2024-05-01T10:0{n}:00Z") for n in range(5)],
    order("O1", "2024-05-01T10:01:00Z"),
    order("O3", "2024-05-02T00:30:00Z", updated_at="2024-05-02T01:00:00Z", items=[{"sku": "b", "qty": 3, "price": 1}]),
    transaction("T1"),
    "T2,c2,a,2024-05-01T11:00:00Z,2,7.50,Online,USD,2024-05-01T11:00:00Z",
    order("R1", type="refund"),
    '{"order_id": "cut',
    "nonsense",
]
FACTS = "select order_id, quantity, line_amount, cast(date as text) from gold.fact_sales order by 1"
RAW = "select count(*) from bronze.events where kind = 'record'"


@pytest.fixture
def lake(make_stream_lake: Callable[[str], Lake]) -> Lake:
    return make_stream_lake(CONFIG)


@pytest.fixture
def folder(lake: Lake) -> Path:
    return Path(lake.settings.resolve("events"))


def test_what_comes_in_ends_in_the_tables_once_whatever_is_lost(
    make_stream_lake: Callable[[str], Lake], lake: Lake, folder: Path
) -> None:
    """One lakehouse through its life: each run of the stream costs seconds, so the steps share one."""
    first = put(folder, "a b %20.jsonl", *MIXED)
    header = "total_price,quantity,transaction_id,sale_date,product_id,currency,updated_at"
    put(folder, "till.csv", header, "9.25,3,T7,2024-05-01T09:00:00Z,a,USD,2024-05-01T09:00:00Z")
    for name in (".hidden.jsonl", "_other.jsonl", "1.jsonl.tmp", "1.part", "notes.md"):
        (folder / name).write_text(order("never") + "\n")
    stream_once(lake)
    landed = len(MIXED) + 1
    assert rows(lake, RAW) == [(landed,)], "unfinished and other files are left alone, a header is no event"
    assert rows(lake, FACTS) == [
        ("O0", 2, 20, "2024-05-01"),
        ("O1", 2, 20, "2024-05-01"),
        ("O2", 2, 20, "2024-05-01"),
        ("O3", 3, 3, "2024-05-02"),
        ("O4", 2, 20, "2024-05-01"),
        ("T1", 2, Decimal("5.5"), "2024-05-01"),
        ("T2", 2, Decimal("7.5"), "2024-05-01"),
        ("T7", 3, Decimal("9.25"), "2024-05-01"),
    ]
    proof = verify(lake)
    assert proof.holds, proof
    found = {s.source: (s.landed, s.applied, s.duplicate, s.superseded, s.quarantined) for s in proof.sources}
    assert found == {
        "events_orders": (10, 5, 1, 1, 3),
        "events_transactions": (1, 1, 0, 0, 0),
        "events_transactions_csv": (2, 2, 0, 0, 0),
    }

    before = versions(lake)
    stream_once(lake)
    assert versions(lake) == before, "nothing new writes nothing"

    shutil.rmtree(lake.folder("checkpoints", "events-files"))
    Path(lake.folder("state.json")).unlink()
    other = make_stream_lake(CONFIG + "max_files_per_trigger = 1\n")
    stream_once(other)
    assert rows(lake, RAW) == [(landed,)], "without its checkpoint the stream lands nothing twice"
    assert versions(lake) == before, "and without state it writes nothing twice"

    StateFile(lake.folder("state.json")).update(lambda state: state.seen.clear())
    put(folder, "2.jsonl", order("O0", "2024-04-30T10:00:00Z", updated_at="2024-05-03T00:00:00Z"), order("new"))
    old = put(folder, "3.jsonl", transaction("T1", total_price=9, updated_at="2024-05-04T00:00:00Z"))
    long_ago = time.time() - 40 * 86_400
    os.utime(old, (long_ago, long_ago))
    stream_once(lake)
    landed += 3
    assert rows(lake, RAW) == [(landed,)], "a file of forty days ago is read"
    changed = (
        "select order_id, line_amount, cast(date as text) from gold.fact_sales where order_id in ('O0', 'new', 'T1')"
    )
    assert sorted(rows(lake, changed)) == [("O0", 20, "2024-04-30"), ("T1", 9, "2024-05-01"), ("new", 20, "2024-05-01")]

    (folder / "1.jsonl.tmp").rename(folder / "1.jsonl")
    with first.open("a") as stream:
        stream.write(order("appended") + "\n")
    Path(lake.folder("stream.json")).unlink()
    job = StreamJob(Batch(Lake(lake.settings, lake.session)), source="files", trigger="1 second", once=True)
    job.run()
    landed += len(MIXED) + 1 + 1
    assert rows(lake, RAW) == [(landed,)], "a file that changed lands again whole, one whose producer stalled at last"
    assert rows(lake, "select count(*) from gold.fact_sales where order_id = 'appended'") == [(1,)]
    proof = verify(lake)
    assert proof.holds, proof
    assert sum(s.landed for s in proof.sources) == landed


def test_sales_by_minute_counts_in_time_and_late_events(lake: Lake, folder: Path) -> None:
    put(folder, "1.jsonl", order("A", "2024-05-01T10:00:30Z"), order("A", "2024-05-01T10:00:30Z"))
    stream_once(lake)
    put(folder, "2.jsonl", order("B", "2024-05-01T12:00:00Z"), order("far", "9999-01-01T00:00:00Z"))
    stream_once(lake)
    put(folder, "3.jsonl", order("C", "2024-05-01T11:55:10Z"), order("D", "2024-05-01T11:49:59Z"), transaction("T"))
    stream_once(lake)
    found = rows(
        lake,
        """select strftime(minute, '%H:%M'), channel, currency, events, units, net, late_events
           from gold.sales_by_minute order by all""",
    )
    assert found == [
        ("10:00", "web", "EUR", 2, 4, 40, 0),
        ("11:55", "web", "EUR", 1, 2, 20, 0),
        ("12:00", "web", "EUR", 1, 2, 20, 1),
        ("12:00", "web", "USD", 0, 0, 0, 1),
    ]
    assert rows(lake, "select count(*) from gold.fact_sales") == [(6,)], "late or not, it is in the other tables"


def test_done_files_are_archived(make_stream_lake: Callable[[str], Lake]) -> None:
    lake = make_stream_lake(CONFIG + 'done = "archive"\narchive = "done"\n')
    folder = Path(lake.settings.resolve("events"))
    for n in range(2):
        put(folder, f"{n}.jsonl", order(f"O{n}"))
        stream_once(lake)
    kept = {path.name for path in Path(lake.settings.resolve("done")).rglob("*.jsonl")}
    assert "0.jsonl" in kept
    assert not (folder / "0.jsonl").exists()
    assert rows(lake, RAW) == [(2,)]
