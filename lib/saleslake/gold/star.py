"""Gold as a whole: its tables, in an order in which each reads only those before it, and the silver that they are made of."""

from __future__ import annotations

from contextlib import ExitStack

from saleslake.engine.interface import Frame
from saleslake.gold import (
    channel_performance,
    customer_purchase_frequency,
    dim_date,
    dim_order,
    dim_product,
    dim_user,
    fact_sales,
    inventory_valuation,
    product_revenue,
)
from saleslake.gold.gold_table import GoldTable
from saleslake.lake import Lake
from saleslake.state import Pin
from saleslake.table import Table

GOLD: tuple[GoldTable, ...] = (
    fact_sales.GOLD,
    dim_order.GOLD,
    product_revenue.GOLD,
    channel_performance.GOLD,
    customer_purchase_frequency.GOLD,
    dim_date.GOLD,
    dim_user.GOLD,
    dim_product.GOLD,
    inventory_valuation.GOLD,
)
"""Every gold table that is made of silver. One of your own: its module here, after those that it reads."""

TABLES: dict[str, Table] = {gold.name: gold.table for gold in GOLD}

INPUTS: dict[str, Table] = {
    given.table.name: given.table for gold in GOLD for given in gold.inputs if given.table.layer == "silver"
}
"""Every silver table that gold is made of, by name."""


def stages() -> list[list[GoldTable]]:
    """The tables in stages: each reads silver and what the stages before it hold."""
    found: list[list[GoldTable]] = []
    stage_of: dict[str, int] = {}
    for gold in GOLD:
        stage = max((stage_of.get(given.table.full_name, -1) for given in gold.inputs), default=-1) + 1
        stage_of[gold.name] = stage
        found += [[]] * (stage >= len(found))
        found[stage] = [*found[stage], gold]
    return found


def expected(lake: Lake, pins: dict[str, Pin], stack: ExitStack) -> dict[str, Frame]:
    """Every gold table as it should be, derived from silver at these pins alone; what verify compares with what is stored.

    What others are made of is kept until `stack` is left.
    """
    engine = lake.engine
    frames: dict[str, Frame] = {}
    read = {given.table.full_name for gold in GOLD for given in gold.inputs}
    for gold in GOLD:
        inputs = {
            given.table.name: frames[given.table.full_name]
            if given.table.layer == "gold"
            else engine.read(given.table, pins[given.table.name][1])
            for given in gold.inputs
        }
        frame = gold.computed(engine, lake.settings, inputs)
        frames[gold.name] = stack.enter_context(engine.kept(frame)) if gold.name in read else frame
    return frames


def pinned(lake: Lake) -> dict[str, Pin]:
    """By silver table's name: the pin gold was last refreshed from; now, where that is unknown."""
    seen = lake.state.load().refreshed
    return {
        name: seen.get(table.full_name, now) for name, table in INPUTS.items() if (now := lake.pin(table)) is not None
    }
