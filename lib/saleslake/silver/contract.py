"""What every silver entity has in common: lineage columns, the rules of reading, and the shape of a cleaned frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from saleslake.config import Settings, Severity, Source
from saleslake.rules import Rule, RuleInfo, apply_rules, with_severities
from saleslake.silver.reading import EMPTY, FRAMED, Fields
from saleslake.table import LONG, NAMES, STRING, TIMESTAMP, Column, Table

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

QUARANTINE_COLUMNS = ("key", "raw", "header", "reasons", "details")
"""What a cleaned frame has beside the table's own columns."""


@dataclass(frozen=True)
class Quick:
    """A quicker way to clean the records that are certainly ordinary; what it makes of them is what `clean` makes.

    `judge`: (bronze records, source, settings) -> a cleaned frame with `defect` and `is_ordinary`.
    """

    applies: Callable[[Source], bool]
    judge: Callable[[DataFrame, Source, Settings], DataFrame]


@dataclass(frozen=True)
class Entity:
    """One silver table and how records become its rows.

    `clean`: (records as read, source, settings) -> the table's columns plus QUARANTINE_COLUMNS, grain unchanged.
    `required`: our names of the columns a CSV file must have, the key first.
    """

    table: Table
    fields: Fields
    required: tuple[str, ...]
    rules: tuple[RuleInfo, ...]
    clean: Callable[[DataFrame, Source, Settings], DataFrame]
    version_columns: tuple[str, ...] = ()
    """Columns that `version` of a source may name."""
    quick: Quick | None = None

    @property
    def name(self) -> str:
        return self.table.name


READING_RULES = (
    RuleInfo(
        "unreadable",
        "error",
        True,
        "the record is no JSON object, or its CSV quoting is broken, or its bytes are no text",
    ),
    RuleInfo(
        EMPTY, "error", True, "a message without a value, as Kafka says that a key was deleted; key: the message's"
    ),
    RuleInfo(
        FRAMED,
        "error",
        True,
        "a message framed by a schema registry: no JSON in it, or stream.kafka.framing does not say that there is",
    ),
    RuleInfo("extra_fields", "error", False, "the CSV line has more fields than its header"),
    RuleInfo("short_fields", "warn", False, "the CSV line has fewer fields than its header"),
    RuleInfo("key_missing", "error", True, "no readable key"),
)


def severities(entity: str, source: Source, settings: Settings) -> dict[str, Severity]:
    """`[rules.<entity>]` with the source's own `rules` over it."""
    return {**settings.rules.get(entity, {}), **source.rules}


def reading_rules(key: SparkColumn) -> list[Rule]:
    """The rules every entity has; conditions over the columns of `read_records`."""
    readable = F.col("unreadable").isNull()
    what = F.substring_index("unreadable", ":", 1)
    told = F.concat(F.lit("record: "), F.col("unreadable"))
    framed = F.lit(
        "record: framed by a schema registry; stream.kafka.framing = 'schema_registry_json' reads JSON in it"
    )
    return [
        Rule("unreadable", ~readable & ~what.isin(EMPTY, FRAMED), told, fixed=True),
        Rule(EMPTY, what == EMPTY, F.lit("record: a message without a value"), fixed=True),
        Rule(FRAMED, what == FRAMED, framed, fixed=True),
        Rule("extra_fields", F.col("extra_fields"), F.lit("more fields than the header")),
        Rule("short_fields", F.col("short_fields"), F.lit("fewer fields than the header"), "warn"),
        Rule("key_missing", readable & key.isNull(), F.lit("key missing or unreadable"), fixed=True),
    ]


def judged(
    frame: DataFrame, key: SparkColumn, rules: Sequence[Rule], table: Table, severity: dict[str, Severity]
) -> DataFrame:
    """Apply the reading rules and the entity's own, and end in the contract's columns. Grain unchanged.

    `key` is the text that quarantine shows. Where the record cannot be read only `unreadable` is named:
    everything else about it follows from that.
    """
    readable = F.col("unreadable").isNull()
    own = [Rule(r.name, readable & r.condition, r.message, r.severity, r.fixed) for r in rules]
    own_key = F.when(F.col("unreadable").startswith(f"{EMPTY}: "), F.substring("unreadable", len(EMPTY) + 3, 2**31 - 1))
    marked = apply_rules(
        frame.withColumn("key", F.coalesce(own_key, key)), with_severities([*reading_rules(key), *own], severity)
    )
    kept = [F.col(name) for name in QUARANTINE_COLUMNS]
    return marked.select(*table.select(), *kept)


def line_key() -> SparkColumn:
    """Key of a record whose source has none: where it stands."""
    return F.concat_ws("#", "file", F.col("ordinal").cast("string"))


def unreadable(column: str, text: str, *, optional: bool = False) -> Rule:
    """`<column>_unreadable`: nothing was read from the column `text`; `optional`: only where something stands there."""
    broken = F.col(column).isNull()
    if optional:
        broken = broken & F.col(text).isNotNull()
    return Rule(f"{column}_unreadable", broken, unreadable_text(column, F.col(text)), fixed=True)


def configured_version(source: Source) -> SparkColumn:
    """Version time of a source that has none unless `version` names its column."""
    return F.col(source.version) if source.version else F.lit(None).cast("timestamp")


def version_unreadable(source: Source) -> Rule:
    """Where `version` names a column, a record without it could not be ordered."""
    broken = F.lit(bool(source.version)) & F.col("version_time").isNull()
    return Rule("version_unreadable", broken, F.lit("version column missing or unreadable"), fixed=True)


def unreadable_text(what: str, text: SparkColumn) -> SparkColumn:
    """A message like `quantity: 'abc' cannot be read`."""
    return F.concat(
        F.lit(f"{what}: "), F.coalesce(F.concat(F.lit("'"), text, F.lit("' cannot be read")), F.lit("missing"))
    )
