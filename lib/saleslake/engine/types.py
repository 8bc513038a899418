"""A table's types in DuckDB's words."""

from __future__ import annotations

from pyspark.sql import types as T

_NAMES: dict[type[T.DataType], str] = {
    T.StringType: "VARCHAR",
    T.LongType: "BIGINT",
    T.IntegerType: "INTEGER",
    T.BooleanType: "BOOLEAN",
    T.DateType: "DATE",
    T.TimestampType: "TIMESTAMPTZ",
}


def duck_type(type_: T.DataType) -> str:
    """The type that holds the same values."""
    if isinstance(type_, T.DecimalType):
        return f"DECIMAL({type_.precision}, {type_.scale})"
    if isinstance(type_, T.ArrayType):
        return f"{duck_type(type_.elementType)}[]"
    if isinstance(type_, T.StructType):
        return f"STRUCT({', '.join(f'{field.name} {duck_type(field.dataType)}' for field in type_)})"
    return _NAMES[type(type_)]
