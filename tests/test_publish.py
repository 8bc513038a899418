"""Batches of judged records published one after the other: the same tables and the same counts on either engine, and a replay writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from saleslake.content import content_hash
from saleslake.lake import Lake
from saleslake.publish import Outcome, publish
from saleslake.silver import quarantine
from saleslake.silver.judge.batches import judged_rows
from saleslake.silver.orders import ENTITY
from tests.comparing import stored
from tests.silver_support import bronze_table, settings_of
from tests.stream_support import order

CONFIG = '[sources.s]\nentity = "orders"\nformat = "jsonl"\npath = "in"\n[rules.orders]\nunreadable = "discard"\n'
SECOND = [
    order("A", "2024-06-09T10:00:00Z", updated_at="2024-06-09T10:00:00Z"),  # another date, so another partition
    order("B", updated_at="2024-05-02T12:00:00Z"),  # older than what is stored
    order("C"),  # the same again, later
    order("D"),
    order("", updated_at="2024-06-09T10:00:00Z"),
]
BATCHES = {
    "first": [
        order("A"),
        order("B", updated_at="2024-05-03T00:00:00Z"),
        order("B", updated_at="2024-05-02T00:00:00Z"),
        order("C"),
        order("C"),
        "broken",
    ],
    "second": SECOND,
    "replayed": SECOND,
    # Alone: what else changes on the date that it leaves would have that date looked at anyway.
    "moved": [order("A", "2024-07-09T10:00:00Z", updated_at="2024-07-09T10:00:00Z")],
    "only new": [order("E"), order("F", "2024-06-09T10:00:00Z")],
    "only broken": ["{", "[]"],
}
DATES = {
    "A": "2024-07-09", "B": "2024-05-01", "C": "2024-05-01", "D": "2024-05-01", "E": "2024-05-01", "F": "2024-06-09",
}  # fmt: skip
Expected = dict[str, tuple[int, int, int, int, int]]
OUTCOMES: Expected = {
    "first": (3, 1, 1, 1, 1),
    "second": (3, 0, 1, 1, 0),
    "replayed": (3, 0, 1, 1, 0),
    "moved": (1, 0, 0, 0, 0),
    "only new": (2, 0, 0, 0, 0),
    "only broken": (0, 0, 0, 2, 2),
}
"""applied, duplicate, superseded, quarantined, of these discarded."""


@dataclass
class House:
    """A lakehouse that takes the batches."""

    lake: Lake

    def publish(self, name: str) -> Outcome:
        number = list(BATCHES).index("second" if name == "replayed" else name)
        rows = bronze_table(BATCHES[name]).to_pylist()
        for row in rows:
            row["record_id"] = f"{number}/{row['record_id']}"
            row["content_hash"] = content_hash(row["raw"], row["header"])
            row["landed_at"] += timedelta(hours=number)
        landed = pa.Table.from_pylist(rows, bronze_table([]).schema)
        judged = self.lake.engine.rows(judged_rows(landed, "s", self.lake.settings))
        with self.lake.engine.kept(judged) as kept:
            return publish(self.lake, ENTITY, kept)

    def contents(self) -> list[list[dict[str, object]]]:
        tables = [stored(self.lake, table) for table in (ENTITY.table, quarantine.TABLE)]
        return [sorted(rows, key=lambda row: str(row["record_id"])) for rows in tables]

    def takes_them_all(self) -> None:
        for name in BATCHES:
            before = [self.lake.pin(table) for table in (ENTITY.table, quarantine.TABLE)]
            found = self.publish(name)
            counts = (found.applied, found.duplicate, found.superseded, found.quarantined, found.discarded)
            assert counts == OUTCOMES[name], name
            if name == "replayed":
                assert [self.lake.pin(table) for table in (ENTITY.table, quarantine.TABLE)] == before
        assert {row["order_id"]: str(row["date"]) for row in stored(self.lake, ENTITY.table)} == DATES
        assert len(stored(self.lake, ENTITY.table)) == len(DATES), "a key stands twice"


@pytest.fixture
def embedded(tmp_path: Path) -> House:
    return House(Lake(settings_of(tmp_path / "embedded", CONFIG)))


def test_each_batch_is_published_as_its_records_say_and_a_replay_writes_nothing(embedded: House) -> None:
    embedded.takes_them_all()
    embedded.lake.close()


def test_spark_leaves_the_same_rows(embedded: House, tmp_path: Path, spark: SparkSession) -> None:
    on_spark = House(Lake(settings_of(tmp_path / "spark", CONFIG), spark))
    for house in (embedded, on_spark):
        house.takes_them_all()
    assert on_spark.contents() == embedded.contents()
    embedded.lake.close()
