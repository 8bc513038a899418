"""Moments: what cannot be read is None, nothing raises, and no moment is off by a zone."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saleslake.silver.judge import moments
from tests.silver.judge.nasty import near_values
from tests.silver.judge.support import number

FORMATS = ["iso", "dd/MM/yyyy", "MM/dd/yyyy", "dd.MM.yyyy HH:mm", "yyyy-MM-dd'T'HH:mm:ssXXX", "d MMM yyyy"]
BERLIN = "Europe/Berlin"


READERS = {
    (zone, formats[-1]): moments.reader(formats, zone)
    for zone in ("UTC", "America/St_Johns")
    for formats in (["iso"], FORMATS)
}


def read(value: object, formats: list[str], zone: str = "UTC") -> str | None:
    """The moment in UTC as people write it."""
    moment = moments.reader(formats, zone)(value)
    return None if moment is None else moments.as_datetime(moment).replace(tzinfo=None).isoformat(" ", "microseconds")


def written(moment: str | None) -> str | None:
    return moment if moment is None or "." in moment else f"{moment}.000000"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-01-31T10:15:30Z", "2025-01-31 10:15:30"),
        (" 2025-01-31 10:15:30 ", "2025-01-31 10:15:30"),
        ("\t2025-01-31T10:15:30Z\r\n", "2025-01-31 10:15:30"),
        ("2025-01-31T10:15", "2025-01-31 10:15:00"),
        ("2025-01-31T10:15Z", "2025-01-31 10:15:00"),
        ("2025-01-31 10:15+02:00", "2025-01-31 08:15:00"),
        ("2025-01-31", "2025-01-31 00:00:00"),
        ("2025-01-31T10:15:30.1Z", "2025-01-31 10:15:30.100000"),
        ("2025-01-31T10:15:30.000001", "2025-01-31 10:15:30.000001"),
        ("2025-01-31T10:15:30.123456789Z", "2025-01-31 10:15:30.123456"),
        ("2025-01-31T10:15:30.999999999", "2025-01-31 10:15:30.999999"),
        ("1969-12-31T23:59:59.999999999", "1969-12-31 23:59:59.999999"),
        ("2025-01-31T10:15:30+05:30", "2025-01-31 04:45:30"),
        ("2025-01-31T10:15:30-0330", "2025-01-31 13:45:30"),
        ("2025-01-31T10:15:30+0200", "2025-01-31 08:15:30"),
        ("2025-01-31T10:15:30 +02:00", "2025-01-31 08:15:30"),
        ("2025-01-31T10:15:30 +0200", "2025-01-31 08:15:30"),
        ("2025-01-31T10:15:30 Z", "2025-01-31 10:15:30"),
        ("2025-01-31T10:15:30.5 -00:30", "2025-01-31 10:45:30.500000"),
        ("2025-01-31T10:15:30-00:00", "2025-01-31 10:15:30"),
        ("2025-01-31T10:15:30+18:00", "2025-01-30 16:15:30"),
        ("2025-01-31T10:15:30-1800", "2025-02-01 04:15:30"),
        ("2025-01-31T00:00:00", "2025-01-31 00:00:00"),
        ("2025-01-31T23:59:59", "2025-01-31 23:59:59"),
        ("0001-01-01", "0001-01-01 00:00:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01 00:00:00"),
        ("0001-01-01T00:00:00-18:00", "0001-01-01 18:00:00"),
        ("9999-12-31", "9999-12-31 00:00:00"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31 23:59:59.999999"),
        ("9999-12-31T23:59:59.999999999Z", "9999-12-31 23:59:59.999999"),
        ("9999-12-31T23:59:59+18:00", "9999-12-31 05:59:59"),
        ("2024-02-29", "2024-02-29 00:00:00"),
        ("2000-02-29", "2000-02-29 00:00:00"),
        ("2025-01-31t10:15", "2025-01-31 10:15:00"),
        ("2025-01-31T10:15z", "2025-01-31 10:15:00"),
        ("2025-01-31T10:15:30,5", "2025-01-31 10:15:30.500000"),
        ("2025-01-31T10:15:30+02", "2025-01-31 08:15:30"),
        ("2025-01-31T10:15:30UTC", "2025-01-31 10:15:30"),
        ("2025-01-31T10:15:30 GMT", "2025-01-31 10:15:30"),
        ("2025-01-31 10:15:30.123456 UTC", "2025-01-31 10:15:30.123456"),
        ("2025-01-31T24:00", "2025-02-01 00:00:00"),
        ("2025-01-31T24:00:00.000", "2025-02-01 00:00:00"),
        ("2025-01-31T24:00:00+02:00", "2025-01-31 22:00:00"),
        ("2024-12-31 24:00:00Z", "2025-01-01 00:00:00"),
        ("2025-01-31\u00a0", "2025-01-31 00:00:00"),
        ("\u200b2025-01-31", "2025-01-31 00:00:00"),
        ("2025-01-31\0", "2025-01-31 00:00:00"),
    ],
)
def test_iso_times_are_read_with_and_without_zone(text: str, moment: str) -> None:
    assert read(text, ["iso"]) == written(moment)


@pytest.mark.parametrize(
    "text",
    [
        *("2025-02-29", "1900-02-29", "2025-04-31", "2025-00-10", "2025-13-10", "2025-01-00", "2025-01-32"),
        *("2025-01-31T24:00:01", "2025-01-31T24:01", "2025-01-31T24:00:00.1", "9999-12-31T24:00"),
        *("2025-01-31T25:00", "2025-01-31T10:60", "2025-01-31T10:15:60", "2025-01-31T10:15:60Z"),
        *("2025-1-31", "2025-01", "2025", "20250131", "1738317600", "31.01.2025", "02025-01-31", "+2025-01-31"),
        *("2025-01-31T10", "2025-01-31T10Z", "2025-01-31T", "2025-01-31 ,", "2025-01-31Z", "2025-01-31+02:00"),
        *("2025-01-31x10:15", "2025-01-31T10:15zz", "2025-01-31  10:15", "2025-01-31T10:15:30.", "2025-01-31T10:15.5"),
        *("2025-01-31T10:15:30.1234567890", "2025-01-31T10:15:30;5", "2025-01-31T1015", "2025-01-31T1:15"),
        *("2025-01-31T10:15:30+99:99", "2025-01-31T10:15:30+18:01", "2025-01-31T10:15:30-18:01"),
        *(
            "2025-01-31T10:15:30+19:00",
            "2025-01-31T10:15:30+01:60",
            "2025-01-31T10:15:30+0",
            "2025-01-31T10:15:30+2:00",
        ),
        *("2025-01-31T10:15:30  +02:00", "2025-01-31T10:15:30+ 02:00", "2025-01-31T10:15:30\u00a0+02:00"),
        *("2025-01-31T10:15:30ZZ", "2025-01-31T10:15:30CET", "2025-01-31T10:15:30[UTC]", "2025-01-31T10:15:30−02:00"),
        *("2025-01-31x", "x2025-01-31", "2025-01\u200b-31", "2025-01-31\n10:15"),
        *("２０２５-01-31", "2025-01-３１", "٢٠٢٥-٠١-٣١", "2025-01-31T１０:15", "2025-01-31T10:15:３0", "2025‑01‑31"),
        *("now", "epoch", "today", "T10:15", "10:15", "", " ", None),
    ],
)
def test_what_is_no_iso_time_is_none(text: str | None) -> None:
    assert read(text, ["iso"]) is None
    assert read(text, ["iso"], BERLIN) is None


@pytest.mark.parametrize("value", [20250131, number("2025.5"), True, 10**30, ["2025-01-31"], {"at": "2025-01-31"}, []])
def test_what_is_no_text_is_no_iso_time(value: object) -> None:
    assert read(value, ["iso"]) is None


def test_a_number_of_json_is_read_by_its_digits() -> None:
    assert read(20250131, ["yyyyMMdd"]) == "2025-01-31 00:00:00.000000"


@pytest.mark.parametrize("formats", [["iso"], FORMATS], ids=["iso", "formats"])
@pytest.mark.parametrize(
    "text",
    [
        *("0000-12-31", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00"),
        *("9999-12-31T23:59:59.999999-00:01", "0001-01-01T00:00:00.000000+00:01", "9999-12-31T06:00:00-18:00"),
        *("0001-01-01T17:59:59+18:00",),
    ],
)
def test_a_moment_outside_the_years_1_to_9999_is_none(text: str, formats: list[str]) -> None:
    assert read(text, formats) is None
    assert read(text, formats, BERLIN) is None


def test_a_zone_that_carries_a_time_out_of_the_years_1_to_9999_makes_it_none() -> None:
    assert read("0001-01-01T00:00:00", ["iso"], BERLIN) is None
    assert read("9999-12-31T23:59:59", ["iso"], "America/New_York") is None
    assert read("9999-12-31T23:59:59", ["iso"], BERLIN) == "9999-12-31 22:59:59.000000"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-01-31T00:30:00", "2025-01-30 23:30:00"),
        ("2025-07-31T00:30:00", "2025-07-30 22:30:00"),
        ("2025-07-31T00:30", "2025-07-30 22:30:00"),
        ("2025-07-31T00:30:00.123456789", "2025-07-30 22:30:00.123456"),
        ("1969-07-31T00:30:00.5", "1969-07-30 23:30:00.500000"),
        ("2025-07-31T00:30:00Z", "2025-07-31 00:30:00"),
        ("2025-07-31T00:30:00+00:00", "2025-07-31 00:30:00"),
        ("2025-07-31T00:30:00 +02:00", "2025-07-30 22:30:00"),
        ("2025-07-31", "2025-07-31 00:00:00"),
        ("2025-03-30T03:30:00", "2025-03-30 01:30:00"),
        ("31.07.2025 00:30", "2025-07-30 22:30:00"),
        ("31/07/2025", "2025-07-31 00:00:00"),
    ],
)
def test_a_time_without_zone_is_in_the_zone_of_the_source_and_a_bare_day_never_moves(text: str, moment: str) -> None:
    assert read(text, ["iso", "dd/MM/yyyy", "dd.MM.yyyy HH:mm"], BERLIN) == written(moment)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-03-30T01:59:59.999999", "2025-03-30 00:59:59.999999"),
        ("2025-03-30T02:00:00", "2025-03-30 01:00:00"),
        ("2025-03-30T02:30:00", "2025-03-30 01:30:00"),
        ("2025-03-30T03:00:00", "2025-03-30 01:00:00"),
        ("2025-10-26T01:59:59", "2025-10-25 23:59:59"),
        ("2025-10-26T02:00:00", "2025-10-26 00:00:00"),
        ("2025-10-26T02:30:00", "2025-10-26 00:30:00"),
        ("2025-10-26T03:00:00", "2025-10-26 02:00:00"),
    ],
)
def test_an_hour_that_a_clock_skips_or_repeats_is_read_as_one_moment(text: str, moment: str) -> None:
    # Skipped, it is the hour after; repeated, its first time.
    assert read(text, ["iso"], BERLIN) == written(moment)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025/01/31 10:00:00+02:00", "2025-01-31 08:00:00"),
        ("2025/01/31 10:00:00Z", "2025-01-31 10:00:00"),
        ("Zulu 2025-01-31 10:00", "2025-01-31 04:30:00"),
    ],
)
def test_a_pattern_with_a_zone_of_its_own_is_not_shifted(text: str, moment: str) -> None:
    assert read(text, ["yyyy/MM/dd HH:mm:ssXXX", "'Zulu' yyyy-MM-dd HH:mm"], "Asia/Kolkata") == written(moment)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("05/06/2025", None),
        ("05/05/2025", "2025-05-05 00:00:00"),
        ("13/06/2025", "2025-06-13 00:00:00"),
        ("06/13/2025", "2025-06-13 00:00:00"),
        ("13/13/2025", None),
        ("2025-06-13", "2025-06-13 00:00:00"),
    ],
)
def test_two_formats_that_disagree_or_none_that_fits_give_none(text: str, moment: str | None) -> None:
    assert read(text, ["iso", "dd/MM/yyyy", "MM/dd/yyyy"]) == written(moment)


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (-1, datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        (moments.FIRST, datetime.min.replace(tzinfo=UTC)),
        (moments.LAST, datetime.max.replace(tzinfo=UTC)),
    ],
)
def test_a_moment_is_microseconds_since_1970_in_utc(moment: int, shown: datetime) -> None:
    assert moments.as_datetime(moment) == shown
    assert moments.reader(["iso"], "UTC")(shown.isoformat()) == moment


@given(st.datetimes(), st.sampled_from([" ", "T"]))
@settings(derandomize=True, deadline=None)
def test_what_python_writes_by_iso_is_read_as_the_same_moment(at: datetime, between: str) -> None:
    expected = moments.reader(["iso"], "UTC")(at.isoformat(between))
    assert expected is not None
    assert moments.as_datetime(expected) == at.replace(tzinfo=UTC)


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)), st.sampled_from([BERLIN, "America/St_Johns"]))
@settings(derandomize=True, deadline=None)
def test_a_local_time_is_the_moment_that_python_takes_it_for(at: datetime, zone: str) -> None:
    found = moments.reader(["iso"], zone)(at.isoformat())
    assert found is not None
    assert moments.as_datetime(found) == at.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.mark.parametrize("zone", ["UTC", "America/St_Johns"])
@given(text=near_values())
@settings(derandomize=True, deadline=None, max_examples=200)
def test_nothing_raises_whatever_the_text(text: str, zone: str) -> None:
    for formats in (["iso"], FORMATS):
        moment = READERS[zone, formats[-1]](text)
        assert moment is None or moments.FIRST <= moment <= moments.LAST
