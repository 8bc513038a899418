"""Each gold table's SQL on Spark and on DuckDB: every row and every type the same, whatever the inputs hold."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, TypeVar

import duckdb
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import to_arrow_schema

from saleslake.engine import prelude
from saleslake.engine.sql import bound, on_spark
from saleslake.gold import (
    catalogue,
    channel_performance,
    customer_purchase_frequency,
    dim_date,
    dim_order,
    dim_product,
    dim_user,
    fact_sales,
    inventory_valuation,
    product_revenue,
)
from saleslake.silver import orders, products, stock, transactions, users
from tests import frames

TABLES = {
    module.TABLE.name: module
    for module in (
        fact_sales, dim_order, dim_user, dim_product, dim_date, product_revenue, channel_performance,
        customer_purchase_frequency, inventory_valuation,
    )
}  # fmt: skip
INPUTS = {
    "dim_order": ("orders",),
    "dim_user": ("users", "fact_sales", "dim_order"),
    "dim_product": ("catalogue", "product_revenue"),
    "dim_date": ("fact_sales", "dim_order"),
    "product_revenue": ("fact_sales",),
    "channel_performance": ("fact_sales",),
    "customer_purchase_frequency": ("fact_sales",),
    "inventory_valuation": ("dim_product", "stock", "product_revenue"),
}
MOST_MONEY, MOST_UNITS = Decimal("99999999999999.9999"), Decimal("999999999999999.999")
CENT = Decimal("0.0001")
SKUS = ["A", "B", "b", "ä", "😀", "(unknown)", "never sold", ""]
SOURCES = ["api", "csv", "gone"]
TRUST = {
    "name": ["api", "csv"],
    "category": ["csv", "api", "csv"],
    "manufacturer": ["silent", "api"],
    "price": ["csv", "api"],
}

Value = TypeVar("Value")


class Rows:
    """Rows of silver by chance, the extremes of every type among them."""

    def __init__(self, seed: int):
        self.chance = random.Random(seed)

    def one(self, *values: Value) -> Value:
        return self.chance.choice(values)

    def money(self) -> Decimal:
        edges = (MOST_MONEY, -MOST_MONEY, CENT, -CENT, Decimal(0), Decimal("0.3333"))
        return self.one(*edges, *(Decimal(self.chance.randrange(-100, 100_000)) / 100 for _ in range(6)))

    def units(self) -> Decimal:
        edges = (MOST_UNITS, -MOST_UNITS, Decimal("0.001"), Decimal(0), Decimal(-1))
        return self.one(*edges, *(Decimal(self.chance.randrange(1, 9000)) / 1000 for _ in range(6)), Decimal(3))

    def moment(self) -> datetime:
        edges = ("0001-01-01 00:00", "9999-12-31 23:59:59.999999", "1969-12-31 23:59:59.999999", "2024-12-30 12:00")
        near = f"2024-01-0{self.chance.randrange(1, 4)} {self.chance.randrange(10, 24)}:30"
        return frames.moment(self.one(*edges, *[near] * 12))

    def sku(self) -> str:
        return self.one(*SKUS)

    def lineage(self) -> dict[str, Any]:
        n = self.chance.randrange(10**9)
        return {
            "warnings": self.one([], ["rounded"], ["a", "b"]), "source": self.one(*SOURCES), "record_id": f"r{n}",
            "content_hash": "h", "landed_at": "2025-01-01 00:00", "file": self.one("a.csv", "b.csv"),
            "ordinal": self.one(1, 2, 2**31 - 1), "run_id": "run",
        }  # fmt: skip

    def sale(self) -> dict[str, Any]:
        currency, channel = self.one("EUR", "EUR", "USD"), self.one("web", "store", "unknown")
        status = {"status": self.one(None, "paid"), "is_sale": self.chance.random() < 0.9}
        return {"currency": currency, "channel": channel, **status, **self.lineage()}

    def line(self, number: int) -> dict[str, Any]:
        quantity, price = self.units(), self.one(None, self.money())
        amount = self.one(_times(quantity, price), None, self.money())
        refunded_at = self.one(None, None, None, self.moment())
        return {
            "line_number": number, "sku": self.sku(), "quantity": quantity, "unit_price": price, "amount": amount,
            "refunded_at": refunded_at,
        }  # fmt: skip

    def orders(self, count: int) -> list[dict[str, Any]]:
        rows = []
        for n in range(count):
            at = self.moment()
            rows.append(
                self.sale()
                | {"order_id": f"o{n}", "user_id": self.one("u1", "u2", "u3", "(unknown)", None), "created_at": at}
                | {"amount": self.one(None, self.money()), "order_source": self.one(None, "Web "), "date": at.date()}
                | {"promo": self.one(None, "X"), "items": [self.line(i + 1) for i in range(self.chance.randrange(5))]}
            )
        return rows

    def transactions(self, count: int) -> list[dict[str, Any]]:
        rows = []
        for n in range(count):
            at, price, quantity = self.moment(), self.one(None, self.money()), self.units()
            total = self.one(None, self.money())
            rows.append(
                self.sale()
                | {"transaction_key": f"t{n}", "transaction_id": f"t{n // 2}", "keyed_by_line": self.one(True, False)}
                | {"customer_id": self.one("u1", "u4", None), "product_id": self.one(None, self.sku())}
                | {"sale_date": at, "date": at.date(), "quantity": quantity, "total_price": total}
                | {"unit_price": price, "amount": total if total is not None else _times(quantity, price)}
                | {"order_id": self.one(None, None, "o1", "p1")}
            )
        return rows

    def users(self) -> list[dict[str, Any]]:
        given = {"email": self.one(None, "", "ä@x"), "created_at": self.moment(), "country": self.one(None, "DE")}
        known = [self.lineage() | given | {"user_id": key} for key in ("u1", "u2", "never bought", "(unknown)")]
        return [*known, self.lineage() | {"user_id": "U1"}]

    def products(self) -> list[dict[str, Any]]:
        def text() -> str | None:
            return self.one(None, "", "Anvil", "ä", "Z")

        return [
            self.lineage()
            | {"sku": sku, "source": source, "name": text(), "category": text(), "manufacturer": text()}
            | {"price": self.one(None, self.money()), "currency": self.one(None, "EUR", "USD")}
            for sku in [*SKUS[:-2], "only catalogued"]
            for source in SOURCES
            if self.chance.random() < 0.7
        ]

    def stock(self) -> list[dict[str, Any]]:
        return [
            self.lineage() | {"product_id": sku, "on_hand": self.units(), "counted_at": self.moment()}
            for sku in [*SKUS[:-1], "only counted"]
            if self.chance.random() < 0.8
        ]


def _times(quantity: Decimal, price: Decimal | None) -> Decimal | None:
    if price is None:
        return None
    value = Context(prec=60).multiply(quantity, price).quantize(CENT, ROUND_HALF_UP, Context(prec=60))
    return value if abs(value) <= MOST_MONEY else None


class Both:
    """Runs a text on both engines."""

    def __init__(self, spark: SparkSession, connection: duckdb.DuckDBPyConnection):
        self.spark, self.connection = spark, connection

    def same(self, on_spark_: str, on_duckdb: str, inputs: Mapping[str, pa.Table | str]) -> pa.Table:
        """The result, equal on both. Inputs: rows, or queries of constants."""
        built = on_spark(on_spark_, {name: self._frame(given) for name, given in inputs.items()}).toArrow()
        for name, rows in inputs.items():
            if isinstance(rows, pa.Table):
                self.connection.register(f"given_{name}", rows)
        names = {name: f"({given})" if isinstance(given, str) else f"given_{name}" for name, given in inputs.items()}
        found = self.connection.execute(bound(on_duckdb, names, duckdb=True)).to_arrow_table()
        assert _types(found) == _types(built)
        ours, theirs = _counted(found), _counted(built)
        assert ours == theirs, f"DuckDB alone: {list(ours - theirs)[:2]}; Spark alone: {list(theirs - ours)[:2]}"
        return found

    def _frame(self, given: pa.Table | str) -> Any:
        if isinstance(given, str):
            return f"({given})"
        # No rows may mean no chunks: Spark asks a chunk for its type. Of bare literals it would compute the text while planning it.
        return self.spark.createDataFrame(given if given.num_rows else given.schema.empty_table()).coalesce(1)


def _types(rows: pa.Table) -> list[tuple[str, str]]:
    # The name that an array gives to its elements is nobody's business.
    return [(field.name, re.sub(r"<\w+: (\w+)( not null)?>", r"<\1>", str(field.type))) for field in rows.schema]


def _counted(rows: pa.Table) -> Counter[str]:
    return Counter(map(repr, rows.to_pylist()))


@pytest.fixture(scope="module")
def both(spark: SparkSession) -> Iterator[Both]:
    with duckdb.connect() as connection:
        connection.execute("SET timezone = 'UTC'")
        prelude.for_duckdb(connection)
        yield Both(spark, connection)


def silver(seed: int, count: int) -> dict[str, pa.Table]:
    rows = Rows(seed)
    return {
        "orders": frames.table(orders.TABLE, rows.orders(count)),
        "transactions": frames.table(transactions.TABLE, rows.transactions(count)),
        "users": frames.table(users.TABLE, rows.users() if count else []),
        "products": frames.table(products.TABLE, rows.products() if count else []),
        "stock": frames.table(stock.TABLE, rows.stock() if count else []),
    }


def every_table(both: Both, given: dict[str, pa.Table], rule: str) -> dict[str, pa.Table]:
    """All of gold from silver, each table compared before the next is made of it."""
    lines = both.same(prelude.ORDER_LINES_SPARK, prelude.ORDER_LINES_DUCKDB, {"orders": given["orders"]})
    trust = {"products": given["products"], "trust": catalogue.trust_rows(TRUST)}
    made = given | {"order_lines": lines, "catalogue": both.same(catalogue.SQL, catalogue.SQL, trust)}
    of_fact = {name: made[name] for name in ("order_lines", "transactions", "catalogue")}
    pricing = {"pricing": fact_sales.PRICING[rule]}
    made["fact_sales"] = both.same(fact_sales.SQL, fact_sales.SQL, of_fact | pricing)
    for name in ("dim_order", "product_revenue", *INPUTS):
        sql = TABLES[name].SQL
        made[name] = both.same(sql, sql, {each: made[each] for each in INPUTS[name]})
    for name, module in TABLES.items():
        assert _types(made[name]) == _types(to_arrow_schema(module.TABLE.schema, timezone="UTC").empty_table())
    return made


@pytest.mark.parametrize(("seed", "rule"), [(1, "zero"), (2, "catalogue"), (3, "catalogue")])
def test_each_text_gives_the_same_rows_and_types_on_both_engines(both: Both, seed: int, rule: str) -> None:
    made = every_table(both, silver(seed, 150), rule)
    flags = {flag for row in made["fact_sales"].column("flags").to_pylist() for flag in row}
    assert flags == {"base_price", "unpriced", "price_missing"} | (
        {"catalogue_price"} if rule == "catalogue" else set()
    )
    assert {row["status"] for row in made["inventory_valuation"].to_pylist()} == {"valued", "no_count", "no_price"}
    for column in ("is_return", "is_refund"):
        assert set(made["fact_sales"].column(column).to_pylist()) == {True, False}


def test_nothing_in_gives_the_unknown_members_alone(both: Both) -> None:
    made = every_table(both, silver(0, 0), "catalogue")
    rows = {name: made[name].num_rows for name in TABLES}
    assert rows == dict.fromkeys(TABLES, 0) | {"dim_user": 1, "dim_product": 1}


def test_a_text_over_some_keys_gives_their_rows_of_the_whole(both: Both) -> None:
    """Whatever else there is: so that a refresh may compute the keys that changed alone."""
    given = silver(4, 60)
    whole = every_table(both, given, "catalogue")
    for name, key, inputs in (
        ("customer_purchase_frequency", "user_id", {"fact_sales": "user_id"}),
        ("dim_user", "user_id", {"users": "user_id", "fact_sales": "user_id", "dim_order": "user_id"}),
        ("dim_product", "sku", {"catalogue": "sku", "product_revenue": "sku"}),
        ("inventory_valuation", "sku", {"dim_product": "sku", "stock": "product_id", "product_revenue": "sku"}),
        ("product_revenue", "date", {"fact_sales": "date"}),
        ("channel_performance", "date", {"fact_sales": "date"}),
    ):
        some = set(whole[name].column(key).to_pylist()[::2]) | {"(unknown)"}
        mine = {each: _only(whole[each], column, some) for each, column in inputs.items()}
        for each, rows in mine.items():
            both.connection.register(f"some_{each}", rows)
        sql = bound(TABLES[name].SQL, {each: f"some_{each}" for each in mine}, duckdb=True)
        found = both.connection.execute(sql).to_arrow_table()
        assert _counted(found) == _counted(_only(whole[name], key, some)), name


def _only(rows: pa.Table, column: str, values: set[Any]) -> pa.Table:
    return rows.filter(pa.array([value in values for value in rows.column(column).to_pylist()], pa.bool_()))


@pytest.mark.parametrize("orders_", [2**31, 4_000_000])
def test_counts_that_no_test_could_hold_are_divided_exactly(both: Both, orders_: int) -> None:
    """The rate of a customer of billions of orders: its product with the microseconds of a month leaves BIGINT."""
    text = """SELECT ratio(CAST(n AS DECIMAL(20, 0)) * 2592000000000, GREATEST(span, 86400000000)) AS rate,
        ratio(span, CAST(n - 1 AS DECIMAL(20, 0)) * 86400000000) AS gap FROM given"""
    span = int((datetime(9999, 12, 31, tzinfo=UTC) - datetime(1, 1, 1, tzinfo=UTC)).total_seconds()) * 10**6
    both.same(
        text, text, {"given": pa.table({"n": pa.array([orders_], pa.int64()), "span": pa.array([span], pa.int64())})}
    )


def test_the_key_of_a_transactions_line_is_the_one_that_the_fact_has() -> None:
    """`TRANSACTION_KEY` is for who looks for lines; the text of the table is what they are made by."""
    flat = " ".join(fact_sales.SQL.replace("t.", "").split())
    assert all(f"{sql} AS {name}" in flat for name, sql in fact_sales.TRANSACTION_KEY.items())
