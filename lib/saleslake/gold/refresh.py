"""Refreshes gold from silver: pins the silver versions, recomputes what their changes touch, writes what differs.

The one path for refresh, rebuild and repair; `verify` compares with `star.expected`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cached_property, partial, reduce

import structlog
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from saleslake import few, kill_points
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
    line_dates,
    product_revenue,
)
from saleslake.gold.star import INPUTS, TABLES, Inputs
from saleslake.gold.sync import Written, date_in, overwrite, sync_changed, sync_dates, sync_keys
from saleslake.gold.sync_few import Scope, sync_few
from saleslake.gold.touched import Touched, touched
from saleslake.gold.unknown import UNKNOWN
from saleslake.lake import Lake
from saleslake.parallel import side_by_side
from saleslake.silver import orders, stock, transactions
from saleslake.table import Table


@dataclass(frozen=True)
class Keys:
    """The keys that a step computes its table for."""

    frame: DataFrame
    """One column, named like the table's key."""
    values: set[str] | None
    """The same in memory; None: too many."""


def refresh(
    lake: Lake, damaged: frozenset[str] = frozenset(), say: Callable[[str], None] = lambda _: None
) -> list[Written]:
    """Bring gold up to silver. `damaged` tables (full names) are replaced without being read.

    Returns what was written, a line a table; nothing if silver has not changed.
    """
    with lake.lock("gold"):
        for table in INPUTS.values():
            lake.create(table)
        file = lake.state
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
        kill_points.reached("before_gold_progress")
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
        self._products_stay = False
        stored = sum(lake.snapshot(table, inputs.pins[name][1]).count() for name, table in INPUTS.items())
        self._all_is_few = few.applies(lake, stored)

    def run(self) -> list[Written]:
        sales_changed = bool({"orders", "transactions"} & self.changes.keys())
        self.touched = self._touched()
        dates = self.touched.dates if self.touched else self._dirty_dates()
        written: list[Written] = []
        for stage in self._stages(dates, sales_changed):
            steps = [
                partial(self._say_and_do, table, step)
                for table, needed, step in stage
                if needed or table.full_name in self.broken
            ]
            written += side_by_side(steps)
        return written

    def _touched(self) -> Touched | None:
        """The changed sales one by one, where they are known, are few, and gold is sound enough to be told only them."""
        if self.broken or ("products" in self.changes and self._dates_at_changed_prices(self.changes["products"])):
            return None
        return touched(self.changes)

    def _is_few(self, scope_is_known: bool) -> bool:
        """Whether the rows that a step compares are few: all there are, or those of a small change."""
        of_change = scope_is_known and self.touched is not None and few.applies(self.lake, self.touched.rows)
        return self._all_is_few or of_change

    def _say_and_do(self, table: Table, step: Callable[[], Written]) -> Written:
        self.say(table.full_name)
        written = step()
        kill_points.reached("after_gold_write")
        return written

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
                (fact, some, lambda: self._sync_fact(dates)),
                (orders_, some, lambda: self._sync_dim_order(dates)),
            ],
            [
                (revenue, some, lambda: self._by_date(revenue, lambda d: product_revenue.build(self._fact(d)), dates)),
                (
                    channels,
                    some,
                    lambda: self._by_date(channels, lambda d: channel_performance.build(self._fact(d)), dates),
                ),
                (customer_purchase_frequency.TABLE, some, self._frequency),
                (dim_date.TABLE, some, self._sync_dim_date),
                (dim_user.TABLE, sales or "users" in self.changes, self._sync_dim_user),
            ],
            [
                (dim_product.TABLE, some or catalogue, self._sync_dim_product),
            ],
            [
                (
                    inventory_valuation.TABLE,
                    some or catalogue or "stock" in self.changes,
                    self._sync_inventory,
                ),
            ],
        ]

    # --- scope -------------------------------------------------------------------------------------

    def _dirty_dates(self) -> set[date] | None:
        """Dates whose facts may differ; None: all."""
        dates: set[date] = set()
        for name, dates_of in (("orders", line_dates.of_change), ("transactions", Change.dates)):
            if name in self.changes:
                found = dates_of(self.changes[name])
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
        dates = None if table.full_name in self.broken else dates
        if self._is_few(dates is not None):
            return sync_few(self.lake, table, build(dates).toArrow(), Scope(dates))
        return sync_dates(self.lake, table, build(dates), dates, laid_by_date)

    def _sales_lie_by_date(self) -> bool:
        """Whether silver's sales have hardly more files than dates."""
        tables = [orders.TABLE, transactions.TABLE]
        snapshots = [self.lake.snapshot(table, self.inputs.pins[table.name][1]) for table in tables]
        files = sum(len(snapshot.file_uris()) for snapshot in snapshots)
        return files <= 1.5 * sum(len(snapshot.partitions()) for snapshot in snapshots)

    def _by_key(self, table: Table, expected: DataFrame, keys: Keys | None = None, is_small: bool = False) -> Written:
        """`keys`: those computed; None: all. `is_small`: the table always is."""
        if table.full_name in self.broken and self.lake.exists(table):
            return overwrite(self.lake, table, expected)
        if keys is not None and keys.values is None:  # rows of other keys are not to be taken for rows that went
            return sync_keys(self.lake, table, expected, keys.frame)
        if self._is_few(keys is not None or is_small):
            scope = Scope.of_keys(table.keys[0], keys.values) if keys and keys.values is not None else Scope()
            return sync_few(self.lake, table, expected.toArrow(), scope)
        return sync_keys(self.lake, table, expected, keys.frame if keys else None)

    @cached_property
    def _all_facts(self) -> DataFrame:
        """Not to be asked for before fact_sales is written."""
        return self.lake.read(fact_sales.TABLE)

    def _fact(self, dates: set[date] | None) -> DataFrame:
        return self._all_facts if dates is None else self._all_facts.where(date_in(dates))

    def _dim_order(self, dates: set[date] | None) -> DataFrame:
        return dim_order.build(self.inputs.silver("orders", dates))

    def _sync_fact(self, dates: set[date] | None) -> Written:
        found = self.touched
        if found is None:
            laid_by_date = self._sales_lie_by_date() and not self.inputs.has_refunds
            return self._by_date(fact_sales.TABLE, self.inputs.fact, dates, laid_by_date)
        rule = self.lake.settings.gold.missing_item_price
        orders_, sold = (few.frame(self.lake, rows) for rows in (found.orders, found.transactions))
        expected = fact_sales.build(orders_, sold, self.inputs.prices(), rule)
        if self._is_few(scope_is_known=True):
            return sync_few(self.lake, fact_sales.TABLE, expected.toArrow(), found.lines)
        of_changed = partial(found.lines_of, self.lake)
        return sync_changed(self.lake, fact_sales.TABLE, expected, of_changed, found.dates, found.only_new)

    def _sync_dim_order(self, dates: set[date] | None) -> Written:
        found = self.touched
        if found is None:
            return self._by_date(dim_order.TABLE, self._dim_order, dates, self._sales_lie_by_date())

        def of_changed(stored: DataFrame) -> DataFrame:
            return stored.join(F.broadcast(few.frame(self.lake, found.order_ids)), "order_id", how="left_semi")

        expected = dim_order.build(few.frame(self.lake, found.orders))
        if self._is_few(scope_is_known=True):
            return sync_few(self.lake, dim_order.TABLE, expected.toArrow(), found.headers)
        return sync_changed(self.lake, dim_order.TABLE, expected, of_changed, found.dates, found.only_new)

    def _sync_dim_date(self) -> Written:
        """Days are partition values, so the logs alone tell whether there is anything to do."""
        table = dim_date.TABLE
        if table.full_name not in self.broken and self.lake.exists(table):
            there = self.lake.query("select date from t", t=table).fetchall()
            if {row[0] for row in there} == self._days_sold():
                return Written(table.full_name)
        days = self.lake.spark.createDataFrame([(d,) for d in sorted(self._days_sold())], "date date")
        return self._by_key(table, dim_date.build(days), is_small=True)

    def _sync_dim_user(self) -> Written:
        users_, table = self.inputs.silver("users"), dim_user.TABLE
        if self._is_out_of_reach(table, "users", lambda found: (found.customers, found.customers_sold)):
            return Written(table.full_name)
        scope = self._scope("user_id", {"users": "user_id"}, lambda found: found.customers)
        if scope is None:
            return self._by_key(table, dim_user.build(users_, self._sold("user_id")))
        of_scope = F.broadcast(scope.frame)
        sold = scope.frame if self._all_sold("users") else self._sold("user_id").join(of_scope, "user_id", "left_semi")
        return self._by_key(table, dim_user.build(users_.join(of_scope, "user_id", how="left_semi"), sold), scope)

    def _sync_dim_product(self) -> Written:
        table, catalogue = dim_product.TABLE, self.inputs.prices()
        if self._is_out_of_reach(table, "products", lambda found: (found.skus, found.skus_sold)):
            self._products_stay = True
            return Written(table.full_name)
        sold = self.lake.read(product_revenue.TABLE).select("sku")
        scope = self._scope("sku", {"products": "sku"}, lambda found: found.skus)
        if scope is None:
            return self._by_key(table, dim_product.build(catalogue, sold))
        of_scope = F.broadcast(scope.frame)
        sold = scope.frame if self._all_sold("products") else sold.join(of_scope, "sku", how="left_semi")
        return self._by_key(table, dim_product.build(catalogue.join(of_scope, "sku", how="left_semi"), sold), scope)

    def _sync_inventory(self) -> Written:
        table, stock_ = inventory_valuation.TABLE, self.inputs.silver("stock")
        if self._products_stay and "stock" not in self.changes and self.lake.snapshot(stock.TABLE).count() == 0:
            return Written(table.full_name)
        products_, revenue = self.lake.read(dim_product.TABLE), self.lake.read(product_revenue.TABLE)
        scope = self._scope("sku", {"products": "sku", "stock": "product_id"}, lambda found: found.skus)
        if scope is None:
            return self._by_key(table, inventory_valuation.build(products_, stock_, revenue))
        of_scope = F.broadcast(scope.frame)
        stock_ = stock_.join(of_scope, F.col("product_id") == F.col("sku"), how="left_semi")
        mine = [frame.join(of_scope, "sku", how="left_semi") for frame in (products_, revenue)]
        return self._by_key(table, inventory_valuation.build(mine[0], stock_, mine[1]), scope)

    def _scope(self, name: str, inputs: dict[str, str], of: Callable[[Touched], set[str]]) -> Keys | None:
        """Keys, as `name`, that changed sales or a changed input table concern, the unknown one among them; None: all."""
        if self.touched is None:
            return None
        of_sales = of(self.touched) | {UNKNOWN}
        values: set[str] | None = of_sales
        frames = [few.values_of(self.lake, of_sales, name)]
        for table, column in inputs.items():
            if table in self.changes:
                keys, known = self.changes[table].keys(column, name), self.changes[table].few_keys(column)
                if keys is None:
                    return None
                frames.append(keys)
                values = values | known if values is not None and known is not None else None
        return Keys(reduce(DataFrame.unionByName, frames).distinct(), values)

    def _is_out_of_reach(self, table: Table, input_: str, of: Callable[[Touched], tuple[set[str], set[str]]]) -> bool:
        """Whether the changed sales leave a dimension as it is, told without Spark."""
        if self.touched is None or input_ in self.changes:
            return False
        return not self.touched.reaches(self.lake, table, *of(self.touched))

    def _all_sold(self, input_: str) -> bool:
        """Whether every key in scope is one of a sale that is there, so that nobody need ask the fact."""
        return self.touched is not None and self.touched.only_new and input_ not in self.changes

    def _frequency(self) -> Written:
        """Customers of changed orders and transactions; all where a change is unknown."""
        table, columns = customer_purchase_frequency.TABLE, {"orders": "user_id", "transactions": "customer_id"}
        fact = self._all_facts
        if self.touched is not None:
            values: set[str] | None = self.touched.customers
            customers = few.values_of(self.lake, self.touched.customers, "user_id")
        else:
            values = None
            found = [self.changes[n].keys(c, "user_id") for n, c in columns.items() if n in self.changes]
            known = [keys for keys in found if keys is not None]
            if table.full_name in self.broken or len(known) < len(found):
                return self._by_key(table, customer_purchase_frequency.build(fact))
            if not known:
                return Written(table.full_name)
            customers = reduce(DataFrame.unionByName, known).distinct()
        mine = fact.join(F.broadcast(customers), "user_id", how="left_semi")
        return self._by_key(table, customer_purchase_frequency.build(mine), Keys(customers, values))

    def _sold(self, column: str) -> DataFrame:
        """Users of all facts and orders."""
        fact = self._all_facts.select(column)
        return fact.unionByName(self.lake.read(dim_order.TABLE).select(column)).distinct()

    def _days_sold(self) -> set[date]:
        """Dates of facts and orders; partition values, so only the log is read."""
        found = set()
        for table in (fact_sales.TABLE, dim_order.TABLE):
            found |= {date.fromisoformat(p["date"]) for p in self.lake.snapshot(table).partitions()}
        return found
