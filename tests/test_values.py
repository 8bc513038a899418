"""Texts to typed values: what cannot be read is NULL, nothing raises, and no number is off by a digit or a zone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from saleslake import values
from saleslake.silver.reading import EXACT
from saleslake.table import MONEY, QUANTITY
from tests.frames import expect, frame

FORMATS = ["iso", "dd/MM/yyyy", "MM/dd/yyyy", "dd.MM.yyyy HH:mm", "yyyy-MM-dd'T'HH:mm:ssXXX", "d MMM yyyy"]

Expected = dict[str | None, Any]
"""By text: a value, or a tuple of them."""


def of_texts(spark: SparkSession, texts: Iterable[str | None], *columns: Column) -> DataFrame:
    """Each text, numbered, with these columns over `t`."""
    return frame(spark, "n int, t string", enumerate(texts)).select("n", "t", *columns)


def expect_each(spark: SparkSession, expected: Expected, shape: str, *columns: Column) -> None:
    """Each text gives these values in `columns`, whose names and types are `shape`."""
    given = [values_ if isinstance(values_, tuple) else (values_,) for values_ in expected.values()]
    rows = [(n, text, *each) for n, (text, each) in enumerate(zip(expected, given, strict=True))]
    expect(of_texts(spark, expected, *columns), f"n int, t string, {shape}", rows)


def expect_moments(spark: SparkSession, expected: Expected, formats: list[str], zone: str = "UTC") -> None:
    """Each text is read as this moment in UTC, as text: Python has not every year that Spark has."""
    moment = values.timestamp(F.col("t"), formats, zone).cast("string").alias("moment")
    expect_each(spark, expected, "moment string", moment)


def test_keys_and_enumerations_are_trimmed_and_the_empty_one_is_null(spark: SparkSession) -> None:
    expected: Expected = {" a b ": "a b", "\t\r\na": "a", "": None, " \t": None, None: None, "\u00a0a": "\u00a0a"}
    bare = values.trimmed(F.col("t")).alias("bare")
    expect_each(spark, expected, "bare string", bare)


def test_an_identifier_that_is_an_object_or_array_is_null(spark: SparkSession) -> None:
    expected: Expected = {" 7 ": "7", '{"id": 1}': None, " [1]": None, "a[1]": "a[1]", "-": "-", None: None}
    key = values.identifier(F.col("t")).alias("key")
    expect_each(spark, expected, "key string", key)


def test_numbers_are_rounded_half_up_and_told_apart_from_what_is_too_large_or_no_number(spark: SparkSession) -> None:
    exact = F.col("t").try_cast(EXACT)
    columns = [
        column.alias(name)
        for kind, type_ in (("money", MONEY), ("quantity", QUANTITY))
        for name, column in (
            (kind, exact.try_cast(type_)),
            (f"{kind}_problem", F.when(exact.try_cast(type_).isNull(), values.money_problem(exact, F.col("t"), type_))),
            (f"{kind}_rounded", values.was_rounded(exact, type_)),
        )
    ]
    expected: Expected = {
        "1.00005": ("1.0001", None, True, "1.000", None, True),
        "1.00004999": ("1.0000", None, True, "1.000", None, True),
        "-1.00005": ("-1.0001", None, True, "-1.000", None, True),
        "1.0005": ("1.0005", None, False, "1.001", None, True),
        "-1.0005": ("-1.0005", None, False, "-1.001", None, True),
        "1.50": ("1.5000", None, False, "1.500", None, False),
        "1.5E3": ("1500.0000", None, False, "1500.000", None, False),
        "5e-4": ("0.0005", None, False, "0.001", None, True),
        "+.5": ("0.5000", None, False, "0.500", None, False),
        "12345678901234.5678": ("12345678901234.5678", None, False, "12345678901234.568", None, True),
        "99999999999999.99994": ("99999999999999.9999", None, True, "100000000000000.000", None, True),
        "99999999999999.99995": (None, "overflow", None, "100000000000000.000", None, True),
        "1e15": (None, "overflow", None, None, "overflow", None),
        "1e400": (None, "overflow", None, None, "overflow", None),
        "Infinity": (None, "overflow", None, None, "overflow", None),
        "12,50": (None, "unreadable", None, None, "unreadable", None),
        "1,250.00": (None, "unreadable", None, None, "unreadable", None),
        "1.250,00": (None, "unreadable", None, None, "unreadable", None),
        "NaN": (None, "unreadable", None, None, "unreadable", None),
        "0x1A": (None, "unreadable", None, None, "unreadable", None),
        "5 €": (None, "unreadable", None, None, "unreadable", None),
        "1e": (None, "unreadable", None, None, "unreadable", None),
        None: (None, None, None, None, None, None),
    }
    expect_each(
        spark,
        expected,
        "money decimal(18,4), money_problem string, money_rounded boolean, "
        "quantity decimal(18,3), quantity_problem string, quantity_rounded boolean",
        *columns,
    )


def test_iso_times_are_read_with_and_without_zone(spark: SparkSession) -> None:
    expected: Expected = {
        "2025-01-31T10:15:30Z": "2025-01-31 10:15:30",
        " 2025-01-31 10:15:30 ": "2025-01-31 10:15:30",
        "2025-01-31T10:15": "2025-01-31 10:15:00",
        "2025-01-31": "2025-01-31 00:00:00",
        "2025-01-31T10:15:30.123456789Z": "2025-01-31 10:15:30.123456",
        "2025-01-31T10:15:30+05:30": "2025-01-31 04:45:30",
        "2025-01-31T10:15:30-0330": "2025-01-31 13:45:30",
        "0001-01-01": "0001-01-01 00:00:00",
        "9999-12-31T23:59:59.999999Z": "9999-12-31 23:59:59.999999",
        "2024-02-29": "2024-02-29 00:00:00",
        **dict.fromkeys(
            (
                "2025-02-29",
                "2025-01-31T24:00:00",
                "2025-01-31T10:15:60",
                "2025-1-31",
                "2025-01",
                "2025",
                "20250131",
                "1738317600",
                "31.01.2025",
                "2025-01-31T10:15:30+99:99",
                "2025-01-31x",
                "now",
                "epoch",
                "T10:15",
                "",
                None,
            )
        ),
    }
    expect_moments(spark, expected, ["iso"])


@pytest.mark.parametrize("formats", [["iso"], FORMATS], ids=["iso", "formats"])
def test_a_moment_outside_the_years_1_to_9999_is_null(formats: list[str], spark: SparkSession) -> None:
    texts = ("0000-12-31", "9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00")
    expect_moments(spark, dict.fromkeys(texts), formats)


def test_a_time_without_zone_is_in_the_zone_of_the_source_and_a_bare_day_never_moves(spark: SparkSession) -> None:
    expected: Expected = {
        "2025-01-31T00:30:00": "2025-01-30 23:30:00",
        "2025-07-31T00:30:00": "2025-07-30 22:30:00",
        "2025-07-31T00:30:00Z": "2025-07-31 00:30:00",
        "2025-07-31T00:30:00+00:00": "2025-07-31 00:30:00",
        "2025-07-31": "2025-07-31 00:00:00",
        "2025-03-30T03:30:00": "2025-03-30 01:30:00",
        "31.07.2025 00:30": "2025-07-30 22:30:00",
        "31/07/2025": "2025-07-31 00:00:00",
    }
    expect_moments(spark, expected, ["iso", "dd/MM/yyyy", "dd.MM.yyyy HH:mm"], "Europe/Berlin")


def test_an_hour_that_a_clock_skips_or_repeats_is_read_as_one_moment(spark: SparkSession) -> None:
    # Skipped, it is the hour after; repeated, its first time.
    expected: Expected = {
        "2025-03-30T02:30:00": "2025-03-30 01:30:00",
        "2025-10-26T02:30:00": "2025-10-26 00:30:00",
    }
    expect_moments(spark, expected, ["iso"], "Europe/Berlin")


def test_a_pattern_with_a_zone_of_its_own_is_not_shifted(spark: SparkSession) -> None:
    expected: Expected = {
        "2025/01/31 10:00:00+02:00": "2025-01-31 08:00:00",
        "2025/01/31 10:00:00Z": "2025-01-31 10:00:00",
        "Zulu 2025-01-31 10:00": "2025-01-31 04:30:00",
    }
    expect_moments(spark, expected, ["yyyy/MM/dd HH:mm:ssXXX", "'Zulu' yyyy-MM-dd HH:mm"], "Asia/Kolkata")


def test_two_formats_that_disagree_or_none_that_fits_give_null(spark: SparkSession) -> None:
    expected: Expected = {
        "05/06/2025": None,
        "05/05/2025": "2025-05-05 00:00:00",
        "13/06/2025": "2025-06-13 00:00:00",
        "06/13/2025": "2025-06-13 00:00:00",
        "13/13/2025": None,
        "2025-06-13": "2025-06-13 00:00:00",
    }
    expect_moments(spark, expected, ["iso", "dd/MM/yyyy", "MM/dd/yyyy"])


def test_channels_are_looked_up_by_their_bare_spelling(spark: SparkSession) -> None:
    names = {"In-Store": "store", "web": "online"}
    expected: Expected = {
        "In-store": ("store", "In-store"),
        " in store ": ("store", "in store"),
        "IN_STORE": ("store", "IN_STORE"),
        "Web": ("online", "Web"),
        " Fax ": ("Fax", "Fax"),
        "": ("unknown", "unknown"),
        None: ("unknown", "unknown"),
    }
    of_names, of_none = values.channel(F.col("t"), names), values.channel(F.col("t"), {})
    expect_each(spark, expected, "named string, bare string", of_names.alias("named"), of_none.alias("bare"))


def test_a_currency_is_three_letters(spark: SparkSession) -> None:
    expected: Expected = {" eur ": "EUR", "USD": "USD"}
    expected |= dict.fromkeys(("€", "EURO", "E1R", "ÄÖÜ", "", None))
    code = values.currency(F.col("t")).alias("code")
    expect_each(spark, expected, "code string", code)


def nasty_texts(count: int) -> list[str]:
    """Reproducible garbage: any text, and texts near numbers and dates."""
    near = st.text(alphabet="0123456789-+:.,/ TZeE[]{}\"'\\\0", min_size=1, max_size=30)
    year = st.builds(
        "{:04d}-{:02d}-{:02d}T{:02d}:{:02d}:{:02d}{}".format,
        *[st.integers(0, n) for n in (9999, 13, 32, 25, 61, 61)],
        st.sampled_from(["", "Z", "+14:00", "-18:00", "+19:00"]),
    )
    found: list[str] = []

    @given(st.one_of(st.text(max_size=40), near, year))
    @hypothesis_settings(derandomize=True, database=None, max_examples=count)
    def collect(text: str) -> None:
        found.append(text)

    collect()
    return found


@pytest.mark.parametrize("zone", ["UTC", "America/St_Johns"])
def test_nothing_raises_whatever_the_text(spark: SparkSession, zone: str) -> None:
    texts = nasty_texts(150)
    hostile = [
        "1e99999",
        "9" * 400,
        "-" * 50,
        "[" * 50,
        "\0",
        "2025-01-31T10:15:30" + "9" * 200,
        "\ud7ff\U0010ffff",
        "é" * 1000,
    ]
    many = [a + b for a in texts for b in ("", "1")] + hostile
    exact, t = F.col("t").try_cast(EXACT), F.col("t")
    columns = [
        values.trimmed(t),
        values.identifier(t),
        values.is_number(t),
        values.money_problem(exact, t, MONEY),
        values.was_rounded(exact, MONEY),
        values.channel(t, {"web": "online"}),
        values.currency(t),
        values.timestamp(t, FORMATS, zone).cast("string"),
    ]
    named = [column.alias(f"c{n}") for n, column in enumerate(columns)]
    assert len(of_texts(spark, many, *named).collect()) == len(many)
