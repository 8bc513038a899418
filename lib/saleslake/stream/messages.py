"""A message of Kafka as a record of bronze: its text, or what kept it from having one."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from saleslake import bronze
from saleslake.silver.judge.rules import EMPTY, FRAMED, JSON_BEGINS

_FRAME_BYTES = 5
"""How a schema registry frames a message: a zero byte and the four bytes of the schema's id."""


def message_lines(messages: DataFrame, labels: Mapping[str, str], run_id: str) -> DataFrame:
    """Grain: one row a message, in and out. `labels`: topic → its name in record ids, where that is another.

    `raw` is the message's text byte for byte; without its frame where JSON follows one. Of bytes that are no text it is
    each byte as the character of that number (Latin-1), so that none is lost. A message without a value has the empty
    text, and its key, which says what it was about, stands in `defect`.
    """
    topic = F.col("topic")
    label = topic
    for name, other in labels.items():
        label = F.when(topic == name, F.lit(other)).otherwise(label)
    place = F.concat_ws("/", F.lit("kafka"), label, F.col("partition").cast("string"))
    value, text = F.col("value"), F.col("value").cast("string")
    is_empty = F.coalesce(F.octet_length(value), F.lit(0)) == 0
    is_framed = (F.octet_length(value) >= _FRAME_BYTES) & (F.hex(F.substring(value, 1, 1)) == "00")
    payload = F.expr(f"substring(value, {_FRAME_BYTES + 1})").cast("string")
    holds_json = is_framed & F.when(F.is_valid_utf8(payload), payload.rlike(JSON_BEGINS)).otherwise(F.lit(False))
    is_text = F.is_valid_utf8(text)
    raw = (
        F.when(is_empty, F.lit(""))
        .when(holds_json, payload)
        .when(is_text, text)
        .otherwise(F.decode(value, "ISO-8859-1"))
    )
    return messages.select(
        F.lit("record").alias("kind"),
        place.alias("unit"),
        place.alias("file"),
        F.lit(bronze.EVENTS).alias("source"),
        F.lit(run_id).alias("run_id"),
        raw.alias("raw"),
        F.lit(None).cast("string").alias("header"),
        F.when(is_empty, _empty()).when(is_framed, F.lit(FRAMED)).when(~is_text, F.lit("undecodable")).alias("defect"),
        F.col("offset").alias("ordinal"),
        "landed_at",
    )


def _empty() -> Column:
    """`empty_message`, and its key where that is text."""
    key = F.col("key").cast("string")
    is_shown = F.coalesce(F.is_valid_utf8(key) & (key != ""), F.lit(False))
    return F.when(is_shown, F.concat(F.lit(f"{EMPTY}: "), key)).otherwise(F.lit(EMPTY))
