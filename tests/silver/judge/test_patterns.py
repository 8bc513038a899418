"""Date patterns read what java.time reads by them, strictly: a whole text, real days, and nothing that is said twice unlike."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saleslake.date_patterns import MEANINGS, problem
from saleslake.silver.judge import moments
from saleslake.silver.judge.patterns import compiled
from tests.silver.judge.nasty import near_values

BERLIN = "Europe/Berlin"
DAY = "yyyy-MM-dd "
TIME = f"{DAY}HH:mm:ss"

Case = tuple[str, str, str | None]
"""Pattern, text, moment."""


@cache
def reader(pattern: str, zone: str = "UTC") -> Callable[[str], int | None]:
    assert problem(pattern) is None
    return compiled(pattern, None if zone == "UTC" else ZoneInfo(zone))


def read(pattern: str, text: str, zone: str = "UTC") -> str | None:
    """The moment in UTC as people write it; without its time if that is midnight."""
    moment = reader(pattern, zone)(text)
    if moment is None:
        return None
    return moments.as_datetime(moment).replace(tzinfo=None).isoformat(" ").removesuffix(" 00:00:00")


def none_of(pattern: str, *texts: str) -> list[Case]:
    return [(pattern, text, None) for text in texts]


def at(pattern: str, hours: dict[str, str | None]) -> list[Case]:
    """The same for texts of a time on one day."""
    day = "2025-01-31"
    return [
        (f"{DAY}{pattern}", f"{day} {text}", hour and f"{day} {hour}:00".removesuffix(" 00:00:00"))
        for text, hour in hours.items()
    ]


DAYS: list[Case] = [
    ("yyyy-MM-dd", "2025-01-31", "2025-01-31"),
    ("yyyy-MM-dd", "2024-02-29", "2024-02-29"),
    ("yyyy-MM-dd", "0001-01-01", "0001-01-01"),
    ("yyyy-MM-dd", "9999-12-31", "9999-12-31"),
    *none_of("yyyy-MM-dd", "2025-02-29", "1900-02-29", "2025-04-31", "2025-13-01", "2025-00-10", "2025-01-00"),
    *none_of("yyyy-MM-dd", "0000-12-31", "12025-01-31", "+2025-01-31", "-2025-01-31", "2025-1-31", "2025-01-3", ""),
    *none_of("yyyy-MM-dd", "2025-01-31x", "2025-01-31 ", "x2025-01-31", "2025-01-31\n", "2025-01-31 10:15", "2025-01"),
    *none_of("yyyy-MM-dd", "２０２５-01-31", "2025-01-３１", "٢٠٢٥-٠١-٣١", "²025-01-31"),
    ("y-M-d", "2025-1-5", "2025-01-05"),
    ("y-M-d", "2025-01-05", "2025-01-05"),
    ("y-M-d", "2025-001-0005", "2025-01-05"),
    ("y-M-d", "0000002025-1-1", "2025-01-01"),
    ("y-M-d", "5-1-1", "0005-01-01"),
    ("y-M-d", "9999-12-31", "9999-12-31"),
    *none_of("y-M-d", "0-1-1", "-5-1-1", "99999-1-1", "+2025-1-1", "9" * 30 + "-1-1", "2025-1-" + "9" * 19, "２-1-1"),
    ("yyy-MM-dd", "025-01-01", "0025-01-01"),
    ("yyy-MM-dd", "2025-01-01", "2025-01-01"),
    *none_of("yyy-MM-dd", "25-01-01", "12025-01-01"),
    ("yyyyy-MM-dd", "02025-01-01", "2025-01-01"),
    *none_of("yyyyy-MM-dd", "2025-01-01", "12025-01-01"),
    ("yyyyyy-MM-dd", "002025-01-01", "2025-01-01"),
    ("yy-MM-dd", "25-01-31", "2025-01-31"),
    ("yy-MM-dd", "00-01-31", "2000-01-31"),
    ("yy-MM-dd", "99-01-31", "2099-01-31"),
    *none_of("yy-MM-dd", "2025-01-31", "5-01-31", "-25-01-31"),
    ("d.M.yy", "5.1.25", "2025-01-05"),
    ("dd/MM/yyyy", "31/01/2025", "2025-01-31"),
    ("MM-dd", "02-28", "1970-02-28"),
    ("MM-dd", "02-29", None),
    ("yyyy", "2025", "2025-01-01"),
    ("MM", "05", "1970-05-01"),
    ("dd", "31", "1970-01-31"),
    ("'x'", "x", "1970-01-01"),
]
MONTHS: list[Case] = [
    *[("d MMM yyyy", text, "2025-01-05") for text in ("5 Jan 2025", "5 JAN 2025", "5 jan 2025", "05 jAn 2025")],
    *none_of("d MMM yyyy", "5 January 2025", "5 Sept 2025", "5 Mai 2025", "5 1 2025", "5 Ja 2025", "5  Jan 2025"),
    ("d MMM yyyy", "5 May 2025", "2025-05-05"),
    ("d MMMM yyyy", "5 January 2025", "2025-01-05"),
    ("d MMMM yyyy", "5 MAY 2025", "2025-05-05"),
    ("d MMMM yyyy", "5 Jan 2025", None),
    ("d LLL yyyy", "5 Jan 2025", "2025-01-05"),
    ("d LLLL yyyy", "5 January 2025", "2025-01-05"),
    ("d.L.yyyy", "5.1.2025", "2025-01-05"),
    ("d.L.yyyy", "05.01.2025", "2025-01-05"),
    ("dd.LL.yyyy", "05.01.2025", "2025-01-05"),
    ("dd.LL.yyyy", "5.1.2025", None),
    ("ddMMMyyyy", "05JAN2025", "2025-01-05"),
    ("MMMyyyy", "May2025", "2025-05-01"),
    *[
        (f"d {letters} yyyy", f"7 {name[:length]} 2025", f"2025-{number:02d}-07")
        for letters, length in (("MMM", 3), ("MMMM", 9), ("LLL", 3), ("LLLL", 9))
        for number, name in enumerate(
            [
                "January",
                "February",
                "March",
                "April",
                "May",
                "June",
                "July",
                "August",
                "September",
                "October",
                "November",
                "December",
            ],
            1,
        )
    ],
]
DAYS_OF_THE_YEAR: list[Case] = [
    ("yyyy-DDD", "2025-031", "2025-01-31"),
    ("yyyy-DDD", "2024-366", "2024-12-31"),
    ("yyyy-DDD", "9999-365", "9999-12-31"),
    ("yyyy-DDD", "0001-001", "0001-01-01"),
    *none_of("yyyy-DDD", "2025-31", "2025-366", "2025-000", "0001-000", "9999-366", "2025-1031"),
    ("yyyy-DD", "2025-31", "2025-01-31"),
    ("yyyy-DD", "2025-031", "2025-01-31"),
    ("yyyy-DD", "2025-1", None),
    ("yyyy-D", "2025-1", "2025-01-01"),
    ("yyyy-D", "2025-0001", "2025-01-01"),
    ("yyyy-D", "2025-365", "2025-12-31"),
    ("yyyy-D", "2025-" + "9" * 19, None),
    ("yyyyDDD", "2024366", "2024-12-31"),
    ("DDD", "060", "1970-03-01"),
    ("DDD", "366", None),
]
WITHOUT_SIGNS: list[Case] = [
    ("yyyyMMdd", "20250131", "2025-01-31"),
    ("yyyyMMdd", "99991231", "9999-12-31"),
    *none_of("yyyyMMdd", "20250231", "2025131", "202501311", "120250131", "2025-01-31", "20250131T10", "２0250131"),
    ("yyyyMMddHHmmss", "20250131101530", "2025-01-31 10:15:30"),
    ("yyyyMMdd'T'HHmmssX", "20250131T101530Z", "2025-01-31 10:15:30"),
    ("yyMMdd", "250131", "2025-01-31"),
    ("ddMMyy", "310125", "2025-01-31"),
    ("yMMdd", "20250131", "2025-01-31"),
    ("yMMdd", "50131", "0005-01-31"),
    ("dMMyy", "50125", "2025-01-05"),
    ("dMMyy", "150125", "2025-01-15"),
    ("yyyyMM", "202501", "2025-01-01"),
    (f"{DAY}Hmm", "2025-01-31 915", "2025-01-31 09:15:00"),
    (f"{DAY}Hmm", "2025-01-31 1015", "2025-01-31 10:15:00"),
    # Nothing says where one number of any length ends and the next begins.
    *none_of("dMyyyy", "1112025", "3112025"),
    *none_of("Mdyyyy", "1112025"),
    *none_of("yyyyMd", "2025131", "2025111"),
    *none_of("Md", "131", "11"),
    *none_of("dMMH", "11112"),
    *none_of("d[MM]yyyy", "5012025"),
    *none_of(f"{DAY}H:m:sSS", "2025-01-31 10:15:305"),
]
HOURS: list[Case] = [
    *at("HH:mm", {"00:00": "00:00", "12:00": "12:00", "23:59": "23:59", "0:05": None, "24:00": None, "10:60": None}),
    *at("H:mm", {"00:05": "00:05", "0:05": "00:05", "001:05": "01:05", "23:59": "23:59", "24:00": None, "-1:00": None}),
    *at("kk:mm", {"01:05": "01:05", "12:00": "12:00", "24:30": "00:30", "00:00": None, "25:00": None, "1:05": None}),
    *at("k:mm", {"1:05": "01:05", "24:00": "00:00", "0:05": None}),
    *at("KK:mm", {"00:00": "00:00", "11:59": "11:59", "12:00": None, "1:05": None}),
    *at("K:mm", {"0:05": "00:05", "11:59": "11:59", "12:00": None}),
    *at("hh:mm", {"01:05": "01:05", "11:59": "11:59", "12:00": "00:00", "00:00": None, "13:00": None}),
    *at("h:mm", {"1:05": "01:05", "12:30": "00:30", "0:05": None}),
    *at("h:mm a", {"10:15 AM": "10:15", "10:15 PM": "22:15", "10:15 pm": "22:15", "10:15 aM": "10:15"}),
    *at("h:mm a", {"12:00 AM": "00:00", "12:00 PM": "12:00", "0:15 PM": None, "13:00 PM": None}),
    *at("h:mm a", {"10:15 XM": None, "10:15 A.M.": None, "10:15": None, "10:15PM": None, "10:15 P": None}),
    *at("hh:mma", {"03:00pm": "15:00", "3:00pm": None}),
    *at("K:mm a", {"0:15 PM": "12:15", "11:59 PM": "23:59", "0:15 AM": "00:15", "12:00 PM": None}),
    *at("HH:mm a", {"10:15 AM": "10:15", "13:00 PM": "13:00", "12:00 PM": "12:00", "00:15 AM": "00:15"}),
    *at("HH:mm a", {"10:15 PM": None, "13:00 AM": None, "12:00 AM": None, "00:15 PM": None}),
    *at("k:mm a", {"24:00 AM": "00:00", "24:00 PM": None, "13:00 AM": None}),
    *at("a", {"PM": "12:00"}),
    *at("mm a", {"15 PM": "12:15", "15 AM": "00:15"}),
    *at("h a", {"3 PM": "15:00"}),
    *at("HH hh", {"13 01": "13:00", "13 02": None}),
    *at("HH:mm hh a", {"13:00 01 PM": "13:00", "13:00 01 AM": None, "13:00 02 PM": None}),
    *at("HH kk", {"00 24": "00:00", "01 24": None}),
    *at("KK hh", {"00 12": "00:00", "00 11": None}),
]
SECONDS: list[Case] = [
    (TIME, "2025-01-31 10:15:30", "2025-01-31 10:15:30"),
    *none_of(TIME, "2025-01-31 10:15:60", "2025-01-31 10:15", "2025-01-31 10:15:3", "2025-01-31 10:15:30.5"),
    (f"{DAY}H:m:s", "2025-01-31 1:2:3", "2025-01-31 01:02:03"),
    (f"{DAY}H:m:s", "2025-01-31 01:02:003", "2025-01-31 01:02:03"),
    (f"{DAY}H:m:s", "2025-01-31 1:60:3", None),
    (f"{DAY}HH:ss", "2025-01-31 10:15", "2025-01-31 10:00:15"),
    ("mm:ss", "10:15", "1970-01-01 00:10:15"),
    (f"{TIME}.SSS", "2025-01-31 10:15:30.123", "2025-01-31 10:15:30.123000"),
    (f"{TIME}.SSS", "2025-01-31 10:15:30.1", "2025-01-31 10:15:30.100000"),
    (f"{TIME}.SSS", "2025-01-31 10:15:30.01", "2025-01-31 10:15:30.010000"),
    *none_of(f"{TIME}.SSS", "2025-01-31 10:15:30.1234", "2025-01-31 10:15:30.", "2025-01-31 10:15:30"),
    (f"{TIME}.S", "2025-01-31 10:15:30.1", "2025-01-31 10:15:30.100000"),
    (f"{TIME}.S", "2025-01-31 10:15:30.12", None),
    (f"{TIME}.SSSSSSSSS", "2025-01-31 10:15:30.123456789", "2025-01-31 10:15:30.123456"),
    (f"{TIME}.SSSSSSSSS", "2025-01-31 10:15:30.999999999", "2025-01-31 10:15:30.999999"),
    (f"{TIME}.SSSSSSSSS", "2025-01-31 10:15:30.9999999999", None),
    (f"{TIME},SSS", "2025-01-31 10:15:30,5", "2025-01-31 10:15:30.500000"),
    (f"{DAY}HH:mm.SSS", "2025-01-31 10:15.5", "2025-01-31 10:15:00.500000"),
    (f"{TIME}SSS", "2025-01-31 10:15:305", "2025-01-31 10:15:30.500000"),
]
OPTIONAL: list[Case] = [
    ("yyyy[-MM[-dd]]", "2025", "2025-01-01"),
    ("yyyy[-MM[-dd]]", "2025-03", "2025-03-01"),
    ("yyyy[-MM[-dd]]", "2025-03-04", "2025-03-04"),
    *none_of("yyyy[-MM[-dd]]", "2025-03-", "2025-3", "2025--04"),
    *[
        ("yyyy-MM-dd[ HH:mm[:ss[.SSS]]][XXX]", f"2025-01-31{text}", moment)
        for text, moment in (
            ("", "2025-01-31"),
            (" 10:15", "2025-01-31 10:15:00"),
            (" 10:15:30", "2025-01-31 10:15:30"),
            (" 10:15:30.5", "2025-01-31 10:15:30.500000"),
            (" 10:15:30.5+02:00", "2025-01-31 08:15:30.500000"),
            ("+02:00", "2025-01-30 22:00:00"),
            ("Z", "2025-01-31"),
            (" 10", None),
            (" 10:15:", None),
        )
    ],
    ("[yyyy-MM-dd][dd.MM.yyyy]", "2025-01-31", "2025-01-31"),
    ("[yyyy-MM-dd][dd.MM.yyyy]", "31.01.2025", "2025-01-31"),
    ("yyyy-MM-dd[]", "2025-01-31", "2025-01-31"),
    # What could be the optional part is it, even where another reading would reach the end.
    (f"{DAY}HH[:mm]:ss", "2025-01-31 10:30:15", "2025-01-31 10:30:15"),
    (f"{DAY}HH[:mm]:ss", "2025-01-31 10:30", None),
    ("[HH:mm ][HH:mm]", "10:15 10:15", "1970-01-01 10:15:00"),
    ("[HH:mm ][HH:mm]", "10:15 10:16", None),
]
QUOTED: list[Case] = [
    ("yyyy-MM-dd'T'HH:mm", "2025-01-31T10:15", "2025-01-31 10:15:00"),
    ("yyyy-MM-dd'T'HH:mm", "2025-01-31t10:15", "2025-01-31 10:15:00"),
    ("yyyy-MM-dd'T'HH:mm", "2025-01-31 10:15", None),
    ("h:mm a 'o''clock' yyyy-MM-dd", "5:05 PM o'clock 2025-01-31", "2025-01-31 17:05:00"),
    ("''yyyy''", "'2025'", "2025-01-01"),
    ("yyyy''''MM", "2025''01", None),
    ("'y'yyyy", "y2025", "2025-01-01"),
    ("'[x]' yyyy", "[x] 2025", "2025-01-01"),
    ("'[x]' yyyy", " 2025", None),
    ("'é''' yyyy", "é' 2025", "2025-01-01"),
    ("yyyy.MM.dd", "2025x01x31", None),
    ("yyyy (MM) +*?", "2025 (01) +*?", "2025-01-01"),
    ("yyyy\\MM", "2025\\01", "2025-01-01"),
    ("yyyy年MM月", "2025年01月", "2025-01-01"),
    ("yyyy  MM", "2025 01", None),
]
TWICE: list[Case] = [
    ("yyyy-MM DDD", "2025-01 015", "2025-01-15"),
    ("yyyy-MM DDD", "2025-02 015", None),
    ("yyyy-MM-dd DDD", "2025-01-15 015", "2025-01-15"),
    ("yyyy-MM-dd DDD", "2025-01-15 016", None),
    ("yyyy-dd DDD", "2025-15 015", "2025-01-15"),
    ("yyyy-dd DDD", "2025-16 015", None),
    ("yyyy MMM D", "2025 Jan 15", "2025-01-15"),
    ("yyyy MMM D", "2025 Feb 15", None),
    ("MMM M yyyy", "Jan 1 2025", "2025-01-01"),
    ("MMM M yyyy", "Jan 2 2025", None),
    ("MM M yyyy", "01 1 2025", "2025-01-01"),
    ("MM M yyyy", "01 2 2025", None),
    ("MMMM MMM yyyy", "January Jan 2025", "2025-01-01"),
    ("MMMM MMM yyyy", "January Feb 2025", None),
    ("dd d MM yyyy", "05 5 01 2025", "2025-01-05"),
    ("yy yyyy", "25 2025", "2025-01-01"),
    ("yy yyyy", "24 2025", None),
    (f"{TIME} X XXX", "2025-07-31 10:15:30 +02 +02:00", "2025-07-31 08:15:30"),
    (f"{TIME} X XXX", "2025-07-31 10:15:30 +02 +03:00", None),
]


@pytest.mark.parametrize(
    ("pattern", "text", "moment"),
    [
        *(*DAYS, *MONTHS, *DAYS_OF_THE_YEAR, *WITHOUT_SIGNS),
        *(*HOURS, *SECONDS, *OPTIONAL, *QUOTED, *TWICE),
    ],
)
def test_a_text_is_read_by_a_pattern_or_not_at_all(pattern: str, text: str, moment: str | None) -> None:
    assert read(pattern, text) == moment


OFFSETS = {
    "X": "Z z +01 +0130 -0330 +18 -18 +1800 -1800 +00 -00 +0030",
    "XX": "Z +0130 -0330 +1800 -1800 +0000 -0000",
    "XXX": "Z +01:30 +18:00 -18:00 +00:00 -00:00",
    "XXXX": "Z +0130 +013030 -1800",
    "XXXXX": "Z +01:30 +01:30:30 -18:00",
    "x": "+01 +0130 -0330 +18 -18 +00 -00 -0030",
    "xx": "+0130 -0330 +1800 -1800 +0000",
    "xxx": "+01:30 +18:00 -18:00 +00:00 -00:00",
    "xxxx": "+0130 +013030 -1800",
    "xxxxx": "+01:30 +01:30:30 -18:00",
    "Z": "+0130 -0330 +1800 -1800 +0000",
    "ZZ": "+0130",
    "ZZZ": "+0130",
    "ZZZZ": "GMT gmt GMT+01:30 GMT-18:00 GMT+01:30:30",
    "ZZZZZ": "Z +01:30 +01:30:30 -18:00",
    "O": "GMT GMT+1 GMT+01 GMT+1:30 GMT+01:30 gmt+1 GMT-18:00 GMT+01:30:30",
    "OOOO": "GMT GMT+01:30 GMT-18:00 GMT+01:30:30",
    "VV": "Z z UTC GMT UT +01:30 -18:00 +18:00 +00:00 UTC+01:30 GMT+01:30 UT+01:30 GMT-18:00 +01:30:30",
}
NO_OFFSETS = {
    "X": "+1 +01:30 +1801 -1801 +19 +0160 GMT +",
    "XX": "+01 +01:30 +1801 -1801",
    "XXX": "+01 +0130 +18:01 -18:01 +19:00 +23:59 +24:00 +01:60 +1:30 UTC",
    "XXXX": "+01 +01:30 +180001 +013060",
    "XXXXX": "+01 +0130 +18:00:01 -18:00:01",
    "x": "Z +01:30 +1801",
    "xx": "Z +01 +1801",
    "xxx": "Z +0130 +18:01",
    "xxxx": "Z +01:30",
    "xxxxx": "Z +0130 +18:00:01",
    "Z": "Z +01 +01:30 +1801 -1801",
    "ZZZZ": "Z +01:30 GMT+1 GMT+01 GMT+0130 GMT+18:01 GMT+01:60",
    "ZZZZZ": "+0130 +18:01",
    "O": "Z UTC +1 GMT+19 GMT+18:01 GMT+1:60",
    "OOOO": "GMT+1 GMT+1:30 GMT+18:01",
    "VV": "+18:01 -18:01 +1 +0130 UTC+1 GMT+18:01 +01:60 Mars/Base UTC+01:30x ../../etc/passwd",
}


def seconds_of(offset: str) -> int:
    """Seconds ahead of UTC, the long way."""
    bare = offset.upper().lstrip("GMTUCZ")
    if not bare:
        return 0
    groups = bare[1:].split(":") if ":" in bare else [bare[1:][at : at + 2] for at in range(0, len(bare) - 1, 2)]
    away = sum(int(group) * unit for group, unit in zip(groups, (3600, 60, 1), strict=False))
    return -away if bare[0] == "-" else away


@pytest.mark.parametrize(("letters", "offset"), [(each, text) for each in OFFSETS for text in OFFSETS[each].split()])
def test_an_offset_carries_a_time_to_utc_whatever_the_zone_of_the_source(letters: str, offset: str) -> None:
    moment = reader(f"{TIME}{letters}", BERLIN)(f"2025-01-31 10:15:30{offset}")
    local = reader(TIME)("2025-01-31 10:15:30")
    assert moment is not None
    assert local is not None
    assert local - moment == seconds_of(offset) * 1_000_000


@pytest.mark.parametrize(
    ("letters", "offset"),
    [(each, text) for each in NO_OFFSETS for text in (*NO_OFFSETS[each].split(), "", "+０１", "−01:30", "Z\n")],
)
def test_an_offset_of_another_form_or_beyond_18_hours_is_none(letters: str, offset: str) -> None:
    assert read(f"{TIME}{letters}", f"2025-01-31 10:15:30{offset}", BERLIN) is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("0001-01-01 00:00+01:00", None),
        ("0001-01-01 00:00-01:00", "0001-01-01 01:00:00"),
        ("9999-12-31 23:59-01:00", None),
        ("9999-12-31 23:59+01:00", "9999-12-31 22:59:00"),
        ("0001-01-01 18:00+18:00", "0001-01-01"),
        ("0001-01-01 17:59+18:00", None),
    ],
)
def test_an_offset_that_carries_a_time_out_of_the_years_1_to_9999_makes_it_none(text: str, moment: str | None) -> None:
    assert read(f"{DAY}HH:mmXXX", text) == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-07-31 10:15 Europe/Berlin", "2025-07-31 08:15:00"),
        ("2025-01-31 10:15 europe/berlin", "2025-01-31 09:15:00"),
        ("2025-07-31 10:15 America/Argentina/Buenos_Aires", "2025-07-31 13:15:00"),
        ("2025-07-31 10:15 Etc/GMT+1", "2025-07-31 11:15:00"),
        ("2025-07-31 10:15 Zulu", "2025-07-31 10:15:00"),
        ("2025-03-30 02:30 Europe/Berlin", "2025-03-30 01:30:00"),
        ("2025-10-26 02:30 Europe/Berlin", "2025-10-26 00:30:00"),
        ("2025-03-09 02:30 America/New_York", "2025-03-09 07:30:00"),
        ("0001-01-01 00:00 Europe/Berlin", None),
        ("2025-07-31 10:15 Europe/Nowhere", None),
        ("2025-07-31 10:15 ", None),
    ],
)
def test_a_zone_is_read_by_its_name_of_any_case(text: str, moment: str | None) -> None:
    assert read(f"{DAY}HH:mm VV", text) == moment


def test_a_name_of_a_zone_may_stand_between_signs() -> None:
    assert read(f"{DAY}HH:mm'['VV']'", "2025-07-31 10:15[Europe/Berlin]") == "2025-07-31 08:15:00"
    assert read(f"{DAY}HH:mm[ VV]", "2025-07-31 10:15 Zulu") == "2025-07-31 10:15:00"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-01-31 00:30", "2025-01-30 23:30:00"),
        ("2025-07-31 00:30", "2025-07-30 22:30:00"),
        ("2025-03-30 01:59", "2025-03-30 00:59:00"),
        ("2025-03-30 02:00", "2025-03-30 01:00:00"),
        ("2025-03-30 02:30", "2025-03-30 01:30:00"),
        ("2025-03-30 03:00", "2025-03-30 01:00:00"),
        ("2025-10-26 01:59", "2025-10-25 23:59:00"),
        ("2025-10-26 02:30", "2025-10-26 00:30:00"),
        ("2025-10-26 03:00", "2025-10-26 02:00:00"),
        ("0001-01-01 00:00", None),
        ("9999-12-31 23:59", "9999-12-31 22:59:00"),
    ],
)
def test_a_local_time_that_is_skipped_is_an_hour_later_and_one_that_comes_twice_is_the_first(
    text: str, moment: str | None
) -> None:
    assert read(f"{DAY}HH:mm", text, BERLIN) == moment


@pytest.mark.parametrize(("pattern", "text"), [("yyyy-MM-dd", "2025-07-31"), ("d MMM yyyy", "31 Jul 2025")])
def test_a_day_without_a_time_is_that_day_whatever_the_zone(pattern: str, text: str) -> None:
    for zone in ("UTC", BERLIN, "America/St_Johns", "Pacific/Kiritimati"):
        assert read(pattern, text, zone) == "2025-07-31"


def test_every_letter_that_a_pattern_may_have_is_tried_here() -> None:
    tried = {letter for case in (*DAYS, *MONTHS, *DAYS_OF_THE_YEAR, *HOURS, *SECONDS) for letter in case[0]}
    assert set(MEANINGS) <= tried | {letter for letters in OFFSETS for letter in letters}


ROUND_TRIPS = {
    "yyyy-MM-dd HH:mm:ss.SSSSSS": "%Y-%m-%d %H:%M:%S.%f",
    "yyyyMMddHHmmss": "%Y%m%d%H%M%S",
    "d MMMM yyyy, hh:mm:ss a": "%d %B %Y, %I:%M:%S %p",
    "yyyy/DDD kk:mm:ss": "%Y/%j %H:%M:%S",
    "yyyy-MM-dd'T'HH:mm:ssxx": "%Y-%m-%dT%H:%M:%S+0000",
}


@pytest.mark.parametrize("pattern", ROUND_TRIPS)
@given(at_=st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)))
@settings(derandomize=True, deadline=None)
def test_what_python_writes_is_read_as_the_same_moment(at_: datetime, pattern: str) -> None:
    text = at_.strftime(ROUND_TRIPS[pattern])
    if "kk" in pattern:
        text = text.replace(" 00:", " 24:")
    expected = at_ if "S" in pattern else at_.replace(microsecond=0)
    moment = reader(pattern)(text)
    assert moment is not None
    assert moments.as_datetime(moment).replace(tzinfo=None) == expected


LETTERS = st.lists(
    st.one_of(
        st.builds(str.__mul__, st.sampled_from(list("yMLdDHkhKamsSXxZOV")), st.integers(1, 5)),
        st.sampled_from(["[", "]", "-", ":", " ", "'T'", "''", ".", "("]),
    ),
    min_size=1,
    max_size=10,
)


@given(LETTERS.map("".join).filter(lambda pattern: problem(pattern) is None), st.lists(near_values(), max_size=20))
@settings(derandomize=True, deadline=None)
def test_nothing_raises_whatever_the_pattern_and_the_text(pattern: str, texts: list[str]) -> None:
    for read_ in (reader(pattern), reader(pattern, BERLIN)):
        for text in texts:
            moment = read_(text)
            assert moment is None or moments.FIRST <= moment <= moments.LAST
