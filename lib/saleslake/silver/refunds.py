"""Refunds of an order: what its own record says was paid back, as further lines of it, dated by the refund.

Read only where the source maps `refunds`. Quantity and amount are below zero, whichever sign the record gives them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from saleslake.config import Source
from saleslake.silver import elsewhere
from saleslake.silver.judge import moments, numbers
from saleslake.silver.judge.reading import OF_REFUND, getter, json_value, theirs, without_nulls
from saleslake.silver.judge.rules import cannot_be_read, noted
from saleslake.silver.judge.texts import is_blank
from saleslake.table import MONEY, QUANTITY

if TYPE_CHECKING:
    from saleslake.silver.orders import Order

LINE_TEXTS, LINE_NUMBERS = ("sku",), ("quantity", "amount", "price")
"""What is read of a line of a refund."""
_SHOWN = 100

RULES = (
    noted(
        "refund_invalid",
        "error",
        "a refund has no readable date, or a line of it no sku, no readable quantity, or neither a readable amount nor price; "
        "warn keeps the other lines",
    ),
    noted(
        "refund_without_lines",
        "warn",
        "a refund of money alone, as of postage or in goodwill: of no product, and so not taken off revenue",
    ),
    noted("refund_before_order", "warn", "a refund dated before the day of its order"),
)


class Refunds:
    """Adds the lines of its refunds to an order."""

    def __init__(
        self,
        source: Source,
        identifier: Callable[[Any], str | None],
        moment: moments.Read,
        plausible: tuple[int, int],
    ):
        self._identifier, self._moment, self._plausible = identifier, moment, plausible
        self._is_csv = source.is_csv
        places = [
            [theirs(source, f"refunds.{name}") for name in names] for names in (OF_REFUND, (*LINE_TEXTS, *LINE_NUMBERS))
        ]
        self._take, self._take_line = (getter([tuple(path.split(".")) for path in each]) for each in places)
        self._emptied, self._line_emptied = (without_nulls(source, range(len(each))) for each in places)
        self._quantities = numbers.reader(source.dialect("refunds.quantity"), QUANTITY.scale)
        self._amounts, self._prices = (
            numbers.Amounts(source.dialect(f"refunds.{each}"), MONEY.scale) for each in ("amount", "price")
        )
        self._mark = elsewhere.of_refund(source)

    def read(self, order: Order, found: Any, own_lines: int) -> None:
        """`found`: what stands in place of the refunds. `own_lines`: so many the order has of its own; theirs are counted on."""
        number, days = own_lines, set[int]()
        for n, refund in enumerate(self._array(order, "refunds", self._of_cell(found)), 1):
            if type(refund) is not dict:
                order.note("refund_invalid", f"refund {n}: is no object")
                continue
            created, within = self._taken(refund)
            at = self._dated(order, f"refund {n}", created)
            more = self._mark(refund)
            if more is not None:
                order.note("lines_incomplete", f"refund {n}: more of its lines are on another page: {more}")
            lines = self._array(order, f"refund {n}: items", within)
            if not lines and _is_nothing(within):
                order.note("refund_without_lines", f"refund {n}: has no lines")
            for m, line in enumerate(lines, 1):
                number += 1
                kept = self._line(order, f"refund {n} line {m}", line)
                if kept is not None and at is not None:
                    order.items.append((number, *kept, at))
                    days.add(at // moments.DAY)
        if days:
            order.first_refund_date, order.last_refund_date = min(days), max(days)

    def _of_cell(self, found: Any) -> Any:
        """Refunds stand as JSON in one cell of a CSV; what is none is kept, to be told."""
        if not self._is_csv or type(found) is not str:
            return found
        try:
            return json_value(found)
        except ValueError:
            return found

    def _taken(self, refund: dict[str, Any]) -> list[Any]:
        values = self._take(refund)
        if self._emptied is not None:
            self._emptied(values)
        return values

    @staticmethod
    def _array(order: Order, where: str, found: Any) -> list[Any]:
        """The array that stands there; nothing is an empty one, and anything else is noted."""
        if type(found) is list:
            return found
        if type(found) is dict and found:
            what = f"an object of {', '.join(found)[:_SHOWN]}, no array: map {where.rpartition(': ')[2]} to the array in it"
            order.note("refund_invalid", f"{where}: {what}")
        elif not _is_nothing(found):
            order.note("refund_invalid", f"{where}: no array")
        return []

    def _dated(self, order: Order, where: str, created: Any) -> int | None:
        at = None if created is None else self._moment(created)
        if at is None:
            order.note("refund_invalid", f"{where}: {cannot_be_read('created_at', created)}")
            return None
        first, last = self._plausible
        if not first <= at <= last:
            order.note_time(f"{where}: created_at")
        if order.date is not None and at // moments.DAY < order.date:
            order.note("refund_before_order", f"{where}: is of a day before its order's")
        return at

    def _line(self, order: Order, where: str, line: Any) -> tuple[str, int, int | None, int] | None:
        """(sku, quantity, unit_price, amount) of a line of a refund; None where it cannot be kept, which is noted."""
        if type(line) is not dict:
            order.note("refund_invalid", f"{where}: is no object")
            return None
        values = self._take_line(line)
        if self._line_emptied is not None:
            self._line_emptied(values)
        sku, quantity, amount, price = values
        key = self._identifier(sku)
        order.check_id(f"{where}: sku", key)
        units, of_quantity, _ = self._quantities.of(quantity)
        order.check_number(f"{where}: quantity", quantity, of_quantity)
        each, of_price = order.money(f"{where}: price", self._prices, price)
        back, of_amount = order.money(f"{where}: amount", self._amounts, amount)
        if back is None and of_amount is None and units is not None and each is not None:
            back = order.product(f"{where}: quantity × price", self._quantities, quantity, self._prices, price)
        if key is None:
            order.note("refund_invalid", f"{where}: has no sku")
        elif units is None and of_quantity in (None, "unreadable"):
            order.note("refund_invalid", f"{where}: {cannot_be_read('quantity', quantity)}")
        elif "unreadable" in (of_amount, back is None and of_price):
            name, value = ("amount", amount) if of_amount else ("price", price)
            order.note("refund_invalid", f"{where}: {cannot_be_read(name, value)}")
        elif back is None and of_amount is None and each is None and of_price is None:
            order.note("refund_invalid", f"{where}: says neither its amount nor its price")
        if key is None or units is None or back is None:
            return None
        return key, -abs(units), None if each is None else abs(each), -abs(back)


def _is_nothing(found: Any) -> bool:
    return is_blank(found) or found in ([], {})
