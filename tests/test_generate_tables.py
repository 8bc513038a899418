"""The defects that the generator states for its CSV files and product document are the ones in them."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from pathlib import Path

import pytest

from saleslake.generate import GenerateReport, generate


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("generated")
    generate(6000, 11, out, products=400)
    return out


@pytest.fixture(scope="module")
def report(folder: Path) -> GenerateReport:
    return GenerateReport.read(folder)


def rows_in(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


def repeated(rows: list[list[str]]) -> dict[str, int]:
    """How many keys stand twice, with the same and with other content."""
    versions: dict[str, list[list[str]]] = defaultdict(list)
    for row in rows:
        versions[row[0]].append(row)
    twice = [pair for key, pair in versions.items() if key and len(pair) == 2]
    duplicates = sum(pair[0] == pair[1] for pair in twice)
    return {"duplicate": duplicates, "correction": len(twice) - duplicates}


def test_defects_of_the_transactions_are_as_many_as_stated(folder: Path, report: GenerateReport) -> None:
    rows = rows_in(folder / "transactions.csv")
    whole = [row for row in rows if len(row) == 7]
    found = {
        "extra_field": sum(len(row) > 7 for row in rows),
        "missing_fields": sum(len(row) < 7 for row in rows),
        "missing_transaction_id": sum(row[0] == "" for row in whole),
        "missing_customer_id": sum(row[1] == "" for row in whole),
        "missing_sale_date": sum(row[3] == "" for row in whole),
        "bad_sale_date": sum(row[3] == "2024-02-31" for row in whole),
        "quantity_unreadable": sum(not row[4].lstrip("-").isdigit() for row in whole),
        "total_price_missing": sum(row[5] == "" for row in whole),
        "return_row": sum(row[4].startswith("-") for row in whole),
        "unknown_customer": sum(row[1] > "USR-99" for row in whole),
        "unknown_product": sum(row[2] > "SKU-99" for row in whole),
    }
    found |= repeated(whole)
    assert found == report.planted["transactions.csv"]


def test_defects_of_users_products_and_stock_are_as_many_as_stated(folder: Path, report: GenerateReport) -> None:
    users, products = rows_in(folder / "users.csv"), rows_in(folder / "products.csv")
    stock = rows_in(folder / "stock.csv")
    assert report.planted["users.csv"] == repeated(users) | {
        "missing_user_id": sum(row[0] == "" for row in users),
        "bad_created_at": sum(row[2] == "31.02.2022" for row in users),
        "extra_field": sum(len(row) > 4 for row in users),
    }
    assert report.planted["products.csv"] == repeated(products) | {
        "missing_sku": sum(row[0] == "" for row in products),
        "price_unreadable": sum(not row[3].replace(".", "").isdigit() for row in products),
        "extra_field": sum(len(row) > 4 for row in products),
    }
    assert report.planted["stock.csv"] == {
        "missing_product_id": sum(row[0] == "" for row in stock),
        "on_hand_unreadable": sum(not row[1].isdigit() for row in stock),
        "bad_counted_at": sum(not row[2].startswith("2024-") for row in stock),
    }


def test_defects_of_the_product_document_are_as_many_as_stated(folder: Path, report: GenerateReport) -> None:
    elements = json.loads((folder / "products_api.json").read_text(encoding="utf-8"))
    assert report.planted["products_api.json"] == {
        "element_not_object": sum(not isinstance(element, dict) for element in elements),
        "missing_product_id": sum(isinstance(e, dict) and e["product_id"] is None for e in elements),
    }
