"""Orders with something planted in them: how each kind of `plan` looks in `orders.jsonl`."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from saleslake.synthetic.orders import DAY, Draft, Item, render

Record = dict[str, Any]
Line = tuple[int, str]
"""How many orders later it appears in the file, and its text."""

THREE_DAYS = 3 * DAY
LONGEST_DELAY = 2000


def lines_of(kind: str, draft: Draft, end: int, rng: random.Random) -> list[Line]:
    """The lines that stand for an order of this kind. Corrections end before `end` (seconds since 1970)."""
    if kind == "duplicate":
        return [(0, render(draft)), (rng.randrange(LONGEST_DELAY), render(draft))]
    if kind.startswith("correction"):
        return _corrected(kind, draft, end, rng)
    if kind == "truncated_line":
        text = render(draft)
        return [(0, text[: rng.randrange(len(text) // 2, len(text) - 1)])]
    if kind == "not_an_object":
        return [(0, ("null", "[]", '"ORD"', "17")[draft.number % 4])]
    record: Record = json.loads(render(draft))
    _EDITS[kind](record, draft.number)
    return [(0, _dump(record))]


def correct(draft: Draft, kind: str, updated: int) -> str:
    """A later version of the order as a line."""
    items = list(draft.items)
    first = items[0]
    if kind == "correction_shrunk":
        return render(draft._replace(items=items[1:]), updated)
    if kind == "correction_moved_date":
        return render(draft._replace(created=draft.created - DAY), updated)
    if kind == "correction_there_and_back":
        return render(draft._replace(items=[first._replace(cents=first.cents + 200), *items[1:]]), updated)
    if kind == "correction_broken":
        record: Record = json.loads(render(draft, updated))
        record["items"][0]["qty"] = "n/a"
        return _dump(record)
    return render(draft._replace(items=[first._replace(quantity=first.quantity + 1), *items[1:]]), updated)


def _corrected(kind: str, draft: Draft, end: int, rng: random.Random) -> list[Line]:
    if kind == "correction_shrunk" and len(draft.items) == 1:
        only = draft.items[0]
        draft = draft._replace(items=[only, Item(_neighbour(only.sku), 1, only.cents)])
    longest = max(2, min(THREE_DAYS, end - draft.created))
    updated = draft.created + 1 + rng.randrange(longest - 1)
    delay = rng.randrange(1, LONGEST_DELAY)
    original, correction = render(draft), correct(draft, kind, updated)
    if kind == "correction_before_original":
        return [(0, correction), (delay, original)]
    if kind == "correction_there_and_back":
        return [(0, original), (delay, correction), (delay + 10, render(draft, updated + 1))]
    return [(0, original), (delay, correction)]


def _neighbour(sku: str) -> str:
    """Another sku of the catalogue: the one before, or the second."""
    number = int(sku[-5:])
    return f"SKU-{number - 1 if number > 1 else 2:05d}"


def _dump(record: Record) -> str:
    return json.dumps(record, separators=(",", ":"))


def _missing(name: str) -> Callable[[Record, int], None]:
    """Absent, null or empty, in turn."""

    def edit(record: Record, number: int) -> None:
        if number % 3 == 0:
            del record[name]
        else:
            record[name] = None if number % 3 == 1 else ""

    return edit


def _set(name: str, *values: Any) -> Callable[[Record, int], None]:
    def edit(record: Record, number: int) -> None:
        record[name] = values[number % len(values)]

    return edit


def _set_in_first_item(name: str, *values: Any) -> Callable[[Record, int], None]:
    def edit(record: Record, number: int) -> None:
        record["items"][0][name] = values[number % len(values)]
        sum_up(record)

    return edit


def _drop_from_first_item(name: str) -> Callable[[Record, int], None]:
    def edit(record: Record, number: int) -> None:
        del record["items"][0][name]
        sum_up(record)

    return edit


def sum_up(record: Record) -> None:
    """Set `amount` to what the readable lines add up to, so that only one thing is wrong with the order."""
    cents = 0
    for item in record["items"]:
        if isinstance(item, dict) and type(item.get("qty")) in (int, float):
            cents += round(item["qty"] * item.get("price", 0) * 100)
    record["amount"] = cents / 100


def _not_object(record: Record, number: int) -> None:
    record["items"].append(("SKU-00001 x 2", None, 3)[number % 3])


def _return(record: Record, number: int) -> None:
    record["items"][0]["qty"] *= -1
    sum_up(record)


def _repeat(record: Record, number: int) -> None:
    record["items"].append(dict(record["items"][0]))
    sum_up(record)


def _mismatch(record: Record, number: int) -> None:
    record["amount"] = round(record["amount"] + (1, -1)[number % 2] * 7.5, 2)


def _as_strings(record: Record, number: int) -> None:
    record["amount"] = f"{record['amount']:.2f}"
    for item in record["items"]:
        item["qty"], item["price"] = str(item["qty"]), f"{item['price']:.2f}"


def _extra(record: Record, number: int) -> None:
    record["items"][0] |= {"gift_wrap": True, "tags": ["new", "été"]}
    record["loyalty"] = {"tier": "gold"}


def _overflow(record: Record, number: int) -> None:
    record["amount"] = 10**15
    if number % 2:
        record["items"][0] |= {"qty": 1, "price": 10**15}


_EDITS: dict[str, Callable[[Record, int], None]] = {
    "missing_order_id": _missing("order_id"),
    "missing_created_at": _missing("created_at"),
    "unreadable_created_at": _set("created_at", "yesterday", "2024-13-45T00:00:00Z", "soon", "31.12. noon"),
    "missing_currency": _missing("currency"),
    "items_empty": _set("items", []),
    "items_missing": lambda record, number: record.pop("items"),
    "item_not_object": _not_object,
    "item_without_sku": _drop_from_first_item("sku"),
    "quantity_missing": _drop_from_first_item("qty"),
    "quantity_unreadable": _set_in_first_item("qty", "two", "1,5,0", "—", True),
    "overflow": _overflow,
    "missing_user_id": _missing("user_id"),
    "amount_mismatch": _mismatch,
    "amount_missing": lambda record, number: record.pop("amount"),
    "year_9999": _set("created_at", "9999-12-31T23:59:59Z"),
    "return_line": _return,
    "zero_price": _set_in_first_item("price", 0),
    "price_missing": _drop_from_first_item("price"),
    "repeated_sku": _repeat,
    "extra_fields": _extra,
    "numbers_as_strings": _as_strings,
    "unknown_user": _set("user_id", "USR-999998", "USR-999999"),
    "unknown_product": _set_in_first_item("sku", "SKU-99998", "SKU-99999"),
}
