"""gold.fact_sales: lines of orders and of transactions, their prices, and what is flagged."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from saleslake.gold.fact_sales import TABLE, build
from saleslake.silver import orders, transactions
from tests.gold_support import AT, DAY, frame, order, row, rows_of, sale


def facts(
    spark: SparkSession, some_orders: list[dict[str, Any]], some_sales: list[dict[str, Any]], missing: str = "zero"
) -> DataFrame:
    prices = spark.createDataFrame(
        [
            ("A", D(7), "EUR"),
            ("U", D(7), "USD"),
            ("N", D(7), None),
            ("P", None, "EUR"),
            ("X", D("99999999999999"), "EUR"),
        ],
        "sku string, price decimal(18,4), price_currency string",
    )
    built = build(
        frame(spark, orders.TABLE, some_orders), frame(spark, transactions.TABLE, some_sales), prices, missing
    )
    wrong = built.where(~F.expr(TABLE.constraints["priced_or_flagged"])).count()
    assert wrong == 0, "Delta would refuse the table"
    return built


def by_key(built: DataFrame) -> dict[tuple[str, str], tuple[Any, ...]]:
    """(order_id, line_number) to (unit_price, line_amount, is_return, flags)."""
    return {
        (r["order_id"], r["line_number"]): (r["unit_price"], r["line_amount"], r["is_return"], r["flags"])
        for r in rows_of(built, TABLE)
    }


def test_orders_give_a_row_a_line_and_transactions_a_row_each(spark: SparkSession) -> None:
    built = facts(spark, [order("o1", (1, "A", "2", "5"), (3, "B", "0.5", "0.0001"))], [sale("t1", total_price=9)])
    assert rows_of(built, TABLE) == [
        row(
            TABLE,
            "orders",
            "o1",
            "1",
            "",
            "u1",
            "A",
            "2.000",
            "5.0000",
            "10.0000",
            "web",
            "EUR",
            "false",
            [],
            AT,
            DAY,
            "r-o1",
        ),
        row(
            TABLE,
            "orders",
            "o1",
            "3",
            "",
            "u1",
            "B",
            "0.500",
            "0.0001",
            "0.0001",
            "web",
            "EUR",
            "false",
            [],
            AT,
            DAY,
            "r-o1",
        ),
        row(
            TABLE,
            "transactions",
            "t1",
            "1",
            "",
            "c1",
            "A",
            "2.000",
            "4.5000",
            "9.0000",
            "store",
            "EUR",
            "false",
            [],
            AT,
            DAY,
            "r-t1",
        ),
    ]


def test_an_order_without_lines_has_no_row_and_the_unknown_member_stands_for_nobody(spark: SparkSession) -> None:
    built = facts(
        spark,
        [order("o1"), order("o2", (1, "A", "1", "1"), user_id=None)],
        [sale("t1", customer_id=None, product_id=None, total_price=1)],
    )
    assert [(r["order_id"], r["user_id"], r["sku"]) for r in rows_of(built, TABLE)] == [
        ("o2", "(unknown)", "A"),
        ("t1", "(unknown)", "(unknown)"),
    ]


ITEMS = order("o1", *[(n, sku, "2", None) for n, sku in enumerate("AUNPZ", 1)])


def test_a_line_without_a_price_is_zero_and_flagged(spark: SparkSession) -> None:
    assert by_key(facts(spark, [ITEMS], [])) == {
        ("o1", str(n)): ("0.0000", "0.0000", "false", ["price_missing"]) for n in range(1, 6)
    }


def test_or_takes_the_catalogue_price_where_its_currency_fits(spark: SparkSession) -> None:
    found = by_key(facts(spark, [ITEMS, order("o2", (1, "A", "2", "5"), (2, "X", "2", None))], [], "catalogue"))
    catalogue, missing = (
        ("7.0000", "14.0000", "false", ["catalogue_price"]),
        ("0.0000", "0.0000", "false", ["price_missing"]),
    )
    assert found == {
        ("o1", "1"): catalogue,
        ("o1", "2"): missing,
        ("o1", "3"): catalogue,
        ("o1", "4"): missing,
        ("o1", "5"): missing,
        ("o2", "1"): ("5.0000", "10.0000", "false", []),
        ("o2", "2"): missing,
    }


def test_a_sale_takes_its_total_then_unit_price_then_base_price_then_none(spark: SparkSession) -> None:
    cases: dict[str, tuple[dict[str, Any], tuple[Any, ...]]] = {
        "total": ({"total_price": 10, "unit_price": 6}, ("6.0000", "10.0000", "false", [])),
        "total only": ({"total_price": 10, "quantity": 3}, ("3.3333", "10.0000", "false", [])),
        "half up": ({"total_price": "0.0001"}, ("0.0001", "0.0001", "false", [])),
        "unit price": ({"unit_price": "0.3333", "quantity": "0.5"}, ("0.3333", "0.1667", "false", [])),
        "base price": ({}, ("7.0000", "14.0000", "false", ["base_price"])),
        "base of no currency": ({"product_id": "N"}, ("7.0000", "14.0000", "false", ["base_price"])),
        "other currency": ({"product_id": "U"}, (None, None, "false", ["unpriced"])),
        "priceless": ({"product_id": "P"}, (None, None, "false", ["unpriced"])),
        "not catalogued": ({"product_id": "Z"}, (None, None, "false", ["unpriced"])),
        "no product": ({"product_id": None}, (None, None, "false", ["unpriced"])),
        "base too large": ({"product_id": "X"}, (None, None, "false", ["unpriced"])),
        "zero total": ({"total_price": 0}, ("0.0000", "0.0000", "false", [])),
    }
    found = by_key(facts(spark, [], [sale(name, **fields) for name, (fields, _) in cases.items()]))
    assert {name: found[name, "1"] for name in cases} == {name: expected for name, (_, expected) in cases.items()}


def test_returns_are_told_by_quantity_price_or_total(spark: SparkSession) -> None:
    built = facts(
        spark,
        [
            order(
                "o1",
                (1, "A", "-2", "5"),
                (2, "A", "0", "5"),
                (3, "A", "2", "-5"),
                (4, "A", "-1", None),
                (5, "A", "2", "0"),
            )
        ],
        [
            sale("total", total_price=-1),
            sale("unit", unit_price=-1),
            sale("quantity", quantity=-2, total_price=-10),
            sale("none", quantity=0, total_price=5),
            sale("sold", total_price=1),
        ],
    )
    assert {key: (amount, is_return) for key, (_, amount, is_return, _) in by_key(built).items()} == {
        ("o1", "1"): ("-10.0000", "true"),
        ("o1", "2"): ("0.0000", "true"),
        ("o1", "3"): ("-10.0000", "true"),
        ("o1", "4"): ("0.0000", "true"),
        ("o1", "5"): ("0.0000", "false"),
        ("total", "1"): ("-1.0000", "true"),
        ("unit", "1"): ("-2.0000", "true"),
        ("quantity", "1"): ("-10.0000", "true"),
        ("none", "1"): ("5.0000", "true"),
        ("sold", "1"): ("1.0000", "false"),
    }


@pytest.mark.parametrize("missing", ["zero", "catalogue"])
def test_an_amount_beyond_money_is_out_of_revenue_and_flagged(missing: str, spark: SparkSession) -> None:
    built = facts(
        spark,
        [order("o1", (1, "A", "1000000", "1000000000"), (2, "A", "1", "1"))],
        [sale("t1", quantity=1000000, unit_price=1000000000)],
        missing,
    )
    assert by_key(built) == {
        ("o1", "1"): ("1000000000.0000", None, "false", ["unpriced"]),
        ("o1", "2"): ("1.0000", "1.0000", "false", []),
        ("t1", "1"): ("1000000000.0000", None, "false", ["unpriced"]),
    }


def test_sales_keyed_by_line_are_told_apart_by_file_and_line(spark: SparkSession) -> None:
    places = [("a.csv", 2), ("a.csv", 3), ("b.csv", 2)]
    built = facts(
        spark, [], [sale("t1", keyed_by_line=True, file=file, ordinal=n, total_price=1) for file, n in places]
    )
    assert [(r["order_id"], r["line_file"], int(r["line_number"])) for r in rows_of(built, TABLE)] == [
        ("t1", "a.csv", 2),
        ("t1", "b.csv", 2),
        ("t1", "a.csv", 3),
    ]


def test_the_order_amount_is_never_multiplied_by_its_lines(spark: SparkSession) -> None:
    one = rows_of(facts(spark, [order("o1", (1, "A", "1", "10"), amount=10)], []), TABLE)
    many = rows_of(facts(spark, [order("o1", *[(n, "A", "1", "1") for n in range(1, 11)], amount=10)], []), TABLE)
    assert "amount" not in TABLE.column_names
    assert sum(D(r["line_amount"]) for r in one) == sum(D(r["line_amount"]) for r in many) == 10
