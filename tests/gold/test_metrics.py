"""gold's metrics: product_revenue, channel_performance, customer_purchase_frequency, inventory_valuation."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from saleslake.gold import (
    channel_performance,
    customer_purchase_frequency,
    dim_product,
    fact_sales,
    inventory_valuation,
    product_revenue,
)
from saleslake.gold.sync import date_in
from saleslake.silver import stock
from tests.gold_support import frame, row, rows_of

DAY, NEXT = "2025-01-31", "2025-02-01"


def fact(spark: SparkSession, *rows: dict[str, Any]) -> DataFrame:
    """Lines of fact_sales; one line of one order of two A at 5, unless a row says otherwise."""
    usual = {
        "source_system": "orders",
        "order_id": "o1",
        "line_file": "",
        "user_id": "u1",
        "sku": "A",
        "quantity": 2,
        "line_amount": 10,
        "channel": "web",
        "currency": "EUR",
        "is_return": False,
        "flags": [],
        "date": DAY,
    }
    filled = [usual | {"line_number": n} | each for n, each in enumerate(rows, 1)]
    return frame(spark, fact_sales.TABLE, [{"created_at": f"{each['date']} 10:00:00"} | each for each in filled])


def test_revenue_is_gross_less_returns_per_product_day_and_currency(spark: SparkSession) -> None:
    rows = fact(
        spark,
        {},
        {"line_amount": "0.0001"},
        {"is_return": True, "quantity": -1, "line_amount": -5},
        {"is_return": True, "quantity": 0, "line_amount": 1},
        {"line_amount": None, "flags": ["unpriced"]},
        {"currency": "USD", "line_amount": 3},
        {"date": NEXT},
        {"sku": "B", "line_amount": None},
    )
    table = product_revenue.TABLE
    assert rows_of(product_revenue.build(rows), table) == [
        row(table, "A", "EUR", "10.0001", "-4.0000", "6.0001", "5.000", "1", DAY),
        row(table, "A", "USD", "3.0000", "0.0000", "3.0000", "2.000", "0", DAY),
        row(table, "B", "EUR", "0.0000", "0.0000", "0.0000", "2.000", "1", DAY),
        row(table, "A", "EUR", "10.0000", "0.0000", "10.0000", "2.000", "0", NEXT),
    ]


def test_sums_of_revenue_go_beyond_the_digits_of_money(spark: SparkSession) -> None:
    largest = {"line_amount": "99999999999999.9999", "quantity": "999999999999999.999"}
    (found,) = rows_of(product_revenue.build(fact(spark, largest, largest)), product_revenue.TABLE)
    assert (found["net"], found["units"]) == ("199999999999999.9998", "1999999999999999.998")


def test_a_channel_counts_distinct_orders_and_known_customers(spark: SparkSession) -> None:
    rows = fact(
        spark,
        {},
        {"sku": "B"},
        {"order_id": "o2"},
        {"source_system": "transactions", "order_id": "o1", "user_id": "u2"},
        {"order_id": "o3", "user_id": "(unknown)", "line_amount": None},
        {"order_id": "o4", "user_id": "(unknown)", "channel": "store"},
        {"order_id": "o5", "currency": "USD", "quantity": -2, "line_amount": -10, "is_return": True},
    )
    table = channel_performance.TABLE
    assert rows_of(channel_performance.build(rows), table) == [
        row(table, "store", "EUR", "1", "0", "2.000", "10.0000", "10.0000", DAY),
        row(table, "web", "EUR", "4", "2", "10.000", "40.0000", "10.0000", DAY),
        row(table, "web", "USD", "1", "1", "-2.000", "-10.0000", "-10.0000", DAY),
    ]


@pytest.mark.parametrize(
    ("amounts", "average"),
    [
        (["0.0001", "0"], "0.0001"),
        (["-0.0001", "0"], "-0.0001"),
        (["0.0001", "0", "0"], "0.0000"),
        (["10", "0", "0"], "3.3333"),
        (["20", "0", "0"], "6.6667"),
        (["99999999999999.9999"] * 2, "99999999999999.9999"),
    ],
)
def test_the_average_order_value_is_rounded_half_up(amounts: list[str], average: str, spark: SparkSession) -> None:
    rows = fact(spark, *[{"order_id": f"o{n}", "line_amount": amount} for n, amount in enumerate(amounts)])
    (found,) = rows_of(channel_performance.build(rows), channel_performance.TABLE)
    assert found["average_order_value"] == average


def test_purchase_frequency_follows_from_the_sales_alone(spark: SparkSession) -> None:
    def bought(user: str, order: str, at: str, **more: Any) -> dict[str, Any]:
        return {"user_id": user, "order_id": order, "created_at": at, "date": at[:10]} | more

    rows = fact(
        spark,
        bought("once", "a", "2025-01-31 10:00:00"),
        bought("once", "a", "2025-01-31 10:00:00", sku="B"),
        bought("same hour", "b", "2025-01-31 10:00:00"),
        bought("same hour", "c", "2025-01-31 11:00:00", currency="USD"),
        bought("thrice", "d", "2025-01-01 00:00:00"),
        bought("thrice", "e", "2025-01-02 12:00:00"),
        bought("thrice", "f", "2025-01-08 00:00:00"),
        bought("both systems", "g", "2025-01-01 00:00:00"),
        bought("both systems", "g", "2025-01-31 00:00:00", source_system="transactions"),
        bought("(unknown)", "h", "2025-01-31 10:00:00"),
    )
    table = customer_purchase_frequency.TABLE
    assert rows_of(customer_purchase_frequency.build(rows), table) == [
        row(table, "both systems", "2", "2025-01-01 00:00:00", "2025-01-31 00:00:00", "30.0000", "2.0000", "true"),
        row(table, "once", "1", "2025-01-31 10:00:00", "2025-01-31 10:00:00", None, "30.0000", "false"),
        row(table, "same hour", "2", "2025-01-31 10:00:00", "2025-01-31 11:00:00", "0.0417", "60.0000", "true"),
        row(table, "thrice", "3", "2025-01-01 00:00:00", "2025-01-08 00:00:00", "3.5000", "12.8571", "true"),
    ]


def test_stock_is_valued_from_the_end_of_the_day_it_was_counted(spark: SparkSession) -> None:
    products = frame(
        spark,
        dim_product.TABLE,
        [
            {"sku": sku, "category": "tools", "price": price, "price_currency": "EUR", "is_inferred": False}
            for sku, price in (
                ("A", "0.5"),
                ("never counted", 1),
                ("no price", None),
                ("oversold", 2),
                ("(unknown)", None),
            )
        ],
    )
    counts = frame(
        spark,
        stock.TABLE,
        [
            {"product_id": sku, "on_hand": on_hand, "counted_at": f"{DAY} {hour}"}
            for sku, on_hand, hour in (
                ("A", "10.001", "00:00:00"),
                ("no price", 3, "23:59:59"),
                ("oversold", 1, "12:00:00"),
                ("not catalogued", 4, "12:00:00"),
            )
        ],
    )
    sold = frame(
        spark,
        product_revenue.TABLE,
        [
            {
                "sku": sku,
                "currency": currency,
                "gross": 0,
                "returns": 0,
                "net": 0,
                "units": units,
                "unpriced_lines": 0,
                "date": day,
            }
            for sku, day, units, currency in (
                ("A", "2025-01-30", 100, "EUR"),
                ("A", DAY, 100, "EUR"),
                ("A", NEXT, 3, "EUR"),
                ("A", NEXT, -1, "USD"),
                ("A", "2025-02-02", 1, "EUR"),
                ("oversold", NEXT, 3, "EUR"),
                ("never counted", NEXT, 3, "EUR"),
            )
        ],
    )
    table, noon = inventory_valuation.TABLE, f"{DAY} 12:00:00"
    assert rows_of(inventory_valuation.build(products, counts, sold), table) == [
        row(table, "A", "tools", "EUR", "10.001", f"{DAY} 00:00:00", "3.000", "7.001", "0.5000", "3.5005", "valued"),
        row(table, "never counted", "tools", "EUR", None, None, "0.000", None, "1.0000", None, "no_count"),
        row(table, "no price", "tools", "EUR", "3.000", f"{DAY} 23:59:59", "0.000", "3.000", None, None, "no_price"),
        row(table, "not catalogued", None, None, "4.000", noon, "0.000", "4.000", None, None, "no_price"),
        row(table, "oversold", "tools", "EUR", "1.000", noon, "3.000", "-2.000", "2.0000", "-4.0000", "valued"),
    ]


def test_dates_of_any_year_prune_partitions(spark: SparkSession) -> None:
    dates = {date(24, 3, 1), date(9999, 12, 31)}
    rows = spark.createDataFrame([(date(24, 3, 1),), (date(2024, 3, 1),), (date(9999, 12, 31),)], "date date")
    assert {row[0] for row in rows.where(date_in(dates)).collect()} == dates
    assert rows.where(date_in(set())).count() == 0
