"""What good events say: orders and sales, how they are corrected, how they are written, and what they come to."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

from saleslake.synthetic import catalogue
from saleslake.synthetic.orders import (
    CURRENCIES,
    DAY,
    QUANTITIES,
    YEN,
    Draft,
    Item,
    OrderSpec,
    drafts,
    iso,
    money,
    render,
)
from saleslake.synthetic.transactions import CHANNELS

USERS, PRODUCTS = 70, 45
"""As many as the sample data have, under the same names, so that most events meet their user and product."""

REVISIONS = ("quantity",) * 4 + ("moved_date",) * 3 + ("resized",) * 3 + ("there_and_back",) * 2
"""Kinds of corrections by weight; `resized` adds or drops lines of an order, `there_and_back` is undone by a later one."""
_LONGEST = 8


class Sale(NamedTuple):
    """A transaction before it is written; `sold` in seconds since 1970 UTC, `cents` the total in hundredths."""

    sale_id: str
    customer_id: str
    product_id: str
    currency: str
    sold: int
    quantity: int
    cents: int
    channel: str


Content = Draft | Sale


class Fact(NamedTuple):
    """What gold has to say of a key where this version wins. Times in seconds since 1970, `cents` in hundredths."""

    table: str
    key: str
    version: int
    at: int
    currency: str
    lines: int
    units: int
    cents: int


def orders(seed: int, count: int, goods: list[catalogue.Product]) -> Iterator[Draft]:
    """Drafts of up to `count` orders, without an id or a time of their own yet."""
    ids, skus, cents = catalogue.user_ids(USERS), [p.sku for p in goods], [p.cents for p in goods]
    return drafts(OrderSpec(f"{seed}:events:orders", 0, count, 0, 1, ids, skus, cents))


def sales(seed: int, goods: list[catalogue.Product]) -> Iterator[Sale]:
    """Sales without end, without an id or a time of their own yet; one in a hundred is a return."""
    ids = catalogue.user_ids(USERS)
    rnd = random.Random(f"{seed}:events:sales").random
    while True:
        product = goods[int(len(goods) * rnd() ** 2)]
        quantity = QUANTITIES[int(rnd() * 100)] * (-1 if rnd() < 0.01 else 1)
        currency = CURRENCIES[int(rnd() * 100)]
        price = product.cents * YEN // 100 * 100 if currency == "JPY" else product.cents  # whole yen
        customer_id, channel = ids[int(len(ids) * rnd() ** 2)], CHANNELS[int(rnd() * 100)]
        yield Sale("", customer_id, product.sku, currency, 0, quantity, price * quantity, channel)


def revise(content: Content, kind: str, rng: random.Random) -> Content:
    """The content with something changed: a kind of REVISIONS. The result is never what it was."""
    if isinstance(content, Sale):
        return _revised_sale(content, kind, rng)
    first, *others = content.items
    if kind == "moved_date":
        return content._replace(created=content.created + rng.choice((-DAY, DAY)))
    if kind == "resized" and others and (len(others) >= _LONGEST or rng.random() < 0.5):
        return content._replace(items=others)
    if kind == "resized":
        return content._replace(items=[*content.items, _another(content.items, rng)])
    if kind == "there_and_back":
        return content._replace(items=[first._replace(cents=first.cents + 200), *others])
    return content._replace(items=[first._replace(quantity=first.quantity + 1), *others])


def _revised_sale(sale: Sale, kind: str, rng: random.Random) -> Sale:
    if kind == "moved_date":
        return sale._replace(sold=sale.sold + rng.choice((-DAY, DAY)))
    if kind == "there_and_back":
        return sale._replace(cents=sale.cents + 200)
    step, price = (1 if sale.quantity > 0 else -1), sale.cents // sale.quantity
    return sale._replace(quantity=sale.quantity + step, cents=sale.cents + step * price)


def _another(items: list[Item], rng: random.Random) -> Item:
    """A line of a product that the order has not."""
    there = {item.sku for item in items}
    sku = rng.choice([sku for sku in (f"SKU-{number:05d}" for number in range(1, PRODUCTS + 1)) if sku not in there])
    return Item(sku, 1 + int(rng.random() * 3), items[0].cents)


def order_text(draft: Draft, updated: int | None, *, typed: bool) -> str:
    """An order as the API gives it, with or without `type`."""
    text = render(draft, updated)
    return '{"type":"order",' + text[1:] if typed else text


def sale_json(sale: Sale, updated: int) -> str:
    """A transaction as JSON; the total with two places."""
    return (
        f'{{"type":"transaction","transaction_id":"{sale.sale_id}","customer_id":"{sale.customer_id}",'
        f'"product_id":"{sale.product_id}","sale_date":"{iso(sale.sold)}","quantity":{sale.quantity},'
        f'"total_price":{money(sale.cents)},"sales_channel":"{sale.channel}","currency":"{sale.currency}",'
        f'"updated_at":"{iso(updated)}"}}'
    )


def sale_cells(sale: Sale, updated: int) -> list[str]:
    """A transaction as cells of a CSV line, in the order of `[sources.events_transactions_csv]`."""
    number = [str(sale.quantity), money(sale.cents)]
    head = [sale.sale_id, sale.customer_id, sale.product_id, iso(sale.sold)]
    return [*head, *number, sale.channel, sale.currency, iso(updated)]


def fact_of(content: Content, version: int) -> Fact:
    """What this version of an order or a sale comes to."""
    if isinstance(content, Sale):
        sale = content
        return Fact("transactions", sale.sale_id, version, sale.sold, sale.currency, 1, sale.quantity, sale.cents)
    units = sum([item.quantity for item in content.items])
    cents = sum([item.quantity * item.cents for item in content.items])
    lines = len(content.items)
    return Fact("orders", content.order_id, version, content.created, content.currency, lines, units, cents)
