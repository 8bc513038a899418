"""Silver and gold frames from inline rows, and whole tables back as rows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from saleslake.table import Table

DAY = "2025-01-31"
AT = f"{DAY} 10:00:00"
_LINEAGE: dict[str, Any] = {
    "warnings": [],
    "source": "s",
    "record_id": "r",
    "content_hash": "h",
    "version_time": None,
    "landed_at": datetime(2025, 1, 31, tzinfo=timezone.utc),
    "file": "f.csv",
    "ordinal": 1,
    "run_id": "run",
}


def moment(text: str) -> datetime:
    """`2025-01-31 10:00` in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def frame(spark: SparkSession, table: Table, rows: Iterable[dict[str, Any]]) -> DataFrame:
    """A frame of the table's schema; columns not given are NULL, lineage is filled in; numbers may be text."""
    content = []
    for row in rows:
        unknown = set(row) - set(table.column_names)
        assert not unknown, f"{table.full_name} has no {unknown}"
        content.append(tuple(_value(c.type, row.get(c.name, _LINEAGE.get(c.name))) for c in table.columns))
    return spark.createDataFrame(content, table.schema)


def _value(type_: T.DataType, value: Any) -> Any:
    if isinstance(type_, T.DecimalType) and value is not None:
        return Decimal(str(value))
    if isinstance(type_, T.TimestampType) and isinstance(value, str):
        return moment(value)
    if isinstance(type_, T.DateType) and isinstance(value, str):
        return date.fromisoformat(value)
    return value


def rows_of(built: DataFrame, table: Table) -> list[dict[str, Any]]:
    """All of a built table, by its keys, all but arrays as text; it must end in the table's own columns and types."""
    assert [(f.name, f.dataType.simpleString()) for f in built.schema] == [
        (c.name, c.type.simpleString()) for c in table.columns
    ]
    plain = [
        F.col(c.name) if isinstance(c.type, T.ArrayType) else F.col(c.name).cast("string").alias(c.name)
        for c in table.columns
    ]
    found = [row.asDict() for row in built.select(plain).collect()]
    assert len({tuple(row[k] for k in table.keys) for row in found}) == len(found), "a key stands twice"
    return sorted(found, key=lambda row: [str(row[k]) for k in table.keys])


def row(table: Table, *values: Any) -> dict[str, Any]:
    """One expected row, values in the table's order."""
    return dict(zip(table.column_names, values, strict=True))


def order(order_id: str, *lines: tuple[int, str, str, str | None], **fields: Any) -> dict[str, Any]:
    """An order of (line_number, sku, quantity, unit_price)."""
    items = [
        (n, sku, Decimal(quantity), None if price is None else Decimal(price)) for n, sku, quantity, price in lines
    ]
    return {
        "order_id": order_id,
        "user_id": "u1",
        "amount": 10,
        "currency": "EUR",
        "created_at": AT,
        "channel": "web",
        "date": DAY,
        "items": items,
        "record_id": f"r-{order_id}",
    } | fields


def sale(transaction_id: str, **fields: Any) -> dict[str, Any]:
    """A sale of two A."""
    base = {
        "transaction_key": transaction_id,
        "transaction_id": transaction_id,
        "customer_id": "c1",
        "product_id": "A",
        "sale_date": AT,
        "quantity": 2,
        "channel": "store",
        "currency": "EUR",
        "keyed_by_line": False,
        "date": DAY,
        "record_id": f"r-{transaction_id}",
    }
    return base | fields
