"""gold's metrics: product_revenue, channel_performance, customer_purchase_frequency, inventory_valuation."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from saleslake.gold import (
    channel_performance,
    customer_purchase_frequency,
    dim_product,
    fact_sales,
    inventory_valuation,
    product_revenue,
)
from saleslake.silver import stock
from tests.frames import expect
from tests.gold_support import frame

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
        "is_refund": False,
        "flags": [],
        "date": DAY,
        "record_id": "r",
    }
    filled = [usual | {"line_number": n} | each for n, each in enumerate(rows, 1)]
    told = [{"created_at": f"{each['date']} 10:00:00", "purchase_id": each["order_id"]} | each for each in filled]
    return frame(spark, fact_sales.TABLE, told)


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
    expect(
        product_revenue.build(rows),
        product_revenue.TABLE,
        [
            ("A", "EUR", "10.0001", "-4.0000", "6.0001", "5.000", 1, DAY),
            ("A", "USD", "3.0000", "0.0000", "3.0000", "2.000", 0, DAY),
            ("B", "EUR", "0.0000", "0.0000", "0.0000", "2.000", 1, DAY),
            ("A", "EUR", "10.0000", "0.0000", "10.0000", "2.000", 0, NEXT),
        ],
    )


def test_sums_of_revenue_go_beyond_the_digits_of_money(spark: SparkSession) -> None:
    largest = {"line_amount": "99999999999999.9999", "quantity": "999999999999999.999"}
    net, units = "199999999999999.9998", "1999999999999999.998"
    expect(
        product_revenue.build(fact(spark, largest, largest)),
        product_revenue.TABLE,
        [("A", "EUR", net, 0, net, units, 0, DAY)],
    )


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
        {"order_id": "o1", "date": NEXT},
    )
    expect(
        channel_performance.build(rows),
        channel_performance.TABLE,
        [
            ("store", "EUR", 1, 0, "2.000", "10.0000", 0, "10.0000", DAY),
            ("web", "EUR", 4, 2, "10.000", "40.0000", 0, "10.0000", DAY),
            ("web", "USD", 1, 1, "-2.000", "-10.0000", 0, "-10.0000", DAY),
            ("web", "EUR", 1, 1, "2.000", "10.0000", 0, "10.0000", NEXT),
        ],
    )


def test_a_refund_lowers_revenue_and_is_no_purchase(spark: SparkSession) -> None:
    back = {"is_return": True, "is_refund": True, "quantity": -1, "line_amount": -4}
    rows = fact(
        spark,
        {},
        {"order_id": "o2", "line_amount": 20, "user_id": "u2"},
        {"order_id": "o1"} | back,
        {"order_id": "o3", "user_id": "u3"} | back,
        {"order_id": "o1", "date": NEXT} | back,
    )
    expect(
        channel_performance.build(rows),
        channel_performance.TABLE,
        [
            ("web", "EUR", 2, 2, "2.000", "22.0000", "-8.0000", "15.0000", DAY),
            ("web", "EUR", 0, 0, "-1.000", "-4.0000", "-4.0000", None, NEXT),
        ],
    )
    expect(
        customer_purchase_frequency.build(rows),
        customer_purchase_frequency.TABLE,
        [(user, 1, f"{DAY} 10:00:00", f"{DAY} 10:00:00", None, 30, False) for user in ("u1", "u2")],
    )


def test_the_average_order_value_is_rounded_half_up(spark: SparkSession) -> None:
    largest = "99999999999999.9999"
    amounts = {
        "half": ["0.0001", "0"],
        "half below zero": ["-0.0001", "0"],
        "third": ["0.0001", "0", "0"],
        "third of ten": ["10", "0", "0"],
        "two thirds of ten": ["20", "0", "0"],
        "largest": [largest, largest],
    }
    rows = [
        {"channel": channel, "order_id": f"o{n}", "line_amount": amount}
        for channel, each in amounts.items()
        for n, amount in enumerate(each)
    ]
    one_order = [{"channel": "beyond money", "line_amount": largest}] * 2
    expect(
        channel_performance.build(fact(spark, *rows, *one_order)),
        channel_performance.TABLE,
        [
            ("half", "EUR", 2, 1, 4, "0.0001", 0, "0.0001", DAY),
            ("half below zero", "EUR", 2, 1, 4, "-0.0001", 0, "-0.0001", DAY),
            ("third", "EUR", 3, 1, 6, "0.0001", 0, "0.0000", DAY),
            ("third of ten", "EUR", 3, 1, 6, 10, 0, "3.3333", DAY),
            ("two thirds of ten", "EUR", 3, 1, 6, 20, 0, "6.6667", DAY),
            ("largest", "EUR", 2, 1, 4, "199999999999999.9998", 0, largest, DAY),
            ("beyond money", "EUR", 1, 1, 4, "199999999999999.9998", 0, None, DAY),
        ],
    )


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
    expect(
        customer_purchase_frequency.build(rows),
        customer_purchase_frequency.TABLE,
        [
            ("both systems", 2, "2025-01-01 00:00:00", "2025-01-31 00:00:00", "30.0000", "2.0000", True),
            ("once", 1, "2025-01-31 10:00:00", "2025-01-31 10:00:00", None, "30.0000", False),
            ("same hour", 2, "2025-01-31 10:00:00", "2025-01-31 11:00:00", "0.0417", "60.0000", True),
            ("thrice", 3, "2025-01-01 00:00:00", "2025-01-08 00:00:00", "3.5000", "12.8571", True),
        ],
    )


def test_stock_is_valued_from_the_end_of_the_day_it_was_counted(spark: SparkSession) -> None:
    catalogue = {"A": "0.5", "never counted": 1, "no price": None, "oversold": 2, "(unknown)": None}
    usual = {"category": "tools", "price_currency": "EUR", "is_inferred": False}
    products = frame(
        spark, dim_product.TABLE, [usual | {"sku": sku, "price": price} for sku, price in catalogue.items()]
    )
    counted = [
        ("A", "10.001", "00:00:00"),
        ("no price", 3, "23:59:59"),
        ("oversold", 1, "12:00:00"),
        ("not catalogued", 4, "12:00:00"),
    ]
    counts = frame(
        spark,
        stock.TABLE,
        [{"product_id": sku, "on_hand": on_hand, "counted_at": f"{DAY} {hour}"} for sku, on_hand, hour in counted],
    )
    sold = [
        ("A", "2025-01-30", 100, "EUR"),
        ("A", DAY, 100, "EUR"),
        ("A", NEXT, 3, "EUR"),
        ("A", NEXT, -1, "USD"),
        ("A", "2025-02-02", 1, "EUR"),
        ("oversold", NEXT, 3, "EUR"),
        ("never counted", NEXT, 3, "EUR"),
    ]
    none = {"gross": 0, "returns": 0, "net": 0, "unpriced_lines": 0}
    revenue = frame(
        spark,
        product_revenue.TABLE,
        [none | {"sku": sku, "currency": currency, "units": units, "date": day} for sku, day, units, currency in sold],
    )
    noon = f"{DAY} 12:00:00"
    expect(
        inventory_valuation.build(products, counts, revenue),
        inventory_valuation.TABLE,
        [
            ("A", "tools", "EUR", "10.001", f"{DAY} 00:00:00", 3, "7.001", "0.5", "3.5005", "valued"),
            ("never counted", "tools", "EUR", None, None, 0, None, 1, None, "no_count"),
            ("no price", "tools", "EUR", 3, f"{DAY} 23:59:59", 0, 3, None, None, "no_price"),
            ("not catalogued", None, None, 4, noon, 0, 4, None, None, "no_price"),
            ("oversold", "tools", "EUR", 1, noon, 3, -2, 2, -4, "valued"),
        ],
    )


def test_purchases_are_counted_and_not_the_transactions_that_they_are_of(spark: SparkSession) -> None:
    rows = fact(
        spark,
        {"order_id": "t1", "purchase_id": "p1", "source_system": "transactions"},
        {"order_id": "t2", "purchase_id": "p1", "source_system": "transactions"},
        {"order_id": "t3", "source_system": "transactions"},
        {"order_id": "p1"},
    )
    (channel,) = channel_performance.build(rows).collect()
    assert (channel["orders"], channel["net"], channel["average_order_value"]) == (3, 40, Decimal("13.3333"))
    (customer,) = customer_purchase_frequency.build(rows).collect()
    assert (customer["orders"], customer["is_repeat_buyer"]) == (3, True)
