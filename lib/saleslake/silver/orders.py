"""silver.orders: one row an order, its lines inside, so that an order changes in one atomic write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyspark.sql import types as T

from saleslake.config import Settings, Source
from saleslake.silver import elsewhere
from saleslake.silver.contract import CDF, LINEAGE_COLUMNS, Entity, Typing, severities
from saleslake.silver.judge import moments, numbers, texts
from saleslake.silver.judge.numbers import LIMIT, READABLE, Problem, half_up, of_scale, scaled
from saleslake.silver.judge.reading import Fields, Read, getter, paths
from saleslake.silver.judge.rules import READING, Record, Rule, cannot_be_read
from saleslake.silver.judge.texts import WHITESPACE
from saleslake.table import DATE, INT, MONEY, QUANTITY, STRING, TIMESTAMP, Column, Table

LINE = T.StructType(
    [
        T.StructField("line_number", INT),
        T.StructField("sku", STRING),
        T.StructField("quantity", QUANTITY),
        T.StructField("unit_price", MONEY),
    ]
)
"""line_number: position in the record's own list, from 1. unit_price: as ordered; NULL where the record gives none."""

TABLE = Table(
    layer="silver",
    name="orders",
    grain="one row an order, by its winning version",
    keys=("order_id",),
    columns=(
        Column("order_id", STRING, "key of the order", nullable=False),
        Column("user_id", STRING, "customer; NULL where the record names none"),
        Column("amount", MONEY, "total the source gives for the order, in currency; never summed over lines"),
        Column("currency", STRING, "ISO 4217", nullable=False),
        Column("created_at", TIMESTAMP, "when it was placed, UTC", nullable=False),
        Column("updated_at", TIMESTAMP, "version time the source gives, UTC"),
        Column("order_source", STRING, "metadata.source, trimmed"),
        Column("channel", STRING, "order_source by the mapping in conf/; unknown where there is none", nullable=False),
        Column("promo", STRING, "metadata.promo, verbatim"),
        Column("items", T.ArrayType(LINE), "the order's lines; unit_price NULL where none is given", nullable=False),
        Column("date", DATE, "date of created_at, UTC", nullable=False),
        *LINEAGE_COLUMNS,
    ),
    partition_by=("date",),
    constraints={
        "key_given": "order_id <> ''",
        "currency_code": "regexp_like(currency, '^[A-Z]{3}$')",
        "date_of_creation": "date = CAST(created_at AS DATE)",
    },
    properties=CDF,
)
FIELDS = Fields(
    texts=("order_id", "user_id", "currency", "created_at", "updated_at", "order_source", "promo"),
    numbers=("amount",),
    line_texts=("sku",),
    line_numbers=("quantity", "price"),
)
_M, _Q = MONEY.scale, QUANTITY.scale
_TO_MONEY = 10**_Q
"""From units of quantity × price to those of money."""
_TOO_LARGE = LIMIT * _TO_MONEY - _TO_MONEY // 2
"""A product that rounds to more digits than MONEY has."""

Line = tuple[int, str, int, int | None]
"""line_number, sku, quantity, unit_price; the numbers in units of their types."""


class Order(Record):
    """An order, typed. Moments: µs since 1970; numbers: units of their column's type; date: days since 1970."""

    __slots__ = (
        "amount", "amount_problem", "channel", "created_at", "created_text", "currency", "currency_text", "date",
        "has_lines", "has_return", "has_zero_price", "items", "keeps_other_lines", "line_problems", "more_lines",
        "order_id", "order_source", "overflows", "promo", "rounded", "tolerance", "total", "unreadable_prices",
        "updated_at", "updated_text", "user_id",
    )  # fmt: skip
    amount: int | None
    amount_problem: Problem | None
    channel: str
    created_at: int | None
    created_text: object
    currency: str | None
    currency_text: object
    date: int | None
    has_lines: bool
    has_return: bool
    has_zero_price: bool
    keeps_other_lines: bool
    more_lines: str | None
    order_id: str | None
    order_source: str | None
    promo: str | None
    rounded: bool
    updated_at: int | None
    updated_text: object
    user_id: str | None
    items: list[Line]
    """The lines that can be kept; has_return, has_zero_price: whether one of them is such."""
    line_problems: list[str]
    """Of lines that are none: `line 2: has no sku`."""
    overflows: list[int]
    """Numbers of lines with a number that does not fit."""
    unreadable_prices: list[int]
    total: int
    """Σ quantity × price of `items`, in units of both."""
    tolerance: int
    """`run.amount_tolerance`, in the same."""

    @property
    def sold_at(self) -> int | None:
        return self.created_at

    @property
    def units(self) -> int:
        """Σ quantity, in units of QUANTITY."""
        return sum(quantity for _, _, quantity, _ in self.items)

    @property
    def net(self) -> int:
        """Σ quantity × price, each line rounded to MONEY, in units of it."""
        return sum(half_up(quantity * (price or 0), _TO_MONEY) for _, _, quantity, price in self.items)


def typing(source: Source, settings: Settings) -> Typing:
    """How the orders of a source are typed."""
    moment = moments.reader(source.date_formats, source.time_zone)
    channel = texts.channels(settings.channels)
    read_lines = _lines_reader(source)
    more_lines = elsewhere.finder(source)
    keeps_other_lines = severities("orders", source, settings).get("line_invalid") == "warn"
    tolerance = (scaled(str(settings.run.amount_tolerance), _M)[0] or 0) * _TO_MONEY
    version = source.version

    def typed(read: Read, file: str, ordinal: int) -> Order:
        order_id, user_id, currency, created, updated, order_source, promo, amount, items = read.values
        order = Order(read, texts.identifier(order_id))
        order.order_id = order.key
        order.user_id = texts.identifier(user_id)
        order.currency, order.currency_text = texts.currency(currency), currency
        order.created_at = created_at = moment(created)
        order.updated_at = updated_at = None if updated is None else moment(updated)
        order.created_text, order.updated_text = created, updated
        order.order_source = texts.trimmed(order_source)
        order.channel = channel(order_source)
        order.promo = texts.text_of(promo)
        order.amount, problem = scaled(amount, _M)
        order.amount_problem, order.rounded = problem, problem == "rounded"
        order.date = None if created_at is None else created_at // moments.DAY
        order.version_time = getattr(order, version) if version else created_at if updated_at is None else updated_at
        order.keeps_other_lines, order.tolerance = keeps_other_lines, tolerance
        order.more_lines = more_lines(read.whole, items)
        read_lines(order, items)
        return order

    return typed


def _lines_reader(source: Source) -> Callable[[Order, Any], None]:
    """Fills what an order says of its lines, from what stands in their place."""
    take = getter(paths(source, FIELDS.of_line, "items."))
    quantities, prices = of_scale[_Q], of_scale[_M]

    def read(order: Order, items: Any) -> None:
        kept: list[Line] = []
        order.items, order.line_problems, order.overflows, order.unreadable_prices = kept, [], [], []
        order.has_lines = type(items) is list and bool(items)
        number = total = 0
        has_return = has_zero_price = False
        for item in items if order.has_lines else ():
            number += 1
            if type(item) is not dict:
                order.line_problems.append(f"line {number}: is no object")
                continue
            sku, quantity_value, price_value = take(item)
            if type(sku) is not str or not (sku := sku.strip(WHITESPACE)):
                sku = texts.identifier(sku)
            # A third of the time goes into lines: a look into what was read before, where `scaled` would come to that.
            quantity, quantity_problem = (
                quantities[quantity_value] if type(quantity_value) in READABLE else scaled(quantity_value, _Q)
            )
            price, price_problem = prices[price_value] if type(price_value) in READABLE else scaled(price_value, _M)
            product = 0 if quantity is None or price is None else quantity * price
            overflows = not -_TOO_LARGE < product < _TOO_LARGE
            if quantity_problem is not None or price_problem is not None:
                order.rounded = order.rounded or "rounded" in (quantity_problem, price_problem)
                overflows = overflows or "overflow" in (quantity_problem, price_problem)
                if price_problem == "unreadable":
                    order.unreadable_prices.append(number)
            if overflows:
                order.overflows.append(number)
            if sku is None:
                order.line_problems.append(f"line {number}: has no sku")
            elif quantity is None:
                if quantity_problem != "overflow":
                    order.line_problems.append(f"line {number}: {cannot_be_read('quantity', quantity_value)}")
            elif not overflows:
                kept.append((number, sku, quantity, price))
                total += product
                if quantity <= 0 or (price is not None and price <= 0):
                    has_return = has_return or quantity <= 0 or (price is not None and price < 0)
                    has_zero_price = has_zero_price or price == 0
        order.total, order.has_return, order.has_zero_price = total, has_return, has_zero_price

    return read


def _overflow(order: Order) -> str:
    """`amount: does not fit; line 2: a number that does not fit`."""
    header = ["amount: does not fit"] if order.amount_problem == "overflow" else []
    return "; ".join([*header, *(f"line {number}: a number that does not fit" for number in order.overflows)])


RULES = (
    *READING,
    Rule(
        "created_at_unreadable",
        "error",
        "created_at missing or in none of the date formats, or in two that disagree",
        lambda o: o.created_at is None,
        lambda o: cannot_be_read("created_at", o.created_text),
        fixed=True,
    ),
    Rule(
        "updated_at_unreadable",
        "error",
        "updated_at given and unreadable: the version could not be ordered",
        lambda o: o.updated_at is None and not texts.is_blank(o.updated_text),
        lambda o: cannot_be_read("updated_at", o.updated_text),
        fixed=True,
    ),
    Rule(
        "currency_unreadable",
        "error",
        "no three-letter currency, and no default for the source",
        lambda o: o.currency is None,
        lambda o: cannot_be_read("currency", o.currency_text),
        fixed=True,
    ),
    Rule(
        "number_overflow",
        "error",
        "an amount, price or quantity does not fit its DECIMAL",
        lambda o: o.overflows or o.amount_problem == "overflow",
        _overflow,
        fixed=True,
    ),
    Rule(
        "line_invalid",
        "error",
        "a line is no object, or has no sku or no readable quantity; warn keeps the other lines",
        lambda o: o.line_problems,
        lambda o: "; ".join(o.line_problems),
    ),
    Rule(
        "price_unreadable",
        "error",
        "a line's price is given and no number; warn treats it as not given",
        lambda o: o.unreadable_prices,
        lambda o: "; ".join(f"line {number}: has a price that is no number" for number in o.unreadable_prices),
    ),
    Rule(
        "items_empty",
        "error",
        "no lines; warn keeps the header",
        lambda o: not o.has_lines or (o.keeps_other_lines and o.line_problems and not o.items),
        "items: missing, empty or no array",
    ),
    elsewhere.RULE,
    Rule("user_missing", "warn", "no user_id", lambda o: o.user_id is None, "user_id: missing"),
    Rule(
        "amount_missing",
        "warn",
        "amount missing or no number",
        lambda o: o.amount is None and o.amount_problem != "overflow",
        "amount: missing or no number",
    ),
    Rule(
        "amount_mismatch",
        "warn",
        "amount differs from the sum of quantity × price by more than the tolerance",
        lambda o: o.amount is not None and abs(o.amount * _TO_MONEY - o.total) > o.tolerance,
        lambda o: f"amount: differs from its lines' {numbers.text(half_up(o.total, _TO_MONEY), _M)}",
    ),
    Rule(
        "return_line",
        "warn",
        "a line with quantity <= 0 or price < 0",
        lambda o: o.has_return,
        "a line with quantity <= 0 or price < 0",
    ),
    Rule(
        "zero_price",
        "warn",
        "a line with a price of exactly zero",
        lambda o: o.has_zero_price,
        "a line with a price of zero",
    ),
    Rule(
        "rounded",
        "warn",
        "a number had more digits than its DECIMAL keeps",
        lambda o: o.rounded,
        "a number with more digits than are kept",
    ),
)

ENTITY = Entity(
    table=TABLE,
    fields=FIELDS,
    required=("order_id", "created_at", "items"),
    rules=RULES,
    typing=typing,
    version_columns=("updated_at", "created_at"),
)
