"""silver.quarantine: one row a rejected record, with every reason; insert-only.

A record that a rule of severity discard rejects is closed from the start: `discarded_by` names the rule. All others wait for a person,
or for a later version of their key. `silver.quarantine_status` (sql/duckdb/views.sql) says which of the three it is.
"""

from __future__ import annotations

from pyspark.sql import DataFrame

from saleslake.engine.sql import on_spark
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


def rejected_rows(entity: str) -> str:
    """The SQL of an entity's rows here. Takes `judged`. Grain: one row a rejected record."""
    own = {"entity": f"'{entity}'", "first_seen": "landed_at"}
    columns = ", ".join(f"{own.get(name, name)} AS {name}" for name in TABLE.column_names)
    return f"SELECT {columns} FROM judged WHERE tag_count(reasons) > 0"


def rejected(judged: DataFrame, entity: str) -> DataFrame:
    """The same as Spark's users know a transform."""
    return on_spark(rejected_rows(entity), {"judged": judged}).select(*TABLE.select())
