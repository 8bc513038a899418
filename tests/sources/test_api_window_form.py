"""How since and until are written, so that a server that reads them in its own way misses nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saleslake import date_writing
from saleslake.config import Api
from saleslake.sources.window_form import written
from tests.api_support import Reply, make_client, scripted

SINCE = "2025-05-02T01:02:03.456789Z"


def form(text: str, since_format: str, zone: str = "UTC", later: bool = False) -> str:
    return written(text, Api(url="http://x", since_format=since_format, since_time_zone=zone), later=later)


@pytest.mark.parametrize(
    ("since_format", "zone", "since", "until"),
    [
        ("iso", "UTC", SINCE, SINCE),
        ("iso", "America/Sao_Paulo", "2025-05-01T22:02:03.456789-03:00", "2025-05-01T22:02:03.456789-03:00"),
        ("iso_seconds", "UTC", "2025-05-02T01:02:03Z", "2025-05-02T01:02:04Z"),
        ("iso_seconds", "Asia/Kolkata", "2025-05-02T06:32:03+05:30", "2025-05-02T06:32:04+05:30"),
        ("epoch_s", "UTC", "1746147723", "1746147724"),
        ("epoch_ms", "Asia/Kolkata", "1746147723456", "1746147723457"),
        ("yyyy-MM-dd HH:mm:ss", "UTC", "2025-05-02 01:02:03", "2025-05-02 01:02:04"),
        ("yyyy-MM-dd HH:mm:ss", "America/Sao_Paulo", "2025-05-01 22:02:03", "2025-05-01 22:02:04"),
        (
            "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
            "Europe/Berlin",
            "2025-05-02T03:02:03.456+02:00",
            "2025-05-02T03:02:03.457+02:00",
        ),
        ("yyyy-MM-dd", "UTC", "2025-05-02", "2025-05-03"),
        ("dd MMM yyyy h:mm a", "UTC", "02 May 2025 1:02 AM", "02 May 2025 1:03 AM"),
        ("yyMMddHHmmssZ", "Asia/Kolkata", "250502063203+0530", "250502063204+0530"),
        ("M/d/y H''m X", "UTC", "5/2/2025 1'2 Z", "5/2/2025 1'3 Z"),
    ],
)
def test_a_window_is_written_in_its_form_earlier_for_since_and_later_for_until(
    since_format: str, zone: str, since: str, until: str
) -> None:
    assert form(SINCE, since_format, zone) == since
    assert form(SINCE, since_format, zone, later=True) == until


def test_a_moment_that_is_whole_in_the_form_is_written_as_it_is() -> None:
    for later in (False, True):
        assert form("2025-05-02T00:00:00.000000Z", "yyyy-MM-dd", later=later) == "2025-05-02"
        assert form("2025-05-02T00:00:00.000000Z", "epoch_s", later=later) == "1746144000"


def test_a_clock_time_that_comes_twice_is_written_so_that_neither_reading_misses_a_record() -> None:
    """On 26 October 2025 the hour from 2:00 came twice in Berlin: from 0:00 and from 1:00 UTC."""
    pattern = "yyyy-MM-dd HH:mm"
    assert form("2025-10-26T00:30:00Z", pattern, "Europe/Berlin") == "2025-10-26 01:30"
    assert form("2025-10-26T01:30:00Z", pattern, "Europe/Berlin") == "2025-10-26 02:30"
    assert form("2025-10-26T00:30:00Z", pattern, "Europe/Berlin", later=True) == "2025-10-26 02:30"
    assert form("2025-10-26T01:30:00Z", pattern, "Europe/Berlin", later=True) == "2025-10-26 03:30"


@given(st.datetimes(datetime(1950, 1, 1), datetime(2090, 1, 1)), st.sampled_from(["Europe/Berlin", "America/St_Johns"]))
def test_whichever_way_the_server_reads_a_clock_time_the_window_is_never_narrower(at: datetime, zone: str) -> None:
    moment, pattern = at.replace(tzinfo=UTC), "yyyy-MM-dd HH:mm"
    for later in (False, True):
        text = form(moment.isoformat(), pattern, zone, later=later)
        read = datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=ZoneInfo(zone))
        for fold in (0, 1):
            taken = read.replace(fold=fold).astimezone(UTC)
            assert (taken >= moment) if later else (taken <= moment)
            assert abs(taken - moment) < timedelta(hours=2, minutes=1)


def test_the_ends_of_the_calendar_are_written_too() -> None:
    assert form("0001-01-01T00:00:00Z", "yyyy-MM-dd HH:mm", "America/Sao_Paulo") == "0001-01-01 00:00"
    assert form("9999-12-31T23:59:59.5Z", "yyyy-MM-dd HH:mm", "Asia/Tokyo", later=True) == "9999-12-31 23:59"


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("ISO", "'I' does not|letter 'I'"),
        ("yyyy-MM-dd'T", "single quote"),
        ("yyyy-MM", "it has no 'd'"),
        ("HH:mm", "it has no 'y'"),
        ("yyyy-MM-dd hh:mm", "needs a, or take H"),
        ("yyyy-MM-dd mm", "no hour"),
        ("yyyy-MM-dd[ HH:mm]", "optional parts"),
        ("yyyy-DDD-dd MM", "'DDD' is not written"),
        ("", "empty"),
    ],
)
def test_a_form_that_says_no_moment_is_refused_at_start_with_what_is_allowed(pattern: str, says: str) -> None:
    with pytest.raises(ValueError, match=f"is none of iso, iso_seconds, epoch_s, epoch_ms, and no .*({says})"):
        Api(url="http://x", since_format=pattern)


def test_a_zone_that_does_not_exist_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match="unknown time zone 'Berlin'"):
        Api(url="http://x", since_time_zone="Berlin")


def test_the_window_is_sent_in_its_form() -> None:
    with scripted(Reply()) as server:
        client = make_client(server.url, since_format="epoch_s", since_param="min", until_param="max")
        list(client.pages(SINCE, SINCE))
    assert server.seen[0]["path"] == "/?min=1746147723&max=1746147724&limit=2"


def test_every_pattern_letter_that_is_written_is_known_to_the_reader_of_dates() -> None:
    for part in date_writing._WRITES:
        rest = "".join(f" {other}" for other in ("yyyy", "MM", "dd", "HH", "a") if other[0] != part[0])
        assert date_writing.problem(part + rest) is None
