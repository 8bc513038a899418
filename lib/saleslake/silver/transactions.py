"""silver.transactions: one row a sales transaction, or a line of a file whose rows have no key."""

from __future__ import annotations

from saleslake.config import Settings, Source
from saleslake.silver.contract import CDF, LINEAGE_COLUMNS, VERSION_UNREADABLE, Entity, Typing
from saleslake.silver.judge import currencies, moments, numbers, texts
from saleslake.silver.judge.numbers import Problem
from saleslake.silver.judge.reading import Fields, Read
from saleslake.silver.judge.rules import IDS, MONEY_RULES, READING, TIMES, Rule, cannot_be_read
from saleslake.silver.judge.texts import UnfitId
from saleslake.silver.sale import CURRENCY_UNREADABLE, NO_SALE, STATUS, Sale
from saleslake.table import BOOLEAN, DATE, MONEY, QUANTITY, STRING, TIMESTAMP, Column, Table

TABLE = Table(
    layer="silver",
    name="transactions",
    grain="one row a transaction by its winning version; for sources keyed by line, one row a line of a file's latest content",
    keys=("transaction_key",),
    columns=(
        Column(
            "transaction_key",
            STRING,
            "transaction_id, the key's columns joined, or file and line number, as the source's `key` says",
            nullable=False,
        ),
        Column("transaction_id", STRING, "the source's id of the sale", nullable=False),
        Column("customer_id", STRING, "customer; NULL where the record names none"),
        Column("product_id", STRING, "sku; NULL where the record names none"),
        Column("sale_date", TIMESTAMP, "when it was sold, UTC", nullable=False),
        Column("quantity", QUANTITY, "units", nullable=False),
        Column("total_price", MONEY, "total the source gives, in currency"),
        Column("unit_price", MONEY, "price of one unit, in currency, where the source maps one"),
        Column(
            "amount",
            MONEY,
            "what it was sold for: total_price, else quantity × unit_price, multiplied exactly and rounded once",
        ),
        Column("order_id", STRING, "purchase that it is part of, where the source maps one"),
        *STATUS,
        Column("channel", STRING, "sales_channel by the mapping in conf/; unknown where there is none", nullable=False),
        Column("currency", STRING, "ISO 4217", nullable=False),
        Column("keyed_by_line", BOOLEAN, "whether the key is the place in the file", nullable=False),
        Column("date", DATE, "date of sale_date, UTC", nullable=False),
        *LINEAGE_COLUMNS,
    ),
    partition_by=("date",),
    constraints={
        "key_given": "transaction_key <> ''",
        "currency_code": "regexp_like(currency, '^[A-Z]{3}$')",
        "date_of_sale": "date = CAST(sale_date AS DATE)",
    },
    properties=CDF,
)
FIELDS = Fields(
    texts=("transaction_id", "customer_id", "product_id", "sale_date", "sales_channel", "currency", "updated_at", "order_id",
           "status"),
    numbers=("quantity", "total_price", "unit_price"),
    only_mapped=frozenset(("order_id", "status")),
)  # fmt: skip
_M, _Q = MONEY.scale, QUANTITY.scale


class Transaction(Sale):
    """A sales transaction, typed."""

    __slots__ = (
        "amount", "customer_id", "keyed_by_line", "order_id", "problems", "product_id", "quantity", "quantity_text", "sale_date",
        "sale_date_text", "total_price", "transaction_id", "transaction_key", "unit_price", "version_is_due",
    )  # fmt: skip
    amount: int | None
    customer_id: str | None
    keyed_by_line: bool
    order_id: str | None
    product_id: str | None
    quantity: int | None
    quantity_text: object
    sale_date: int | None
    sale_date_text: object
    total_price: int | None
    transaction_id: str | None
    transaction_key: str | None
    unit_price: int | None
    version_is_due: bool
    problems: tuple[Problem | None, Problem | None, Problem | None]
    """Of quantity, total_price and unit_price."""

    @property
    def sold_at(self) -> int | None:
        return self.sale_date

    @property
    def units(self) -> int:
        return self.quantity or 0

    @property
    def net(self) -> int:
        return self.amount or 0


def typing(source: Source, settings: Settings) -> Typing:
    """How the transactions of a source are typed."""
    moment = moments.reader(source.date_formats, source.time_zone)
    longest = settings.run.longest_key
    identifier = texts.identifiers(longest)
    customer_of = texts.customers(identifier, source.no_customer)
    read_currency = currencies.reader(settings.run.currencies, source.defaults.get("currency"))
    plausible = moments.span(*settings.run.plausible_dates)
    units = numbers.reader(source.dialect("quantity"), _Q)
    totals, prices = (numbers.Amounts(source.dialect(name), _M) for name in ("total_price", "unit_price"))
    channel, is_sale = texts.channels(settings.channels), texts.statuses(source.no_sales)
    by_line = source.key == "line"

    def typed(read: Read, file: str, ordinal: int) -> Transaction:
        given, customer, product, sold, sales_channel, currency, updated, order, status, quantity, total, price = (
            read.values
        )
        given = identifier(given)
        # The key of a record whose source has none: where it stands.
        key = f"{file}#{ordinal}" if by_line else texts.joined(identifier, read.key, longest) if read.key else given
        sale = Transaction(read, key)
        sale.transaction_key, sale.transaction_id = key, given or key
        sale.customer_id, sale.product_id = customer_of(customer), identifier(product)
        sale.order_id = identifier(order)
        sale.status, sale.is_sale = None, True
        if status is not None:
            sale.take_status(status, is_sale)
        own_id = key if read.key else given
        if UnfitId in (type(own_id), type(sale.customer_id), type(sale.product_id), type(sale.order_id)):
            sale.check_id("key" if read.key else "transaction_id", own_id)
            sale.check_id("customer_id", sale.customer_id)
            sale.check_id("product_id", sale.product_id)
            sale.check_id("order_id", sale.order_id)
        sale.sale_date, sale.sale_date_text = moment(sold), sold
        sale.currency_text = currency
        sale.currency = read_currency(currency, total, price)
        sale.quantity, of_quantity, _ = units[type(quantity)][quantity]
        if of_quantity is not None:
            sale.check_number("quantity", quantity, of_quantity)
        sale.total_price, of_total = sale.money("total_price", totals, total)
        sale.unit_price, of_price = sale.money("unit_price", prices, price)
        sale.quantity_text, sale.problems = quantity, (of_quantity, of_total, of_price)
        sale.amount = sale.total_price
        if sale.total_price is None and sale.quantity is not None and sale.unit_price is not None:
            sale.amount = sale.product("quantity × unit_price", units, quantity, prices, price)
        sale.channel = channel(sales_channel)
        if len(sale.channel) * 4 > longest:
            sale.check_id("channel", texts.within(sale.channel, longest))
        sale.keyed_by_line = by_line
        sale.date = None if sale.sale_date is None else sale.sale_date // moments.DAY
        sale.version_is_due = bool(source.version)
        sale.version_time = (
            None if not source.version else sale.sale_date if source.version == "sale_date" else moment(updated)
        )
        sale.check_times(*plausible, sale_date=sale.sale_date, version=sale.version_time)
        return sale

    return typed


RULES = (
    *READING,
    Rule(
        "sale_date_unreadable",
        "error",
        "sale_date missing or in none of the date formats, or in two that disagree",
        lambda t: t.sale_date is None,
        lambda t: cannot_be_read("sale_date", t.sale_date_text),
        fixed=True,
    ),
    CURRENCY_UNREADABLE,
    Rule(
        "quantity_unreadable",
        "error",
        "quantity missing or no number",
        lambda t: t.quantity is None and t.problems[0] in (None, "unreadable"),
        lambda t: cannot_be_read("quantity", t.quantity_text),
        fixed=True,
    ),
    VERSION_UNREADABLE,
    Rule(
        "price_unreadable",
        "error",
        "total_price or unit_price is given and no number; warn treats it as not given",
        lambda t: "unreadable" in t.problems[1:],
        "a price or total that is no number",
    ),
    Rule(
        "customer_missing",
        "warn",
        "no customer_id",
        lambda t: t.customer_id is None and "customer_id" not in t.absent,
        "customer_id: missing",
    ),
    Rule(
        "product_missing",
        "warn",
        "no product_id",
        lambda t: t.product_id is None and "product_id" not in t.absent,
        "product_id: missing",
    ),
    NO_SALE,
    Rule(
        "return_line",
        "warn",
        "quantity <= 0, or a price or total < 0",
        lambda t: (t.quantity is not None and t.quantity <= 0) or (t.total_price or 0) < 0 or (t.unit_price or 0) < 0,
        "quantity <= 0, or a price or total < 0",
    ),
    Rule(
        "zero_price",
        "warn",
        "a price or total of exactly zero",
        lambda t: t.total_price == 0 or t.unit_price == 0,
        "a price or total of zero",
    ),
    *IDS,
    *TIMES,
    *MONEY_RULES,
)

ENTITY = Entity(
    table=TABLE,
    fields=FIELDS,
    required=("transaction_id", "sale_date", "quantity"),
    rules=RULES,
    typing=typing,
    version_columns=("updated_at", "sale_date"),
    expected=("customer_id", "product_id"),
)
