"""What a line says, read as plainly as can be: nothing here is shared with what wrote it."""

from __future__ import annotations

import csv
import json
import re
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

CSV_COLUMNS = (
    "transaction_id",
    "customer_id",
    "product_id",
    "sale_date",
    "quantity",
    "total_price",
    "sales_channel",
    "currency",
    "updated_at",
)


class Version(NamedTuple):
    """One version of a key. `content`: all that the line says."""

    table: str
    key: str
    version: str
    said: dict[str, Any]
    content: str


class Invalid(Exception):
    """The line is not valid by the project's rules."""


def read(line: str) -> Version:
    """The version a line carries. Raises Invalid where `silver`'s rules of severity `error` reject it."""
    if line.lstrip().startswith("{"):
        try:
            record = json.loads(line, parse_float=Decimal)
        except ValueError as e:
            raise Invalid(f"unreadable: {e}") from None
        kind = record.get("type") or ("order" if record.get("order_id") else "transaction")
        if kind == "order":
            return _order(record, line)
        if kind == "transaction":
            return _transaction(record, line)
        raise Invalid(f"type {kind}")
    try:
        cells = next(csv.reader([line], strict=True))
    except csv.Error as e:
        raise Invalid(f"csv: {e}") from None
    return _transaction(dict(zip(CSV_COLUMNS, cells, strict=False)), line)


def _order(record: dict[str, Any], line: str) -> Version:
    created = _moment(record.get("created_at"), "created_at")
    version = _moment(record["updated_at"], "updated_at") if "updated_at" in record else created
    items = record.get("items")
    if not isinstance(items, list) or not items:
        raise Invalid("items")
    for item in items:
        if not item.get("sku") or not isinstance(item.get("qty"), int):
            raise Invalid("line")
    said = {
        "date": created[:10],
        "currency": _currency(record),
        "lines": len(items),
        "units": Decimal(sum(item["qty"] for item in items)),
        "net": sum((item["qty"] * item["price"] for item in items), Decimal(0)),
    }
    assert record["amount"] == said["net"]
    return Version("orders", _key(record, "order_id"), version, said, line)


def _transaction(record: dict[str, Any], line: str) -> Version:
    said = {
        "date": _moment(record.get("sale_date"), "sale_date")[:10],
        "currency": _currency(record),
        "lines": 1,
        "units": Decimal(_whole(record.get("quantity"))),
        "net": Decimal(record["total_price"]),
    }
    version = _moment(record.get("updated_at"), "updated_at")
    return Version("transactions", _key(record, "transaction_id"), version, said, line)


def _key(record: dict[str, Any], name: str) -> str:
    key = record.get(name)
    if not isinstance(key, str) or not key.strip():
        raise Invalid("key")
    return key


def _moment(text: Any, name: str) -> str:
    try:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text or "")
        datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    except (AssertionError, ValueError):
        raise Invalid(f"{name} {text!r}") from None
    return str(text)


def _currency(record: dict[str, Any]) -> str:
    if not re.fullmatch("[A-Z]{3}", record.get("currency") or ""):
        raise Invalid("currency")
    return str(record["currency"])


def _whole(value: Any) -> int:
    if not re.fullmatch(r"-?\d+", str(value)):
        raise Invalid("quantity")
    return int(value)
