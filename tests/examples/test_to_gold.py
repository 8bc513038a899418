"""Two of the examples through the whole batch: what they come to in gold, and that the account holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from saleslake.accounting import verify
from saleslake.ingest.window import Window
from saleslake.lake import Lake
from saleslake.pipeline import Batch
from saleslake.serve.duck import connect
from tests.examples import platforms
from tests.examples.support import TOKEN, Answer, records, served, settings_of

SHOPIFY = platforms.shopify_rest(records("shopify_rest/orders.json"))
STRIPE = platforms.stripe(records("stripe/charges.json"), records("stripe/refunds.json"))
SALES = """select currency, count(distinct purchase_id), sum(quantity)::double, sum(line_amount)::double, count(distinct user_id)
           filter (where user_id <> '(unknown)') from gold.fact_sales group by 1 order by 1"""


@pytest.mark.parametrize(
    ("name", "token", "answer", "sales"),
    [
        # As in test_shops: four orders; 215.30.
        ("shopify_rest", "SHOPIFY_TOKEN", SHOPIFY, [("EUR", 4, 16, 215.3, 2)]),
        # As in test_payments: EUR 42.99 - 12.99, JPY 5000 - 500, KWD 1.500; a refund is of the purchase that it pays back.
        ("stripe", "STRIPE_KEY", STRIPE, [("EUR", 2, 2, 30, 1), ("JPY", 1, 1, 4500, 1), ("KWD", 1, 1, 1.5, 1)]),
    ],
)
def test_an_example_reaches_gold(
    name: str,
    token: str,
    answer: Answer,
    sales: list[tuple[Any, ...]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(token, TOKEN)
    with served(answer) as server:
        lake = Lake(settings_of(name, tmp_path, server.url))
        summary = Batch(lake).run(Window())
    assert (summary.failures, summary.troubles) == ([], {})
    with connect(lake) as connection:
        assert connection.execute(SALES).fetchall() == sales
    assert verify(lake).holds
