"""The generator says exactly what it wrote: every count here is taken from the files again, by other means."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from saleslake.errors import ConfigError
from saleslake.generate import GenerateReport, generate, generate_increment
from saleslake.synthetic.plan import ORDER_DEFECTS

ORDERS, SEED = 6000, 11

Record = dict[str, Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("generated")
    generate(ORDERS, SEED, out)
    return out


@pytest.fixture(scope="module")
def report(folder: Path) -> GenerateReport:
    return GenerateReport.read(folder)


def orders_in(folder: Path) -> tuple[list[Record], list[str]]:
    """The lines that are JSON objects, amounts exact; and the other lines."""
    objects: list[Record] = []
    others: list[str] = []
    for line in (folder / "orders.jsonl").read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line, parse_float=Decimal)
        except ValueError:
            record = None
        if isinstance(record, dict):
            objects.append(record)
        else:
            others.append(line)
    return objects, others


def rows_in(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


def digest(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def total(order: Record) -> Decimal:
    return sum((Decimal(item["qty"]) * Decimal(item.get("price", 0)) for item in order["items"]), Decimal(0))


def is_time(value: object) -> bool:
    try:
        return bool(datetime.strptime(str(value), "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:
        return False


def is_number(value: object) -> bool:
    return type(value) in (int, Decimal) or (isinstance(value, str) and value.lstrip("-").replace(".", "", 1).isdigit())


def plain_items(order: Record) -> bool:
    """Whether the lines are objects with a sku and a readable quantity."""
    items = order.get("items")
    return bool(items) and all(isinstance(i, dict) and "sku" in i and is_number(i.get("qty")) for i in items or [])


def versions_of(objects: list[Record]) -> dict[str, list[Record]]:
    by_key: dict[str, list[Record]] = defaultdict(list)
    for order in objects:
        if order.get("order_id"):
            by_key[order["order_id"]].append(order)
    return by_key


BIG = Decimal(10) ** 14

ONE_ORDER: dict[str, Callable[[Record], bool]] = {
    "missing_order_id": lambda o: not o.get("order_id"),
    "missing_created_at": lambda o: not o.get("created_at"),
    "unreadable_created_at": lambda o: bool(o.get("created_at")) and not is_time(o["created_at"]),
    "missing_currency": lambda o: not o.get("currency"),
    "missing_user_id": lambda o: not o.get("user_id"),
    "items_empty": lambda o: o.get("items") == [],
    "items_missing": lambda o: "items" not in o,
    "item_not_object": lambda o: any(not isinstance(i, dict) for i in o.get("items", [])),
    "item_without_sku": lambda o: any(isinstance(i, dict) and "sku" not in i for i in o.get("items", [])),
    "quantity_missing": lambda o: any(isinstance(i, dict) and "qty" not in i for i in o.get("items", [])),
    "quantity_unreadable": lambda o: (
        "updated_at" not in o
        and any(isinstance(i, dict) and "qty" in i and not is_number(i["qty"]) for i in o.get("items", []))
    ),
    "overflow": lambda o: is_number(o.get("amount")) and Decimal(o["amount"]) >= BIG,
    "amount_missing": lambda o: "amount" not in o,
    "amount_mismatch": lambda o: (
        plain_items(o) and "amount" in o and Decimal(o["amount"]) < BIG and Decimal(o["amount"]) != total(o)
    ),
    "year_9999": lambda o: str(o.get("created_at")).startswith("9999"),
    "return_line": lambda o: plain_items(o) and any(Decimal(i["qty"]) < 0 for i in o["items"]),
    "zero_price": lambda o: plain_items(o) and any(i.get("price") == 0 for i in o["items"]),
    "price_missing": lambda o: plain_items(o) and any("price" not in i for i in o["items"]),
    "repeated_sku": lambda o: plain_items(o) and len({i["sku"] for i in o["items"]}) < len(o["items"]),
    "extra_fields": lambda o: "loyalty" in o,
    "numbers_as_strings": lambda o: isinstance(o.get("amount"), str),
    "unknown_user": lambda o: str(o.get("user_id")) > "USR-99",
    "unknown_product": lambda o: plain_items(o) and any(i["sku"] > "SKU-99" for i in o["items"]),
}


@pytest.mark.parametrize("kind", ONE_ORDER)
def test_every_stated_kind_of_order_is_in_the_file_as_often_as_stated(
    kind: str, folder: Path, report: GenerateReport
) -> None:
    objects, _ = orders_in(folder)
    assert report.planted["orders.jsonl"][kind] > 0
    assert sum(map(ONE_ORDER[kind], objects)) == report.planted["orders.jsonl"][kind]


def test_lines_that_are_no_objects_are_as_many_as_stated(folder: Path, report: GenerateReport) -> None:
    _, others = orders_in(folder)
    truncated = [line for line in others if line.startswith("{")]
    assert len(truncated) == report.planted["orders.jsonl"]["truncated_line"]
    assert len(others) - len(truncated) == report.planted["orders.jsonl"]["not_an_object"]


def test_duplicates_and_corrections_are_as_many_as_stated(folder: Path, report: GenerateReport) -> None:
    found: dict[str, int] = defaultdict(int)
    for versions in versions_of(orders_in(folder)[0]).values():
        if len(versions) == 1:
            continue
        first, second = versions[0], versions[1]
        if len(versions) == 3:
            kind = "correction_there_and_back"
            assert versions[0]["items"] == versions[2]["items"] != second["items"]
        elif first == second:
            kind = "duplicate"
        elif "updated_at" in first:
            kind = "correction_before_original"
        elif not plain_items(second):
            kind = "correction_broken"
        elif len(second["items"]) < len(first["items"]):
            kind = "correction_shrunk"
        elif second["created_at"][:10] < first["created_at"][:10]:
            kind = "correction_moved_date"
        else:
            kind = "correction_quantity"
        found[kind] += 1
    planted = report.planted["orders.jsonl"]
    stated = {kind: count for kind, count in planted.items() if kind == "duplicate" or kind.startswith("correction")}
    assert dict(found) == stated


def test_shares_are_those_asked_for(report: GenerateReport) -> None:
    planted = report.planted["orders.jsonl"]
    corrections = sum(count for kind, count in planted.items() if kind.startswith("correction"))
    defects = sum(count for kind, count in planted.items() if kind in ORDER_DEFECTS)
    assert (planted["duplicate"], corrections, defects) == (ORDERS * 0.03, ORDERS * 0.02, ORDERS * 0.02)


def test_records_and_distinct_keys_are_those_stated(folder: Path, report: GenerateReport) -> None:
    objects, others = orders_in(folder)
    assert report.records["orders.jsonl"] == len(objects) + len(others)
    assert report.distinct_keys["orders.jsonl"] == len(versions_of(objects))
    for name in ("users.csv", "products.csv", "stock.csv", "transactions.csv"):
        rows = rows_in(folder / name)
        assert report.records[name] == len(rows), name
        assert report.distinct_keys[name] == len({row[0] for row in rows if row[0]}), name
    elements = json.loads((folder / "products_api.json").read_text(encoding="utf-8"))
    keys = {element["product_id"] for element in elements if isinstance(element, dict)} - {None}
    assert report.records["products_api.json"] == len(elements)
    assert report.distinct_keys["products_api.json"] == len(keys)


def test_amounts_are_the_exact_sum_of_the_lines_where_nothing_is_planted(folder: Path) -> None:
    plain = [o for o in orders_in(folder)[0] if plain_items(o) and not any(test(o) for test in ONE_ORDER.values())]
    assert len(plain) > ORDERS * 0.9
    assert all(order["amount"] == total(order) for order in plain)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_gives_others(folder: Path, tmp_path: Path) -> None:
    generate(ORDERS, SEED, tmp_path / "same")
    generate(ORDERS, SEED + 1, tmp_path / "other")
    assert digest(tmp_path / "same") == digest(folder)
    assert digest(tmp_path / "other")["orders.jsonl"] != digest(folder)["orders.jsonl"]


def test_a_set_without_defects_holds_each_order_once(tmp_path: Path) -> None:
    made = generate(500, SEED, tmp_path, defects=0, duplicates=0, corrections=0, start=date(2023, 5, 1), days=10)
    assert made.records["orders.jsonl"] == made.distinct_keys["orders.jsonl"] == 500
    days = {order["created_at"][:10] for order in orders_in(tmp_path)[0]}
    assert days == {f"2023-05-{day:02d}" for day in range(1, 11)}


def test_an_increment_brings_new_orders_and_later_versions_of_recent_ones(folder: Path, tmp_path: Path) -> None:
    made = generate_increment(folder, 300, 1, tmp_path / "once", defects=0)
    base, (new, others) = versions_of(orders_in(folder)[0]), orders_in(tmp_path / "once")
    corrections = [order for order in new if order["order_id"] in base]
    assert (len(new), len(others), len(corrections)) == (300, 0, 30)
    assert made.records["orders.jsonl"] == made.distinct_keys["orders.jsonl"] == 300
    assert made.planted["orders.jsonl"]["correction_quantity"] == 30
    for order in corrections:
        [old] = base[order["order_id"]]
        assert order["created_at"] == old["created_at"] >= "2024-03-24"
        assert order["updated_at"] >= "2024-03-31"
        assert order["items"] != old["items"]
    fresh = [order["created_at"] for order in new if order["order_id"] not in base]
    assert min(fresh) >= "2024-03-29"
    assert max(fresh) < "2024-04-01"
    generate_increment(folder, 300, 1, tmp_path / "again", defects=0)
    assert digest(tmp_path / "again") == digest(tmp_path / "once")


def test_arguments_out_of_range_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        generate(0, SEED, tmp_path)
    with pytest.raises(ConfigError, match="add up"):
        generate(100, SEED, tmp_path, defects=0.8, duplicates=0.3)
    with pytest.raises(ConfigError, match="hold"):
        generate_increment(folder, 60_000, SEED, tmp_path)
    with pytest.raises(ConfigError, match=r"defects\.json"):
        generate_increment(tmp_path / "nothing", 10, SEED, tmp_path)
