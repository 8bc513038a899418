"""gold.fact_sales: lines of orders and of transactions, their prices, and what is flagged."""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame, SparkSession

from saleslake.gold.fact_sales import TABLE, build, order_lines
from saleslake.silver import orders, transactions
from tests import frames
from tests.frames import expect
from tests.gold_support import AT, DAY, frame, order, sale

PRICES = [
    ("A", 7, "EUR"),
    ("U", 7, "USD"),
    ("N", 7, None),
    ("P", None, "EUR"),
    ("X", 99999999999999, "EUR"),
]


def facts(
    spark: SparkSession, some_orders: list[dict[str, Any]], some_sales: list[dict[str, Any]], missing: str = "zero"
) -> DataFrame:
    prices = frames.frame(spark, "sku string, price decimal(18,4), price_currency string", PRICES)
    of_orders = frame(spark, orders.TABLE, some_orders)
    return build(of_orders, frame(spark, transactions.TABLE, some_sales), prices, missing)


def line(order_id: str, number: int, unit_price: Any, line_amount: Any, *flags: str, **fields: Any) -> dict[str, Any]:
    """The row of a line of `order`: two A, no return, unless the fields say otherwise."""
    return {
        "source_system": "orders",
        "order_id": order_id,
        "purchase_id": order_id,
        "line_number": number,
        "line_file": "",
        "user_id": "u1",
        "sku": "A",
        "quantity": 2,
        "unit_price": unit_price,
        "line_amount": line_amount,
        "channel": "web",
        "currency": "EUR",
        "is_return": False,
        "is_refund": False,
        "flags": flags,
        "created_at": AT,
        "date": DAY,
        "record_id": f"r-{order_id}",
    } | fields


def sold(transaction_id: str, unit_price: Any, line_amount: Any, *flags: str, **fields: Any) -> dict[str, Any]:
    """The row of `sale`."""
    usual = {"source_system": "transactions", "user_id": "c1", "channel": "store"}
    return line(transaction_id, 1, unit_price, line_amount, *flags, **(usual | fields))


def test_orders_give_a_row_a_line_and_transactions_a_row_each(spark: SparkSession) -> None:
    built = facts(spark, [order("o1", (1, "A", "2", "5"), (3, "B", "0.5", "0.0001"))], [sale("t1", total_price=9)])
    expect(
        built,
        TABLE,
        [
            ("orders", "o1", 1, "", "o1", "u1", "A", "2.000", 5, 10, "web", "EUR", False, False, [], AT, DAY, "r-o1"),
            (
                "orders",
                "o1",
                3,
                "",
                "o1",
                "u1",
                "B",
                "0.5",
                "0.0001",
                "0.0001",
                "web",
                "EUR",
                False,
                False,
                [],
                AT,
                DAY,
                "r-o1",
            ),
            (
                "transactions",
                "t1",
                1,
                "",
                "t1",
                "c1",
                "A",
                2,
                "4.5",
                9,
                "store",
                "EUR",
                False,
                False,
                [],
                AT,
                DAY,
                "r-t1",
            ),
        ],
    )


def test_the_lines_of_orders_keep_their_numbers_and_an_order_without_lines_has_none(spark: SparkSession) -> None:
    some = [
        order("o1", (1, "A", "2", "5"), (3, "B", "-0.125", None), currency="USD", amount=None),
        order("empty"),
        order("o2", (1, "A", "2", "5"), (2, "A", "2", "5"), user_id=None, channel="unknown"),
    ]
    expect(
        order_lines(frame(spark, orders.TABLE, some)),
        "source_system string, order_id string, purchase_id string, line_file string, user_id string, channel string, currency string, "
        "created_at timestamp, date date, record_id string, line_number int, sku string, quantity decimal(18,3), "
        "given_price decimal(18,4), given_amount decimal(18,4), is_refund boolean",
        [
            ("orders", "o1", "o1", "", "u1", "web", "USD", AT, DAY, "r-o1", 1, "A", 2, 5, 10, False),
            ("orders", "o1", "o1", "", "u1", "web", "USD", AT, DAY, "r-o1", 3, "B", "-0.125", None, None, False),
            ("orders", "o2", "o2", "", "(unknown)", "unknown", "EUR", AT, DAY, "r-o2", 1, "A", 2, 5, 10, False),
            ("orders", "o2", "o2", "", "(unknown)", "unknown", "EUR", AT, DAY, "r-o2", 2, "A", 2, 5, 10, False),
        ],
    )


def test_an_order_without_lines_has_no_row_and_the_unknown_member_stands_for_nobody(spark: SparkSession) -> None:
    built = facts(
        spark,
        [order("o1"), order("o2", (1, "A", "1", "1"), user_id=None)],
        [sale("t1", customer_id=None, product_id=None, total_price=1)],
    )
    expect(
        built,
        TABLE,
        [
            line("o2", 1, 1, 1, user_id="(unknown)", quantity=1),
            sold("t1", "0.5", 1, user_id="(unknown)", sku="(unknown)"),
        ],
    )


ITEMS = order("o1", *[(n, sku, "2", None) for n, sku in enumerate("AUNPZ", 1)])


def test_a_line_without_a_price_is_zero_and_flagged(spark: SparkSession) -> None:
    expect(
        facts(spark, [ITEMS], []),
        TABLE,
        [line("o1", n, 0, 0, "price_missing", sku="AUNPZ"[n - 1]) for n in range(1, 6)],
    )


def test_or_takes_the_catalogue_price_where_its_currency_fits(spark: SparkSession) -> None:
    expect(
        facts(spark, [ITEMS, order("o2", (1, "A", "2", "5"), (2, "X", "2", None))], [], "catalogue"),
        TABLE,
        [
            line("o1", 1, 7, 14, "catalogue_price"),
            line("o1", 2, 0, 0, "price_missing", sku="U"),
            line("o1", 3, 7, 14, "catalogue_price", sku="N"),
            line("o1", 4, 0, 0, "price_missing", sku="P"),
            line("o1", 5, 0, 0, "price_missing", sku="Z"),
            line("o2", 1, 5, 10),
            line("o2", 2, 0, 0, "price_missing", sku="X"),
        ],
    )


def test_a_sale_takes_its_total_then_unit_price_then_base_price_then_none(spark: SparkSession) -> None:
    sales = [
        sale("total", total_price=10, unit_price=6),
        sale("total only", total_price=10, quantity=3),
        sale("half up", total_price="0.0001"),
        sale("unit price", unit_price="0.3333", quantity="0.5"),
        sale("base price"),
        sale("base of no currency", product_id="N"),
        sale("other currency", product_id="U"),
        sale("priceless", product_id="P"),
        sale("not catalogued", product_id="Z"),
        sale("no product", product_id=None),
        sale("base too large", product_id="X"),
        sale("zero total", total_price=0),
    ]
    expect(
        facts(spark, [], sales),
        TABLE,
        [
            sold("total", 6, 10),
            sold("total only", "3.3333", 10, quantity=3),
            sold("half up", "0.0001", "0.0001"),
            sold("unit price", "0.3333", "0.1667", quantity="0.5"),
            sold("base price", 7, 14, "base_price"),
            sold("base of no currency", 7, 14, "base_price", sku="N"),
            sold("other currency", None, None, "unpriced", sku="U"),
            sold("priceless", None, None, "unpriced", sku="P"),
            sold("not catalogued", None, None, "unpriced", sku="Z"),
            sold("no product", None, None, "unpriced", sku="(unknown)"),
            sold("base too large", None, None, "unpriced", sku="X"),
            sold("zero total", 0, 0),
        ],
    )


def test_returns_are_told_by_quantity_price_or_total(spark: SparkSession) -> None:
    lines = [(1, "A", "-2", "5"), (2, "A", "0", "5"), (3, "A", "2", "-5"), (4, "A", "-1", None), (5, "A", "2", "0")]
    sales = [
        sale("total", total_price=-1),
        sale("unit", unit_price=-1),
        sale("quantity", quantity=-2, total_price=-10),
        sale("none", quantity=0, total_price=5),
        sale("sold", total_price=1),
    ]
    expect(
        facts(spark, [order("o1", *lines)], sales),
        TABLE,
        [
            line("o1", 1, 5, -10, quantity=-2, is_return=True),
            line("o1", 2, 5, 0, quantity=0, is_return=True),
            line("o1", 3, -5, -10, is_return=True),
            line("o1", 4, 0, 0, "price_missing", quantity=-1, is_return=True),
            line("o1", 5, 0, 0),
            sold("total", "-0.5", -1, is_return=True),
            sold("unit", -1, -2, is_return=True),
            sold("quantity", 5, -10, quantity=-2, is_return=True),
            sold("none", None, 5, quantity=0, is_return=True),
            sold("sold", "0.5", 1),
        ],
    )


def test_a_line_counts_what_silver_says_it_was_sold_for_and_its_price_is_told_where_none_is_given(
    spark: SparkSession,
) -> None:
    lines = [(1, "A", "2", "12.5", "20"), (2, "A", "3", None, "25"), (3, "A", "1000", "0.0123", "12.3457")]
    lines += [(4, "A", "0", None, "5"), (5, "A", "2", None, "-25"), (6, "A", "2", None, "0")]
    for missing in ("zero", "catalogue"):
        expect(
            facts(
                spark,
                [order("o1", *lines)],
                [sale("t1", unit_price="0.0123", amount="12.3457", quantity=1000)],
                missing,
            ),
            TABLE,
            [
                line("o1", 1, "12.5", 20),
                line("o1", 2, "8.3333", 25, quantity=3),
                line("o1", 3, "0.0123", "12.3457", quantity=1000),
                line("o1", 4, None, 5, quantity=0, is_return=True),
                line("o1", 5, "-12.5", -25, is_return=True),
                line("o1", 6, 0, 0),
                sold("t1", "0.0123", "12.3457", quantity=1000),
            ],
        )


def test_a_line_of_a_refund_is_a_return_of_the_day_on_which_it_was_paid_back(spark: SparkSession) -> None:
    later, last = "2025-02-03 08:00:00", "2025-03-01 00:00:00"
    lines = [(1, "A", "2", "5"), (2, "A", "-1", None, "-5", later), (3, "B", "0", "4", "-1.5", last)]
    built = facts(spark, [order("o1", *lines), order("o2", *lines, status="cancelled", is_sale=False)], [])
    back = {"is_return": True, "is_refund": True}
    expect(
        built,
        TABLE,
        [
            line("o1", 1, 5, 10),
            line("o1", 2, 5, -5, quantity=-1, created_at=later, date="2025-02-03", **back),
            line("o1", 3, 4, "-1.5", sku="B", quantity=0, created_at=last, date="2025-03-01", **back),
        ],
    )


def test_what_is_no_sale_has_no_row(spark: SparkSession) -> None:
    cancelled = {"status": "cancelled", "is_sale": False}
    built = facts(
        spark,
        [order("o1", (1, "A", "1", "1"), **cancelled), order("o2", (1, "A", "1", "1"), status="paid")],
        [sale("t1", total_price=1, **cancelled), sale("t2", total_price=1)],
    )
    expect(built, TABLE, [line("o2", 1, 1, 1, quantity=1), sold("t2", "0.5", 1)])


def test_transactions_of_one_order_are_one_purchase(spark: SparkSession) -> None:
    sales = [
        sale("t1", order_id="p1", total_price=1),
        sale("t2", order_id="p1", total_price=1),
        sale("t3", total_price=1),
    ]
    expect(
        facts(spark, [], sales),
        TABLE,
        [
            sold("t1", "0.5", 1, purchase_id="p1"),
            sold("t2", "0.5", 1, purchase_id="p1"),
            sold("t3", "0.5", 1, purchase_id="t3"),
        ],
    )


def test_sales_keyed_by_line_are_told_apart_by_file_and_line(spark: SparkSession) -> None:
    places = [("a.csv", 2), ("a.csv", 3), ("b.csv", 2)]
    sales = [sale("t1", keyed_by_line=True, file=file, ordinal=n, total_price=1) for file, n in places]
    expect(
        facts(spark, [], sales),
        TABLE,
        [
            sold("t1", "0.5", 1, line_file="a.csv", line_number=2),
            sold("t1", "0.5", 1, line_file="a.csv", line_number=3),
            sold("t1", "0.5", 1, line_file="b.csv", line_number=2),
        ],
    )


def test_the_order_amount_is_never_multiplied_by_its_lines(spark: SparkSession) -> None:
    one = order("one line", (1, "A", "1", "10"), amount=10)
    ten = order("ten lines", *[(n, "A", "1", "1") for n in range(1, 11)], amount=10)
    assert "amount" not in TABLE.column_names
    expect(
        facts(spark, [one, ten], []),
        TABLE,
        [line("one line", 1, 10, 10, quantity=1), *[line("ten lines", n, 1, 1, quantity=1) for n in range(1, 11)]],
    )
