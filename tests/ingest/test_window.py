"""The window asked of an API, and where the watermark stands after it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from saleslake.bronze import Control
from saleslake.errors import ConfigError
from saleslake.ingest.window import Window, effective, moved, parse_moment, parse_window
from saleslake.landing import iso


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2025, 1, day, hour, tzinfo=UTC)


def control(day: int, watermark: datetime | None, key: str = "o1") -> Control:
    return Control(
        landed_at=at(day),
        units=[],
        watermark=iso(watermark) if watermark else None,
        watermark_key=key if watermark else None,
    )


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (None, None),
        ("2025-01-31", at(31)),
        (" 2025-01-31T10:00 ", at(31, 10)),
        ("2025-01-31 10:00:00Z", at(31, 10)),
        ("2025-01-31T10:00:00+02:00", at(31, 8)),
        ("2025-01-31T10:00:00-0200", at(31, 12)),
        ("2025-01-31T10:00:00.250000Z", at(31, 10) + timedelta(milliseconds=250)),
    ],
)
def test_a_date_or_timestamp_is_utc_unless_it_carries_a_zone(text: str | None, moment: datetime | None) -> None:
    assert parse_moment(text, "--since") == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2025",
        "2025-02-30",
        "2025-01-31T25:00",
        "31.01.2025",
        "2025-01-31'; --",
        "0001-01-01T00:00:00+05:00",
        "9999-12-31T23:00:00-05:00",
    ],
)
def test_what_is_no_moment_is_refused_by_its_option(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_moment(text, "--until")
    assert (
        str(refused.value) == f"--until {text!r}: give a date (2024-01-31) or an ISO timestamp (2024-01-31T10:15:00Z)"
    )


def test_a_window_the_wrong_way_round_or_empty_is_refused() -> None:
    assert parse_window("2025-01-01", "2025-01-02") == Window(at(1), at(2))
    assert parse_window(None, None) == Window()
    assert (Window(at(1)).by_hand, Window(until=at(1)).by_hand, Window().by_hand) == (True, True, False)
    for until in ("2025-01-02", "2025-01-01"):
        with pytest.raises(ConfigError, match=f"--since 2025-01-02 is not before --until {until}"):
            parse_window("2025-01-02", until)


def test_the_window_starts_at_the_newest_watermark_less_the_lag() -> None:
    rows = [control(1, at(20)), control(2, at(25)), control(3, None)]
    assert effective(Window(), rows, 3600, refetch=False) == Window(at(24, 23))
    assert effective(Window(), [], 3600, refetch=False) == Window()
    assert effective(Window(until=at(30)), rows, 0, refetch=False) == Window(at(25), at(30))


def test_a_window_by_hand_is_taken_as_it_is_and_a_refetch_asks_for_everything() -> None:
    rows = [control(1, at(20))]
    assert effective(Window(at(5), at(6)), rows, 3600, refetch=False) == Window(at(5), at(6))
    assert effective(Window(), rows, 3600, refetch=True) == Window()
    assert effective(Window(until=at(6)), rows, 3600, refetch=True) == Window(None, at(6))


def test_a_watermark_in_the_year_1_is_kept_as_text_and_its_lag_goes_no_further_back() -> None:
    first = datetime(1, 1, 1, tzinfo=UTC)
    assert iso(first) == "0001-01-01T00:00:00.000000Z"
    assert effective(Window(), [control(1, first)], 3600, refetch=False) == Window(first)


def test_the_watermark_moves_forward_only_and_by_key_within_one_moment() -> None:
    old = (iso(at(10)), "o5")
    assert moved(Window(at(9)), None, None) is None
    assert moved(Window(), None, (at(3), "o1")) == (iso(at(3)), "o1")
    assert moved(Window(at(9)), old, (at(11), "o1")) == (iso(at(11)), "o1")
    assert moved(Window(at(9)), old, (at(10), "o6")) == (iso(at(10)), "o6")
    for greatest in ((at(10), "o5"), (at(10), "o4"), (at(9), "o9")):
        assert moved(Window(at(9)), old, greatest) is None


def test_a_backfill_moves_the_watermark_only_if_it_joins_on_to_it() -> None:
    old = (iso(at(10)), "o5")
    assert moved(Window(at(10), at(20)), old, (at(15), "o1")) == (iso(at(15)), "o1")
    assert moved(Window(at(11), at(20)), old, (at(15), "o1")) is None
    assert moved(Window(at(5), at(20)), None, (at(15), "o1")) is None
    assert moved(Window(None, at(20)), None, (at(15), "o1")) == (iso(at(15)), "o1")
