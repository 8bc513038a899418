"""A small shop: orders in JSON and sales in CSV, one order of them bad."""

from __future__ import annotations

from pathlib import Path

from saleslake.lake import Lake
from saleslake.serve.duck import connect

CONFIG = """
[run]
lock_timeout_seconds = {timeout}
[sources.orders]
entity = "orders"
format = "json"
path = "in/orders.json"
[sources.sales]
entity = "transactions"
format = "csv"
path = "in/sales.csv"
defaults = {{ currency = "EUR" }}
"""
ORDERS = """[
{"order_id": "o1", "user_id": "u1", "amount": 20, "currency": "EUR", "created_at": "2024-03-01T10:00:00Z",
 "items": [{"sku": "A", "qty": 2, "price": 10}]},
{"order_id": "o2", "created_at": "2024-03-01", "currency": "EUR", "items": []},
{"order_id": "o1", "user_id": "u1", "amount": 30, "currency": "EUR", "created_at": "2024-03-02T10:00:00Z",
 "items": [{"sku": "A", "qty": 3, "price": 10}]}
]"""
SALES = (
    "transaction_id,customer_id,product_id,sale_date,quantity,total_price,sales_channel\nt1,u1,A,2024-03-02,1,10,web\n"
)


def deliver(root: Path) -> None:
    """The shop's files, in its folder `in`."""
    (root / "in").mkdir()
    (root / "in" / "orders.json").write_text(ORDERS)
    (root / "in" / "sales.csv").write_text(SALES)


def revenue(lake: Lake) -> list[tuple[object, ...]]:
    """Date, sku, units and net of all that was sold."""
    with connect(lake) as connection:
        sql = "select date::varchar, sku, units::int, net::int from gold.product_revenue order by all"
        return connection.execute(sql).fetchall()
