"""silver.stock: one row a product, its latest stock count."""

from __future__ import annotations

from saleslake.config import Settings, Source
from saleslake.silver.contract import CDF, LINEAGE_COLUMNS, Entity, Typing
from saleslake.silver.judge import moments, numbers, texts
from saleslake.silver.judge.numbers import Problem
from saleslake.silver.judge.reading import Fields, Read
from saleslake.silver.judge.rules import IDS, NUMBERS, READING, TIMES, Record, Rule, cannot_be_read
from saleslake.table import QUANTITY, STRING, TIMESTAMP, Column, Table

TABLE = Table(
    layer="silver",
    name="stock",
    grain="one row a product: its latest count",
    keys=("product_id",),
    columns=(
        Column("product_id", STRING, "sku", nullable=False),
        Column("on_hand", QUANTITY, "units counted", nullable=False),
        Column("counted_at", TIMESTAMP, "when they were counted, UTC; the version time", nullable=False),
        *LINEAGE_COLUMNS,
    ),
    constraints={"key_given": "product_id <> ''"},
    properties=CDF,
)
FIELDS = Fields(texts=("product_id", "counted_at"), numbers=("on_hand",))


class Count(Record):
    """A count of a product in stock, typed. counted_at: µs since 1970; on_hand: units of QUANTITY."""

    __slots__ = ("counted_at", "counted_text", "on_hand", "on_hand_problem", "on_hand_text", "product_id")
    counted_at: int | None
    counted_text: object
    on_hand: int | None
    on_hand_problem: Problem | None
    on_hand_text: object
    product_id: str | None


def typing(source: Source, settings: Settings) -> Typing:
    """How the counts of a source are typed."""
    moment = moments.reader(source.date_formats, source.time_zone)
    identifier = texts.identifiers(settings.run.longest_key)
    plausible = moments.span(*settings.run.plausible_dates)
    units = numbers.reader(source.dialect("on_hand"), QUANTITY.scale)

    def typed(read: Read, file: str, ordinal: int) -> Count:
        product_id, counted, on_hand = read.values
        count = Count(read, identifier(product_id))
        count.product_id = count.key
        count.check_id("product_id", count.key)
        count.on_hand, count.on_hand_problem, _ = units.of(on_hand)
        count.check_number("on_hand", on_hand, count.on_hand_problem)
        count.on_hand_text = on_hand
        count.counted_at, count.counted_text = moment(counted), counted
        count.version_time = count.counted_at
        count.check_times(*plausible, counted_at=count.counted_at)
        return count

    return typed


RULES = (
    *READING,
    Rule(
        "counted_at_unreadable",
        "error",
        "counted_at missing or in none of the date formats, or in two that disagree",
        lambda c: c.counted_at is None,
        lambda c: cannot_be_read("counted_at", c.counted_text),
        fixed=True,
    ),
    Rule(
        "quantity_unreadable",
        "error",
        "on_hand missing or no number",
        lambda c: c.on_hand is None and c.on_hand_problem in (None, "unreadable"),
        lambda c: cannot_be_read("on_hand", c.on_hand_text),
        fixed=True,
    ),
    Rule("negative_stock", "warn", "on_hand below zero", lambda c: (c.on_hand or 0) < 0, "on_hand: below zero"),
    *IDS,
    *TIMES,
    *NUMBERS,
)

ENTITY = Entity(
    table=TABLE,
    fields=FIELDS,
    required=("product_id", "on_hand", "counted_at"),
    rules=RULES,
    typing=typing,
    version_columns=("counted_at",),
)
