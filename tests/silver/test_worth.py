"""What a sale is worth and whether it is one: line totals, exact products, statuses, purchases, keys of several columns."""

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
from tests.conftest import write_config
from tests.silver_support import Given, Record, judge

Make = Callable[[str], Settings]
ORDERS = '[sources.s]\nentity = "orders"\nformat = "jsonl"\npath = "x"\n'
SALES = '[sources.s]\nentity = "transactions"\nformat = "csv"\npath = "x"\n'


def order(*lines: dict[str, Any] | str, **fields: Any) -> str:
    """An order of 10 EUR with these lines; numbers as texts are written as they stand, without quotes."""
    items = [line if isinstance(line, str) else json.dumps({"sku": "A", "qty": 1} | line) for line in lines]
    content = {"order_id": "o1", "user_id": "u1", "amount": 10, "currency": "EUR", "created_at": "2025-01-31"} | fields
    return json.dumps(content)[:-1] + f', "items": [{", ".join(items)}]}}'


def judged(settings: Settings, *records: Given) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = judge(settings, records).to_pylist()
    return rows


TOTALS = ORDERS + '[sources.s.mapping]\n"items.total" = "line_total"\n'


def line_of(settings: Settings, line: str) -> tuple[Any, ...]:
    """(unit_price, amount) of the one line, or the reasons that the order was rejected for."""
    (row,) = judged(settings, order(line))
    if row["reasons"]:
        return tuple(row["reasons"])
    (found,) = row["items"]
    return found["unit_price"], found["amount"]


@pytest.mark.parametrize(
    ("line", "price_and_amount"),
    [
        ('{"sku": "A", "qty": 2, "line_total": 25.00}', (None, "25")),
        ('{"sku": "A", "qty": 2, "price": 15, "line_total": 25.00}', ("15", "25")),
        ('{"sku": "A", "qty": 2, "price": 15, "line_total": null}', ("15", "30")),
        ('{"sku": "A", "qty": 2, "price": 15, "line_total": " "}', ("15", "30")),
        ('{"sku": "A", "qty": 2, "line_total": "-25.00"}', (None, "-25")),
        ('{"sku": "A", "qty": 2, "line_total": 0}', (None, "0")),
        ('{"sku": "A", "qty": 2}', (None, None)),
        ('{"sku": "A", "qty": 1000, "price": 0.01234567}', ("0.0123", "12.3457")),
        ('{"sku": "A", "qty": 0.0005, "price": 1000}', ("1000", "0.5")),
        ('{"sku": "A", "qty": 3, "price": 0.33335}', ("0.3334", "1.0001")),
        ('{"sku": "A", "qty": -3, "price": 0.33335}', ("0.3334", "-1.0001")),
        ('{"sku": "A", "qty": 0.125, "price": 0.0004}', ("0.0004", "0.0001")),
        ('{"sku": "A", "qty": 2, "line_total": "abc"}', ("price_unreadable",)),
        ('{"sku": "A", "qty": 2, "line_total": {"a": 1}}', ("price_unreadable",)),
        ('{"sku": "A", "qty": 2, "line_total": 1e14}', ("number_overflow",)),
        ('{"sku": "A", "qty": 1000, "price": 99999999999999.99}', ("number_overflow",)),
        ('{"sku": "A", "qty": 1, "price": 99999999999999.9999}', ("99999999999999.9999", "99999999999999.9999")),
    ],
)
def test_a_line_was_sold_for_its_total_or_for_quantity_times_price_rounded_once(
    line: str, price_and_amount: tuple[str | None, ...], make_settings: Make
) -> None:
    found = line_of(make_settings(TOTALS), line)
    if "reasons" in found or len(price_and_amount) == 1:
        assert found == price_and_amount
    else:
        assert found == tuple(None if each is None else Decimal(each) for each in price_and_amount)


def test_a_field_named_total_is_no_line_total_until_it_is_mapped(make_settings: Make) -> None:
    assert line_of(make_settings(ORDERS), '{"sku": "A", "qty": 2, "price": 10, "total": 1}') == (10, 20)


def test_the_amount_is_compared_with_what_the_lines_were_sold_for(make_settings: Make) -> None:
    same, other = judged(
        make_settings(TOTALS),
        order({"qty": 2, "price": 10, "line_total": 10}),
        order({"qty": 2, "price": 5, "line_total": 11}, amount=10),
    )
    assert (same["warnings"], other["warnings"]) == ([], ["amount_mismatch"])


def test_a_line_is_returned_where_its_total_is_negative(make_settings: Make) -> None:
    (row,) = judged(make_settings(TOTALS), order({"line_total": -10}, amount=-10))
    assert row["warnings"] == ["return_line"]


def test_a_sale_is_worth_its_total_or_the_exact_product(make_settings: Make) -> None:
    header = "transaction_id,sale_date,quantity,currency,total_price,unit_price"
    rows = [
        "1,2025-01-31,1000,EUR,,0.01234567",
        "2,2025-01-31,2,EUR,5,0.01",
        "3,2025-01-31,2,EUR,,",
        "4,2025-01-31,1e9,EUR,,1e9",
    ]
    found = judged(make_settings(SALES), *[Record(row, header) for row in rows])
    assert [row["amount"] for row in found] == [Decimal("12.3457"), Decimal(5), None, None]
    assert [row["reasons"] for row in found] == [[], [], [], ["number_overflow"]]


STATUS = '[sources.s.mapping]\nstatus = "state"\n'


@pytest.mark.parametrize(
    ("settings", "status", "is_sale"),
    [
        ("", "paid", True),
        ("", "cancelled", False),
        ("", " CANCELED ", False),
        ("", "Pending", False),
        ("", "test", False),
        ("", None, True),
        ("", "", True),
        ('no_sales = ["on-hold"]\n', "On Hold", False),
        ('no_sales = ["on-hold"]\n', "ON_HOLD", False),
        ('no_sales = ["on-hold"]\n', "cancelled", True),
        ("no_sales = []\n", "cancelled", True),
    ],
)
def test_statuses_say_what_is_no_sale(settings: str, status: str | None, is_sale: bool, make_settings: Make) -> None:
    (of_order,) = judged(make_settings(ORDERS + settings + STATUS), order({"price": 10}, state=status))
    assert (of_order["is_sale"], of_order["status"]) == (is_sale, (status or "").strip() or None)
    assert of_order["warnings"] == ([] if is_sale else ["no_sale"])
    header = "transaction_id,sale_date,quantity,currency,total_price,state"
    row = Record(f"1,2025-01-31,2,EUR,5,{status or ''}", header)
    (sale,) = judged(make_settings(SALES + settings + STATUS), row)
    assert (sale["is_sale"], "no_sale" in sale["warnings"]) == (is_sale, not is_sale)


def test_a_field_named_status_is_kept_out_until_it_is_mapped(make_settings: Make) -> None:
    (row,) = judged(make_settings(ORDERS), order({"price": 10}, status="cancelled"))
    assert (row["is_sale"], row["status"]) == (True, None)


def test_a_sale_knows_its_order_where_that_is_mapped(make_settings: Make) -> None:
    header, row = "transaction_id,sale_date,quantity,currency,order_id", "1,2025-01-31,2,EUR, p1 "
    for mapping, order_id in (("", None), ('[sources.s.mapping]\norder_id = "order_id"\n', "p1")):
        (found,) = judged(make_settings(SALES + mapping), Record(row, header))
        assert found["order_id"] == order_id


def test_several_columns_are_a_key_together(make_settings: Make) -> None:
    settings = make_settings(SALES.replace('path = "x"', 'path = "x"\nkey = ["store", "receipt"]'))
    header = "store,receipt,transaction_id,sale_date,quantity,currency"
    rows = ["7,1,9", "8,1,9", "a|b,c,9", "a,b|c,9", "a\\,b,9", "7,,9", "NULL,1,9", "4.5E+11,1,9", "7,1.0,"]
    found = judged(settings, *[Record(f"{row},2025-01-31,2,EUR", header) for row in rows])
    keys = [row["transaction_key"] for row in found]
    assert keys[:5] == ["7|1", "8|1", "a\\|b|c", "a|b\\|c", "a\\\\|b"]
    assert (keys[5], keys[6], keys[8]) == (None, None, "7|1")
    assert [row["reasons"] for row in found[5:8]] == [["key_missing"], ["key_missing"], ["key_mangled"]]
    assert {row["transaction_id"] for row in found[:5]} == {"9"} and found[8]["transaction_id"] == "7|1"
    (of_json,) = judged(make_settings(ORDERS + 'key = ["shop.id", "order_id"]\n'), order({"price": 10}, shop={"id": 3}))
    assert of_json["order_id"] == "3|o1"


@pytest.mark.parametrize(
    ("entity", "key", "says"),
    [
        ("users", '["a", "b"]', "several columns are for orders and transactions; users has one"),
        ("orders", '["a"]', "give two or more different columns; one alone is mapped to the key"),
        ("orders", '["a", "a"]', "give two or more different columns; one alone is mapped to the key"),
    ],
)
def test_a_key_of_several_columns_is_checked_at_the_start(entity: str, key: str, says: str, tmp_path: Path) -> None:
    text = f'[sources.s]\nentity = "{entity}"\nformat = "jsonl"\npath = "x"\nkey = {key}\n'
    with pytest.raises(ConfigError, match=says):
        open_settings(str(write_config(tmp_path, text)))
