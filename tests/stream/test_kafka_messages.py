"""What becomes of a message: of one without a value, of one in a registry's frame, of bytes that are no text."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from saleslake import bronze
from saleslake.accounting import verify
from saleslake.content import HASH_LENGTH
from saleslake.lake import Lake
from saleslake.pipeline import Batch
from saleslake.silver import step
from saleslake.stream.intake import Intake
from saleslake.stream.job import StreamJob
from tests.stream_support import CONFIG, order, put, rows, transaction

FRAME = b"\x00\x00\x00\x01\x07"
FRAMING = '[stream.kafka]\nframing = "schema_registry_json"\n'
NOTHING = hashlib.sha256(b"").hexdigest()[:HASH_LENGTH]
ORDERS = "select order_id from silver.orders order by 1"
REASONS = "select ordinal, list_extract(reasons, 1), len(reasons), key, raw from silver.quarantine order by ordinal"


def _messages(lake: Lake, *messages: tuple[bytes | None, bytes | None]) -> DataFrame:
    """Messages (key, value) of the topic t, offsets from 0."""
    schema = "topic string, partition int, offset long, landed_at timestamp, key binary, value binary"
    at = datetime(2024, 5, 2, tzinfo=UTC)
    binary = [tuple(None if part is None else bytearray(part) for part in message) for message in messages]
    return lake.spark.createDataFrame([("t", 0, n, at, *both) for n, both in enumerate(binary)], schema)


def _land(lake: Lake, *messages: tuple[bytes | None, bytes | None]) -> None:
    """To bronze, silver and quarantine."""
    Intake(lake).land_messages(_messages(lake, *messages))
    for name in lake.settings.sources:
        step.catch_up(lake, name)


def test_a_message_without_a_value_is_one_quarantined_record_and_costs_no_neighbour(
    make_stream_lake: Callable[[str], Lake],
) -> None:
    lake = make_stream_lake(CONFIG)
    _land(lake, (b"A1", None), (None, None), (b"\xff", None), (b"B: 2", b""), (b"k", order("O1").encode()))
    found = rows(lake, REASONS)
    assert found == [(n, "empty_message", 1, key, "") for n, key in enumerate(["A1", None, None, "B: 2"])]
    assert rows(lake, "select distinct content_hash, header, source from silver.quarantine") == [
        (NOTHING, None, "events_orders")
    ]
    assert rows(lake, ORDERS) == [("O1",)]


def test_a_lakehouse_that_a_former_version_got_stuck_in_goes_on(make_stream_lake: Callable[[str], Lake]) -> None:
    """It landed such a message with no text and no hash, and silver could not take it, at no run."""
    lake = make_stream_lake(CONFIG)
    Intake(lake).land_messages(_messages(lake, (b"A1", None), (None, order("O1").encode())))
    table = bronze.table_of(bronze.EVENTS)
    kept = lake.read(table).where("kind = 'record'")
    nothing = F.col("ordinal") == 0
    former = kept.withColumns({name: F.when(~nothing, F.col(name)) for name in ("raw", "content_hash")})
    former = former.withColumn("defect", F.when(nothing, "empty_message")).collect()
    shutil.rmtree(lake.path(table))
    lake.append(table, lake.spark.createDataFrame(former, table.schema))
    for name in lake.settings.sources:
        step.catch_up(lake, name)
    assert rows(lake, "select reasons, raw, content_hash from silver.quarantine") == [(["empty_message"], "", NOTHING)]
    assert rows(lake, ORDERS) == [("O1",)]


FRAMED = [
    (None, FRAME + order("O1").encode()),
    (None, FRAME + b"\x02\x10O2"),  # as Avro writes it
    (None, FRAME + b"\xff{"),
    (None, b"\x00\x00\x00\xff\xfe \n" + transaction("T1").encode()),  # a schema's id that is no text
    (None, order("O3").encode()),
    (None, FRAME + b'{"order_id": "cut'),
    (None, FRAME[:4]),
    (None, b"\xff\xfe\x80" + "é{".encode()),
]


def test_json_in_the_frame_of_a_schema_registry_is_read_where_the_setting_says_so(
    make_stream_lake: Callable[[str], Lake],
) -> None:
    lake = make_stream_lake(CONFIG + FRAMING)
    _land(lake, *FRAMED)
    assert rows(lake, ORDERS) == [("O1",), ("O3",)]
    assert rows(lake, "select transaction_id from silver.transactions") == [("T1",)]
    assert rows(lake, "select raw from bronze.events where ordinal = 0 and kind = 'record'") == [(order("O1"),)]
    assert [(n, reason) for n, reason, *_ in rows(lake, REASONS)] == [
        (1, "registry_framing"), (2, "registry_framing"), (5, "unreadable"), (6, "unreadable"), (7, "unreadable"),
    ]  # fmt: skip
    (escaped,) = rows(lake, "select raw from bronze.events where ordinal = 7 and kind = 'record'")
    assert escaped[0].encode("latin-1") == FRAMED[7][1], "bytes that are no text are all kept"


def test_without_the_setting_it_is_named_and_a_full_refresh_with_it_reads_what_has_landed(
    make_stream_lake: Callable[[str], Lake],
) -> None:
    lake = make_stream_lake(CONFIG)
    _land(lake, *FRAMED)
    assert rows(lake, ORDERS) == [("O3",)]
    assert [(n, reason) for n, reason, *_ in rows(lake, REASONS)] == [
        *((n, "registry_framing") for n in (0, 1, 2, 3, 5)), (6, "unreadable"), (7, "unreadable"),
    ]  # fmt: skip
    other = make_stream_lake(CONFIG + FRAMING)
    batch = Batch(other)
    batch.full_refresh()
    batch.gold()
    assert rows(other, ORDERS) == [("O1",), ("O3",)]
    assert verify(other).holds
    notes = verify(lake).notes
    assert any("the configuration's rules differ" in note for note in notes), notes


def test_framed_and_empty_messages_count_in_sales_by_minute_as_the_setting_says(
    make_stream_lake: Callable[[str], Lake],
) -> None:
    lake = make_stream_lake(CONFIG + FRAMING)
    _land(lake, *FRAMED, (b"O1", None))
    folder = lake.settings.root / "events"
    put(folder, "1.jsonl", *[order(f"F{n}", "2024-05-01T11:30:00Z") for n in range(20)])
    said: list[str] = []
    StreamJob(
        Batch(make_stream_lake(CONFIG + FRAMING)), source="files", trigger="1 second", once=True, say=said.append
    ).run()
    assert rows(lake, "select cast(sum(events) as int) from gold.sales_by_minute") == [(23,)], (
        "O1, O3, T1 and the file's"
    )
    assert [line.split(": ")[0].split(" in ")[0] for line in said[1:]] == ["gold refreshed"] * (len(said) - 1)
    assert "fact_sales 2" in " ".join(said[1:])
    figures = json.loads((lake.settings.root / "data" / "stream.json").read_text())
    assert figures["queries"]["events"]["input_rows"] == 20, "a file of twenty events is twenty rows"
