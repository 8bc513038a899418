"""Rows of silver for gold's transforms, inline."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from saleslake.table import Table
from tests import frames

DAY = "2025-01-31"
AT = f"{DAY} 10:00:00"
_LINEAGE: dict[str, Any] = {
    "warnings": [],
    "source": "s",
    "record_id": "r",
    "content_hash": "h",
    "version_time": None,
    "landed_at": DAY,
    "file": "f.csv",
    "ordinal": 1,
    "run_id": "run",
}


def frame(spark: SparkSession, table: Table, rows: Iterable[dict[str, Any]]) -> DataFrame:
    """A frame of the table; columns not given are NULL, lineage is filled in."""
    lineage = {name: value for name, value in _LINEAGE.items() if name in table.column_names}
    return frames.frame(spark, table, [lineage | row for row in rows])


def order(order_id: str, *lines: tuple[Any, ...], **fields: Any) -> dict[str, Any]:
    """An order of (line_number, sku, quantity, unit_price), (…, amount), which by default is quantity × unit_price, or (…, refunded_at)."""
    return {
        "order_id": order_id,
        "user_id": "u1",
        "amount": 10,
        "currency": "EUR",
        "created_at": AT,
        "channel": "web",
        "date": DAY,
        "is_sale": True,
        "items": [_whole(line) for line in lines],
        "record_id": f"r-{order_id}",
    } | fields


def _whole(line: tuple[Any, ...]) -> tuple[Any, ...]:
    amount = () if len(line) > 4 else (_times(line[2], line[3]),)
    return (*line, *amount, *(() if len(line) == 6 else (None,)))


def sale(transaction_id: str, **fields: Any) -> dict[str, Any]:
    """A sale of two A; its amount is total_price, else quantity × unit_price."""
    quantity, total, price = fields.get("quantity", 2), fields.get("total_price"), fields.get("unit_price")
    return {
        "transaction_key": transaction_id,
        "transaction_id": transaction_id,
        "customer_id": "c1",
        "product_id": "A",
        "sale_date": AT,
        "quantity": 2,
        "amount": _times(quantity, price) if total is None else total,
        "is_sale": True,
        "channel": "store",
        "currency": "EUR",
        "keyed_by_line": False,
        "date": DAY,
        "record_id": f"r-{transaction_id}",
    } | fields


def _times(quantity: Any, price: Any) -> Decimal | None:
    """By decimals alone: half-up to MONEY."""
    if price is None:
        return None
    return (Decimal(quantity) * Decimal(price)).quantize(Decimal("0.0001"), ROUND_HALF_UP)
