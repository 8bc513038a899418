"""What a run says of sources whose meaning is in doubt, and what statuses, purchases and reused keys come to in gold."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from saleslake.accounting import verify
from saleslake.config import Settings
from saleslake.ingest import fields
from saleslake.ingest.commit import ignored_fields
from saleslake.ingest.window import Window
from saleslake.lake import Lake
from saleslake.pipeline import Batch
from saleslake.serve.duck import connect

Make = Callable[[str], Lake]


def rows(lake: Lake, sql: str) -> list[tuple[Any, ...]]:
    with connect(lake) as connection:
        return connection.execute(sql).fetchall()


def put(root: Path, name: str, text: str) -> None:
    path = root / "in" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def order(order_id: str, sku: str = "A", **more: Any) -> str:
    line = {"sku": sku, "qty": 2, "price": 5}
    content = {"order_id": order_id, "user_id": "u1", "amount": 10, "currency": "EUR", "created_at": "2025-01-31"}
    return json.dumps(content | {"items": [line]} | more)


def source(name: str, entity: str, format_: str, more: str = "") -> str:
    return f'[sources.{name}]\nentity = "{entity}"\nformat = "{format_}"\npath = "in/{name}"\n{more}\n'


SOURCES = "\n".join(
    [
        source("shop", "orders", "jsonl", 'mapping = { "items.price" = "unitPrice", user_id = "customer.idd", promo = "promo" }'),
        source("few", "orders", "jsonl", 'mapping = { user_id = "nobody" }'),
        source("late", "orders", "jsonl", 'mapping = { promo = "coupon.code" }'),
        source("tills", "transactions", "csv", 'delimiter = ";"\ndefaults = { currency = "EUR" }'),
        source("german", "transactions", "csv", 'delimiter = ";"\ndecimal = ","\nthousands = "."\ndefaults = { currency = "EUR" }'),
        source("receipts", "transactions", "csv", 'defaults = { currency = "EUR" }'),
    ]
)  # fmt: skip
TILLS = "transaction_id;sale_date;quantity;total_price\n"


def test_a_run_names_what_is_read_in_doubt(tmp_path: Path, make_lake: Make) -> None:
    shop = [order(f"s{n}", customer={"id": n}, promo=None, status="paid", refunds=[]) for n in range(20)]
    put(tmp_path, "shop", "\n".join(shop))
    put(tmp_path, "few", "\n".join(order(f"f{n}") for n in range(19)))
    # The path is met by one record alone, beyond those that are looked at when they land.
    put(tmp_path, "late", "\n".join([*(order(f"l{n}") for n in range(300)), order("last", coupon={"code": "X"})]))
    put(tmp_path, "tills", TILLS + "t1;2025-01-31;1;12,50\nt2;2025-01-31;1;1.234\nt3;2025-01-31;1;5\n")
    put(tmp_path, "german", TILLS + "g1;2025-01-31;1.000;12,50\ng2;2025-01-31;1;1.234\n")
    put(tmp_path, "receipts", TILLS.replace(";", ",") + "".join(f"1,2025-01-31,1,{price}\n" for price in (5, 7650, 5)))
    lake = make_lake(SOURCES)
    summary = Batch(lake).run(Window())
    file = lake.settings.config_file
    assert summary.troubles == {
        "shop": [
            "source shop: mapped and in none of its 20 records: items.price = 'unitPrice', user_id = 'customer.idd'; there "
            "are: customer.id, items.price, items.qty, items.sku, amount, created_at, currency, customer, items, order_id, "
            f"promo, refunds, status, user_id. Correct [sources.shop.mapping] in {file}, or leave it out"
        ],
        "tills": [
            "source tills: 1 records hold numbers such as 1.234, which are one and a bit or a thousand and more, and 1 have "
            "numbers of another dialect (total_price: '12,50' reads with another decimal or thousands): set decimal, and "
            f"thousands if there are any, in [sources.tills] of {file}, then saleslake run --full-refresh"
        ],
    }
    told = {report.source: report.ignored_fields for report in summary.landed if report.ignored_fields}
    assert told == {
        "shop": [
            "status: unmapped; say by it which orders are no sales: map status, and list such values in no_sales",
            "refunds: unmapped; refunds do not lower revenue; map refunds and what stands in them: they are lines of the day on "
            "which they were paid back",
        ]
    }
    assert rows(
        lake, "select order_id, quantity, line_amount from gold.fact_sales where order_id[1] = 'g' order by 1"
    ) == [
        ("g1", 1000, 12.5),
        ("g2", 1, 1234),
    ]
    outcome = summary.outcomes["receipts"]
    assert (outcome.applied, outcome.superseded, outcome.duplicate, outcome.reused_keys) == (1, 1, 1, 1)
    proof = verify(lake)
    assert proof.holds
    assert {each.source: each.reused_keys for each in proof.sources if each.reused_keys} == {"receipts": 1}

    again = Batch(make_lake(SOURCES)).run(Window())
    assert {report.source for report in again.landed if report.ignored_fields} == {"shop"}, "said as long as it is so"

    told_apart = make_lake(
        SOURCES.replace('path = "in/receipts"', 'path = "in/receipts"\nkey = ["transaction_id", "total_price"]')
    )
    Batch(told_apart).run(Window(), full_refresh=True)
    assert rows(
        told_apart, "select sum(line_amount), count(distinct purchase_id) from gold.fact_sales where order_id[1] = '1'"
    ) == [(7655, 1)]
    assert verify(told_apart).holds


def test_an_order_that_is_cancelled_leaves_gold_and_comes_back(tmp_path: Path, make_lake: Make) -> None:
    config = source("orders", "orders", "jsonl", 'mapping = { status = "state" }')
    steps = [
        ("paid", "2025-02-01", [("o1", "paid", True), ("o2", None, True)], {"A", "B"}),
        ("Cancelled", "2025-02-02", [("o1", "Cancelled", False), ("o2", None, True)], {"B"}),
        ("paid", "2025-02-03", [("o1", "paid", True), ("o2", None, True)], {"A", "B"}),
    ]
    put(tmp_path, "orders/0", order("o2", "B"))
    for number, (state, updated_at, orders, sold) in enumerate(steps, 1):
        put(tmp_path, f"orders/{number}", order("o1", state=state, updated_at=updated_at))
        lake = make_lake(config)
        summary = Batch(lake).run(Window())
        assert summary.failures == []
        assert rows(lake, "select order_id, status, is_sale from gold.dim_order order by 1") == orders
        assert {sku for (sku,) in rows(lake, "select sku from gold.fact_sales")} == sold
        assert {sku for (sku,) in rows(lake, "select sku from gold.dim_product where sku <> '(unknown)'")} == sold
        assert rows(lake, "select count(*), sum(net) from gold.product_revenue") == [(len(sold), 10 * len(sold))]
        assert verify(lake).holds


@pytest.mark.parametrize(
    ("seen", "known", "earlier", "news"),
    [
        ({"a", "b"}, {"a"}, [], {"b"}),
        ({"a", "a.x", "a.y"}, {"a", "a.x"}, [], set()),
        ({"a", "a.x", "a.y"}, {"a", "a.x"}, ["a", "a.x"], {"a.y"}),
        ({"b", "b.x", "b.x.y"}, {"a"}, ["a", "a.x"], {"b"}),
        ({"b", "b.x", "b.x.y"}, {"b"}, ["b", "a.x"], {"b.x"}),
    ],
)
def test_new_fields_are_told_once_at_the_top_of_what_is_new(
    seen: set[str], known: set[str], earlier: list[str], news: set[str]
) -> None:
    assert fields.new(seen, known, earlier) == news


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ('{"a": 1, "b": {"c": null, "d": [{"e": 1}, {"f": [2]}]}}', {"a", "b", "b.c", "b.d", "b.d.e", "b.d.f"}),
        ('{"a.b": 1}', {"a.b"}),
        ("[1]", set()),
        ("no json", set()),
        ('{"\\ud800": 1}', {"\\ud800"}),
        (json.dumps({"by_id": {str(n): {"x": n} for n in range(201)}}), {"by_id"}),
    ],
)
def test_fields_of_a_record(text: str, paths: set[str]) -> None:
    assert fields.of_record(text) == paths


def test_what_nobody_reads_is_told_of_sales_alone(make_settings: Callable[[str], Settings]) -> None:
    settings = make_settings(
        source("o", "orders", "jsonl")
        + source("t", "transactions", "csv", 'mapping = { status = "status" }')
        + source("u", "users", "csv")
    )
    seen = {"status", "refunds", "id"}
    told = {
        name: [line.partition(":")[0] for line in ignored_fields(config, seen)]
        for name, config in settings.sources.items()
    }
    assert told == {"o": ["status", "refunds"], "t": ["refunds"], "u": []}


def test_customers_without_a_changed_sale_stay_where_prices_and_sales_change_together(
    tmp_path: Path, make_lake: Make
) -> None:
    config = (
        '[gold]\nmissing_item_price = "catalogue"\n'
        + source("orders", "orders", "jsonl")
        + source("wares", "products", "csv")
    )
    unpriced = [{"sku": "A", "qty": 2}]
    put(tmp_path, "orders/1", order("o1", items=unpriced) + "\n" + order("o2", "B", user_id="u2"))
    put(tmp_path, "wares", "sku,price,currency\nA,3,EUR\n")
    Batch(make_lake(config)).run(Window())
    put(tmp_path, "orders/2", order("o3", "B", created_at="2025-02-01"))
    put(tmp_path, "wares", "sku,price,currency\nA,4,EUR\n")
    lake = make_lake(config)
    assert Batch(lake).run(Window()).failures == []
    frequency = "select user_id, orders from gold.customer_purchase_frequency order by 1"
    assert rows(lake, frequency) == [("u1", 2), ("u2", 1)]
    assert rows(lake, "select sum(line_amount) from gold.fact_sales where order_id = 'o1'") == [(8,)]
    assert verify(lake).holds
