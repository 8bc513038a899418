"""A lakehouse that a stream feeds, and events to feed it with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from saleslake.lake import Lake
from saleslake.pipeline import Batch
from saleslake.stream.job import StreamJob

CONFIG = """
[channels]
web = "web"
online = "web"
[sources.events_orders]
entity = "orders"
format = "events"
event_type = "order"
[sources.events_transactions]
entity = "transactions"
format = "events"
version = "updated_at"
defaults = { currency = "EUR" }
[sources.events_transactions_csv]
entity = "transactions"
format = "events_csv"
columns = ["transaction_id", "customer_id", "product_id", "sale_date", "quantity", "total_price", "sales_channel", "currency", "updated_at"]
version = "updated_at"
[stream.files]
path = "events"
"""


def order(order_id: str, created_at: str = "2024-05-01T10:00:00Z", **other: Any) -> str:
    """An order as an event: one line of sku a, two at 10.00, unless `other` says so. None takes a field away."""
    event = {
        "type": "order",
        "order_id": order_id,
        "user_id": "u1",
        "amount": 20.0,
        "currency": "EUR",
        "created_at": created_at,
        "items": [{"sku": "a", "qty": 2, "price": 10.0}],
        "metadata": {"source": "web", "promo": None},
    } | other
    return json.dumps({name: value for name, value in event.items() if value is not None or name == "promo"})


def transaction(transaction_id: str, sale_date: str = "2024-05-01T11:00:00Z", **other: Any) -> str:
    """A sale of two for 5.50 USD as an event, corrected never unless `other` says so."""
    event = {
        "type": "transaction",
        "transaction_id": transaction_id,
        "customer_id": "c1",
        "product_id": "a",
        "sale_date": sale_date,
        "quantity": 2,
        "total_price": 5.5,
        "sales_channel": "online",
        "currency": "USD",
        "updated_at": sale_date,
    } | other
    return json.dumps({name: value for name, value in event.items() if value is not None})


def put(folder: Path, name: str, *lines: str) -> Path:
    """A file of events as a well-behaved producer writes it: under another name first."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{name}.tmp"
    partial.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    partial.replace(folder / name)
    return folder / name


def stream_once(lake: Lake) -> Batch:
    """Run the stream over what is there, to its end."""
    batch = Batch(Lake(lake.settings, lake.session))
    StreamJob(batch, source="files", trigger="1 second", once=True).run()
    return batch


def versions(lake: Lake) -> dict[str, int]:
    """Version of every silver and gold table."""
    from saleslake.serve.duck import tables

    return {
        name: DeltaTable(path).version()
        for name, path in tables(lake).items()
        if name.split(".")[0] in ("silver", "gold")
    }


def rows(lake: Lake, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a query over the tables."""
    from saleslake.serve.duck import connect

    with connect(lake) as connection:
        return connection.execute(sql).fetchall()
