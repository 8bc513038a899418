"""Texts to typed values: what cannot be read is NULL, nothing raises, and no number is off by a digit or a zone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from saleslake import values
from saleslake.silver.reading import EXACT
from saleslake.table import MONEY, QUANTITY

FORMATS = ["iso", "dd/MM/yyyy", "MM/dd/yyyy", "dd.MM.yyyy HH:mm", "yyyy-MM-dd'T'HH:mm:ssXXX", "d MMM yyyy"]


def evaluated(spark: SparkSession, texts: list[str | None], *columns: Column) -> list[tuple[object, ...]]:
    """Each text with these columns over `t`; one job."""
    rows = (
        spark.createDataFrame([(n, t) for n, t in enumerate(texts)], "n int, t string").select("n", *columns).collect()
    )
    return [tuple(row)[1:] for row in sorted(rows, key=lambda row: row["n"])]


def moments(
    spark: SparkSession, texts: list[str | None], formats: list[str], zone: str = "UTC"
) -> dict[str | None, object]:
    """Each text and the moment read from it, as UTC text."""
    found = evaluated(spark, texts, values.timestamp(F.col("t"), formats, zone).cast("string"))
    return dict(zip(texts, (row[0] for row in found), strict=True))


def test_keys_and_enumerations_are_trimmed_and_the_empty_one_is_null(spark: SparkSession) -> None:
    texts = [" a b ", "\t\r\na", "", " \t", None, "\u00a0a"]
    assert evaluated(spark, texts, values.trimmed(F.col("t"))) == [
        ("a b",),
        ("a",),
        (None,),
        (None,),
        (None,),
        ("\u00a0a",),
    ]


def test_an_identifier_that_is_an_object_or_array_is_null(spark: SparkSession) -> None:
    texts = [" 7 ", '{"id": 1}', " [1]", "a[1]", "-", None]
    assert evaluated(spark, texts, values.identifier(F.col("t"))) == [
        ("7",),
        (None,),
        (None,),
        ("a[1]",),
        ("-",),
        (None,),
    ]


def test_numbers_are_rounded_half_up_and_told_apart_from_what_is_too_large_or_no_number(spark: SparkSession) -> None:
    exact = F.col("t").try_cast(EXACT)
    columns = [
        c
        for type_ in (MONEY, QUANTITY)
        for c in (
            exact.try_cast(type_).cast("string"),
            F.when(exact.try_cast(type_).isNull(), values.money_problem(exact, F.col("t"), type_)),
            values.was_rounded(exact, type_),
        )
    ]
    expected: dict[str | None, tuple[object, ...]] = {
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
    found = dict(zip(expected, evaluated(spark, list(expected), *columns), strict=True))
    assert found == expected


def test_iso_times_are_read_with_and_without_zone(spark: SparkSession) -> None:
    expected: dict[str | None, object] = {
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
    assert moments(spark, list(expected), ["iso"]) == expected


def test_a_moment_outside_the_years_1_to_9999_is_null(spark: SparkSession) -> None:
    texts: list[str | None] = ["0000-12-31", "9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00"]
    assert set(moments(spark, texts, ["iso"]).values()) == {None}
    assert set(moments(spark, texts, FORMATS).values()) == {None}


def test_a_time_without_zone_is_in_the_zone_of_the_source_and_a_bare_day_never_moves(spark: SparkSession) -> None:
    expected: dict[str | None, object] = {
        "2025-01-31T00:30:00": "2025-01-30 23:30:00",
        "2025-07-31T00:30:00": "2025-07-30 22:30:00",
        "2025-07-31T00:30:00Z": "2025-07-31 00:30:00",
        "2025-07-31T00:30:00+00:00": "2025-07-31 00:30:00",
        "2025-07-31": "2025-07-31 00:00:00",
        "2025-03-30T03:30:00": "2025-03-30 01:30:00",
        "31.07.2025 00:30": "2025-07-30 22:30:00",
        "31/07/2025": "2025-07-31 00:00:00",
    }
    assert moments(spark, list(expected), ["iso", "dd/MM/yyyy", "dd.MM.yyyy HH:mm"], "Europe/Berlin") == expected


def test_an_hour_that_a_clock_skips_or_repeats_is_read_as_one_moment(spark: SparkSession) -> None:
    found = moments(spark, ["2025-03-30T02:30:00", "2025-10-26T02:30:00"], ["iso"], "Europe/Berlin")
    assert found["2025-03-30T02:30:00"] == "2025-03-30 01:30:00"
    assert found["2025-10-26T02:30:00"] in ("2025-10-26 00:30:00", "2025-10-26 01:30:00")


def test_a_pattern_with_a_zone_of_its_own_is_not_shifted(spark: SparkSession) -> None:
    formats = ["yyyy/MM/dd HH:mm:ssXXX", "'Zulu' yyyy-MM-dd HH:mm"]
    found = moments(
        spark, ["2025/01/31 10:00:00+02:00", "2025/01/31 10:00:00Z", "Zulu 2025-01-31 10:00"], formats, "Asia/Kolkata"
    )
    assert list(found.values()) == ["2025-01-31 08:00:00", "2025-01-31 10:00:00", "2025-01-31 04:30:00"]


def test_two_formats_that_disagree_or_none_that_fits_give_null(spark: SparkSession) -> None:
    expected: dict[str | None, object] = {
        "05/06/2025": None,
        "05/05/2025": "2025-05-05 00:00:00",
        "13/06/2025": "2025-06-13 00:00:00",
        "06/13/2025": "2025-06-13 00:00:00",
        "13/13/2025": None,
        "2025-06-13": "2025-06-13 00:00:00",
    }
    assert moments(spark, list(expected), ["iso", "dd/MM/yyyy", "MM/dd/yyyy"]) == expected


def test_channels_are_looked_up_by_their_bare_spelling(spark: SparkSession) -> None:
    names = {"In-Store": "store", "web": "online"}
    texts: list[str | None] = ["In-store", " in store ", "IN_STORE", "Web", " Fax ", "", None]
    found = evaluated(spark, texts, values.channel(F.col("t"), names), values.channel(F.col("t"), {}))
    assert [row[0] for row in found] == ["store", "store", "store", "online", "Fax", "unknown", "unknown"]
    assert [row[1] for row in found][-3:] == ["Fax", "unknown", "unknown"]


def test_a_currency_is_three_letters(spark: SparkSession) -> None:
    texts: list[str | None] = [" eur ", "USD", "€", "EURO", "E1R", "ÄÖÜ", "", None]
    assert [row[0] for row in evaluated(spark, texts, values.currency(F.col("t")))] == ["EUR", "USD", *[None] * 6]


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
    assert len(evaluated(spark, [*many], *columns)) == len(many)
