"""The days on which lines of changed orders lie and lay, told from the change in memory."""

from __future__ import annotations

from datetime import date
from typing import Any

from saleslake.gold.touched import touched

from saleslake.changes import Change
from saleslake.gold import line_dates
from saleslake.silver import orders
from tests.frames import table
from tests.gold_support import order

SOLD, BACK, LATER = "2025-01-31", "2025-02-03", "2025-02-05"
OWN = (1, "A", 3, 10)


def refunded(*days: str) -> dict[str, Any]:
    lines = [(n, "A", -1, None, -10, f"{day} 23:59:59") for n, day in enumerate(days, 2)]
    return order("o1", OWN, *lines) | {"first_refund_date": min(days), "last_refund_date": max(days)}


def rows(*given: dict[str, Any]) -> Any:
    lineage = {
        "warnings": [],
        "source": "s",
        "content_hash": "h",
        "landed_at": SOLD,
        "file": "f",
        "ordinal": 1,
        "run_id": "r",
    }
    return table(orders.TABLE.schema, [lineage | each for each in given])


def test_an_order_has_lines_on_its_own_day_and_on_those_of_its_refunds() -> None:
    assert line_dates.of_rows(rows(order("o1", OWN))) == {date(2025, 1, 31)}
    assert line_dates.of_rows(rows()) == set()
    several = line_dates.of_rows(rows(refunded(BACK, LATER, BACK), order("o2", OWN)))
    assert several == {date(2025, 1, 31), date(2025, 2, 3), date(2025, 2, 5)}


def test_a_change_touches_the_old_days_of_refunds_and_the_new() -> None:
    feed = rows(refunded(BACK), refunded(LATER))
    feed = feed.append_column("_change_type", [["update_preimage", "update_postimage"]])
    feed = feed.append_column("_commit_version", [[2, 2]])
    found = touched({"orders": Change(orders.TABLE, None, rows=feed)})  # type: ignore[arg-type]
    assert found is not None
    assert found.dates == {date(2025, 1, 31), date(2025, 2, 3), date(2025, 2, 5)}
    assert [line["refunded_at"].date() for line in found.orders.column("items").to_pylist()[0][1:]] == [
        date(2025, 2, 5)
    ]
