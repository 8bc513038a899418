"""silver.quarantine: one row a rejected record, with every reason; insert-only.

A record that a rule of severity discard rejects is closed from the start: `discarded_by` names the rule. All others wait for a person,
or for a later version of their key. `silver.quarantine_status` (sql/duckdb/views.sql) says which of the three it is.
"""

from __future__ import annotations

import pyarrow as pa
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from saleslake.table import LONG, NAMES, STRING, TIMESTAMP, Column, Table

TABLE = Table(
    layer="silver",
    name="quarantine",
    grain="one row a rejected record",
    keys=("record_id",),
    columns=(
        Column("record_id", STRING, "bronze record that was rejected", nullable=False),
        Column("entity", STRING, "silver table it was meant for", nullable=False),
        Column("source", STRING, "source it came from", nullable=False),
        Column("key", STRING, "its key, where that could be read"),
        Column("reasons", NAMES, "names of the rules broken with severity error or discard, sorted", nullable=False),
        Column("details", NAMES, "what was found, a message a reason", nullable=False),
        Column("raw", STRING, "the record's text as received"),
        Column(
            "header",
            STRING,
            "the header of its CSV file; before it `sep=;` and a line break where the file names its delimiter",
        ),
        Column("content_hash", STRING, "hash of its bytes", nullable=False),
        Column("version_time", TIMESTAMP, "its version time, UTC, where that could be read"),
        Column("first_seen", TIMESTAMP, "when it landed, UTC", nullable=False),
        Column("file", STRING, "file or page it stands in", nullable=False),
        Column("ordinal", LONG, "its number within file", nullable=False),
        Column("run_id", STRING, "run that landed it", nullable=False),
        # Last and nullable: tables of former versions get it added, and their rows have none.
        Column(
            "discarded_by",
            NAMES,
            "those of reasons with severity discard, sorted; none: it was not left out on purpose",
        ),
    ),
    partition_by=("entity",),
    constraints={"has_a_reason": "cardinality(reasons) > 0"},
)


def state() -> SparkColumn:
    """`discarded` or `quarantined`, of a row of quarantine or a judged row that was rejected."""
    is_discarded = F.coalesce(F.size("discarded_by"), F.lit(0)) > 0
    return F.when(is_discarded, F.lit("discarded")).otherwise(F.lit("quarantined"))


def rejected(judged: DataFrame, entity: str) -> DataFrame:
    """Grain: one row a rejected record. Takes a judged frame of `entity`."""
    bad = judged.where(F.size("reasons") > 0)
    return bad.withColumns({"entity": F.lit(entity), "first_seen": F.col("landed_at")}).select(*TABLE.select())


def rejected_rows(rejected: pa.Table, entity: str) -> pa.Table:
    """The same for rejected records as Arrow rows."""
    named = rejected.append_column("entity", pa.repeat(pa.scalar(entity), rejected.num_rows))
    return named.append_column("first_seen", rejected.column("landed_at")).select(TABLE.column_names)
