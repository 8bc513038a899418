"""silver.quarantine: what becomes of a rejected record."""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession

from saleslake.silver import quarantine, stock
from tests.frames import expect, frame
from tests.silver_support import LANDED_AT, Record, judged_row, judged_schema


def test_only_rejected_records_are_kept_with_every_reason_and_their_text(spark: SparkSession) -> None:
    header = "product_id,on_hand,counted_at"
    noon = "2025-01-31 12:00:00.000001"
    read = {"product_id": "A", "key": "A", "on_hand": 1, "counted_at": noon, "version_time": noon}
    two: dict[str, Any] = {"reasons": ["a", "b"], "details": ["a: 1", "b: missing"], "discarded_by": ["b"]}
    unread: dict[str, Any] = {"reasons": ["unreadable"], "details": ["record: json_invalid"], "discarded_by": []}
    judged = [
        judged_row(1, Record("A,1,x", header)) | read,
        judged_row(2, Record("A,1,x", header)) | read | two,
        judged_row(3, Record("A,1,x", header), warnings=["w"]) | read,
        judged_row(4, "{") | unread,
    ]
    lineage = ("f.txt", 2, "run-1"), ("f.txt", 4, "run-1")
    expect(
        quarantine.rejected(frame(spark, judged_schema(stock.TABLE), judged), "stock"),
        quarantine.TABLE,
        [
            (
                "u#2",
                "stock",
                "s",
                "A",
                ["a", "b"],
                ["a: 1", "b: missing"],
                "A,1,x",
                header,
                "h2",
                noon,
                LANDED_AT,
                *lineage[0],
                ["b"],
            ),
            (
                "u#4",
                "stock",
                "s",
                None,
                ["unreadable"],
                ["record: json_invalid"],
                "{",
                None,
                "h4",
                None,
                LANDED_AT,
                *lineage[1],
                [],
            ),
        ],
    )


def test_of_sound_records_nothing_is_kept(spark: SparkSession) -> None:
    sound = judged_row(1, "A,1,x", product_id="A", on_hand=1, counted_at=LANDED_AT, warnings=["rounded"])
    judged = frame(spark, judged_schema(stock.TABLE), [sound])
    expect(quarantine.rejected(judged, "stock"), quarantine.TABLE, [])
