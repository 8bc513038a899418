"""gold.sales_by_minute: which events count, what of them, and in which minute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from saleslake import bronze
from saleslake.config import Settings
from saleslake.gold import sales_by_minute
from saleslake.stream import minutes
from tests.frames import expect, frame
from tests.stream_support import order, transaction

EVENT = (
    "event_time timestamp, stream_time timestamp, channel string, currency string, "
    "units decimal(38,3), net decimal(38,4)"
)
READ = (
    "landed_at timestamp, stream_time timestamp, event_time timestamp, channel string, currency string, "
    "units decimal(38,3), net decimal(38,4)"
)
LANDED, CLOCK = "2024-05-01 12:00:00", "2024-05-01 11:30:00"
SOURCES = """
[channels]
web = "web"
online = "web"
[sources.events_orders]
entity = "orders"
format = "events"
[sources.events_transactions]
entity = "transactions"
format = "events"
defaults = { currency = "EUR" }
"""


def test_events_are_summed_by_their_minute_and_late_ones_counted_where_the_stream_stood(spark: SparkSession) -> None:
    noon, clock = "2025-01-31 12:00", "2025-01-31 12:10:05"
    events = [
        (f"{noon}:00", None, "web", "EUR", 2, "10.0001"),
        (f"{noon}:59.999999", clock, "web", "EUR", "-0.5", "-10"),
        (f"{noon}:30", clock, "web", "EUR", None, None),
        (f"{noon}:05", clock, "web", "EUR", 1, 1),
        (f"{noon}:04.999999", clock, "web", "EUR", 1000, 1000),
        (f"{noon}:00", clock, "web", "USD", 1000, None),
        (f"{noon}:00", None, "store", "EUR", 1, 5),
        ("2025-01-31 23:59:59", None, "web", "EUR", 1, None),
        ("2025-02-01 00:00:00", None, "web", "EUR", None, 1),
    ]
    expect(
        sales_by_minute.build(frame(spark, EVENT, events), 600),
        sales_by_minute.TABLE,
        [
            (f"{noon}:00", "web", "EUR", 4, "2.5", "1.0001", 0, "2025-01-31"),
            (f"{noon}:00", "store", "EUR", 1, 1, 5, 0, "2025-01-31"),
            ("2025-01-31 12:10", "web", "EUR", 0, 0, 0, 1, "2025-01-31"),
            ("2025-01-31 12:10", "web", "USD", 0, 0, 0, 1, "2025-01-31"),
            ("2025-01-31 23:59", "web", "EUR", 1, 1, 0, 0, "2025-01-31"),
            ("2025-02-01 00:00", "web", "EUR", 1, 0, 1, 0, "2025-02-01"),
        ],
    )


def events(spark: SparkSession, settings: Settings, *rows: dict[str, Any]) -> DataFrame:
    """The events of rows of bronze.events."""
    usual = {
        "kind": "record",
        "source": "events_orders",
        "landed_at": LANDED,
        "stream_time": CLOCK,
        "run_id": "run-1",
        "landed_date": LANDED[:10],
    }
    filled = [usual | {"record_id": f"u#{n}"} | row for n, row in enumerate(rows, 1)]
    return minutes.events(frame(spark, bronze.table_of(bronze.EVENTS), filled), settings)


def test_an_event_tells_its_moment_channel_currency_units_and_revenue_or_is_left_out(
    spark: SparkSession, make_settings: Callable[[str], Settings]
) -> None:
    lines = [{"sku": "a", "qty": "0.5", "price": 3}, {"sku": "b", "qty": 1}, {"sku": "c", "qty": "x", "price": 9}]
    sales = {"source": "events_transactions"}
    counted: list[dict[str, Any]] = [
        {"raw": order("A", "2024-05-01T10:00:30Z")},
        {"raw": order("B", "2024-05-01T13:00:00Z", items=lines, metadata={"source": " Kiosk "}), "stream_time": None},
        {"raw": order("C", "2024-05-01T10:00:00+02:00", items=None, currency=" usd ", metadata=None)},
        {"raw": transaction("T1", total_price="9.25", currency=None), **sales},
        {"raw": transaction("T2", total_price=None, unit_price="0.3333", quantity="0.5"), **sales},
        {"raw": transaction("T3", total_price=None, quantity=None), **sales},
        {"raw": order("D", "2024-05-01T10:00:40Z", amount=None).replace("{", '{"amount": 1e999999, ', 1)},
    ]
    left_out: list[dict[str, Any]] = [
        {"raw": order("an hour and a second ahead", "2024-05-01T13:00:01Z")},
        {"raw": order("unreadable time", "soon")},
        {"raw": order("no time", "")},
        {"raw": order("no currency", currency="euro")},
        {"raw": order("cut")[:-2]},
        {"raw": order("defect"), "defect": "undecodable"},
        {"raw": order("control row"), "kind": "window"},
    ]
    expect(
        events(spark, make_settings(SOURCES), *counted, *left_out),
        READ,
        [
            (LANDED, CLOCK, "2024-05-01 10:00:30", "web", "EUR", 2, 20),
            (LANDED, None, "2024-05-01 13:00:00", "Kiosk", "EUR", "1.5", "1.5"),
            (LANDED, CLOCK, "2024-05-01 08:00:00", "unknown", "USD", 0, 0),
            (LANDED, CLOCK, "2024-05-01 11:00:00", "web", "EUR", 2, "9.25"),
            (LANDED, CLOCK, "2024-05-01 11:00:00", "web", "USD", "0.5", "0.1667"),
            (LANDED, CLOCK, "2024-05-01 11:00:00", "web", "USD", 0, 0),
            (LANDED, CLOCK, "2024-05-01 10:00:40", "web", "EUR", 2, 20),
        ],
    )
