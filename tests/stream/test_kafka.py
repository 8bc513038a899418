"""The stream over Kafka: a real broker, a real producer, Spark's own connector."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from kafka import KafkaProducer

from saleslake.accounting import verify
from saleslake.lake import Lake
from saleslake.pipeline import Batch
from saleslake.stream.job import StreamJob
from tests.stream_support import CONFIG, order, rows, transaction, versions
from tools.kafka_broker import KafkaBroker

LINES = [
    *[order(f"O{n}") for n in range(40)],
    order("O3", updated_at="2024-05-02T00:00:00Z"),
    transaction("T1"),
    "nonsense",
]


def _stream(lake: Lake) -> None:
    StreamJob(Batch(Lake(lake.settings, lake.session)), source="kafka", trigger="1 second", once=True).run()


def test_messages_arrive_once_also_after_the_checkpoint_is_lost(
    make_stream_lake: Callable[[str], Lake], kafka_broker: KafkaBroker
) -> None:
    kafka_broker.create_topic("arrive-once", 3)
    kafka = f'[stream.kafka]\nbootstrap_servers = "{kafka_broker.bootstrap}"\ntopics = "arrive-once"\nmax_offsets_per_trigger = 25\n'
    lake = make_stream_lake(CONFIG + kafka)
    producer = KafkaProducer(**kafka_broker.client_settings(), acks="all")
    for number, line in enumerate(LINES):
        producer.send("arrive-once", line.encode(), key=str(number % 5).encode())
    producer.flush()
    _stream(lake)
    assert rows(lake, "select count(*), count(distinct record_id) from bronze.events where kind = 'record'") == [
        (len(LINES), len(LINES))
    ]
    assert rows(lake, "select count(*) from gold.fact_sales") == [(41,)]
    before = versions(lake)
    shutil.rmtree(lake.folder("checkpoints", "events-kafka"))
    producer.send("arrive-once", LINES[0].encode(), key=b"0").get(timeout=30)
    _stream(lake)
    assert rows(lake, "select count(*) from bronze.events where kind = 'record'") == [(len(LINES) + 1,)]
    assert {name for name, version in versions(lake).items() if version != before[name]} <= {
        "silver.orders", "gold.fact_sales", "gold.dim_order", "gold.sales_by_minute",
    }, "the same order again only moves its record_id"  # fmt: skip
    producer.close()
    proof = verify(lake)
    assert proof.holds, proof
