"""CSV files and the product document with planted defects: how each kind looks there."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from saleslake.synthetic import plan
from saleslake.synthetic.catalogue import Row

Edit = Callable[[Row], list[Row]]
"""The rows that stand for a row in which something is planted."""


@dataclass(frozen=True)
class Written:
    """What a file holds: records (lines without the header, or elements) and distinct non-empty keys."""

    records: int
    distinct_keys: int


def _put(place: int, value: str) -> Edit:
    return lambda row: [[*row[:place], value, *row[place + 1 :]]]


def _correction(place: int, value: str) -> Edit:
    """The row, and later the same key with another value."""
    return lambda row: [row, [*row[:place], value, *row[place + 1 :]]]


def _twice(row: Row) -> list[Row]:
    return [row, row]


def _corrected_sale(row: Row) -> list[Row]:
    total = Decimal(row[5]) / Decimal(row[4]) * 12
    return [row, [*row[:4], "12", f"{total:.2f}", row[6]]]


def _extra_field(row: Row) -> list[Row]:
    return [[*row, "surplus"]]


def _missing_fields(row: Row) -> list[Row]:
    return [row[: len(row) // 2]]


def _return(row: Row) -> list[Row]:
    return [[*row[:4], f"-{row[4]}", f"-{row[5]}", row[6]]]


EDITS: Mapping[str, Mapping[str, Edit]] = {
    "transactions.csv": {
        "missing_transaction_id": _put(0, ""),
        "bad_sale_date": _put(3, "2024-02-31"),
        "missing_sale_date": _put(3, ""),
        "quantity_unreadable": _put(4, "a few"),
        "extra_field": _extra_field,
        "missing_fields": _missing_fields,
        "missing_customer_id": _put(1, ""),
        "total_price_missing": _put(5, ""),
        "unknown_customer": _put(1, "USR-999997"),
        "unknown_product": _put(2, "SKU-99997"),
        "return_row": _return,
    },
    "users.csv": {
        "missing_user_id": _put(0, ""),
        "bad_created_at": _put(2, "31.02.2022"),
        "extra_field": _extra_field,
    },
    "products.csv": {
        "missing_sku": _put(0, ""),
        "price_unreadable": _put(3, "on request"),
        "extra_field": _extra_field,
    },
    "stock.csv": {
        "missing_product_id": _put(0, ""),
        "on_hand_unreadable": _put(1, "plenty"),
        "bad_counted_at": _put(2, "last week"),
    },
}
"""Defects of each file, all of equal weight."""

REPEATS: Mapping[str, Mapping[str, Edit]] = {
    "transactions.csv": {"duplicate": _twice, "correction": _corrected_sale},
    "users.csv": {"duplicate": _twice, "correction": _correction(3, "SE")},
    "products.csv": {"duplicate": _twice, "correction": _correction(3, "3.50")},
}
"""Kinds that write a key twice; the values are ones that no plain row has."""

DOCUMENT_DEFECTS = ("element_not_object", "missing_product_id")


def counts(name: str, rows: int, defects: float, duplicates: float, corrections: float) -> dict[str, int]:
    """How many rows of each kind a file of `rows` plain rows gets; kinds with none are left out."""
    planted = plan.allocate(round(rows * defects), dict.fromkeys(EDITS.get(name, DOCUMENT_DEFECTS), 1))
    if name in REPEATS:
        planted |= {"duplicate": round(rows * duplicates), "correction": round(rows * corrections)}
    return {kind: count for kind, count in planted.items() if count}


def write_csv(path: Path, header: Row, rows: Iterable[Row], planted: plan.Plan) -> Written:
    """Write a header and rows, each planted one as its kind says, quoted only where needed."""
    edits = {**EDITS[path.name], **REPEATS.get(path.name, {})}
    records, keys = 0, set()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for position, row in enumerate(rows):
            for line in edits[planted[position]](row) if position in planted else [row]:
                writer.writerow(line)
                records += 1
                keys.add(line[0])
    return Written(records, len(keys - {""}))


def write_document(path: Path, elements: Iterable[Mapping[str, Any]], planted: plan.Plan) -> Written:
    """Write a JSON array, one element a line."""
    lines, keys = [], set()
    for position, element in enumerate(elements):
        kind = planted.get(position)
        record: object = element
        if kind == "element_not_object":
            record = f"{element['product_id']}: {element['product_name']}"
        elif kind == "missing_product_id":
            record = {**element, "product_id": None}
        else:
            keys.add(element["product_id"])
        lines.append(json.dumps(record, ensure_ascii=False))
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    return Written(len(lines), len(keys))
