"""Events that end in quarantine, each by a rule of `silver` whose severity is `error` unless a configuration lowers it.

Every line carries an id of its own (`EVT-X-…`), as its key or, where it has none, elsewhere: no two are the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from saleslake.simulator.contents import Sale, order_text, sale_cells, sale_json
from saleslake.synthetic.orders import Draft

Record = dict[str, Any]


class Case(NamedTuple):
    """What a malformed event is made of: a good order and a good sale under its own id, and a number to vary by."""

    ident: str
    order: Draft
    sale: Sale
    turn: int


def malformed(kind: str, case: Case) -> str:
    """A line of this kind of KINDS, without a line break."""
    return KINDS[kind](case)


def _truncated(case: Case) -> str:
    text = order_text(case.order, None, typed=True)
    half = len(text) // 2
    return text[: half + case.turn * 37 % (len(text) - half)]


def _two_objects(case: Case) -> str:
    return order_text(case.order, None, typed=True) * 2


def _not_an_object(case: Case) -> str:
    return (f'["{case.ident}",17]', f'"{case.ident}"', f'["{case.ident}"]')[case.turn % 3]


def _unknown_type(case: Case) -> str:
    refund = {"type": "refund", "refund_id": case.ident, "amount": 9.5, "created_at": "2024-01-31T10:00:00Z"}
    as_order = _order(case) | {"type": ("refund", "orders_v2")[case.turn // 2 % 2]}
    return _dump(as_order if case.turn % 2 else refund)


def _order_without_key(case: Case) -> str:
    record = _order(case) | {"user_id": case.ident}
    if case.turn % 2:
        del record["type"]
    return _dump(_without(record, "order_id", case.turn // 2))


def _created_at_unreadable(case: Case) -> str:
    unreadable = ("yesterday", "2024-13-45T00:00:00Z", "", None)[case.turn % 4]
    return _dump(_order(case) | {"created_at": unreadable})


def _items_missing(case: Case) -> str:
    record = _order(case) | {"items": []}
    return _dump(record if case.turn % 2 else _without(record, "items", case.turn // 2 % 2))


def _item_unreadable(case: Case) -> str:
    record = _order(case)
    record["items"][0] |= ({"qty": "n/a"}, {"sku": None}, {"qty": None}, {"sku": ""})[case.turn % 4]
    return _dump(record)


def _currency_unreadable(case: Case) -> str:
    return _dump(_order(case) | {"currency": ("E1", "EURO", "€")[case.turn % 3]})


def _transaction_without_key(case: Case) -> str:
    return _dump(_without(_sale(case) | {"customer_id": case.ident}, "transaction_id", case.turn))


def _sale_date_unreadable(case: Case) -> str:
    return _dump(_sale(case) | {"sale_date": ("soon", "2024-02-31", None)[case.turn % 3]})


def _quantity_unreadable(case: Case) -> str:
    return _dump(_sale(case) | {"quantity": ("many", "n/a", None)[case.turn % 3]})


def _csv_short(case: Case) -> str:
    """One to four cells: the sale's date or its quantity is beyond the end."""
    return ",".join(sale_cells(case.sale, case.sale.sold)[: 1 + case.turn % 4])


def _csv_open_quote(case: Case) -> str:
    return '"' + ",".join(sale_cells(case.sale, case.sale.sold))


KINDS: dict[str, Callable[[Case], str]] = {
    "truncated": _truncated,
    "order_without_key": _order_without_key,
    "created_at_unreadable": _created_at_unreadable,
    "items_missing": _items_missing,
    "unknown_type": _unknown_type,
    "not_an_object": _not_an_object,
    "csv_short": _csv_short,
    "item_unreadable": _item_unreadable,
    "transaction_without_key": _transaction_without_key,
    "sale_date_unreadable": _sale_date_unreadable,
    "quantity_unreadable": _quantity_unreadable,
    "currency_unreadable": _currency_unreadable,
    "two_objects": _two_objects,
    "csv_open_quote": _csv_open_quote,
}
"""In turn, so that a few malformed events already show many kinds."""


def _order(case: Case) -> Record:
    record: Record = json.loads(order_text(case.order, None, typed=True))
    return record


def _sale(case: Case) -> Record:
    record: Record = json.loads(sale_json(case.sale, case.sale.sold))
    return record


def _without(record: Record, name: str, turn: int) -> Record:
    """The field absent, null or empty, in turn."""
    if turn % 3 == 0:
        return {field: value for field, value in record.items() if field != name}
    return record | {name: None if turn % 3 == 1 else ""}


def _dump(record: Record) -> str:
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False)
