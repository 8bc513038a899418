"""What every silver entity has in common: lineage columns, and the shape of a judged frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from saleslake.config import Settings, Severity, Source
from saleslake.silver import quarantine
from saleslake.silver.judge.reading import Fields, Read
from saleslake.silver.judge.rules import Rule
from saleslake.table import LONG, NAMES, STRING, TIMESTAMP, Column, Table

LINEAGE = ("record_id", "source", "file", "ordinal", "landed_at", "run_id", "content_hash")
"""Columns of bronze that travel with every record."""

LINEAGE_COLUMNS = (
    Column("warnings", NAMES, "names of the rules broken with severity warn, sorted", nullable=False),
    Column("source", STRING, "source that the winning record came from", nullable=False),
    Column("record_id", STRING, "bronze record that won", nullable=False),
    Column("content_hash", STRING, "hash of that record's bytes", nullable=False),
    Column("version_time", TIMESTAMP, "version time of that record, UTC; NULL where the source has none"),
    Column("landed_at", TIMESTAMP, "when it landed, UTC", nullable=False),
    Column("file", STRING, "file or page it stands in", nullable=False),
    Column("ordinal", LONG, "its number within file", nullable=False),
    Column("run_id", STRING, "run that landed it", nullable=False),
)

ORDER = ("version_time", "landed_at", "file", "ordinal")
"""Which version of a key wins: the greatest of these, NULL smallest."""

CDF = {"delta.enableChangeDataFeed": "true"}

QUARANTINE_COLUMNS = ("key", "raw", "header", "reasons", "details", "discarded_by")
"""What a judged frame has beside the table's own columns; as quarantine has them."""


Typing = Callable[[Read, str, int], Any]
"""(a record as read, its file, its ordinal) -> a `Record` with an attribute for each column of the table that is not lineage."""


@dataclass(frozen=True)
class Entity:
    """One silver table and how records become its rows.

    `typing`: (source, settings) -> how its records are typed. `required`: our names of the columns a CSV file must have, the
    key first. `version_columns`: those that `version` of a source may name. `expected`: columns that a source may lack, and whose lack is
    said once; a rule counts the records without them where the source has them.
    """

    table: Table
    fields: Fields
    required: tuple[str, ...]
    rules: tuple[Rule, ...]
    typing: Callable[[Source, Settings], Typing]
    version_columns: tuple[str, ...] = ()
    expected: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.table.name

    @cached_property
    def judged(self) -> T.StructType:
        """Columns of a judged frame: the table's and QUARANTINE_COLUMNS, all of which may be NULL in a rejected record."""
        rejected = [quarantine.TABLE.schema[name] for name in QUARANTINE_COLUMNS]
        return T.StructType([T.StructField(column.name, column.dataType) for column in (*self.table.schema, *rejected)])

    @cached_property
    def judged_arrow(self) -> pa.Schema:
        """The same as Arrow has it."""
        return to_arrow_schema(self.judged, timezone="UTC")

    @cached_property
    def own_arrow(self) -> pa.Schema:
        """`own_columns` as Arrow has them."""
        return pa.schema([self.judged_arrow.field(column.name) for column in self.own_columns])

    @cached_property
    def own_columns(self) -> tuple[Column, ...]:
        """The table's columns that come from a record's text."""
        lineage = {column.name for column in LINEAGE_COLUMNS}
        return tuple(column for column in self.table.columns if column.name not in lineage)


def severities(entity: str, source: Source, settings: Settings) -> dict[str, Severity]:
    """`[rules.<entity>]` with the source's own `rules` over it."""
    return {**settings.rules_of(entity).severities, **source.rules}


VERSION_UNREADABLE = Rule(
    "version_unreadable",
    "error",
    "the source's version column is unreadable: the version could not be ordered",
    lambda r: r.version_is_due and r.version_time is None,
    "version column missing or unreadable",
    fixed=True,
)
"""Where `version` names a column, a record without it could not be ordered."""
