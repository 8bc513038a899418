"""What the questions of `sql/questions.sql` should answer, worked out in plain Python from the rows of gold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

UNKNOWN = "(unknown)"
Row = Mapping[str, Any]
Answer = list[tuple[Any, ...]]
Tables = Mapping[str, list[Row]]


def answers(gold: Tables) -> dict[str, Answer]:
    """Question → its rows. `gold`: fact_sales, dim_user, dim_product and dim_order, by name."""
    users, orders = ({row[key]: row for row in gold[table]} for table, key in _DIMENSIONS)
    fact, country_of = gold["fact_sales"], {key: row["country"] for key, row in users.items()}
    buyers = [row for row in fact if row["user_id"] != UNKNOWN]
    ordered = [row for row in fact if row["source_system"] == "orders"]
    return {
        "top_users": _best(buyers, lambda row: (row["user_id"], country_of[row["user_id"]]), 5),
        "products_by_units": _units(gold),
        "countries": _best(fact, lambda row: (country_of[row["user_id"]] or UNKNOWN,), 5, _buyers),
        "channels": _best(fact, lambda row: (row["channel"],), None, _orders),
        "sources": _best(
            ordered,
            lambda row: (orders[row["order_id"]]["source"],),
            None,
            lambda rows: (
                *_orders(rows),
                len({r["order_id"] for r in _bought(rows) if orders[r["order_id"]]["promo"] is not None}),
            ),
        ),
    }


_DIMENSIONS = (("dim_user", "user_id"), ("dim_order", "order_id"))


def _best(
    rows: Iterable[Row],
    named: Callable[[Row], tuple[Any, ...]],
    most: int | None,
    counted: Callable[[list[Row]], tuple[int, ...]] = lambda _: (),
) -> Answer:
    """(currency, names, sales, counts) by currency and falling sales; of each currency the first `most`."""
    groups: dict[tuple[str, tuple[Any, ...]], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["currency"], named(row)].append(row)
    found = [(currency, *names, _sales(of), *counted(of)) for (currency, names), of in groups.items()]
    width = max((len(names) for _, names in groups), default=0)
    found.sort(key=lambda row: (row[0], -row[1 + width], _text(row[1])))
    if most is None:
        return found
    of_currency = {row[0] for row in found}
    return [row for currency in sorted(of_currency) for row in [r for r in found if r[0] == currency][:most]]


def _units(gold: Tables) -> Answer:
    names = {row["sku"]: row["name"] for row in gold["dim_product"]}
    units: dict[str, Decimal] = defaultdict(Decimal)
    for row in gold["fact_sales"]:
        if row["sku"] != UNKNOWN:
            units[row["sku"]] += row["quantity"]
    found = sorted(units.items(), key=lambda item: (-item[1], item[0]))[:5]
    return [(sku, names[sku], number) for sku, number in found]


def _sales(rows: list[Row]) -> Decimal:
    total = sum((row["line_amount"] for row in rows if row["line_amount"] is not None), Decimal(0))
    return total.quantize(Decimal("0.01"), ROUND_HALF_UP)


def _buyers(rows: list[Row]) -> tuple[int]:
    return (len({row["user_id"] for row in _bought(rows) if row["user_id"] != UNKNOWN}),)


def _orders(rows: list[Row]) -> tuple[int]:
    return (len({(row["source_system"], row["purchase_id"]) for row in _bought(rows)}),)


def _bought(rows: list[Row]) -> list[Row]:
    """Without refunds, which are no purchases."""
    return [row for row in rows if not row["is_refund"]]


def _text(value: Any) -> tuple[bool, str]:
    """NULLs last."""
    return value is None, "" if value is None else str(value)
