"""Bronze rows inline, and what silver's judge makes of them: in memory (quick), or on Spark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from saleslake import bronze
from saleslake.config import Settings, Severity
from saleslake.entry import open_settings
from saleslake.silver.contract import QUARANTINE_COLUMNS
from saleslake.silver.judge.batches import judged, judged_rows
from saleslake.silver.judge.rules import Rule
from saleslake.silver.quarantine import TABLE as QUARANTINE
from saleslake.silver.registry import ENTITIES
from saleslake.table import Table
from tests.conftest import write_config
from tests.frames import expect, expect_table, frame, table

LANDED_AT = "2025-01-31 12:00:00"
_BRONZE = bronze.table_of("s")


@dataclass(frozen=True)
class Record:
    """One landed record: its text, its file's header if it is CSV, and what splitting found wrong with its bytes."""

    raw: str
    header: str | None = None
    defect: str | None = None


Given = Record | str
Example = tuple[Given, dict[str, Any]]
"""A record, and the columns of its judged row that come from its text."""


def settings_of(folder: Path, text: str) -> Settings:
    """Settings from TOML text, for tests that need more than one."""
    folder.mkdir(parents=True, exist_ok=True)
    return open_settings(str(write_config(folder, text)))


def _bronze(records: Iterable[Given], source: str) -> list[dict[str, Any]]:
    rows = []
    for n, each in enumerate(records, 1):
        record = Record(each) if isinstance(each, str) else each
        row = {"kind": "record", "record_id": f"u#{n}", "source": source, "file": "f.txt", "ordinal": n}
        row |= {"landed_at": LANDED_AT, "run_id": "run-1", "content_hash": f"h{n}", "landed_date": LANDED_AT[:10]}
        rows.append(row | {"raw": record.raw, "header": record.header, "defect": record.defect})
    return rows


def bronze_table(records: Iterable[Given], source: str = "s") -> pa.Table:
    """Records of one file, in order, numbered from 1."""
    return table(_BRONZE, _bronze(records, source))


def bronze_rows(spark: SparkSession, records: Iterable[Given], source: str = "s") -> DataFrame:
    """The same as a frame."""
    return frame(spark, _BRONZE, _bronze(records, source))


def judge(settings: Settings, records: Iterable[Given], source: str = "s") -> pa.Table:
    """The records of a source, judged without Spark: a row a record, in their order."""
    return judged_rows(bronze_table(records, source), source, settings)


def judge_on_spark(spark: SparkSession, settings: Settings, records: Iterable[Given], source: str = "s") -> DataFrame:
    """The records of a source, judged by Spark."""
    return judged(bronze_rows(spark, records, source), source, settings)


def judged_schema(of: Table) -> T.StructType:
    """Of judged rows: in a rejected record any column may be NULL."""
    columns = [*of.schema, *(QUARANTINE.schema[name] for name in QUARANTINE_COLUMNS)]
    return T.StructType([T.StructField(column.name, column.dataType) for column in columns])


def judged_row(n: int, record: Given, **fields: Any) -> dict[str, Any]:
    """The row of the record that is number `n` of `bronze_table`: its lineage, sound unless the fields say otherwise."""
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
        "discarded_by": [],
    } | fields


def rows_of(examples: Sequence[Example], source: str = "s", **fields: Any) -> list[dict[str, Any]]:
    """The rows that the records of a source become, these fields in each."""
    return [judged_row(n, record, source=source) | fields | own for n, (record, own) in enumerate(examples, 1)]


def expect_on_spark(
    spark: SparkSession, settings: Settings, records: Mapping[str, Sequence[Given]], rows: Iterable[dict[str, Any]]
) -> None:
    """Records by their sources, all of one entity, become these rows on Spark."""
    frames = [judge_on_spark(spark, settings, of_source, source) for source, of_source in records.items()]
    (entity,) = {settings.sources[source].entity for source in records}
    expect(reduce(DataFrame.unionByName, frames), judged_schema(ENTITIES[entity].table), rows)


def expect_agreement(spark: SparkSession, settings: Settings, records: Mapping[str, Sequence[Given]]) -> None:
    """Records by their sources, all of one entity, become on Spark what they become in memory."""
    in_memory = [row for source, each in records.items() for row in judge(settings, each, source).to_pylist()]
    expect_on_spark(spark, settings, records, in_memory)


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

    @property
    def source(self) -> str:
        return "j" if self.header is None else "c"

    def judgement(self, rule: Rule, setting: str) -> tuple[Any, ...]:
        """The rule, and only it, as an error with its message or as a warning; turned, the other way round."""
        is_error = rule.severity == "error"
        if setting == "turned" and not rule.fixed:
            is_error = not is_error
        broken: tuple[list[str], ...] = ([self.rule], [self.detail], []) if is_error else ([], [], [self.rule])
        return (self.raw, self.header, *broken)


SETTINGS = ("usual", "turned")


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


def flipped(rules: Sequence[Rule]) -> dict[str, Severity]:
    """Every severity that may be set, turned."""
    return {rule.name: "warn" if rule.severity == "error" else "error" for rule in rules if not rule.fixed}


def as_toml(entity: str, severities: dict[str, Severity]) -> str:
    return f"\n[rules.{entity}]\n" + "\n".join(f'{name} = "{severity}"' for name, severity in severities.items()) + "\n"


def by_source(cases: Iterable[Case]) -> dict[str, list[Given]]:
    """Their records: those with a header are of the source `c`, others of `j`."""
    found: dict[str, list[Given]] = {"c": [], "j": []}
    for case in cases:
        found[case.source].append(case.record)
    return found


def expect_judgements(folder: Path, entity: str, sources: str, setting: str, cases: Sequence[Case]) -> None:
    """Each case breaks its rule and no other, under the severities as they are or turned."""
    rules = {rule.name: rule for rule in ENTITIES[entity].rules}
    turned = as_toml(entity, flipped(ENTITIES[entity].rules)) if setting == "turned" else ""
    settings = settings_of(folder, sources + turned)
    for source, records in by_source(cases).items():
        expect_table(
            judge(settings, records, source),
            judged_schema(ENTITIES[entity].table),
            [case.judgement(rules[case.rule], setting) for case in cases if case.source == source],
            only="raw header reasons details warnings",
        )
