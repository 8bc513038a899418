"""silver.orders: one row an order, its lines inside, so that an order changes in one atomic write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyspark.sql import types as T

from saleslake.config import Settings, Source
from saleslake.silver import elsewhere, order_shapes, refunds
from saleslake.silver.contract import CDF, LINEAGE_COLUMNS, Entity, Typing, severities
from saleslake.silver.judge import currencies, moments, numbers, texts
from saleslake.silver.judge.numbers import LIMIT, Problem
from saleslake.silver.judge.reading import OF_REFUND, Fields, Read, getter, paths, without_nulls
from saleslake.silver.judge.rules import IDS, MONEY_RULES, READING, TIMES, Rule, cannot_be_read, noted
from saleslake.silver.judge.texts import Remembered, UnfitId
from saleslake.silver.sale import CURRENCY_UNREADABLE, NO_SALE, STATUS, Sale
from saleslake.table import DATE, INT, MONEY, QUANTITY, STRING, TIMESTAMP, Column, Table

LINE = T.StructType(
    [
        T.StructField("line_number", INT),
        T.StructField("sku", STRING),
        T.StructField("quantity", QUANTITY),
        T.StructField("unit_price", MONEY),
        T.StructField("amount", MONEY),
        T.StructField("refunded_at", TIMESTAMP),
    ]
)
"""line_number: position in the record's own list, from 1; lines of refunds are counted on. unit_price: as ordered; NULL where the
record gives none. amount: what the line was sold for; `items.total` where that is given, else quantity × price, multiplied exactly
and rounded once. refunded_at: of a line of a refund, which has a negative quantity and amount, when it was paid back, UTC; else NULL."""

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
        *STATUS,
        Column(
            "items",
            T.ArrayType(LINE),
            "the order's lines, then those of its refunds (refunded_at); amount NULL where no price is given",
            nullable=False,
        ),
        Column("first_refund_date", DATE, "date of the earliest refunded_at, UTC; NULL: no line of a refund"),
        Column("last_refund_date", DATE, "date of the latest"),
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
    # By them gold knows whether there are refunds, and finds those of a day.
    statistics=("first_refund_date", "last_refund_date"),
)
FIELDS = Fields(
    texts=("order_id", "user_id", "currency", "created_at", "updated_at", "order_source", "promo", "status"),
    numbers=("amount",),
    line_texts=("sku",),
    line_numbers=("quantity", "price", "total"),
    refund=OF_REFUND,
    refund_texts=refunds.LINE_TEXTS,
    refund_numbers=refunds.LINE_NUMBERS,
    only_mapped=frozenset(("status", "items.total", "refunds")),
    free=frozenset(("promo",)),
)
_M, _Q = MONEY.scale, QUANTITY.scale
_TO_MONEY = 10**_Q
"""From units of quantity × price to those of money."""

Line = tuple[int, str, int, int | None, int | None, int | None]
"""line_number, sku, quantity, unit_price, amount, refunded_at; the numbers in units of their types, the moment in µs since 1970."""


class Order(Sale):
    """An order, typed."""

    __slots__ = (
        "amount", "amount_problem", "created_at", "created_text", "first_refund_date", "has_lines", "items", "keeps_other_lines",
        "last_refund_date", "order_id", "order_source", "promo", "tolerance", "total", "updated_at", "updated_text", "user_id",
    )  # fmt: skip
    amount: int | None
    amount_problem: Problem | None
    created_at: int | None
    created_text: object
    first_refund_date: int | None
    has_lines: bool
    keeps_other_lines: bool
    last_refund_date: int | None
    order_id: str | None
    order_source: str | None
    promo: str | None
    updated_at: int | None
    updated_text: object
    user_id: str | None
    items: list[Line]
    """The lines that can be kept, those of refunds last."""
    total: int
    """Σ amount of its own lines, in units of MONEY."""
    tolerance: int
    """`run.amount_tolerance`, in the same."""

    @property
    def sold_at(self) -> int | None:
        return self.created_at

    @property
    def units(self) -> int:
        """Σ quantity of its own lines, in units of QUANTITY."""
        return sum(line[2] for line in self.items if line[5] is None)

    @property
    def net(self) -> int:
        """Of its own lines, in units of MONEY: what was sold when it was placed."""
        return self.total


def typing(source: Source, settings: Settings) -> Typing:
    """How the orders of a source are typed."""
    moment = moments.reader(source.date_formats, source.time_zone)
    longest = settings.run.longest_key
    identifier = texts.identifiers(longest)
    customer = texts.customers(identifier, source.no_customer)
    users, sources = Remembered(customer), Remembered(texts.trimmed)
    read_currency = currencies.reader(settings.run.currencies, source.defaults.get("currency"))
    first, last = moments.span(*settings.run.plausible_dates)
    amounts = numbers.Amounts(source.dialect("amount"), _M)
    channel, is_sale = texts.channels(settings.channels), texts.statuses(source.no_sales)
    lines = _Lines(source, identifier)
    paid_back = refunds.Refunds(source, identifier, moment, (first, last)) if "refunds" in source.mapping else None
    more_lines, shaped = elsewhere.finder(source), order_shapes.shaper(source)
    keeps_other_lines = severities("orders", source, settings).get("line_invalid") == "warn"
    tolerance = int(settings.run.amount_tolerance * 10**_M)
    version = source.version

    def typed(read: Read, file: str, ordinal: int) -> Order:
        order_id, user_id, currency, created, updated, order_source, promo, status, amount, refunded, items = (
            read.values
        )
        order = Order(read, texts.joined(identifier, read.key, longest) if read.key else identifier(order_id))
        order.order_id = order.key
        order.user_id = users[user_id] if type(user_id) is str else customer(user_id)
        if type(order.key) is UnfitId or type(order.user_id) is UnfitId:
            order.check_id("order_id", order.key)
            order.check_id("user_id", order.user_id)
        order.currency, order.currency_text = read_currency(currency, amount), currency
        order.created_at = created_at = moment(created)
        order.updated_at = updated_at = None if updated is None else moment(updated)
        order.created_text, order.updated_text = created, updated
        order.order_source = sources[order_source] if type(order_source) is str else texts.trimmed(order_source)
        order.channel = channel(order_source)
        if len(order.channel) * 4 > longest:
            order.check_id("channel", texts.within(order.channel, longest))
        order.promo = None if promo is None else texts.verbatim(promo)
        order.status, order.is_sale = None, True
        if status is not None:
            order.take_status(status, is_sale)
        order.amount, order.amount_problem = order.money("amount", amounts, amount)
        order.date = None if created_at is None else created_at // moments.DAY
        order.version_time = getattr(order, version) if version else created_at if updated_at is None else updated_at
        if created_at is not None and not first <= created_at <= last:
            order.note_time("created_at")
        if updated_at is not None and not first <= updated_at <= last:
            order.note_time("updated_at")
        order.keeps_other_lines, order.tolerance = keeps_other_lines, tolerance
        if shaped is not None:
            items = shaped(items)
        more = more_lines(read.whole, items)
        if more is not None:
            order.note("lines_incomplete", more)
        lines.read(order, items)
        order.first_refund_date = order.last_refund_date = None
        if paid_back is not None and refunded is not None:
            paid_back.read(order, refunded, len(items) if order.has_lines else 0)
        return order

    return typed


class _Lines:
    """Fills what an order says of its lines, from what stands in their place."""

    def __init__(self, source: Source, identifier: Callable[[Any], str | None]):
        self._take = getter(paths(source, FIELDS, FIELDS.of_line, "items."))
        self._emptied = without_nulls(source, range(len(FIELDS.of_line)))
        self._identifier, self._skus = identifier, Remembered(identifier)
        self._choose = order_shapes.chooser(source)
        self._no_sku = source.defaults.get("items.sku")
        self._quantities = numbers.reader(source.dialect("items.quantity"), _Q)
        self._prices, self._totals = (
            numbers.Amounts(source.dialect(f"items.{each}"), _M) for each in ("price", "total")
        )

    def read(self, order: Order, items: Any) -> None:
        """Nothing stands where an order has no array of lines."""
        order.items, order.total = [], 0
        order.has_lines = type(items) is list and bool(items)
        if not order.has_lines:
            return
        if self._choose is not None:
            items, left_out = self._choose(items)
            order.has_lines = any(item is not order_shapes.LEFT_OUT for item in items)
            if left_out:
                order.note("lines_left_out", left_out)
        take, emptied, skus, quantities, kept = self._take, self._emptied, self._skus, self._quantities, order.items
        prices, no_sku, half, sold_for = self._prices.of(order.currency), self._no_sku, _TO_MONEY // 2, 0
        for number, item in enumerate(items, 1):
            if type(item) is not dict:
                if item is not order_shapes.LEFT_OUT:
                    order.note("line_invalid", f"line {number}: is no object")
                continue
            values = take(item)
            if emptied is not None:
                emptied(values)
            sku, quantity, price, total = values
            if no_sku is not None and texts.is_blank(sku):
                sku = values[0] = no_sku
            # Nearly all lines are such as need no more than a look into what was read before: two thirds of the time.
            if type(sku) is str and type(key := skus[sku]) is str and total is None:
                units, wrong, _ = quantities[type(quantity)][quantity]
                each, wrong_price, beside = prices[type(price)][price]
                is_plain = wrong is None and wrong_price is None and beside is None
                if is_plain and units and units > 0 and each and each > 0:
                    amount = (units * each + half) // _TO_MONEY
                    if amount < LIMIT:
                        kept.append((number, key, units, each, amount, None))
                        sold_for += amount
                        continue
            self._read_one(order, number, *values)
        order.total += sold_for

    def _read_one(self, order: Order, number: int, sku: Any, quantity: Any, price: Any, total: Any) -> None:
        """Any line: what it says, and all that is wrong with it."""
        where = f"line {number}"
        key = self._identifier(sku)
        order.check_id(f"{where}: sku", key)
        units, of_quantity, _ = self._quantities.of(quantity)
        order.check_number(f"{where}: quantity", quantity, of_quantity)
        each, of_price = order.money(f"{where}: price", self._prices, price)
        amount, of_total = order.money(f"{where}: total", self._totals, total)
        if "unreadable" in (of_price, of_total):
            order.note("price_unreadable", f"{where}: has a price or total that is no number")
        if amount is None and units is not None and each is not None:
            amount = order.product(f"{where}: quantity × price", self._quantities, quantity, self._prices, price)
        if key is None:
            order.note("line_invalid", f"{where}: has no sku")
        elif units is None:
            if of_quantity in (None, "unreadable"):
                order.note("line_invalid", f"{where}: {cannot_be_read('quantity', quantity)}")
        else:
            order.items.append((number, key, units, each, amount, None))
            order.total += amount or 0
            if units <= 0 or (each or 0) < 0 or (amount or 0) < 0:
                order.note("return_line", f"{where}: quantity <= 0, or a price or total < 0")
            if each == 0:
                order.note("zero_price", f"{where}: a price of zero")


def _has_no_own(order: Order) -> bool:
    return all(line[5] is not None for line in order.items)


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
    CURRENCY_UNREADABLE,
    noted(
        "line_invalid",
        "error",
        "a line is no object, or has no sku or no readable quantity; warn keeps the other lines",
    ),
    noted("price_unreadable", "error", "a line's price or total is given and no number; warn treats it as not given"),
    Rule(
        "items_empty",
        "error",
        "no lines; warn keeps the header",
        lambda o: not o.has_lines or (o.keeps_other_lines and "line_invalid" in (o.notes or ()) and _has_no_own(o)),
        "items: missing, empty or no array",
    ),
    elsewhere.RULE,
    noted("lines_left_out", "warn", "lines that the source's `lines_where` leaves out"),
    *refunds.RULES,
    Rule(
        "user_missing",
        "warn",
        "no user_id",
        lambda o: o.user_id is None and "user_id" not in o.absent,
        "user_id: missing",
    ),
    Rule(
        "amount_missing",
        "warn",
        "amount missing or no number",
        lambda o: o.amount is None and o.amount_problem in (None, "unreadable") and "amount" not in o.absent,
        "amount: missing or no number",
    ),
    Rule(
        "amount_mismatch",
        "warn",
        "amount differs from the sum of its lines by more than `run.amount_tolerance`",
        lambda o: o.amount is not None and abs(o.amount - o.total) > o.tolerance,
        lambda o: f"amount: differs from its lines' {numbers.text(o.total, _M)}",
    ),
    NO_SALE,
    noted("return_line", "warn", "a line of its own with quantity <= 0, or a price or total < 0"),
    noted("zero_price", "warn", "a line with a price of exactly zero"),
    *IDS,
    *TIMES,
    *MONEY_RULES,
)

ENTITY = Entity(
    table=TABLE,
    fields=FIELDS,
    required=("order_id", "created_at", "items"),
    rules=RULES,
    typing=typing,
    version_columns=("updated_at", "created_at"),
    expected=("user_id", "amount"),
)
