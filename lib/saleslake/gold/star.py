"""Gold as a whole: its tables, the silver that they are made of, and every table as it should be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property

from pyspark.sql import DataFrame

from saleslake.gold import (
    channel_performance,
    customer_purchase_frequency,
    dim_date,
    dim_order,
    dim_product,
    dim_user,
    fact_sales,
    inventory_valuation,
    line_dates,
    product_revenue,
)
from saleslake.gold.sync import date_in
from saleslake.lake import Lake
from saleslake.silver import orders, products, stock, transactions, users
from saleslake.state import Pin
from saleslake.table import Table

TABLES: dict[str, Table] = {
    module.TABLE.full_name: module.TABLE
    for module in (
        dim_user,
        dim_product,
        dim_order,
        dim_date,
        fact_sales,
        product_revenue,
        channel_performance,
        customer_purchase_frequency,
        inventory_valuation,
    )
}
"""Every gold table. One of your own: its module here, a step in `refresh._Refresh._stages`, and a line in `expected`."""

INPUTS = {module.TABLE.name: module.TABLE for module in (orders, transactions, users, products, stock)}
"""Every silver table that gold is made of, by name."""


@dataclass
class Inputs:
    """Silver at the pinned versions, as frames."""

    lake: Lake
    pins: dict[str, Pin]

    def silver(self, name: str, dates: set[date] | None = None) -> DataFrame:
        rows = self.lake.read(INPUTS[name], self.pins[name][1])
        return rows if dates is None else rows.where(date_in(dates))

    def prices(self) -> DataFrame:
        """Grain: sku. The catalogue."""
        return dim_product.catalogue(self.silver("products"), dim_product.precedence(self.lake.settings))

    @cached_property
    def has_refunds(self) -> bool:
        return line_dates.has_refunds(self.lake, self.pins["orders"][1])

    def fact(self, dates: set[date] | None = None) -> DataFrame:
        """fact_sales as it should be, for some dates or all."""
        rule, all_orders = self.lake.settings.gold.missing_item_price, self.silver("orders")
        orders_ = all_orders if dates is None else line_dates.on_dates(all_orders, dates, self.has_refunds)
        lines = fact_sales.build(orders_, self.silver("transactions", dates), self.prices(), rule)
        # An order found for one of its lines has others elsewhere.
        return lines.where(date_in(dates)) if dates is not None and self.has_refunds else lines


def expected(inputs: Inputs) -> dict[str, DataFrame]:
    """Every gold table as it should be, derived from silver alone; what verify compares with what is stored."""
    fact = inputs.fact()
    orders_ = dim_order.build(inputs.silver("orders"))
    revenue = product_revenue.build(fact)
    products_ = dim_product.build(inputs.prices(), revenue.select("sku"))
    buyers = fact.select("user_id").unionByName(orders_.select("user_id"))
    dates = fact.select("date").unionByName(orders_.select("date"))
    return {
        fact_sales.TABLE.full_name: fact,
        dim_order.TABLE.full_name: orders_,
        product_revenue.TABLE.full_name: revenue,
        channel_performance.TABLE.full_name: channel_performance.build(fact),
        customer_purchase_frequency.TABLE.full_name: customer_purchase_frequency.build(fact),
        dim_date.TABLE.full_name: dim_date.build(dates),
        dim_user.TABLE.full_name: dim_user.build(inputs.silver("users"), buyers),
        dim_product.TABLE.full_name: products_,
        inventory_valuation.TABLE.full_name: inventory_valuation.build(products_, inputs.silver("stock"), revenue),
    }


def pinned_inputs(lake: Lake) -> Inputs:
    """Inputs at the versions gold was last refreshed from; now, where that is unknown."""
    seen = lake.state.load().refreshed
    pins = {}
    for name, table in INPUTS.items():
        now = lake.pin(table)
        if now:
            pins[name] = seen.get(table.full_name, now)
    return Inputs(lake, pins)
