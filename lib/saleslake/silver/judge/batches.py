"""Arrow batches of bronze rows in, Arrow batches of judged rows out: one row a record, in the same order."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from itertools import accumulate, chain, repeat
from operator import attrgetter
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame

from saleslake.config import Settings, Source
from saleslake.content import content_hash
from saleslake.silver.contract import Entity, severities
from saleslake.silver.judge import reading, rules
from saleslake.silver.judge.conditions import Conditions
from saleslake.silver.registry import ENTITIES

_HASH_OF_NOTHING = content_hash("", None)
_BEGINS_AS_JSON = re.compile(rules.JSON_BEGINS)
TEXTS = ("raw", "header", "defect", "file", "ordinal")
"""Columns of bronze that say what a record is."""
NEEDED = ("record_id", "source", "file", "ordinal", "landed_at", "run_id", "content_hash", "raw", "header", "defect")
"""Columns of bronze that the judge looks at or hands on."""


def judged(rows: DataFrame, source: str, settings: Settings) -> DataFrame:
    """Rows of bronze -> rows judged, on Spark. Grain: one row a record, in and out. Columns: `Entity.judged`."""
    entity = ENTITIES[settings.sources[source].entity]
    return rows.select(*NEEDED).mapInArrow(partial(_judge_all, source, settings), entity.judged)


def judged_rows(rows: pa.Table, source: str, settings: Settings) -> pa.Table:
    """The same without Spark."""
    entity = ENTITIES[settings.sources[source].entity]
    batches = list(_judge_all(source, settings, rows.select(NEEDED).combine_chunks().to_batches()))
    return pa.Table.from_batches(batches, schema=entity.judged_arrow)


def _judge_all(source: str, settings: Settings, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    judge: Callable[[pa.RecordBatch], pa.RecordBatch] | None = None
    for batch in batches:
        judge = judge or judge_of(source, settings)
        yield judge(batch)


def judge_of(source: str, settings: Settings) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
    """What judges the batches of one source. Raises ConfigError for a mapping that contradicts itself."""
    config = settings.sources[source]
    entity = ENTITIES[config.entity]
    typed = typing_of(source, settings)
    verdict_of = rules.bench(entity.rules, severities(entity.name, config, settings))
    own_rules = conditions_of(entity, config, settings)
    own = attrgetter(*[column.name for column in entity.own_columns], "version_time", "key")

    def judge(batch: pa.RecordBatch) -> pa.RecordBatch:
        rows = []
        with _nothing_to_collect():
            for texts in zip(*[batch.column(name).to_pylist() for name in TEXTS], strict=True):
                record = typed(*texts)
                verdict = verdict_of(record)
                rows.append((*own(record), verdict.reasons, verdict.details, verdict.warnings, verdict.discarded_by))
            return _batch(entity, batch, rows, own_rules)

    return judge


@contextmanager
def _nothing_to_collect() -> Iterator[None]:
    """Records refer to nothing that refers to them, so looking for circles among them, over and over, is a quarter of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def typing_of(source: str, settings: Settings) -> Callable[[str | None, str | None, str | None, str, int], Any]:
    """Types the records of one source: TEXTS of a row of bronze -> the record."""
    config = settings.sources[source]
    entity = ENTITIES[config.entity]
    read, typed = reading.reader(config, entity.fields), entity.typing(config, settings)
    unframed = settings.stream.kafka.framing == "schema_registry_json"

    def of_row(raw: str | None, header: str | None, defect: str | None, file: str, ordinal: int) -> Any:
        text = raw or ""
        as_read = read(text, header)
        if defect is not None and not (unframed and defect == rules.FRAMED and _BEGINS_AS_JSON.match(text)):
            as_read = as_read._replace(unreadable=defect)
        record = typed(as_read, file, ordinal)
        if defect is not None and defect.startswith(f"{rules.EMPTY}: "):
            record.key = defect[len(rules.EMPTY) + 2 :]
        return record

    return of_row


def conditions_of(entity: Entity, source: Source, settings: Settings) -> Conditions | None:
    """The project's own rules for an entity, under the severities of the source. Raises ConfigError for one that cannot be used."""
    own = settings.rules_of(entity.name).custom
    severities_ = severities(entity.name, source, settings)
    return Conditions(f"rules.{entity.name}.custom", entity.own_arrow, own, severities_) if own else None


def _batch(
    entity: Entity, batch: pa.RecordBatch, rows: list[tuple[Any, ...]], conditions: Conditions | None
) -> pa.RecordBatch:
    names = [column.name for column in entity.own_columns]
    values: Iterable[Sequence[Any]] = zip(*rows, strict=True) if rows else repeat(())
    own = dict(
        zip([*names, "version_time", "key", "reasons", "details", "warnings", "discarded_by"], values, strict=False)
    )
    # What has no text, as former versions landed messages without a value, has the empty one.
    landed = {"raw": "", "content_hash": _HASH_OF_NOTHING}
    typed = {field.name: array(own[field.name], field.type) for field in entity.own_arrow} if own else {}
    if conditions is not None and own:
        conditions.add_to(own, pa.RecordBatch.from_arrays([*typed.values()], schema=entity.own_arrow))
    columns = []
    for field in entity.judged_arrow:
        if field.name in typed:
            columns.append(typed[field.name])
        elif field.name in own:
            columns.append(array(own[field.name], field.type))
        else:
            column = batch.column(field.name).cast(field.type)
            columns.append(column.fill_null(landed[field.name]) if field.name in landed else column)
    return pa.RecordBatch.from_arrays(columns, schema=entity.judged_arrow)


def array(values: Sequence[Any], type_: pa.DataType) -> pa.Array:
    """Values as a typed entity has them: moments as µs, days and numbers as whole numbers of their units."""
    if values and values[0] is None and values.count(None) == len(values):  # as of refunds, mostly
        return pa.nulls(len(values), type_)
    if pa.types.is_decimal(type_):
        return _decimals(values, type_)
    if pa.types.is_timestamp(type_):
        return pa.array(values, pa.int64()).cast(type_)
    if pa.types.is_date32(type_):
        return pa.array(values, pa.int32()).cast(type_)
    if pa.types.is_list(type_) and pa.types.is_struct(type_.value_type):
        return _lists_of_structs(values, type_)
    return pa.array(values, type_)


def _lists_of_structs(values: Sequence[Sequence[tuple[Any, ...]]], type_: pa.DataType) -> pa.Array:
    offsets = list(accumulate(map(len, values), initial=0))
    struct = type_.value_type
    members: Iterable[Sequence[Any]] = zip(*chain.from_iterable(values), strict=True) if offsets[-1] else repeat(())
    fields = [array(column, field.type) for field, column in zip(struct, members, strict=False)]
    inner = pa.StructArray.from_arrays(fields, fields=list(struct))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), inner, type=type_)


def _decimals(values: Sequence[int | None], type_: pa.DataType) -> pa.Array:
    """Whole numbers of a decimal's units as decimals: the same bits, by another name."""
    try:
        whole = pa.array(values, pa.int64()).cast(pa.decimal128(19, 0))
    except OverflowError:  # sums may be longer
        shift = Decimal(1).scaleb(-type_.scale)
        return pa.array([None if value is None else value * shift for value in values], type_)
    return pa.Array.from_buffers(type_, len(whole), whole.buffers())
