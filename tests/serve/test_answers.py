"""The questions of `sql/questions.sql` say what plain Python says of the same rows, whatever the currency."""

from __future__ import annotations

import random
import re
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from saleslake.config import PROJECT_ROOT
from saleslake.serve.questions import questions
from tests.serve.answers import UNKNOWN, Row, answers

MONEY, UNITS = pa.decimal128(18, 4), pa.decimal128(18, 3)
SCHEMAS = {
    "fact_sales": pa.schema(
        [
            (name, pa.string())
            for name in ("source_system", "order_id", "purchase_id", "user_id", "sku", "channel", "currency")
        ]
        + [("quantity", UNITS), ("unit_price", MONEY), ("line_amount", MONEY), ("is_refund", pa.bool_())]
    ),
    "dim_user": pa.schema([("user_id", pa.string()), ("country", pa.string())]),
    "dim_product": pa.schema([("sku", pa.string()), ("name", pa.string())]),
    "dim_order": pa.schema([("order_id", pa.string()), ("source", pa.string()), ("promo", pa.string())]),
}
Gold = dict[str, list[dict[str, Any]]]


def shop(currencies: list[str], lines: int = 300) -> Gold:
    """Sales of eight users and a nameless one; on every other line the amount is not price times quantity, on some there is none."""
    pick = random.Random(14)
    users = [f"u{n}" for n in range(8)] + [UNKNOWN]
    fact = []
    for n in range(lines):
        quantity, price = Decimal(pick.randint(-2, 9)), Decimal(pick.randint(1, 99_999)) / 10_000
        amount = quantity * price if n % 2 else Decimal(pick.randint(-50_000, 900_000)) / 10_000
        fact.append(
            {
                "source_system": pick.choice(["orders", "orders", "transactions"]),
                "order_id": f"o{n // 3}",
                "purchase_id": f"o{n // 6}",
                "user_id": pick.choice(users),
                "sku": pick.choice(["A", "B", "C", "D", "E", "F", UNKNOWN]),
                "channel": pick.choice(["web", "store", "In-store", "unknown"]),
                "currency": currencies[(n // 3) % len(currencies)],
                "quantity": quantity,
                "unit_price": price,
                "line_amount": None if n % 17 == 0 else amount,
                "is_refund": n % 5 == 0,
            }
        )
    countries = ["DE", "DE", "FR", "US", "JP", "NL", "GB", None, None]
    return {
        "fact_sales": fact,
        "dim_user": [{"user_id": u, "country": c} for u, c in zip(users, countries, strict=True)],
        "dim_product": [{"sku": sku, "name": f"name of {sku}"} for sku in [*"ABCDEF", UNKNOWN]],
        "dim_order": [
            {"order_id": f"o{n}", "source": ["web", "WEB", None][n % 3], "promo": ["x", None][n % 2]}
            for n in range(lines // 3)
        ],
    }


def asked(gold: Gold) -> dict[str, list[tuple[Any, ...]]]:
    """Every question, put to these rows."""
    with duckdb.connect() as connection:
        connection.execute("create schema gold")
        for name, rows in gold.items():
            connection.register(f"_{name}", pa.Table.from_pylist(rows, schema=SCHEMAS[name]))
            connection.execute(f"create table gold.{name} as select * from _{name}")
        return {name: connection.execute(query).fetchall() for name, query in questions().items()}


@pytest.mark.parametrize("currencies", [["USD"], ["EUR"], ["EUR", "USD", "JPY"]], ids="-".join)
def test_every_question_is_answered_as_plain_python_answers_it(currencies: list[str]) -> None:
    gold = shop(currencies)
    rows: dict[str, list[Row]] = {name: list(table) for name, table in gold.items()}
    found, expected = asked(gold), answers(rows)
    assert set(found) == set(expected)
    for name, rows_ in expected.items():
        assert found[name] == rows_, name
        assert rows_, name


def test_the_money_is_the_amount_of_the_line_and_not_its_price_times_its_quantity() -> None:
    line = {
        "source_system": "orders",
        "order_id": "o0",
        "purchase_id": "o0",
        "user_id": "u0",
        "sku": "A",
        "channel": "web",
        "currency": "USD",
    }
    gold = shop(["USD"], 3) | {
        "fact_sales": [
            line | {"quantity": Decimal(2), "unit_price": Decimal(105), "line_amount": Decimal(200), "is_refund": False}
        ]
    }
    found = asked(gold)
    assert found["top_users"] == [("USD", "u0", "DE", Decimal("200.00"))]
    assert found["countries"] == [("USD", "DE", Decimal("200.00"), 1)]
    assert found["channels"] == [("USD", "web", Decimal("200.00"), 1)]
    assert found["sources"] == [("USD", "web", Decimal("200.00"), 1, 1)]


def test_nothing_that_is_shipped_multiplies_prices_where_the_line_says_its_amount() -> None:
    shipped = [*(PROJECT_ROOT / "sql").rglob("*.sql"), *(PROJECT_ROOT / "conf" / "grafana").rglob("*.json")]
    shipped += [PROJECT_ROOT / "README.md", *(PROJECT_ROOT / "docs").glob("*.md")]
    for file in shipped:
        found = re.search(r"unit_price\s*\*|\*\s*(?:\w+\.)?unit_price", file.read_text(encoding="utf-8"))
        assert not found, f"{file}: {found}"


@pytest.mark.parametrize("name", questions())
def test_a_question_about_money_knows_no_currency_by_name(name: str) -> None:
    assert "'EUR'" not in questions()[name]
