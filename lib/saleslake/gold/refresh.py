"""Refreshes gold from silver: pins the silver versions, recomputes what their changes touch, writes what differs.

The one path for refresh, rebuild, repair and, through `expected`, verify.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial

import structlog
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from saleslake.changes import Change, change_since
from saleslake.fingerprint import gold_fingerprint
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
from saleslake.gold.sync import Written, date_in, overwrite, sync_dates, sync_keys
from saleslake.lake import Lake
from saleslake.parallel import side_by_side
from saleslake.silver import orders, products, stock, transactions, users
from saleslake.state import Pin, StateFile
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
"""Every gold table. One of your own: its module here, a step in `_stages`, and a line in `expected`."""

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

    def fact(self, dates: set[date] | None = None) -> DataFrame:
        """fact_sales as it should be, for some dates or all."""
        rule = self.lake.settings.gold.missing_item_price
        return fact_sales.build(self.silver("orders", dates), self.silver("transactions", dates), self.prices(), rule)


def refresh(
    lake: Lake, damaged: frozenset[str] = frozenset(), say: Callable[[str], None] = lambda _: None
) -> list[Written]:
    """Bring gold up to silver. `damaged` tables (full names) are replaced without being read.

    Returns what was written, a line a table; nothing if silver has not changed.
    """
    with lake.lock("gold"):
        for table in INPUTS.values():
            lake.create(table)
        file = StateFile(lake.folder("state.json"))
        pins = {name: pin for name, table in INPUTS.items() if (pin := lake.pin(table))}
        state, decided_by = file.load(), gold_fingerprint(lake.settings)
        # Under other settings any row may differ, so all of silver counts as changed.
        seen = state.refreshed if state.gold == decided_by else {}
        changes = {
            name: change
            for name, table in INPUTS.items()
            if (change := change_since(lake, table, seen.get(table.full_name), pins[name]))
        }
        missing = frozenset(name for name, table in TABLES.items() if not lake.exists(table))
        if not changes and not damaged and not missing:
            return []
        written = _Refresh(lake, Inputs(lake, pins), changes, damaged | missing, say).run()
        refreshed = {INPUTS[name].full_name: pin for name, pin in pins.items()}
        file.update(lambda state: state.__dict__.update(refreshed=refreshed, gold=decided_by))
        for result in written:
            structlog.get_logger().info(
                "gold_refreshed", table=result.table, rows=result.rows, deleted=result.deleted, dates=len(result.dates)
            )
        return written


class _Refresh:
    """One refresh: each step computes its table in the scope that the changes touch."""

    def __init__(
        self, lake: Lake, inputs: Inputs, changes: dict[str, Change], broken: frozenset[str], say: Callable[[str], None]
    ):
        self.lake, self.inputs, self.changes, self.broken, self.say = lake, inputs, changes, broken, say

    def run(self) -> list[Written]:
        sales_changed = bool({"orders", "transactions"} & self.changes.keys())
        dates = self._dirty_dates()
        written: list[Written] = []
        for stage in self._stages(dates, sales_changed):
            steps = [
                partial(self._say_and_do, table, step)
                for table, needed, step in stage
                if needed or table.full_name in self.broken
            ]
            written += side_by_side(steps)
        return written

    def _say_and_do(self, table: Table, step: Callable[[], Written]) -> Written:
        self.say(table.full_name)
        return step()

    def _stages(self, dates: set[date] | None, sales: bool) -> list[list[tuple[Table, bool, Callable[[], Written]]]]:
        """(table, is it touched, how to bring it up to date); a stage reads what the stages before it wrote."""
        some = dates is None or bool(dates)
        catalogue = "products" in self.changes
        fact, orders_, revenue, channels = (
            fact_sales.TABLE,
            dim_order.TABLE,
            product_revenue.TABLE,
            channel_performance.TABLE,
        )
        return [
            [
                (fact, some, lambda: self._by_date(fact, self.inputs.fact, dates, self._sales_lie_by_date())),
                (orders_, some, lambda: self._by_date(orders_, self._dim_order, dates, self._sales_lie_by_date())),
            ],
            [
                (revenue, some, lambda: self._by_date(revenue, lambda d: product_revenue.build(self._fact(d)), dates)),
                (
                    channels,
                    some,
                    lambda: self._by_date(channels, lambda d: channel_performance.build(self._fact(d)), dates),
                ),
                (customer_purchase_frequency.TABLE, some, self._frequency),
                (dim_date.TABLE, some, lambda: self._by_key(dim_date.TABLE, dim_date.build(self._sold_dates()))),
                (
                    dim_user.TABLE,
                    sales or "users" in self.changes,
                    lambda: self._by_key(
                        dim_user.TABLE, dim_user.build(self.inputs.silver("users"), self._sold("user_id"))
                    ),
                ),
            ],
            [
                (
                    dim_product.TABLE,
                    some or catalogue,
                    lambda: self._by_key(
                        dim_product.TABLE,
                        dim_product.build(self.inputs.prices(), self.lake.read(revenue).select("sku")),
                    ),
                ),
            ],
            [
                (
                    inventory_valuation.TABLE,
                    some or catalogue or "stock" in self.changes,
                    lambda: self._by_key(inventory_valuation.TABLE, self._inventory()),
                ),
            ],
        ]

    # --- scope -------------------------------------------------------------------------------------

    def _dirty_dates(self) -> set[date] | None:
        """Dates whose facts may differ; None: all."""
        dates: set[date] = set()
        for name in ("orders", "transactions"):
            if name in self.changes:
                found = self.changes[name].dates()
                if found is None:
                    return None
                dates |= found
        if (
            "products" in self.changes
            and self.lake.exists(fact_sales.TABLE)
            and fact_sales.TABLE.full_name not in self.broken
        ):
            dates |= self._dates_at_changed_prices(self.changes["products"])
        return dates

    def _dates_at_changed_prices(self, change: Change) -> set[date]:
        flagged = F.arrays_overlap("flags", F.lit(list(fact_sales.DEPENDS_ON_PRICES)))
        lines = self.lake.read(fact_sales.TABLE).where(flagged).select("sku", "date")
        skus = change.keys("sku", "sku")
        if skus is not None:
            lines = lines.join(F.broadcast(skus), "sku", how="left_semi")
        return {row[0] for row in lines.select("date").distinct().collect()}

    # --- steps -------------------------------------------------------------------------------------

    def _by_date(
        self,
        table: Table,
        build: Callable[[set[date] | None], DataFrame],
        dates: set[date] | None,
        laid_by_date: bool = False,
    ) -> Written:
        if table.full_name in self.broken and self.lake.exists(table):
            return overwrite(self.lake, table, build(None))
        if table.full_name in self.broken:
            return sync_dates(self.lake, table, build(None), None, laid_by_date)
        return sync_dates(self.lake, table, build(dates), dates, laid_by_date)

    def _sales_lie_by_date(self) -> bool:
        """Whether silver's sales have hardly more files than dates."""
        tables = [orders.TABLE, transactions.TABLE]
        snapshots = [self.lake.snapshot(table, self.inputs.pins[table.name][1]) for table in tables]
        files = sum(len(snapshot.file_uris()) for snapshot in snapshots)
        return files <= 1.5 * sum(len(snapshot.partitions()) for snapshot in snapshots)

    def _by_key(self, table: Table, expected: DataFrame, scope: DataFrame | None = None) -> Written:
        if table.full_name in self.broken and self.lake.exists(table):
            return overwrite(self.lake, table, expected)
        return sync_keys(self.lake, table, expected, scope)

    def _fact(self, dates: set[date] | None) -> DataFrame:
        fact = self.lake.read(fact_sales.TABLE)
        return fact if dates is None else fact.where(date_in(dates))

    def _dim_order(self, dates: set[date] | None) -> DataFrame:
        return dim_order.build(self.inputs.silver("orders", dates))

    def _frequency(self) -> Written:
        """Customers of changed orders and transactions; all where a change is unknown."""
        table, columns = customer_purchase_frequency.TABLE, {"orders": "user_id", "transactions": "customer_id"}
        found = [self.changes[n].keys(c, "user_id") for n, c in columns.items() if n in self.changes]
        fact = self.lake.read(fact_sales.TABLE)
        touched = [keys for keys in found if keys is not None]
        if table.full_name in self.broken or len(touched) < len(found):
            return self._by_key(table, customer_purchase_frequency.build(fact))
        if not touched:
            return Written(table.full_name)
        customers = touched[0] if len(touched) == 1 else touched[0].unionByName(touched[1]).distinct()
        customers = customers.persist()
        try:
            mine = fact.join(F.broadcast(customers), "user_id", how="left_semi")
            return self._by_key(table, customer_purchase_frequency.build(mine), customers)
        finally:
            customers.unpersist()

    def _sold(self, column: str) -> DataFrame:
        """Users of all facts and orders."""
        fact = self.lake.read(fact_sales.TABLE).select(column)
        return fact.unionByName(self.lake.read(dim_order.TABLE).select(column)).distinct()

    def _sold_dates(self) -> DataFrame:
        """Dates of facts and orders; partition values, so only the log is read."""
        found = set()
        for table in (fact_sales.TABLE, dim_order.TABLE):
            found |= {date.fromisoformat(p["date"]) for p in self.lake.snapshot(table).partitions()}
        return self.lake.spark.createDataFrame([(d,) for d in sorted(found)], "date date")

    def _inventory(self) -> DataFrame:
        return inventory_valuation.build(
            self.lake.read(dim_product.TABLE), self.inputs.silver("stock"), self.lake.read(product_revenue.TABLE)
        )


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
    seen = StateFile(lake.folder("state.json")).load().refreshed
    pins = {}
    for name, table in INPUTS.items():
        now = lake.pin(table)
        if now:
            pins[name] = seen.get(table.full_name, now)
    return Inputs(lake, pins)


__all__ = ["TABLES", "Inputs", "expected", "pinned_inputs", "refresh"]
