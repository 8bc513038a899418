"""gold's dimensions: users, products and orders with their unknown and inferred members; days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal as D

import pytest
from pyspark.sql import SparkSession

from saleslake.config import Settings
from saleslake.errors import ConfigError
from saleslake.gold import dim_date, dim_order, dim_product, dim_user
from saleslake.silver import orders, products, users
from tests.gold_support import frame, row, rows_of


def test_users_are_registered_inferred_or_unknown(spark: SparkSession) -> None:
    registered = frame(
        spark,
        users.TABLE,
        [
            {"user_id": "u1", "email": "a@x", "created_at": "2025-01-01 10:00:00", "country": "DE"},
            {"user_id": "(unknown)", "email": "me@x"},
        ],
    )
    seen = spark.createDataFrame([("u1",), ("u2",), ("u2",), ("(unknown)",)], "user_id string")
    table = dim_user.TABLE
    assert rows_of(dim_user.build(registered, seen), table) == [
        row(table, "(unknown)", None, None, None, "true"),
        row(table, "u1", "a@x", "2025-01-01 10:00:00", "DE", "false"),
        row(table, "u2", None, None, None, "true"),
    ]


FIELDS = ("name", "category", "manufacturer", "price")
PRODUCT_SOURCES = """
[sources.b_file]
entity = "products"
format = "csv"
path = "b.csv"
[sources.a_file]
entity = "products"
format = "csv"
path = "a.csv"
[sources.z_api]
entity = "products"
format = "api"
[sources.z_api.api]
url = "http://localhost/p"
"""


def test_apis_are_trusted_before_files_unless_a_field_says_otherwise(make_settings: Callable[[str], Settings]) -> None:
    usual = dim_product.precedence(make_settings(PRODUCT_SOURCES))
    assert usual == {field: ["z_api", "a_file", "b_file"] for field in FIELDS}
    set_ = dim_product.precedence(
        make_settings(
            '[gold.product_precedence]\ndefault = ["b_file"]\nprice = ["a_file", "z_api"]\n' + PRODUCT_SOURCES
        )
    )
    assert {field: list(dict.fromkeys(order)) for field, order in set_.items()} == {
        **{field: ["b_file", "z_api", "a_file"] for field in FIELDS},
        "price": ["a_file", "z_api", "b_file"],
    }


@pytest.mark.parametrize(
    ("line", "message"),
    [('colour = ["z_api"]', "no such field"), ('price = ["gone"]', "'gone' is no source of products")],
)
def test_a_precedence_that_names_nothing_is_refused(
    line: str, message: str, make_settings: Callable[[str], Settings]
) -> None:
    with pytest.raises(ConfigError, match=message):
        make_settings(f"[gold.product_precedence]\n{line}\n" + PRODUCT_SOURCES)


def test_each_field_comes_from_the_most_trusted_source_that_has_it_and_currency_goes_with_price(
    spark: SparkSession,
) -> None:
    silver = frame(
        spark,
        products.TABLE,
        [
            {"sku": "A", "source": "api", "name": "Anvil", "price": None, "currency": "USD"},
            {
                "sku": "A",
                "source": "csv",
                "name": "anvil, old",
                "category": "tools",
                "manufacturer": "ACME",
                "price": 9,
                "currency": "EUR",
            },
            {"sku": "B", "source": "api", "name": "Bolt", "price": 1, "currency": None},
            {"sku": "B", "source": "csv", "name": "b", "price": 2, "currency": "EUR"},
            {"sku": "D", "source": "api", "name": "", "price": 4},
            {"sku": "D", "source": "csv", "name": "Drill"},
            {"sku": "C", "source": "gone", "name": "from a source no longer configured", "price": 3, "currency": "EUR"},
        ],
    )
    trust = {field: ["api", "csv"] for field in FIELDS} | {"manufacturer": ["csv", "api"]}
    found = {r["sku"]: tuple(r)[1:] for r in dim_product.catalogue(silver, trust).collect()}
    assert {sku: found[sku] for sku in "ABD"} == {
        "A": ("Anvil", "tools", "ACME", D("9.0000"), "EUR"),
        "B": ("Bolt", None, None, D("1.0000"), None),
        "D": ("Drill", None, None, D("4.0000"), None),
    }
    assert found["C"][:4] == ("from a source no longer configured", None, None, D("3.0000"))


def test_products_are_catalogued_inferred_or_unknown(spark: SparkSession) -> None:
    catalogued = spark.createDataFrame(
        [("A", "Anvil", "tools", "ACME", D(9), "EUR"), ("(unknown)", "x", None, None, None, None)],
        "sku string, name string, category string, manufacturer string, price decimal(18,4), price_currency string",
    )
    seen = spark.createDataFrame([("A",), ("B",), ("B",), ("(unknown)",)], "sku string")
    table = dim_product.TABLE
    assert rows_of(dim_product.build(catalogued, seen), table) == [
        row(table, "(unknown)", None, None, None, None, None, "true"),
        row(table, "A", "Anvil", "tools", "ACME", "9.0000", "EUR", "false"),
        row(table, "B", None, None, None, None, None, "true"),
    ]


def test_an_order_has_one_row_with_its_amount_whatever_its_lines(spark: SparkSession) -> None:
    lines = [(n, "A", D(1), D(5)) for n in (1, 2, 3)]
    base = {"currency": "EUR", "channel": "web", "created_at": "2025-01-31 10:00:00", "date": "2025-01-31"}
    silver = frame(
        spark,
        orders.TABLE,
        [
            {
                "order_id": "o1",
                "user_id": "u1",
                "amount": 15,
                "order_source": "Web ",
                "promo": "X",
                "items": lines,
                "warnings": ["rounded"],
                **base,
            },
            {"order_id": "o2", "items": [], **base},
        ],
    )
    table = dim_order.TABLE
    assert rows_of(dim_order.build(silver), table) == [
        row(table, "o1", "u1", "15.0000", "EUR", "Web ", "X", "2025-01-31 10:00:00", ["rounded"], "2025-01-31"),
        row(table, "o2", "(unknown)", None, "EUR", None, None, "2025-01-31 10:00:00", [], "2025-01-31"),
    ]


def test_days_are_described_once_each_and_only_those_that_are_referred_to(spark: SparkSession) -> None:
    days = ["2024-12-30", "2024-12-30", "2025-02-01", "2025-02-02", "0001-01-01", "9999-12-31"]
    table = dim_date.TABLE
    built = dim_date.build(spark.createDataFrame([(date.fromisoformat(d),) for d in days], "date date"))
    assert rows_of(built, table) == [
        row(table, "0001-01-01", "1", "1", "1", "1", "1", "1", "0001-01", "false"),
        row(table, "2024-12-30", "2024", "4", "12", "30", "1", "1", "2024-12", "false"),
        row(table, "2025-02-01", "2025", "1", "2", "1", "5", "6", "2025-02", "true"),
        row(table, "2025-02-02", "2025", "1", "2", "2", "5", "7", "2025-02", "true"),
        row(table, "9999-12-31", "9999", "4", "12", "31", "52", "5", "9999-12", "false"),
    ]
