"""Which source an event goes to, and when it happened."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from saleslake import bronze
from saleslake.config import Settings
from saleslake.errors import ConfigError
from saleslake.silver.judge.moments import as_datetime
from saleslake.stream.routes import Route, past_time, routed, router
from tests.frames import table
from tests.stream_support import CONFIG, order, transaction

CSV = "T9,c,a,2024-05-03T09:00:00Z,2,7.50,Online,USD,2024-05-03T09:00:00Z"
HEADER = CONFIG.split('columns = ["')[1].split('"]')[0].replace('", "', ",")


@pytest.fixture
def route(make_settings: Callable[[str], Settings]) -> Callable[..., Route]:
    def one(line: str, header: str | None = None, config: str = CONFIG) -> Route:
        return router(make_settings(config))(line, header, None)

    return one


@pytest.mark.parametrize(
    ("line", "source"),
    [
        (order("1"), "events_orders"),
        (transaction("1"), "events_transactions"),
        (order("1", type=None), "events_orders"),
        (transaction("1", type=None), "events_transactions"),
        (order("1", type=" ORDER "), "events_orders"),
        (order("1", type="transaction"), "events_transactions"),
        ("  " + transaction("1"), "events_transactions"),
        (order("1", type=None, transaction_id="2"), "events_orders"),
        (CSV, "events_transactions_csv"),
        ("a,b", "events_transactions_csv"),
        ("nonsense", "events_orders"),
        ('{"neither": 1}', "events_orders"),
        ('{"order_id": "cut', "events_orders"),
        ("[1]", "events_orders"),
        ('["T9", 17]', "events_orders"),
    ],
)
def test_type_decides_else_the_key_else_the_form(route: Callable[..., Route], line: str, source: str) -> None:
    found = route(line)
    assert (found.source, found.defect) == (source, None)


def test_an_unknown_type_is_a_defect_whatever_key_the_event_carries(route: Callable[..., Route]) -> None:
    found = route(order("1", type="refund"))
    assert (found.source, found.defect) == ("events_orders", "event_type_unknown")


def test_the_type_field_and_its_values_are_settings(route: Callable[..., Route]) -> None:
    config = CONFIG.replace('event_type = "order"', 'event_type = "Bestellung"') + '\n[stream]\ntype_field = "kind"\n'
    found = route(order("1", type=None, kind="bestellung"), config=config)
    assert (found.source, found.defect) == ("events_orders", None)
    assert route(order("1", type="refund"), config=config).defect is None


def test_a_csv_line_is_counted_by_its_cells_and_not_by_its_delimiters(route: Callable[..., Route]) -> None:
    config = (
        CONFIG
        + """
[sources.events_sales]
entity = "transactions"
format = "events_csv"
columns = ["transaction_id", "sale_date", "quantity"]
escape = "\\\\"
"""
    )
    for line in ('T1,2024-01-05,"1,5"', "T1,2024-01-05,1,", r"T1,2024-01-05,1\,5"):
        assert route(line, config=config).source == "events_sales", line
    assert route(CSV, config=config).source == "events_transactions_csv"


def test_a_csv_line_without_a_header_gets_the_configured_one(route: Callable[..., Route]) -> None:
    assert route(CSV).header == HEADER
    assert route(CSV, header="x,y").header == "x,y"
    assert route(order("1")).header is None


@pytest.mark.parametrize(
    ("line", "header", "moment"),
    [
        (order("1", "2024-05-01T10:00:00+02:00"), None, datetime(2024, 5, 1, 8, tzinfo=UTC)),
        (transaction("1", "2024-05-01T11:30:00Z"), None, datetime(2024, 5, 1, 11, 30, tzinfo=UTC)),
        (CSV, None, datetime(2024, 5, 3, 9, tzinfo=UTC)),
        ("2024-05-04T09:00:00Z,T9", " sale_date ,transaction_id", datetime(2024, 5, 4, 9, tzinfo=UTC)),
        (order("1", "yesterday"), None, None),
        ("nonsense", None, None),
    ],
)
def test_event_time_is_when_it_was_sold(
    route: Callable[..., Route], line: str, header: str | None, moment: datetime | None
) -> None:
    at = route(line, header).event_time
    assert (as_datetime(at) if at is not None else None) == moment


def test_without_a_source_for_events_the_configuration_is_refused(route: Callable[..., Route]) -> None:
    with pytest.raises(ConfigError, match="format = 'events'"):
        route(order("1"), config='[sources.users]\nentity = "users"\nformat = "csv"\npath = "u.csv"\n')


def test_an_event_is_past_until_an_hour_after_its_landing() -> None:
    hour = 3_600_000_000
    assert [past_time(at, 7) for at in (6, 7 + hour, 8 + hour, None)] == [6, 7 + hour, None, None]


BLANK = {"kind": "record", "record_id": "", "run_id": "", "landed_date": "2024-06-01"}


def test_routing_sets_source_and_defect_and_adds_what_is_past(make_settings: Callable[[str], Settings]) -> None:
    lines = [
        order("1"),
        transaction("2", "9999-01-01"),
        CSV,
        order("3", type="refund"),
        "nonsense",
        '{"order_id": "cut',
    ]
    landed_at = datetime(2024, 6, 1, tzinfo=UTC)
    given = table(
        bronze.table_of("events"),
        [
            BLANK | {"file": "f", "ordinal": n, "raw": line, "source": "events", "landed_at": landed_at}
            for n, line in enumerate(lines)
        ],
    )
    found = routed(given, make_settings(CONFIG)).to_pylist()
    assert [(row["source"], row["defect"], row["past_time"] is None) for row in found] == [
        ("events_orders", None, False),
        ("events_transactions", None, True),
        ("events_transactions_csv", None, False),
        ("events_orders", "event_type_unknown", False),
        ("events_orders", None, True),
        ("events_orders", None, True),
    ]
