"""Keys and texts of any Unicode go through whole runs, twice and changed, and come out byte for byte."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from saleslake.accounting import verify
from saleslake.config_source import NULLS
from saleslake.gold import dim_order, dim_product, dim_user, fact_sales
from saleslake.heal import inspect
from saleslake.ingest.window import Window
from saleslake.lake import Lake
from saleslake.pipeline import Batch
from saleslake.silver import orders, products, quarantine, stock, transactions, users
from saleslake.silver.judge.texts import AROUND
from saleslake.status import status
from tests.comparing import stored

MANY = 200
BREAKS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
"""What Python's `splitlines` takes for the end of a line, beside CR and LF."""
PECULIAR = (
    BREAKS
    + "\x00\x01\x1f\x7f\xa0\xad\u200b\u200e\u200f\u202e\u0301\u05d0\u0627\ufeff\ufffd\uffff😀\U0010ffff'\"\\`%_$;,|/"
)
CONFIG = """
[sources.orders]
entity = "orders"
format = "jsonl"
path = "orders"
[sources.tills]
entity = "transactions"
format = "jsonl"
path = "tills.jsonl"
[sources.people]
entity = "users"
format = "csv"
path = "people.csv"
[sources.wares]
entity = "products"
format = "jsonl"
path = "wares.jsonl"
[sources.counts]
entity = "stock"
format = "jsonl"
path = "counts.jsonl"
"""


def texts() -> list[str]:
    """Different texts that may be keys: each peculiar character by itself and within, the rest Hypothesis's."""
    found = [form.format(c) for c in PECULIAR for form in ("{}", "k{}k", "k{}", "{}k")]
    character = st.one_of(st.sampled_from(PECULIAR), st.characters(exclude_categories=["Cs"]))

    @seed(14)
    @settings(
        max_examples=2 * MANY,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.text(character, min_size=1, max_size=12))
    def collect(text: str) -> None:
        found.append(text)

    collect()
    bare = (text.strip(AROUND) for text in found)
    # What is no key by a rule of its own: U+0000, and what stands for nothing in a CSV.
    keys = dict.fromkeys(key for key in bare if key and key[0] not in "[{" and "\0" not in key and key not in NULLS)
    return list(keys)[: len(PECULIAR) * 4 + MANY]


def order(n: int, key: str, text: str, quantity: int, version: str) -> str:
    """Of one line; every other one written in ASCII."""
    content = {
        "order_id": key,
        "user_id": key,
        "amount": quantity,
        "currency": "EUR",
        "created_at": f"2024-03-{1 + n % 3:02d}T10:00:00Z",
        "updated_at": version,
        "items": [{"sku": key, "qty": quantity, "price": 1}],
        "metadata": {"source": "web", "promo": text},
    }
    return json.dumps(content, ensure_ascii=bool(n % 2))


def write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())


def put_everything(root: Path, keys: list[str]) -> None:
    """One record of each entity for each key; its text is the key before it."""
    pairs = list(zip(keys, [keys[-1], *keys[:-1]], strict=True))
    write(root / "orders" / "1.jsonl", [order(n, k, t, 1, "2024-04-01") for n, (k, t) in enumerate(pairs)])
    sale = {"quantity": 1, "total_price": 2, "currency": "USD", "sale_date": "2024-03-05", "sales_channel": "shop"}
    write(
        root / "tills.jsonl",
        [json.dumps(sale | {"transaction_id": k, "customer_id": k, "product_id": k}, ensure_ascii=False) for k in keys],
    )
    write(root / "wares.jsonl", [json.dumps({"sku": k, "name": t, "price": 1, "currency": "EUR"}) for k, t in pairs])
    write(
        root / "counts.jsonl",
        [json.dumps({"product_id": k, "on_hand": 5, "counted_at": "2024-01-01"}, ensure_ascii=False) for k in keys],
    )
    table = io.StringIO(newline="")
    writer = csv.writer(table, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(["user_id", "email", "created_at", "country"])
    writer.writerows([k, t, "2024-01-01", "DE"] for k, t in pairs)
    (root / "people.csv").write_bytes(table.getvalue().encode())


def values(lake: Lake, table: Any, key: str, *names: str) -> dict[str, Any]:
    """Key → a value, or several."""
    rows = stored(lake, table)
    found = {row[key]: row[names[0]] if len(names) == 1 else tuple(row[name] for name in names) for row in rows}
    assert len(found) == len(rows)
    return found


def run(lake: Lake) -> None:
    """A run, another with nothing to do, and the proof of both."""
    assert Batch(lake).run(Window()).failures == []
    again = Batch(lake).run(Window())
    assert again.failures == []
    assert again.nothing_new
    assert again.healed == []
    assert verify(lake).holds


@pytest.mark.timeout(900)
def test_keys_and_texts_of_any_unicode_come_out_as_they_went_in(
    tmp_path: Path, make_lake: Callable[[str], Lake]
) -> None:
    keys = texts()
    assert len(keys) >= MANY
    assert {unicodedata.category(c) for key in keys for c in key} >= {
        "Lo",
        "Ll",
        "Mn",
        "Cc",
        "Cf",
        "Cn",
        "So",
        "Zl",
        "Zs",
    }
    before = dict(zip(keys, [keys[-1], *keys[:-1]], strict=True))
    lake = make_lake(CONFIG)
    put_everything(tmp_path, keys)
    run(lake)
    assert stored(lake, quarantine.TABLE) == []
    assert values(lake, orders.TABLE, "order_id", "user_id", "promo") == {k: (k, t) for k, t in before.items()}
    assert values(lake, transactions.TABLE, "transaction_id", "customer_id", "product_id") == {k: (k, k) for k in keys}
    assert values(lake, users.TABLE, "user_id", "email") == before
    assert values(lake, products.TABLE, "sku", "name") == before
    assert set(values(lake, stock.TABLE, "product_id", "on_hand")) == set(keys)

    # Changed by so many that delta-rs replaces them by their keys, which then stand in the log; dates move, too.
    changed = keys[::2]
    write(
        tmp_path / "orders" / "2.jsonl",
        [order(n + 1, key, f"{before[key]}!", 3, "2024-04-02") for n, key in enumerate(changed)],
    )
    run(make_lake(CONFIG))
    promos = {key: f"{text}!" if key in set(changed) else text for key, text in before.items()}
    assert values(lake, orders.TABLE, "order_id", "promo") == promos
    assert values(lake, dim_order.TABLE, "order_id", "user_id", "promo") == {k: (k, promos[k]) for k in keys}
    assert values(lake, dim_user.TABLE, "user_id", "email") == before | {"(unknown)": None}
    assert set(values(lake, dim_product.TABLE, "sku", "name")) - {"(unknown)"} == set(keys)
    fact = {
        (row["source_system"], row["order_id"], row["user_id"], row["sku"]): row
        for row in stored(lake, fact_sales.TABLE)
    }
    assert set(fact) == {(system, key, key, key) for system in ("orders", "transactions") for key in keys}
    assert sum(row["quantity"] for row in fact.values()) == 2 * len(keys) + 2 * len(changed)

    damages, _ = inspect(lake, [orders.TABLE, fact_sales.TABLE, dim_user.TABLE], lake.state.load())
    assert damages == []
    held = {table["table"]: table["rows"] for table in status(lake)["tables"]}
    assert {held[f"bronze.{name}"] for name in ("tills", "people", "wares", "counts")} == {len(keys)}
    assert held["bronze.orders"] == len(keys) + len(changed)
