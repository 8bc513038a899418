"""What an order and a sales transaction have in common: columns, how their money and status are typed, and rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from saleslake.silver.judge import numbers, texts
from saleslake.silver.judge.numbers import Problem
from saleslake.silver.judge.rules import Record, Rule, cannot_be_read, noted
from saleslake.table import BOOLEAN, MONEY, STRING, Column

STATUS = (
    Column("status", STRING, "as given, where the source maps one, trimmed"),
    Column(
        "is_sale",
        BOOLEAN,
        "whether status is none of the source's no_sales: only sales come to gold's fact",
        nullable=False,
    ),
)


class Sale(Record):
    """An order or a transaction, typed. Moments: µs since 1970; numbers: units of their column's type; date: days since 1970."""

    __slots__ = ("channel", "currency", "currency_text", "date", "is_sale", "status")
    channel: str
    currency: str | None
    currency_text: object
    date: int | None
    is_sale: bool
    status: str | None

    @property
    def sold_at(self) -> int | None:
        """When it was sold."""
        raise NotImplementedError

    @property
    def units(self) -> int:
        """What was sold, in units of QUANTITY."""
        raise NotImplementedError

    @property
    def net(self) -> int:
        """What it was sold for, in its currency, in units of MONEY."""
        raise NotImplementedError

    def take_status(self, given: Any, is_sale: Callable[[str | None], bool]) -> None:
        """A status, and whether one such is of a sale."""
        self.status = texts.trimmed(given)
        self.is_sale = is_sale(self.status)
        if not self.is_sale:
            self.note("no_sale", f"status: '{self.status}' is no sale")

    def money(self, where: str, amounts: numbers.Amounts, value: Any) -> tuple[int | None, Problem | None]:
        """An amount in its currency; what is wrong with it is noted."""
        found, problem, beside = amounts.of(self.currency)[type(value)][value]
        if problem is not None:
            self.check_number(where, value, problem)
        if beside is not None:
            self.check_currency(where, value, self.currency, beside)
        return found, problem

    def product(
        self, where: str, quantities: numbers.Reader, quantity: Any, prices: numbers.Amounts, price: Any
    ) -> int | None:
        """quantity × price, both readable, multiplied exactly and rounded once; None where it does not fit, which is noted."""
        found = numbers.product(quantities.exact(quantity), prices.exact(price, self.currency), MONEY.scale)
        if found is None:
            self.check_number(where, None, "overflow")
        return found


CURRENCY_UNREADABLE = Rule(
    "currency_unreadable",
    "error",
    "no currency of ISO 4217 or `run.currencies`, and no default for the source",
    lambda s: s.currency is None,
    lambda s: cannot_be_read("currency", s.currency_text),
    fixed=True,
)
NO_SALE = noted("no_sale", "warn", "`status` is one of the source's `no_sales`: kept, and out of gold's figures")
