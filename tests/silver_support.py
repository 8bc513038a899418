"""Bronze rows inline, read and judged as silver does it, in one Spark job for many records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from saleslake.config import Settings, Severity
from saleslake.entry import open_settings
from saleslake.rules import RuleInfo
from saleslake.silver.contract import QUARANTINE_COLUMNS
from saleslake.silver.quarantine import TABLE as QUARANTINE
from saleslake.silver.reading import EXACT, LINEAGE, read_records
from saleslake.silver.registry import ENTITIES
from saleslake.table import BOOLEAN, STRING, Table
from tests.conftest import write_config
from tests.frames import expect, frame

LANDED_AT = "2025-01-31 12:00:00"
_BRONZE = (
    "record_id string, raw string, header string, content_hash string, source string, file string, "
    "ordinal long, landed_at timestamp, run_id string, defect string"
)


@dataclass(frozen=True)
class Record:
    """One landed record: its text, its file's header if it is CSV, and what splitting found wrong with its bytes."""

    raw: str
    header: str | None = None
    defect: str | None = None


Given = Record | str


def settings_of(folder: Path, text: str) -> Settings:
    """Settings from TOML text, for tests that need more than one."""
    folder.mkdir(parents=True, exist_ok=True)
    return open_settings(str(write_config(folder, text)))


def bronze_rows(spark: SparkSession, records: Iterable[Given], source: str = "s") -> DataFrame:
    """Records of one file, in order, numbered from 1."""
    rows = []
    for n, each in enumerate(records, 1):
        record = Record(each) if isinstance(each, str) else each
        rows.append(
            (f"u#{n}", record.raw, record.header, f"h{n}", source, "f.txt", n, LANDED_AT, "run-1", record.defect)
        )
    return frame(spark, _BRONZE, rows)


def read(spark: SparkSession, settings: Settings, records: Iterable[Given], source: str = "s") -> DataFrame:
    """The records of a source as `read_records` reads them."""
    config = settings.sources[source]
    return read_records(bronze_rows(spark, records, source), config, ENTITIES[config.entity].fields)


def read_schema(entity: str) -> T.StructType:
    """What `read_records` says it makes of an entity's records, but for the array as the parser gives it."""
    fields = ENTITIES[entity].fields
    texts = ["raw", "header", "unreadable", *fields.texts, *(f"{name}_text" for name in fields.numbers)]
    types: dict[str, T.DataType] = {name: QUARANTINE.schema[name].dataType for name in LINEAGE if name != "landed_at"}
    types |= dict.fromkeys(texts, STRING) | dict.fromkeys(fields.numbers, EXACT)
    types |= dict.fromkeys(("extra_fields", "short_fields"), BOOLEAN)
    line = T.StructType([T.StructField(name, STRING) for name in fields.line_texts])
    for name in fields.line_numbers:
        line.add(name, EXACT).add(f"{name}_text", STRING)
    types["items"] = T.ArrayType(line.add("is_object", BOOLEAN))
    return T.StructType([T.StructField(name, type_) for name, type_ in types.items()])


def clean(spark: SparkSession, settings: Settings, records: Iterable[Given], source: str = "s") -> DataFrame:
    """The records of a source as its entity's `clean` makes them: a cleaned frame, its columns in their order."""
    config = settings.sources[source]
    entity = ENTITIES[config.entity]
    cleaned = entity.clean(read(spark, settings, records, source), config, settings)
    assert cleaned.columns == [*entity.table.column_names, *QUARANTINE_COLUMNS]
    return cleaned


def cleaned_schema(table: Table) -> T.StructType:
    """Of a cleaned frame: in a rejected record any column may be NULL."""
    columns = [*table.schema, *(QUARANTINE.schema[name] for name in QUARANTINE_COLUMNS)]
    return T.StructType([T.StructField(column.name, column.dataType) for column in columns])


def cleaned_row(n: int, record: Given, **fields: Any) -> dict[str, Any]:
    """The row of the record that is number `n` of `bronze_rows`: its lineage, sound unless the fields say otherwise."""
    given = Record(record) if isinstance(record, str) else record
    return {
        "source": "s",
        "record_id": f"u#{n}",
        "content_hash": f"h{n}",
        "landed_at": LANDED_AT,
        "file": "f.txt",
        "ordinal": n,
        "run_id": "run-1",
        "raw": given.raw,
        "header": given.header,
        "warnings": [],
        "reasons": [],
        "details": [],
    } | fields


@dataclass(frozen=True)
class Case:
    """A record that breaks one rule and no other, and what quarantine says of it where the rule is an error."""

    rule: str
    raw: str
    detail: str
    header: str | None = None
    defect: str | None = None

    @property
    def record(self) -> Record:
        return Record(self.raw, self.header, self.defect)

    def judgement(self, info: RuleInfo, setting: str) -> tuple[Any, ...]:
        """The rule, and only it, as an error with its message or as a warning; turned, the other way round."""
        is_error = info.severity == "error"
        if setting == "turned" and not info.fixed:
            is_error = not is_error
        broken: tuple[list[str], ...] = ([self.rule], [self.detail], []) if is_error else ([], [], [self.rule])
        return (self.raw, self.header, *broken)


SETTINGS = ("usual", "turned")
JUDGEMENT = "raw string, header string, reasons array<string>, details array<string>, warnings array<string>"


MESSAGES = [
    Case("empty_message", "", "record: a message without a value", defect="empty_message"),
    Case(
        "registry_framing",
        "",
        "record: framed by a schema registry; stream.kafka.framing = 'schema_registry_json' reads JSON in it",
        defect="registry_framing",
    ),
]
"""What only messages of Kafka can be, whatever entity they are meant for."""


def flipped(infos: Sequence[RuleInfo]) -> dict[str, Severity]:
    """Every severity that may be set, turned."""
    return {info.name: "warn" if info.severity == "error" else "error" for info in infos if not info.fixed}


def as_toml(entity: str, severities: dict[str, Severity]) -> str:
    return f"\n[rules.{entity}]\n" + "\n".join(f'{name} = "{severity}"' for name, severity in severities.items()) + "\n"


def expect_judgements(
    spark: SparkSession, folder: Path, entity: str, sources: str, setting: str, cases: Sequence[Case]
) -> None:
    """Each case breaks its rule and no other, under the severities as they are or turned.

    Records with a header go to source `c`, others to `j`.
    """
    infos = {info.name: info for info in ENTITIES[entity].rules}
    rules = as_toml(entity, flipped(ENTITIES[entity].rules)) if setting == "turned" else ""
    settings = settings_of(folder, sources + rules)
    of_source: dict[str, list[Record]] = {"c": [], "j": []}
    for case in cases:
        of_source["j" if case.header is None else "c"].append(case.record)
    cleaned = [clean(spark, settings, records, source) for source, records in of_source.items()]
    judged = reduce(DataFrame.unionByName, cleaned).select("raw", "header", "reasons", "details", "warnings")
    expect(judged, JUDGEMENT, [case.judgement(infos[case.rule], setting) for case in cases])
