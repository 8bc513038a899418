"""silver.transactions: one row a sales transaction, or a line of a file whose rows have no key."""

from __future__ import annotations

from saleslake.config import Settings, Source
from saleslake.silver.contract import CDF, LINEAGE_COLUMNS, VERSION_UNREADABLE, Entity, Typing
from saleslake.silver.judge import moments, texts
from saleslake.silver.judge.numbers import LIMIT, Problem, half_up, scaled
from saleslake.silver.judge.reading import Fields, Read
from saleslake.silver.judge.rules import READING, Record, Rule, cannot_be_read
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
            "transaction_id, or file and line number where the source is keyed by line",
            nullable=False,
        ),
        Column("transaction_id", STRING, "the source's id of the sale", nullable=False),
        Column("customer_id", STRING, "customer; NULL where the record names none"),
        Column("product_id", STRING, "sku; NULL where the record names none"),
        Column("sale_date", TIMESTAMP, "when it was sold, UTC", nullable=False),
        Column("quantity", QUANTITY, "units", nullable=False),
        Column("total_price", MONEY, "total the source gives, in currency"),
        Column("unit_price", MONEY, "price of one unit, in currency, where the source maps one"),
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
    texts=("transaction_id", "customer_id", "product_id", "sale_date", "sales_channel", "currency", "updated_at"),
    numbers=("quantity", "total_price", "unit_price"),
)
_M, _Q = MONEY.scale, QUANTITY.scale


class Transaction(Record):
    """A sale, typed. Moments: µs since 1970; numbers: units of their column's type; date: days since 1970."""

    __slots__ = (
        "channel", "currency", "currency_text", "customer_id", "date", "keyed_by_line", "problems", "product_id", "quantity",
        "quantity_text", "revenue", "sale_date", "sale_date_text", "total_price", "transaction_id", "transaction_key",
        "unit_price", "version_is_due",
    )  # fmt: skip
    channel: str
    currency: str | None
    currency_text: object
    customer_id: str | None
    date: int | None
    keyed_by_line: bool
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
    revenue: int
    """quantity × unit_price where no total is given, in units of money: that is the sale's revenue, and money too."""

    @property
    def sold_at(self) -> int | None:
        return self.sale_date

    @property
    def units(self) -> int:
        """In units of QUANTITY."""
        return self.quantity or 0

    @property
    def net(self) -> int:
        """In units of MONEY."""
        return self.revenue if self.total_price is None else self.total_price


def typing(source: Source, settings: Settings) -> Typing:
    """How the transactions of a source are typed."""
    moment = moments.reader(source.date_formats, source.time_zone)
    channel = texts.channels(settings.channels)
    by_line = source.key == "line"

    def typed(read: Read, file: str, ordinal: int) -> Transaction:
        given, customer, product, sold, sales_channel, currency, updated, quantity, total, price = read.values
        given = texts.identifier(given)
        # The key of a record whose source has none: where it stands.
        key = f"{file}#{ordinal}" if by_line else given
        sale = Transaction(read, key)
        sale.transaction_key, sale.transaction_id = key, given or key
        sale.customer_id, sale.product_id = texts.identifier(customer), texts.identifier(product)
        sale.sale_date, sale.sale_date_text = moment(sold), sold
        sale.quantity, of_quantity = scaled(quantity, _Q)
        sale.total_price, of_total = scaled(total, _M)
        sale.unit_price, of_price = scaled(price, _M)
        sale.quantity_text, sale.problems = quantity, (of_quantity, of_total, of_price)
        sale.revenue = 0
        if sale.total_price is None and sale.quantity is not None and sale.unit_price is not None:
            sale.revenue = half_up(sale.quantity * sale.unit_price, 10**_Q)
        sale.channel = channel(sales_channel)
        sale.currency, sale.currency_text = texts.currency(currency), currency
        sale.keyed_by_line = by_line
        sale.date = None if sale.sale_date is None else sale.sale_date // moments.DAY
        sale.version_is_due = bool(source.version)
        sale.version_time = (
            None if not source.version else sale.sale_date if source.version == "sale_date" else moment(updated)
        )
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
    Rule(
        "currency_unreadable",
        "error",
        "no three-letter currency, and no default for the source",
        lambda t: t.currency is None,
        lambda t: cannot_be_read("currency", t.currency_text),
        fixed=True,
    ),
    Rule(
        "quantity_unreadable",
        "error",
        "quantity missing or no number",
        lambda t: t.quantity is None and t.problems[0] != "overflow",
        lambda t: cannot_be_read("quantity", t.quantity_text),
        fixed=True,
    ),
    Rule(
        "number_overflow",
        "error",
        "a total, price or quantity does not fit its DECIMAL",
        lambda t: "overflow" in t.problems or abs(t.revenue) >= LIMIT,
        "a number that does not fit",
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
    Rule("customer_missing", "warn", "no customer_id", lambda t: t.customer_id is None, "customer_id: missing"),
    Rule("product_missing", "warn", "no product_id", lambda t: t.product_id is None, "product_id: missing"),
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
    Rule(
        "rounded",
        "warn",
        "a number had more digits than its DECIMAL keeps",
        lambda t: "rounded" in t.problems,
        "a number with more digits than are kept",
    ),
)

ENTITY = Entity(
    table=TABLE,
    fields=FIELDS,
    required=("transaction_id", "sale_date", "quantity"),
    rules=RULES,
    typing=typing,
    version_columns=("updated_at", "sale_date"),
)
