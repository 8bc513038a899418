"""The quick way for ordinary orders makes of every record what the thorough one makes of it, and takes most of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from saleslake.config import Settings
from saleslake.silver import orders, ordinary_orders
from saleslake.silver.reading import LINEAGE, read_records
from tests.silver_support import Record, bronze_rows
from tests.test_promises_of_records import LENIENT, generated

SOURCE = '[sources.s]\nentity = "orders"\nformat = "jsonl"\npath = "o.jsonl"\n'
LINE = {"sku": "A", "qty": 2, "price": 5}


def order(**fields: Any) -> str:
    content = {
        "order_id": "o1",
        "user_id": "u1",
        "amount": 10,
        "currency": "EUR",
        "created_at": "2025-01-31T10:00:00Z",
        "items": [LINE],
        "metadata": {"source": "web", "promo": None},
    } | fields
    return json.dumps({k: v for k, v in content.items() if v is not ...})


def with_line(text: str) -> str:
    """An order with one line, its fields as written."""
    return order(items=[]).replace("[]", "[{" + text + "}]")


ORDINARY = [
    order(),
    order(order_id=" o1 ", user_id=" u ", currency=" eur ", metadata={"source": " In-store ", "promo": " x "}),
    order(user_id=None),
    order(user_id={"id": 1}),
    order(amount=...),
    order(amount="10.00"),
    order(amount=11),
    order(amount=10.005),
    order(amount=10.0051),
    order(amount=-10),
    order(updated_at="2025-02-01"),
    order(updated_at=" "),
    order(created_at="2025-01-31T23:30:00-05:00"),
    order(created_at="2025-01-31 10:00:00.123456"),
    order(items=[LINE] * 9, amount=90),
    order(items=[LINE] * 9, amount=91),
    order(items=[LINE, {"sku": "B b", "qty": "0.125", "price": "19.9999"}], amount=12.5),
    order(note="x 5.123456", promo="x 1e5"),
    with_line('"sku":"\\u00fc","qty":2,"price":5'),
]
PECULIAR = [
    "",
    "[]",
    "null",
    order() + "x",
    order() + order(),
    order()[:-3],
    order(order_id=""),
    order(order_id=["o"]),
    order(amount="ten"),
    order(amount=1e15),
    order(currency="euro"),
    order(currency=None),
    order(created_at="2025-02-30"),
    order(created_at="9999-12-31T23:59:59-05:00"),
    order(created_at="0000-01-01"),
    order(created_at="31.01.2025"),
    order(updated_at="2025-13-01"),
    order(updated_at=7),
    order(items=[]),
    order(items={"sku": "A"}),
    order(items=[LINE, None]),
    order(items=[LINE, 7]),
    order(items=[{"sku": "A", "qty": 0, "price": 5}]),
    order(items=[{"sku": "A", "qty": -1, "price": 5}]),
    order(items=[{"sku": "A", "qty": 1, "price": 0}]),
    order(items=[{"sku": "A", "qty": 1}]),
    order(items=[{"sku": " A", "qty": 1, "price": 5}]),
    order(items=[{"sku": {"id": "A"}, "qty": 1, "price": 5}]),
    order(items=[{"qty": 1, "price": 5}]),
    order(items=[{"sku": "A", "qty": "one", "price": 5}]),
    order(items=[{"sku": "A", "qty": 10**6, "price": 10**6}]),
    order(items=[{"sku": "A", "qty": 10**5, "price": 9 * 10**6}] * 2),
    with_line('"sku":"A","qty":1.0005,"price":5'),
    with_line('"sku":"A","qty":1,"price":5.00001'),
    with_line('"sku":"A","qty":1,"price":"5.000000000000000001"'),
    with_line('"sku":"A","qty":1,"price":1e-9'),
    with_line('"sku":"A","qty":1,"price":1E2'),
    with_line('"sku":"A","qty":1,"price":"1e2"'),
    with_line('"sku":"A","qty":1,"price":NaN'),
    with_line('"sku":"A","qty":1,"price":"12,50"'),
    with_line('"sku":"A","qty":1e400,"price":5'),
    order(amount=...).replace('"user_id"', '"\\u0061mount": 1e400, "user_id"'),
]
SETTINGS = {
    "usual": "",
    "strict": '[rules.orders]\nuser_missing = "error"\namount_mismatch = "error"\namount_missing = "error"\n',
    "exact": "[run]\namount_tolerance = 0\n",
    "elsewhere": 'time_zone = "Asia/Kolkata"\ndefaults = { currency = "JPY", order_source = "shop" }\n'
    'date_formats = ["iso", "dd.MM.yyyy"]\n[channels]\ninstore = "store"\n',
}
COLUMNS = [*orders.TABLE.column_names, "key", "reasons", "details"]

Make = Callable[[str], Settings]


def both_ways(spark: SparkSession, settings: Settings, raws: list[Record | str]) -> tuple[list[Row], dict[str, Row]]:
    """(rows of the quick way, record id to the thorough way's row)."""
    bronze, source = bronze_rows(spark, raws), settings.sources["s"]
    assert ordinary_orders.applies(source)
    quick = as_text(ordinary_orders.judge(bronze, source, settings)).collect()
    assert len(quick) == len(raws)
    thorough = as_text(orders.clean(read_records(bronze, source, orders.FIELDS), source, settings)).collect()
    return quick, {row["record_id"]: row for row in thorough}


def as_text(frame: DataFrame) -> DataFrame:
    """Moments as text: what is not ordinary may hold a year that Python has not."""
    moments = (T.TimestampType, T.DateType)
    return frame.withColumns(
        {f.name: F.col(f.name).cast("string") for f in frame.schema if isinstance(f.dataType, moments)}
    )


def compare(quick: list[Row], thorough: dict[str, Row]) -> None:
    for row in quick:
        other = thorough[row["record_id"]]
        if row["is_ordinary"]:
            assert [row[name] for name in COLUMNS] == [other[name] for name in COLUMNS], other["raw"]
            assert row["raw"] is None
        else:
            assert [row[name] for name in (*LINEAGE, "raw")] == [other[name] for name in (*LINEAGE, "raw")]


@pytest.mark.parametrize("kind", SETTINGS)
def test_the_quick_way_agrees_with_the_thorough_one(kind: str, spark: SparkSession, make_settings: Make) -> None:
    raws: list[Record | str] = [*ORDINARY, *PECULIAR, Record(order(), defect="undecodable")]
    quick, thorough = both_ways(spark, make_settings(SOURCE + SETTINGS[kind]), raws)
    compare(quick, thorough)
    if kind == "usual":
        taken = {row["ordinal"] for row in quick if row["is_ordinary"]}
        assert taken == set(range(1, len(ORDINARY) + 1))


@pytest.mark.parametrize("rules", ["default", "lenient"])
def test_the_quick_way_agrees_on_hundreds_of_histories(rules: str, spark: SparkSession, make_settings: Make) -> None:
    severities = LENIENT["orders"] if rules == "lenient" else {}
    text = SOURCE + "[rules.orders]\n" + "\n".join(f'{name} = "{kind}"' for name, kind in severities.items())
    found = {version.text for history in generated("orders", 7) for version in history}
    quick, thorough = both_ways(spark, make_settings(text), sorted(found))
    compare(quick, thorough)
    ordinary = sum(row["is_ordinary"] for row in quick)
    assert (3 if rules == "lenient" else 10) < ordinary < len(quick) - 10, "the histories became too tame or too wild"


def test_most_of_the_sample_is_ordinary(spark: SparkSession, make_settings: Make) -> None:
    sample = json.loads((Path(__file__).parents[2] / "sample_data" / "api_orders.json").read_text())
    texts = [json.dumps(each) for each in (sample if isinstance(sample, list) else sample["data"])]
    quick, thorough = both_ways(spark, make_settings(SOURCE), list(texts))
    compare(quick, thorough)
    assert sum(row["is_ordinary"] for row in quick) > 0.8 * len(quick)


def test_csv_and_defaults_of_numbers_take_the_thorough_way(make_settings: Make) -> None:
    csv = make_settings(SOURCE.replace("jsonl", "csv"))
    assert not ordinary_orders.applies(csv.sources["s"])
    assert not ordinary_orders.applies(make_settings(SOURCE + 'defaults = { amount = "1" }').sources["s"])
