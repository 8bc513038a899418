"""Made-up point-of-sale transactions: one row a sale."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta

from saleslake.synthetic.catalogue import Product, Row
from saleslake.synthetic.orders import QUANTITIES, money

TRANSACTIONS = ["transaction_id", "customer_id", "product_id", "sale_date", "quantity", "total_price", "sales_channel"]
CHANNELS = ("Online",) * 40 + ("In-store",) * 25 + ("in store",) * 8 + ("In-Store",) * 7 + ("Mobile app",) * 20


def transaction_rows(
    count: int, seed: str, span: tuple[date, int], ids: list[str], catalogue: list[Product]
) -> Iterator[Row]:
    """Rows of `transactions.csv` in order of date, over `span` (first day, days); `total_price` is price × quantity."""
    start, days = span
    rnd = random.Random(f"{seed}:transactions").random
    dates = [(start + timedelta(days=day)).isoformat() for day in range(days)]
    for position in range(count):
        product = catalogue[int(len(catalogue) * rnd() ** 2)]
        quantity = QUANTITIES[int(rnd() * 100)]
        yield [
            f"TXN-{position + 1:08d}",
            ids[int(len(ids) * rnd() ** 2)],
            product.sku,
            dates[position * days // count],
            str(quantity),
            money(product.cents * quantity),
            CHANNELS[int(rnd() * 100)],
        ]
