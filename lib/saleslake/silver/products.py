"""silver.products: one row a product and source; gold decides which source is trusted for which field."""

from __future__ import annotations

from saleslake.config import Settings, Source
from saleslake.silver.contract import CDF, LINEAGE_COLUMNS, VERSION_UNREADABLE, Entity, Typing
from saleslake.silver.judge import currencies, moments, numbers, texts
from saleslake.silver.judge.numbers import Problem
from saleslake.silver.judge.reading import Fields, Read
from saleslake.silver.judge.rules import IDS, MONEY_RULES, READING, TIMES, Record, Rule
from saleslake.table import MONEY, STRING, Column, Table

TABLE = Table(
    layer="silver",
    name="products",
    grain="one row a product and source, by its winning version",
    keys=("sku", "source"),
    columns=(
        Column("sku", STRING, "key of the product", nullable=False),
        Column("name", STRING, "verbatim"),
        Column("category", STRING, "as given, trimmed"),
        Column("manufacturer", STRING, "as given, trimmed"),
        Column("price", MONEY, "base price of one unit, in currency"),
        Column("currency", STRING, "ISO 4217; NULL where neither record nor configuration gives one"),
        *LINEAGE_COLUMNS,
    ),
    constraints={"key_given": "sku <> ''"},
    properties=CDF,
)
FIELDS = Fields(
    texts=("sku", "name", "category", "manufacturer", "currency", "updated_at"),
    numbers=("price",),
    free=frozenset(("name", "category", "manufacturer")),
)


class Product(Record):
    """A product, typed. price: units of MONEY."""

    __slots__ = (
        "category", "currency", "manufacturer", "name", "price", "price_problem", "sku", "version_is_due",
    )  # fmt: skip
    category: str | None
    currency: str | None
    manufacturer: str | None
    name: str | None
    price: int | None
    price_problem: Problem | None
    sku: str | None
    version_is_due: bool


def typing(source: Source, settings: Settings) -> Typing:
    """How the products of a source are typed."""
    moment = moments.reader(source.date_formats, source.time_zone)
    identifier = texts.identifiers(settings.run.longest_key)
    read_currency = currencies.reader(settings.run.currencies, source.defaults.get("currency"))
    plausible = moments.span(*settings.run.plausible_dates)
    amounts = numbers.Amounts(source.dialect("price"), MONEY.scale)

    def typed(read: Read, file: str, ordinal: int) -> Product:
        sku, name, category, manufacturer, currency, updated, price = read.values
        product = Product(read, identifier(sku))
        product.sku, product.name = product.key, texts.verbatim(name)
        product.check_id("sku", product.key)
        product.category, product.manufacturer = texts.trimmed(category), texts.trimmed(manufacturer)
        product.currency = read_currency(currency, price)
        product.price, product.price_problem, beside = amounts.of(product.currency).of(price)
        product.check_number("price", price, product.price_problem)
        product.check_currency("price", price, product.currency, beside)
        product.version_is_due = bool(source.version)
        product.version_time = moment(updated) if source.version else None
        product.check_times(*plausible, version=product.version_time)
        return product

    return typed


RULES = (
    *READING,
    VERSION_UNREADABLE,
    Rule(
        "price_unreadable",
        "error",
        "the price is given and no number; warn treats it as not given",
        lambda p: p.price_problem == "unreadable",
        "price: is no number",
    ),
    Rule(
        "price_missing",
        "warn",
        "no price",
        lambda p: p.price is None and p.price_problem is None and "price" not in p.absent,
        "price: missing",
    ),
    Rule("negative_price", "warn", "a price below zero", lambda p: (p.price or 0) < 0, "price: below zero"),
    *IDS,
    *TIMES,
    *MONEY_RULES,
)

ENTITY = Entity(
    table=TABLE,
    fields=FIELDS,
    required=("sku",),
    rules=RULES,
    typing=typing,
    version_columns=("updated_at",),
    expected=("price",),
)
