"""gold's dimensions: users, products and orders with their unknown and inferred members; days."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pyspark.sql import SparkSession

from saleslake.config import Settings
from saleslake.errors import ConfigError
from saleslake.gold import catalogue, dim_date, dim_order, dim_product, dim_user
from saleslake.silver import orders, products, users
from tests import frames
from tests.frames import expect
from tests.gold_support import AT, DAY, frame

CATALOGUE = "sku string, name string, category string, manufacturer string, price decimal(18,4), price_currency string"


def test_users_are_registered_inferred_or_unknown(spark: SparkSession) -> None:
    registered = frame(
        spark,
        users.TABLE,
        [
            {"user_id": "u1", "email": "a@x", "created_at": "2025-01-01 10:00:00", "country": "DE"},
            {"user_id": "never bought"},
            {"user_id": "(unknown)", "email": "me@x"},
        ],
    )
    seen = frames.frame(spark, "user_id string", [("u1",), ("u2",), ("u2",), ("(unknown)",)])
    expect(
        dim_user.build(registered, seen),
        dim_user.TABLE,
        [
            ("(unknown)", None, None, None, True),
            ("never bought", None, None, None, False),
            ("u1", "a@x", "2025-01-01 10:00:00", "DE", False),
            ("u2", None, None, None, True),
        ],
    )


def test_the_unknown_user_is_there_where_nobody_else_is(spark: SparkSession) -> None:
    nobody = frame(spark, users.TABLE, [])
    expect(
        dim_user.build(nobody, frames.frame(spark, "user_id string", [])),
        dim_user.TABLE,
        [("(unknown)", None, None, None, True)],
    )


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
    usual = catalogue.precedence(make_settings(PRODUCT_SOURCES))
    assert usual == {field: ["z_api", "a_file", "b_file"] for field in FIELDS}
    set_ = catalogue.precedence(
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
    csv = {"category": "tools", "manufacturer": "ACME", "currency": "EUR"}
    silver = frame(
        spark,
        products.TABLE,
        [
            {"sku": "A", "source": "api", "name": "Anvil", "price": None, "currency": "USD"},
            {"sku": "A", "source": "csv", "name": "anvil, old", "price": 9, **csv},
            {"sku": "B", "source": "api", "name": "Bolt", "price": 1, "currency": None},
            {"sku": "B", "source": "csv", "name": "b", "price": 2, "currency": "EUR"},
            {"sku": "C", "source": "gone", "name": "from a source no longer configured", "price": 3},
            {"sku": "D", "source": "api", "name": "", "price": 4},
            {"sku": "D", "source": "csv", "name": "Drill"},
            {"sku": "E", "source": "api", "name": "Else", "manufacturer": "M", "price": "0.0001", "currency": "USD"},
            {"sku": "E", "source": "csv", "name": "else", "price": "99999999999999.9999", **csv},
            {"sku": "F", "source": "api", "name": ""},
        ],
    )
    trust = {field: ["api", "csv"] for field in FIELDS} | {"manufacturer": ["csv", "api"]}
    expect(
        catalogue.build(silver, trust),
        CATALOGUE,
        [
            ("A", "Anvil", "tools", "ACME", 9, "EUR"),
            ("B", "Bolt", None, None, 1, None),
            ("C", "from a source no longer configured", None, None, 3, None),
            ("D", "Drill", None, None, 4, None),
            ("E", "Else", "tools", "ACME", "0.0001", "USD"),
            ("F", "", None, None, None, None),
        ],
    )


def test_a_field_with_an_order_of_its_own_takes_its_currency_from_there(spark: SparkSession) -> None:
    silver = frame(
        spark,
        products.TABLE,
        [
            {"sku": "A", "source": "api", "name": "Anvil", "price": 1, "currency": "USD"},
            {"sku": "A", "source": "csv", "name": "anvil", "price": 2, "currency": "EUR"},
            {"sku": "B", "source": "api", "price": 3, "currency": "USD"},
            {"sku": "B", "source": "csv", "name": "b", "price": None, "currency": "EUR"},
        ],
    )
    trust = {field: ["api", "csv"] for field in FIELDS} | {"price": ["csv", "api"]}
    expect(
        catalogue.build(silver, trust),
        CATALOGUE,
        [("A", "Anvil", None, None, 2, "EUR"), ("B", "b", None, None, 3, "USD")],
    )


def test_products_are_catalogued_inferred_or_unknown(spark: SparkSession) -> None:
    catalogued = frames.frame(
        spark,
        CATALOGUE,
        [
            ("A", "Anvil", "tools", "ACME", 9, "EUR"),
            ("never sold", None, None, None, None, None),
            ("(unknown)", "x", None, None, None, None),
        ],
    )
    seen = frames.frame(spark, "sku string", [("A",), ("B",), ("B",), ("(unknown)",)])
    expect(
        dim_product.build(catalogued, seen),
        dim_product.TABLE,
        [
            ("(unknown)", None, None, None, None, None, True),
            ("A", "Anvil", "tools", "ACME", 9, "EUR", False),
            ("B", None, None, None, None, None, True),
            ("never sold", None, None, None, None, None, False),
        ],
    )


def test_an_order_has_one_row_with_its_amount_whatever_its_lines(spark: SparkSession) -> None:
    base = {"currency": "EUR", "channel": "web", "created_at": AT, "date": DAY}
    full = {"user_id": "u1", "amount": 15, "order_source": "Web ", "promo": "X", "warnings": ["rounded"]}
    cancelled = {"status": "cancelled", "is_sale": False}
    silver = frame(
        spark,
        orders.TABLE,
        [
            {"order_id": "o1", "items": [(n, "A", 1, 5, 5, None) for n in (1, 2, 3)], "is_sale": True, **full, **base},
            {"order_id": "o2", "items": [], **cancelled, **base},
        ],
    )
    expect(
        dim_order.build(silver),
        dim_order.TABLE,
        [
            ("o1", "u1", 15, "EUR", "Web ", "X", AT, None, True, ["rounded"], DAY),
            ("o2", "(unknown)", None, "EUR", None, None, AT, "cancelled", False, [], DAY),
        ],
    )


def test_days_are_described_once_each_and_only_those_that_are_referred_to(spark: SparkSession) -> None:
    days = ["2024-12-30", "2024-12-30", "2025-02-01", "2025-02-02", "2021-01-03", "0001-01-01", "9999-12-31"]
    expect(
        dim_date.build(frames.frame(spark, "date date, other int", [(day, None) for day in days])),
        dim_date.TABLE,
        [
            ("0001-01-01", 1, 1, 1, 1, 1, 1, "0001-01", False),
            ("2021-01-03", 2021, 1, 1, 3, 53, 7, "2021-01", True),
            ("2024-12-30", 2024, 4, 12, 30, 1, 1, "2024-12", False),
            ("2025-02-01", 2025, 1, 2, 1, 5, 6, "2025-02", True),
            ("2025-02-02", 2025, 1, 2, 2, 5, 7, "2025-02", True),
            ("9999-12-31", 9999, 4, 12, 31, 52, 5, "9999-12", False),
        ],
    )
