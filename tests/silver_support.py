"""Bronze rows inline, read and judged as silver does it, in one Spark job for many records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from pyspark.sql import DataFrame, Row, SparkSession

from saleslake.config import Settings, Severity
from saleslake.entry import open_settings
from saleslake.rules import RuleInfo
from saleslake.silver.reading import read_records
from saleslake.silver.registry import ENTITIES
from tests.conftest import write_config

LANDED_AT = datetime(2025, 1, 31, 12, tzinfo=timezone.utc)
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


def settings_of(folder: Path, text: str) -> Settings:
    """Settings from TOML text, for fixtures that outlive one test."""
    folder.mkdir(parents=True, exist_ok=True)
    return open_settings(str(write_config(folder, text)))


def bronze_rows(spark: SparkSession, records: Iterable[Record | str], source: str = "s") -> DataFrame:
    """Records of one file, in order, numbered from 1."""
    rows = []
    for n, each in enumerate(records, 1):
        record = Record(each) if isinstance(each, str) else each
        rows.append(
            (f"u#{n}", record.raw, record.header, f"h{n}", source, "f.txt", n, LANDED_AT, "run-1", record.defect)
        )
    return spark.createDataFrame(rows, _BRONZE)


def read(spark: SparkSession, settings: Settings, records: Iterable[Record | str], source: str = "s") -> list[Row]:
    """The records of a source as `read_records` reads them, in order."""
    config = settings.sources[source]
    frame = read_records(bronze_rows(spark, records, source), config, ENTITIES[config.entity].fields)
    return sorted(frame.collect(), key=lambda row: row["ordinal"])


def item_tuples(row: Row) -> list[tuple[object, ...]] | None:
    """(sku, quantity, its text, price, its text, is_object) of each line that was read."""
    if row["items"] is None:
        return None
    names = ("sku", "quantity", "quantity_text", "price", "price_text", "is_object")
    return [tuple(line[name] for name in names) for line in row["items"]]


def clean(spark: SparkSession, settings: Settings, records: Iterable[Record | str], source: str = "s") -> list[Row]:
    """The records of a source as its entity's `clean` makes them, in order; one row a record or it fails here."""
    config, given = settings.sources[source], list(records)
    entity = ENTITIES[config.entity]
    frame = entity.clean(read_records(bronze_rows(spark, given, source), config, entity.fields), config, settings)
    assert frame.columns[: len(entity.table.columns)] == entity.table.column_names
    rows = sorted(frame.collect(), key=lambda row: row["ordinal"])
    assert [row["ordinal"] for row in rows] == list(range(1, len(given) + 1))
    return rows


Judgement = tuple[list[str], list[str], list[str]]
"""Reasons, details, warnings."""


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


def verdicts(
    spark: SparkSession, folder: Path, entity: str, sources: str, cases: Sequence[Case]
) -> dict[tuple[str, str, str], Row]:
    """(`usual` or `turned`, rule, raw) to the cleaned row. Records with a header go to source `c`, others to `j`."""
    infos = ENTITIES[entity].rules
    found = {}
    for setting, rules in (("usual", ""), ("turned", as_toml(entity, flipped(infos)))):
        settings = settings_of(folder / setting, sources + rules)
        for source in ("c", "j"):
            mine = [case for case in cases if (case.header is not None) == (source == "c")]
            if mine:
                rows = clean(spark, settings, [case.record for case in mine], source)
                found |= {(setting, case.rule, case.raw): row for case, row in zip(mine, rows, strict=True)}
    return found


def expected(case: Case, infos: Sequence[RuleInfo]) -> dict[str, Judgement]:
    """The rule, and only it, as an error with its message or as a warning; turned, the other way round."""
    info = {info.name: info for info in infos}[case.rule]
    as_error: Judgement = ([case.rule], [case.detail], [])
    as_warning: Judgement = ([], [], [case.rule])
    return {
        "usual": as_error if info.severity == "error" else as_warning,
        "turned": as_error if info.fixed or info.severity == "warn" else as_warning,
    }


def judged(case: Case, found: dict[tuple[str, str, str], Row]) -> dict[str, Judgement]:
    """What became of the record, under the usual severities and the turned ones."""
    rows = {setting: found[setting, case.rule, case.raw] for setting in ("usual", "turned")}
    assert {(row["raw"], row["header"]) for row in rows.values()} == {(case.raw, case.header)}
    return {setting: (row["reasons"], row["details"], row["warnings"]) for setting, row in rows.items()}


def utc(moment: datetime) -> datetime:
    """Spark hands Python the host's wall clock without a zone; this is that moment in UTC, without a zone."""
    return moment.astimezone(timezone.utc).replace(tzinfo=None)
