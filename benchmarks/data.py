"""The benchmark's data: orders and transactions of 90 days, and what the day after brings of both.

Written line by line, so that memory does not grow with the lines; the same seed gives the same bytes. The orders of `base` are those
that `saleslake.generate` writes for the same number and seed.
"""

from __future__ import annotations

import csv
import heapq
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TypeVar

from saleslake.synthetic import catalogue, peculiar, plan
from saleslake.synthetic.orders import DAY, Draft, OrderSpec, drafts, iso, render, seconds_of
from saleslake.synthetic.tables import EDITS, REPEATS, counts
from saleslake.synthetic.transactions import TRANSACTIONS, transaction_rows

ORDERS, SALES = "orders.jsonl", "transactions.csv"
ORDER_MIX: Mapping[str, int] = {"new": 70, "amount": 10, "other_field": 5, "moved": 7, "again": 5, "broken": 3}
"""Percent of the increment's orders. `amount`, `other_field` and `moved` (to another day) are later versions of orders of any date,
`again` the same line once more, `broken` a later version that cannot be read."""
SALE_MIX: Mapping[str, int] = {"new": 75, "amount": 15, "moved": 5, "again": 5}
"""The same of its transactions. They carry no version: what comes later counts."""
_START, _DAYS = date(2024, 1, 1), 90
_DEFECTS, _DUPLICATES, _CORRECTIONS = 0.02, 0.03, 0.02
_SALES_OF_ORDERS = 5
"""So many orders for one transaction."""
_INCREMENT = 100
"""The increment is one part in so many."""
_NEW_DAYS = (_DAYS - 2, 3)
"""What is new in the increment: from the last but one day on, over so many days."""
T = TypeVar("T")
Row = catalogue.Row


@dataclass(frozen=True)
class Data:
    """Two folders, each with `orders.jsonl` and `transactions.csv`, and how many of each kind the increment has."""

    base: Path
    increment: Path
    mix: Mapping[str, Mapping[str, int]]


def data(folder: Path, orders: int, seed: int) -> Data:
    """That many distinct orders and a fifth of transactions in `folder`, made unless they are there."""
    marker, base, increment = folder / "mix.json", folder / "base", folder / "increment"
    if not marker.exists():
        for made in (base, increment):
            made.mkdir(parents=True, exist_ok=True)
        goods = catalogue.products(min(5000, max(20, orders // 200)), str(seed))
        users = catalogue.user_ids(max(1, orders // 10))
        mix = {
            ORDERS: _orders(base / ORDERS, increment / ORDERS, _spec(orders, seed, users, goods), f"{seed}:plan"),
            SALES: _sales(base / SALES, increment / SALES, orders // _SALES_OF_ORDERS, str(seed), users, goods),
        }
        marker.write_text(json.dumps(mix, indent=2) + "\n")
    return Data(base, increment, json.loads(marker.read_text()))


def _spec(orders: int, seed: int, users: list[str], goods: list[catalogue.Product]) -> OrderSpec:
    return OrderSpec(
        seed=f"{seed}:orders", first=0, count=orders, begin=seconds_of(_START), seconds=_DAYS * DAY, user_ids=users,
        skus=[product.sku for product in goods], cents=[product.cents for product in goods],
    )  # fmt: skip


# --- orders ----------------------------------------------------------------------------------------


def _orders(base: Path, increment: Path, spec: OrderSpec, plan_seed: str) -> dict[str, int]:
    mix = plan.allocate(max(1, spec.count // _INCREMENT), ORDER_MIX)
    rng = random.Random(f"{spec.seed}:increment")
    planted = _order_plan(spec.count, plan_seed)
    revised = _revised(mix, spec.count, planted, rng)
    kept: list[tuple[int, Draft]] = []
    _write_lines(base, _order_lines(spec, planted, _keeping(drafts(spec), revised, kept)))
    new = replace(
        spec, seed=f"{spec.seed}:increment", first=spec.count, count=mix["new"],
        begin=spec.begin + _NEW_DAYS[0] * DAY, seconds=_NEW_DAYS[1] * DAY,
    )  # fmt: skip
    later = [(rng.randrange(max(1, new.count)), _version(draft, revised[place], spec, rng)) for place, draft in kept]
    _write_lines(increment, _order_lines(new, _order_plan(new.count, f"{new.seed}:plan"), drafts(new), later))
    return mix


def _order_plan(orders: int, seed: str) -> plan.Plan:
    return plan.draw(plan.order_counts(orders, _DEFECTS, _DUPLICATES, _CORRECTIONS), orders, seed)


def _order_lines(
    spec: OrderSpec, planted: plan.Plan, made: Iterable[Draft], later: Iterable[peculiar.Line] = ()
) -> Iterator[str]:
    """Every order at its place, its repetitions some orders later, and `later` mixed in."""
    rng = random.Random(f"{spec.seed}:peculiar")
    end = spec.begin + spec.seconds
    waiting = list(later)
    heapq.heapify(waiting)
    for position, draft in enumerate(made):
        while waiting and waiting[0][0] <= position:
            yield heapq.heappop(waiting)[1]
        kind = planted.get(position)
        for delay, text in peculiar.lines_of(kind, draft, end, rng) if kind else [(0, render(draft))]:
            if delay:
                heapq.heappush(waiting, (position + delay, text))
            else:
                yield text
    yield from (text for _, text in sorted(waiting))


def _version(draft: Draft, kind: str, spec: OrderSpec, rng: random.Random) -> str:
    """What the increment says of an order of the base."""
    updated = spec.begin + spec.seconds + 1 + rng.randrange(DAY - 1)
    if kind == "again":
        return render(draft)
    if kind == "moved":
        day = (draft.created - spec.begin) // DAY
        return render(draft._replace(created=draft.created + (_other(day, rng) - day) * DAY), updated)
    if kind == "other_field":
        return render(draft._replace(source="web" if draft.source == "partner" else "partner"), updated)
    return peculiar.correct(draft, {"amount": "correction_quantity", "broken": "correction_broken"}[kind], updated)


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"{line}\n" for line in lines)


# --- transactions ----------------------------------------------------------------------------------


def _sales(
    base: Path, increment: Path, count: int, seed: str, users: list[str], goods: list[catalogue.Product]
) -> dict[str, int]:
    mix = plan.allocate(count // _INCREMENT, SALE_MIX)
    rng = random.Random(f"{seed}:transactions:increment")
    planted = _sale_plan(count, f"{seed}:{SALES}")
    revised = _revised(mix, count, planted, rng)
    kept: list[tuple[int, Row]] = []
    rows = transaction_rows(count, seed, (_START, _DAYS), users, goods)
    _write_rows(base, _sale_rows(_keeping(rows, revised, kept), planted))
    span = (_START + timedelta(days=_NEW_DAYS[0]), _NEW_DAYS[1])
    new = transaction_rows(mix["new"], f"{seed}:increment", span, users, goods)
    numbered = ([f"TXN-{count + number:08d}", *row[1:]] for number, row in enumerate(new, start=1))
    brought = [*_sale_rows(numbered, _sale_plan(mix["new"], f"{seed}:increment:{SALES}"))]
    brought += [_sale_version(row, revised[place], rng) for place, row in kept]
    rng.shuffle(brought)
    _write_rows(increment, brought)
    return mix


def _sale_plan(rows: int, seed: str) -> plan.Plan:
    return plan.draw(counts(SALES, rows, _DEFECTS, _DUPLICATES, _CORRECTIONS), rows, seed)


def _sale_rows(rows: Iterable[Row], planted: plan.Plan) -> Iterator[Row]:
    edits: dict[str, Callable[[Row], list[Row]]] = {**EDITS[SALES], **REPEATS[SALES]}
    for position, row in enumerate(rows):
        yield from edits[planted[position]](row) if position in planted else [row]


def _sale_version(row: Row, kind: str, rng: random.Random) -> Row:
    if kind == "amount":
        return REPEATS[SALES]["correction"](row)[1]
    if kind == "moved":
        day = (date.fromisoformat(row[3]) - _START).days
        return [*row[:3], iso(seconds_of(_START) + _other(day, rng) * DAY)[:10], *row[4:]]
    return row


def _write_rows(path: Path, rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([TRANSACTIONS])
        csv.writer(file, lineterminator="\n").writerows(rows)


# --- both ------------------------------------------------------------------------------------------


def _revised(mix: Mapping[str, int], count: int, planted: plan.Plan, rng: random.Random) -> dict[int, str]:
    """Which of the base's plain records the increment comes back to, and how."""
    kinds = Counter({kind: number for kind, number in mix.items() if kind != "new"})
    found: dict[int, str] = {}
    for kind in kinds.elements():
        place = rng.randrange(count)
        while place in planted or place in found:
            place = rng.randrange(count)
        found[place] = kind
    return found


def _keeping(items: Iterable[T], places: Mapping[int, str], kept: list[tuple[int, T]]) -> Iterator[T]:
    """The items as they come; those at `places` are put into `kept` as well."""
    for place, item in enumerate(items):
        if place in places:
            kept.append((place, item))
        yield item


def _other(day: int, rng: random.Random) -> int:
    """Another day of the base."""
    return (day + 1 + rng.randrange(_DAYS - 1)) % _DAYS
