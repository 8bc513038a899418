"""An order is refunded on another day, the refund moves, changes and is withdrawn: gold follows on every day, by every way."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from saleslake.accounting import verify
from saleslake.gold.star import TABLES
from saleslake.ingest.window import Window
from saleslake.lake import Lake
from saleslake.pipeline import Batch
from saleslake.serve.duck import connect
from tests.comparing import partitions_touched

Make = Callable[[str], Lake]
SOLD, BACK, LATER = (date(2025, 1, 31), date(2025, 2, 3), date(2025, 2, 5))
CONFIG = """
[sources.orders]
entity = "orders"
format = "jsonl"
path = "in"
[sources.orders.mapping]
status = "status"
refunds = "refunds"
"refunds.items" = "refund_line_items"
"refunds.sku" = "line_item.sku"
"refunds.quantity" = "quantity"
"refunds.amount" = "subtotal"
"""


def order(order_id: str, day: date, user: str, *refunds: tuple[date, str], version: int = 0, **more: Any) -> str:
    """An order of three A at 10, of which one was given back at each refund, for so much."""
    content = {
        "order_id": order_id,
        "user_id": user,
        "amount": 30,
        "currency": "EUR",
        "created_at": f"{day}T10:00:00Z",
        "updated_at": f"2025-03-01T00:00:0{version}Z",
        "items": [{"sku": "A", "qty": 3, "price": 10}],
        "refunds": [
            {
                "created_at": f"{at}T12:00:00Z",
                "refund_line_items": [{"quantity": 1, "subtotal": amount, "line_item": {"sku": "A"}}],
            }
            for at, amount in refunds
        ],
    }
    return json.dumps(content | more)


Day = tuple[date, int, int, int, int]
"""Day, gross, returns, units of A, purchases."""
STEPS: list[tuple[str, list[tuple[date, str]], dict[str, Any], list[Day]]] = [
    ("sold", [], {}, [(SOLD, 30, 0, 3, 1), (BACK, 30, 0, 3, 1)]),
    ("refunded", [(BACK, "10.00")], {}, [(SOLD, 30, 0, 3, 1), (BACK, 30, -10, 2, 1)]),
    ("moved", [(LATER, "10.00")], {}, [(SOLD, 30, 0, 3, 1), (BACK, 30, 0, 3, 1), (LATER, 0, -10, -1, 0)]),
    (
        "twice, and less",
        [(BACK, "4.00"), (LATER, "-7.00")],
        {},
        [(SOLD, 30, 0, 3, 1), (BACK, 30, -4, 2, 1), (LATER, 0, -7, -1, 0)],
    ),
    ("cancelled", [(BACK, "4.00"), (LATER, "7.00")], {"status": "cancelled"}, [(BACK, 30, 0, 3, 1)]),
    ("withdrawn", [], {}, [(SOLD, 30, 0, 3, 1), (BACK, 30, 0, 3, 1)]),
]
"""What the order becomes, its refunds then, its other fields, and what the days come to. Another order was placed on BACK."""


def rows(lake: Lake, sql: str) -> list[tuple[Any, ...]]:
    with connect(lake) as connection:
        return connection.execute(sql).fetchall()


@pytest.mark.timeout(900)
def test_gold_follows_a_refund_that_comes_moves_and_goes(tmp_path: Path, make_any_lake: Make) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "other").write_text(order("o2", BACK, "u2"))
    earlier: list[Day] = []
    for number, (step, refunds, more, days) in enumerate(STEPS, 1):
        (tmp_path / "in" / str(number)).write_text(order("o1", SOLD, "u1", *refunds, version=number, **more))
        lake = make_any_lake(CONFIG)
        fact = TABLES["gold.fact_sales"]
        before = lake.snapshot(fact).version() if earlier else 0
        summary = Batch(lake).run(Window())
        assert (summary.failures, summary.troubles) == ([], {}), step
        assert _days(lake) == days, step
        buyers = sorted({f"u{n}" for n, day in ((1, SOLD), (2, BACK)) if day in {each[0] for each in days}})
        frequency = "select user_id, orders, first_purchase_at = last_purchase_at from gold.customer_purchase_frequency order by 1"
        assert rows(lake, frequency) == [(user, 1, True) for user in buyers], step
        if step != "sold":
            proof = verify(lake)
            assert proof.holds, (step, proof)
            differing = {day[0].isoformat() for day in set(days) ^ set(earlier)}
            assert differing <= partitions_touched(lake, fact, before) <= differing | {SOLD.isoformat()}, step
        earlier = days


def _days(lake: Lake) -> list[Day]:
    return rows(
        lake,
        """select r.date, r.gross::int, r.returns::int, r.units::int, c.orders from gold.product_revenue r
           join gold.channel_performance c using (date, currency) join gold.dim_date using (date) order by 1""",
    )
