"""Orders whose lines are no plain array of what was sold, and columns that a file does not have."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from saleslake.config import Settings
from saleslake.entry import open_settings
from saleslake.errors import ConfigError
from saleslake.ingest.commit import lacking_fields
from tests.conftest import write_config
from tests.silver_support import Given, Record, judge

Make = Callable[[str], Settings]
ORDERS = '[sources.s]\nentity = "orders"\nformat = "jsonl"\npath = "x"\n'
A, B = {"sku": "A", "qty": 2, "price": 5}, {"sku": "B", "qty": 1, "price": 3}
LINES = [(1, "A", 2, 5, 10), (2, "B", 1, 3, 3)]


def order(items: Any, amount: int = 13) -> str:
    content = {"order_id": "o1", "user_id": "u1", "amount": amount, "currency": "EUR", "created_at": "2025-01-31"}
    return json.dumps(content | {"items": items})


def judged(settings: Settings, *records: Given) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = judge(settings, records).to_pylist()
    return rows


def lines(row: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [tuple(line.values())[:5] for line in row["items"]]


@pytest.mark.parametrize(
    ("items_as", "items", "expected", "reasons"),
    [
        ("object", {"1": A, "2": B}, LINES, []),
        ("object", [A, B], LINES, []),
        ("object", {}, [], ["items_empty"]),
        ("object", {"1": A, "2": 7}, LINES[:1], ["line_invalid"]),
        ("array", {"1": A, "2": B}, [], ["items_empty", "lines_incomplete"]),
        ("json", json.dumps([A, B]), LINES, []),
        ("json", [A, B], LINES, []),
        ("json", "[A, B]", [], ["items_empty"]),
        ("json", json.dumps({"1": A}), [], ["items_empty", "lines_incomplete"]),
        ("array", json.dumps([A, B]), [], ["items_empty"]),
    ],
)
def test_lines_are_read_from_an_array_an_object_or_a_text(
    items_as: str, items: Any, expected: list[tuple[Any, ...]], reasons: list[str], make_settings: Make
) -> None:
    (row,) = judged(make_settings(ORDERS + f'items_as = "{items_as}"\n'), order(items))
    assert (lines(row), row["reasons"]) == (expected, reasons)


PARENT, CHILD = A | {"id": 7, "type": "configurable"}, A | {"parent": {"id": 7}, "price": 0, "type": "simple"}


@pytest.mark.parametrize(
    ("where", "kept", "warnings"),
    [
        ('"parent.id" = ""', [(1, "A", 2, 5, 10), (3, "B", 1, 3, 3)], ["lines_left_out"]),
        ("parent = { id = '' }", [(1, "A", 2, 5, 10), (3, "B", 1, 3, 3)], ["lines_left_out"]),
        ('type = ["configurable", ""]', [(1, "A", 2, 5, 10), (3, "B", 1, 3, 3)], ["lines_left_out"]),
        ('type = "simple"', [(2, "A", 2, 0, 0)], ["amount_mismatch", "lines_left_out", "zero_price"]),
        ('type = ["configurable", "simple", ""]', [(1, "A", 2, 5, 10), (2, "A", 2, 0, 0), (3, "B", 1, 3, 3)], ["zero_price"]),
        ('"parent.id" = "", type = ""', [(3, "B", 1, 3, 3)], ["amount_mismatch", "lines_left_out"]),
    ],
)  # fmt: skip
def test_lines_that_do_not_count_are_left_out_and_counted(
    where: str, kept: list[tuple[Any, ...]], warnings: list[str], make_settings: Make
) -> None:
    settings = make_settings(ORDERS + f"lines_where = {{ {where} }}\n")
    (row,) = judged(settings, order([PARENT, CHILD, B]))
    assert (lines(row), row["reasons"], row["warnings"]) == (kept, [], warnings)


def test_an_order_of_which_no_line_counts_has_none_and_says_which_were_left_out(make_settings: Make) -> None:
    settings = make_settings(ORDERS + 'lines_where = { type = "gift" }\nrules = { lines_left_out = "error" }\n')
    (row,) = judged(settings, order([PARENT, 7, B]))
    assert row["reasons"] == ["line_invalid", "lines_left_out"]
    assert row["details"] == ["line 2: is no object", "line 1, 3: not in lines_where"]
    (row,) = judged(settings, order([PARENT] * 12))
    assert row["reasons"] == ["items_empty", "lines_left_out"]
    assert row["details"][1] == "line 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, …: not in lines_where"


@pytest.mark.parametrize("setting", ['items_as = "object"', 'lines_where = { a = "" }'])
def test_shapes_of_lines_are_for_orders(setting: str, tmp_path: Path) -> None:
    text = f'[sources.s]\nentity = "users"\nformat = "jsonl"\npath = "x"\n{setting}\n'
    with pytest.raises(ConfigError, match="is for orders, and this source feeds 'users': leave it out"):
        open_settings(str(write_config(tmp_path, text)))


CASES = [
    ("orders", "order_id,created_at,currency,items", 'o,2025-01-31,EUR,"[{""sku"":""A"",""qty"":1}]"', ["user_id", "amount"]),
    ("transactions", "transaction_id,sale_date,quantity,currency", "t,2025-01-31,1,EUR", ["customer_id", "product_id"]),
    ("products", "sku,name", "A,Cup", ["price"]),
]  # fmt: skip


@pytest.mark.parametrize(("entity", "header", "row", "lacking"), CASES)
def test_what_a_file_has_no_column_for_is_said_once_and_counted_in_no_record(
    entity: str, header: str, row: str, lacking: list[str], make_settings: Make
) -> None:
    text = f'[sources.s]\nentity = "{entity}"\nformat = "csv"\npath = "x"\n'
    settings = make_settings(text)
    whole = Record(row + "," * len(lacking), ",".join([header, *lacking]))
    without, empty = judged(settings, Record(row, header), whole)
    assert (without["reasons"], without["warnings"]) == ([], [])
    assert len(empty["warnings"]) == len(lacking)
    assert lacking_fields(settings.sources["s"], set(header.split(","))) == lacking
    assert lacking_fields(settings.sources["s"], {*header.split(","), *lacking}) == []
    assert lacking_fields(settings.sources["s"], set()) == []


def test_a_default_takes_the_place_of_a_column(make_settings: Make) -> None:
    settings = make_settings(
        '[sources.s]\nentity = "products"\nformat = "csv"\npath = "x"\ndefaults = { price = "2" }\n'
    )
    (row,) = judged(settings, Record("A", "sku"))
    assert (row["price"], lacking_fields(settings.sources["s"], {"sku"})) == (Decimal(2), [])
