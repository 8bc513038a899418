"""Plain orders: drafted in blocks of their own random stream, so that any stretch can be made again."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import NamedTuple

BLOCK = 1000
DAY = 86_400
EPOCH = date(1970, 1, 1)
Draw = Callable[[], float]
JITTER = 240.0
"""Seconds by which neighbours may be out of order, as pages of a busy API are."""

SOURCES: tuple[str, ...] = ("web",) * 45 + ("mobile",) * 25 + ("store",) * 9 + ("partner",) * 8
SOURCES += ("In-Store",) * 5 + ("in store",) * 3 + ("In-store",) * 2 + ("Mobile",) * 2 + ("WEB",)
CURRENCIES = ("EUR",) * 58 + ("USD",) * 24 + ("GBP",) * 14 + ("JPY",) * 4
PROMOS = (("SPRING10", 10), ("WELCOME5", 5), ("BUNDLE20", 20))
LINES = (1,) * 28 + (2,) * 30 + (3,) * 20 + (4,) * 12 + (5,) * 6 + (6,) * 4
QUANTITIES = (1,) * 72 + (2,) * 16 + (3,) * 7 + (4,) * 3 + (6,) * 1 + (10,) * 1
YEN = 150


class Item(NamedTuple):
    """A line of an order; the price in hundredths of the currency."""

    sku: str
    quantity: int
    cents: int


class Draft(NamedTuple):
    """An order before it is written; `created` in seconds since 1970, UTC."""

    number: int
    order_id: str
    user_id: str
    currency: str
    created: int
    items: list[Item]
    source: str
    promo: str | None


@dataclass(frozen=True)
class OrderSpec:
    """What orders are drawn from: numbers `first` to `first + count`, spread over `[begin, begin + seconds)`."""

    seed: str
    first: int
    count: int
    begin: int
    seconds: int
    user_ids: list[str]
    skus: list[str]
    cents: list[int]


def seconds_of(day: date) -> int:
    """Midnight UTC of a day in seconds since 1970."""
    return (day - EPOCH).days * DAY


@cache
def _day(day: int) -> str:
    return (EPOCH + timedelta(days=day)).isoformat()


def iso(seconds: int) -> str:
    """Seconds since 1970 as `2024-01-31T23:59:59Z`."""
    day, rest = divmod(seconds, DAY)
    hour, rest = divmod(rest, 3600)
    return f"{_day(day)}T{hour:02d}:{rest // 60:02d}:{rest % 60:02d}Z"


def money(cents: int) -> str:
    """Hundredths as a decimal number with two places: -5 is `-0.05`."""
    return f"{cents // 100}.{cents % 100:02d}" if cents >= 0 else f"-{-cents // 100}.{-cents % 100:02d}"


def drafts(spec: OrderSpec, start: int = 0) -> Iterator[Draft]:
    """Orders of the spec from position `start` on; the same position always gives the same order."""
    for block in range(start // BLOCK, -(-spec.count // BLOCK)):
        rnd = random.Random(f"{spec.seed}:{block}").random
        for position in range(block * BLOCK, min((block + 1) * BLOCK, spec.count)):
            draft = _draft(spec, position, rnd)
            if position >= start:
                yield draft


def _draft(spec: OrderSpec, position: int, rnd: Draw) -> Draft:
    number = spec.first + position
    offset = position * spec.seconds / spec.count + (rnd() - 0.5) * JITTER
    created = spec.begin + int(min(max(offset, 0.0), spec.seconds - 1))
    currency = CURRENCIES[int(rnd() * 100)]
    promo, discount = PROMOS[int(rnd() * 3)] if rnd() < 0.12 else (None, 0)
    items: list[Item] = []
    for place in _places(LINES[int(rnd() * 100)], len(spec.skus), rnd):
        cents = spec.cents[place] * (100 - discount) // 100
        if currency == "JPY":
            cents = cents * YEN // 100 * 100  # whole yen
        items.append(Item(spec.skus[place], QUANTITIES[int(rnd() * 100)], cents))
    # Squared: a few users and products make most of the sales.
    user_id = spec.user_ids[int(len(spec.user_ids) * rnd() ** 2)]
    return Draft(number, f"ORD-{number + 1:08d}", user_id, currency, created, items, SOURCES[int(rnd() * 100)], promo)


def _places(lines: int, products: int, rnd: Draw) -> list[int]:
    """Distinct places in the catalogue, popular ones first more often."""
    places: list[int] = []
    for _ in range(min(lines, products)):
        place = int(products * rnd() ** 2)
        while place in places:
            place = (place + 1) % products
        places.append(place)
    return places


def render(draft: Draft, updated: int | None = None) -> str:
    """One order as a line of JSON, without the line break. `amount` is exactly Σ qty × price."""
    items = ",".join(
        [f'{{"sku":"{sku}","qty":{quantity},"price":{money(cents)}}}' for sku, quantity, cents in draft.items]
    )
    amount = money(sum([quantity * cents for _, quantity, cents in draft.items]))
    changed = "" if updated is None else f'"updated_at":"{iso(updated)}",'
    promo = f'"{draft.promo}"' if draft.promo else "null"
    return (
        f'{{"order_id":"{draft.order_id}","user_id":"{draft.user_id}","amount":{amount},"currency":"{draft.currency}",'
        f'"created_at":"{iso(draft.created)}",{changed}"items":[{items}],'
        f'"metadata":{{"source":"{draft.source}","promo":{promo}}}}}'
    )
