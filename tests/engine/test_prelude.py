"""The functions of the shared SQL: exact on either engine, at the extremes of their types and in between."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from saleslake.content import content_hash
from saleslake.engine import prelude

MOST = 10**18 - 1
"""Units of MONEY and QUANTITY."""
TOTAL, WHOLE = 10**38 - 1, 10**34 - 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICRO = timedelta(microseconds=1)
FIRST, LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)


def units(most: int, *more: int) -> st.SearchStrategy[int | None]:
    """Whole numbers of either sign, or none; small ones, and those at the end, more often."""
    edges = [0, 1, 2, 3, 5, 1000, 10_000, most - 1, most, most // 2, most // 2 + 1, *more]
    signed = st.sampled_from([each * sign for each in edges for sign in (1, -1)])
    return st.one_of(signed, st.integers(-20, 20), st.integers(-most, most), st.none())


def scaled(number: int | None, scale: int) -> Decimal | None:
    return None if number is None else Decimal(f"{number}e-{scale}")


def rounded(exact: Fraction | None, most: int = MOST, scale: int = 4) -> Decimal | None:
    """Half-up, away from zero; none beyond."""
    if exact is None:
        return None
    whole = int(abs(exact) * 10**scale * 2 + 1) // 2
    return scaled(whole if exact > 0 else -whole, scale) if whole <= most else None


def product(q: Decimal | None, p: Decimal | None) -> Decimal | None:
    return rounded(None if q is None or p is None else Fraction(q) * Fraction(p))


def product_total(q: Decimal | None, p: Decimal | None) -> Decimal | None:
    return rounded(None if q is None or p is None or abs(q) >= 10**16 else Fraction(q) * Fraction(p), TOTAL)


def ratio(a: Decimal | None, b: Decimal | None) -> Decimal | None:
    return rounded(None if a is None or not b else Fraction(a) / Fraction(b))


def pairs(a: tuple[int, int], b: tuple[int, int]) -> st.SearchStrategy[tuple[Any, ...]]:
    """Pairs of decimals, each of (greatest units, scale)."""
    return st.tuples(units(a[0]).map(lambda n: scaled(n, a[1])), units(b[0]).map(lambda n: scaled(n, b[1])))


def near_halves(scale: int, most_a: int, most_b: int, factor: int = 1) -> st.SearchStrategy[tuple[Any, ...]]:
    """Quotients half way between two results, or a unit beside: a of scale 4, b of `scale`. `factor`: of a's units to the result's."""

    def build(n: int, b: int, beside: int, signs: tuple[int, int]) -> tuple[Any, ...]:
        a = min((n * b + b // 2) // factor + beside, most_a)
        return scaled(a * signs[0], 4), scaled(b * signs[1], scale)

    sign = st.sampled_from([1, -1])
    whole = st.one_of(st.integers(0, 20), st.integers(0, MOST), st.integers(MOST - 2, MOST))
    divisor = st.one_of(st.integers(1, 20), st.integers(1, most_b), st.integers(1, 10**9))
    return st.builds(build, whole, divisor, st.integers(-1, 1), st.tuples(sign, sign))


moments = st.one_of(
    st.sampled_from([FIRST, LAST, EPOCH, EPOCH - MICRO, datetime(1582, 10, 4, 12, tzinfo=UTC), None]),
    st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999), timezones=st.just(UTC)),
)
dates = st.one_of(
    st.sampled_from([date.min, date.max, date(999, 12, 31), date(1582, 10, 10), date(2021, 1, 3), date(2024, 12, 30)]),
    st.none(),
    st.dates(),
)
texts = st.one_of(st.none(), st.sampled_from(["", "a", "\n", "a\nb", "\0", "é", "😀"]), st.text(max_size=12))
names = st.lists(st.sampled_from(["a", "b", "c", "", None]), max_size=3)


@dataclass(frozen=True)
class Case:
    """A function: how it is called, of which columns, what comes out, and values to try."""

    call: str
    columns: dict[str, pa.DataType]
    type: pa.DataType
    meaning: Callable[..., Any]
    values: st.SearchStrategy[tuple[Any, ...]]


def alone(values: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return values.map(lambda value: (value,))


def of_known(meaning: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else meaning(value)


def has_any(a: Sequence[str | None] | None, b: Sequence[str | None] | None) -> bool | None:
    return None if a is None or b is None else bool((set(a) & set(b)) - {None})


MONEY, QUANTITY, ANY_TOTAL = pa.decimal128(18, 4), pa.decimal128(18, 3), pa.decimal128(38, 4)
TEXT, NAMES = pa.string(), pa.list_(pa.string())
CASES = [
    Case("product(a, b)", {"a": QUANTITY, "b": MONEY}, MONEY, product, pairs((MOST, 3), (MOST, 4))),
    Case(
        "product_total(a, b)", {"a": pa.decimal128(38, 3), "b": MONEY}, ANY_TOTAL, product_total,
        st.tuples(units(TOTAL, 10**19 - 1, 10**19).map(lambda n: scaled(n, 3)), units(MOST).map(lambda n: scaled(n, 4))),
    ),
    Case(
        "ratio(a, b)", {"a": ANY_TOTAL, "b": pa.decimal128(34, 0)}, MONEY, ratio,
        st.one_of(pairs((TOTAL, 4), (WHOLE, 0)), near_halves(0, TOTAL, WHOLE)),
    ),
    Case(
        "ratio(a, b)", {"a": pa.int64(), "b": pa.int64()}, MONEY, ratio,
        st.tuples(units(2**63 - 1, 2**62), units(2**63 - 1, 2**62)),
    ),
    Case(
        "per_unit(a, b)", {"a": MONEY, "b": QUANTITY}, MONEY, ratio,
        st.one_of(pairs((MOST, 4), (MOST, 3)), near_halves(3, MOST, MOST, 1000)),
    ),
    Case("micros(t)", {"t": pa.timestamp("us", "UTC")}, pa.int64(), of_known(lambda t: (t - EPOCH) // MICRO), alone(moments)),
    Case("day_of(t)", {"t": pa.timestamp("us", "UTC")}, pa.date32(), of_known(datetime.date), alone(moments)),
    Case("iso_weekday(d)", {"d": pa.date32()}, pa.int32(), of_known(date.isoweekday), alone(dates)),
    Case("iso_week(d)", {"d": pa.date32()}, pa.int32(), of_known(lambda d: d.isocalendar()[1]), alone(dates)),
    Case("year_month(d)", {"d": pa.date32()}, TEXT, of_known(lambda d: d.isoformat()[:7]), alone(dates)),
    Case("tags(a)", {"a": TEXT}, NAMES, lambda a: [a], alone(texts)),
    Case("no_tags()", {"a": TEXT}, NAMES, lambda a: [], alone(texts)),
    Case("has_any(a, b)", {"a": NAMES, "b": NAMES}, pa.bool_(), has_any,
         st.tuples(st.one_of(names, st.none()), st.one_of(names, st.none()))),
    Case("content_hash(raw, header)", {"raw": TEXT, "header": TEXT}, TEXT, content_hash, st.tuples(texts, texts)),
]  # fmt: skip
ids = [f"{case.call} of {', '.join(map(str, case.columns.values()))}" for case in CASES]


def table(case: Case, rows: list[tuple[Any, ...]]) -> pa.Table:
    columns = zip(*rows, strict=True)
    return pa.table(
        {name: pa.array(column, case.columns[name]) for name, column in zip(case.columns, columns, strict=True)}
    )


def check(case: Case, rows: Iterable[tuple[Any, ...]], found: pa.Table) -> None:
    given_, column = list(rows), found.column("found")
    # The name that an array gives to its elements is nobody's business.
    assert re.sub(r"<\w+:", "<item:", str(column.type)) == str(case.type)
    wrong = [
        (row, value, case.meaning(*row))
        for row, value in zip(given_, column.to_pylist(), strict=True)
        if value != case.meaning(*row)
    ]
    assert not wrong, f"{case.call}: (given, found, expected) {wrong[:3]}"


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        # What a moment's day is does not hang on it.
        connection.execute("SET timezone = 'Asia/Tokyo'")
        prelude.for_duckdb(connection)
        yield connection


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_duckdb_is_exact(case: Case, duck: duckdb.DuckDBPyConnection) -> None:
    @settings(max_examples=60, deadline=None)
    @given(st.lists(case.values, min_size=1, max_size=100))
    def holds(rows: list[tuple[Any, ...]]) -> None:
        duck.register("given", table(case, rows))
        check(case, rows, duck.execute(f"SELECT {case.call} AS found FROM given").to_arrow_table())

    holds()


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_spark_is_exact(case: Case, spark: SparkSession) -> None:
    prelude.for_spark(spark)
    tried: list[tuple[Any, ...]] = []

    @settings(max_examples=60, deadline=None, database=None)
    @given(st.lists(case.values, min_size=1, max_size=100))
    def collect(rows: list[tuple[Any, ...]]) -> None:
        tried.extend(rows)

    collect()
    # Of bare literals Spark would compute it while planning.
    found = spark.createDataFrame(table(case, tried)).coalesce(1).selectExpr(f"{case.call} AS found")
    check(case, tried, found.toArrow())


def test_the_cursors_of_a_connection_have_the_functions() -> None:
    with duckdb.connect() as connection:
        for _ in range(2):
            prelude.for_duckdb(connection)
        assert connection.cursor().execute("SELECT year_month(DATE '2024-01-31')").fetchall() == [("2024-01",)]


def test_a_session_is_told_the_functions_once_and_another_session_anew(spark: SparkSession) -> None:
    other = spark.newSession()
    for session in (spark, other, other):
        prelude.for_spark(session)
        assert session.sql("SELECT year_month(DATE '2024-01-31')").collect() == [("2024-01",)]
