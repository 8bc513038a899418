"""Frames and tables from inline rows, and the one comparison of a built one with the rows that it should hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from saleslake.table import Table

Shape = Table | T.StructType | str
"""A table, a schema, or a schema as DDL."""
Given = Mapping[str, Any] | Sequence[Any]
"""A row: by the names of columns, those not given NULL; or all of them, in order. Decimals, moments (UTC) and dates may be text."""


def moment(text: str) -> datetime:
    """`2025-01-31 10:00` in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def frame(spark: SparkSession, shape: Shape, rows: Iterable[Given]) -> DataFrame:
    """These rows, in one partition."""
    # Of bare literals Spark would compute a transform while planning it; behind `coalesce` it runs as it does on files.
    return _literal(spark, _schema(shape), rows).coalesce(1)


def table(shape: Shape, rows: Iterable[Given]) -> pa.Table:
    """These rows in memory, without Spark."""
    schema = _schema(shape)
    content = [_value(schema, _by_name(schema, row)) for row in rows]
    return pa.Table.from_pylist(content, to_arrow_schema(schema, timezone="UTC"))


def expect_table(built: pa.Table, shape: Shape, rows: Iterable[Given], only: str = "") -> None:
    """The table holds these rows and no others, in this order, under the names and types of `shape`.

    `only`: of a wide table these columns, their names with spaces between.
    """
    names, schema = only.split(), _schema(shape)
    if names:
        built, schema = built.select(names), T.StructType([schema[name] for name in names])
    expected = table(schema, rows)
    assert built.schema == expected.schema
    assert built.to_pylist() == expected.to_pylist()


def expect(built: DataFrame, shape: Shape, rows: Iterable[Given]) -> None:
    """The frame holds these rows and no others, in any order, under the names and types of `shape`.

    Of a table, the rows also keep its constraints and have its keys once each: Delta would refuse them else.
    """
    # Whether Spark takes a column for nullable says how it was computed, and Delta checks NOT NULL when it is written.
    # So not the two schemas are compared in this: the expected rows are held to NOT NULL, and so is a frame equal to them.
    given, schema = list(rows), _schema(shape)
    expected = _literal(built.sparkSession, schema, given)
    assert_df_equality(
        built,
        expected,
        ignore_row_order=True,
        ignore_nullable=True,
        ignore_metadata=True,
        # A sort of one partition is one job; of many it is three.
        transforms=[lambda each: each.coalesce(1)],
    )
    if isinstance(shape, Table):
        _check_promises(shape, expected, [_by_name(schema, row) for row in given])


def _check_promises(table: Table, expected: DataFrame, rows: list[dict[str, Any]]) -> None:
    keys = [tuple(row[key] for key in table.keys) for row in rows]
    assert len(set(keys)) == len(keys), f"{table.full_name}: a key stands twice"
    for name, condition in table.constraints.items():
        broken = expected.where(f"NOT coalesce({condition}, false)").collect()
        assert not broken, f"{table.full_name}: {name} refuses {broken}"


def _schema(shape: Shape) -> T.StructType:
    if isinstance(shape, str):
        parsed = T.StructType.fromDDL(shape)
        assert isinstance(parsed, T.StructType), f"no columns: {shape}"
        return parsed
    return shape.schema if isinstance(shape, Table) else shape


def _literal(spark: SparkSession, schema: T.StructType, rows: Iterable[Given]) -> DataFrame:
    # By way of Arrow the rows are literals of the plan: reading them costs no job.
    return spark.createDataFrame(table(schema, rows), schema)


def _by_name(schema: T.StructType, row: Given) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        return dict(zip(schema.names, row, strict=True))
    unknown = set(row) - set(schema.names)
    assert not unknown, f"no such columns: {unknown}"
    return {name: row.get(name) for name in schema.names}


def _value(type_: T.DataType, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(type_, T.StructType):
        fields = _by_name(type_, value)
        missing = [field.name for field in type_ if not field.nullable and fields[field.name] is None]
        assert not missing, f"{missing} must not be NULL in {fields}"
        return {field.name: _value(field.dataType, fields[field.name]) for field in type_}
    if isinstance(type_, T.ArrayType):
        return [_value(type_.elementType, each) for each in value]
    if isinstance(type_, T.DecimalType):
        return Decimal(str(value))
    if isinstance(type_, T.TimestampType) and isinstance(value, str):
        return moment(value)
    if isinstance(type_, T.DateType) and isinstance(value, str):
        return date.fromisoformat(value)
    return value
