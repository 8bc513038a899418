"""What a change of silver's sales touches in gold: keys, dates, customers and skus, from the change feeds alone.

A micro-batch changes a few thousand orders of tables that hold millions: everything here is sized by the change.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from saleslake.changes import Change
from saleslake.gold.fact_sales import transaction_key
from saleslake.lake import Lake
from saleslake.silver import orders, transactions
from saleslake.table import Table

_MOST_LOOKED_UP = 20_000
_MOST_KEYS = 200_000
"""More changed orders than this, and whole dates are compared instead."""


@dataclass
class Touched:
    """The changed sales. `orders`, `transactions`: rows of silver as they are now, of the changed keys only."""

    orders: DataFrame
    transactions: DataFrame
    order_ids: DataFrame
    """Grain: order_id of every changed order."""
    transaction_keys: DataFrame
    """Grain: (order_id, line_number, line_file) of every changed transaction, as fact_sales has them."""
    customers: DataFrame
    """Grain: user_id of every changed sale, before and after; the unknown customer left out."""
    customers_sold: DataFrame
    """Those of them after."""
    skus: DataFrame
    """Grain: sku of every changed line, before and after."""
    skus_sold: DataFrame
    dates: set[date]
    """Dates of every changed sale, before and after."""
    only_new: bool
    """Whether nothing was there before: no row of silver was updated or deleted."""
    cached: tuple[DataFrame, ...]

    def lines_of(self, fact: DataFrame) -> DataFrame:
        """The lines in fact_sales of the changed sales, whatever they were."""
        of_orders = fact.where("source_system = 'orders'").join(
            F.broadcast(self.order_ids), "order_id", how="left_semi"
        )
        keys = list(self.transaction_keys.columns)
        of_transactions = fact.where("source_system = 'transactions'")
        of_transactions = of_transactions.join(F.broadcast(self.transaction_keys), keys, how="left_semi")
        columns = fact.columns
        return of_orders.select(*columns).unionByName(of_transactions.select(*columns))

    def reaches(self, lake: Lake, dimension: Table, keys: DataFrame, sold: DataFrame) -> bool:
        """Whether a dimension may change by these sales: a key it lacks, or an inferred one that may have lost its last sale.

        `keys`: of the sales before and after; `sold`: those after.
        """
        key = dimension.keys[0]
        rows = keys.join(F.broadcast(sold.withColumn("_sold", F.lit(True))), key, how="left").limit(_MOST_LOOKED_UP + 1)
        found = {row[key]: bool(row["_sold"]) for row in rows.collect()}
        if len(found) > _MOST_LOOKED_UP:
            return True
        sql = f"select {key}, is_inferred from t where {key} in (select unnest($keys))"
        there = dict(lake.query(sql, {"keys": list(found)}, t=dimension).fetchall())
        return any(name not in there or (there[name] and not is_sold) for name, is_sold in found.items())

    def release(self) -> None:
        for frame in self.cached:
            frame.unpersist()


def touched(changes: dict[str, Change], empty: dict[str, DataFrame]) -> Touched | None:
    """What the changes of orders and transactions touch; None where it is not known or so much that whole dates pay.

    `empty`: frames of silver.orders and silver.transactions without rows, for one that did not change.
    """
    feeds: dict[str, DataFrame] = {}
    for name in ("orders", "transactions"):
        change = changes.get(name)
        if change is not None and change.feed is None:
            return None
        if change is not None and change.feed is not None:
            feeds[name] = change.feed.persist()
    cached = tuple(feeds.values())
    dates: set[date] = set()
    rows, only_new = 0, True
    for feed in feeds.values():
        for kind, count, found in feed.groupBy("_change_type").agg(F.count("*"), F.collect_set("date")).collect():
            rows += count
            dates |= set(found)
            only_new = only_new and kind == "insert"
    if rows > _MOST_KEYS:
        for frame in cached:
            frame.unpersist()
        return None
    after = {**empty, **{name: _as_it_is(feed, name, only_new) for name, feed in feeds.items()}}
    changed = {**empty, **feeds}
    sold = changed["transactions"]
    return Touched(
        orders=after["orders"],
        transactions=after["transactions"],
        order_ids=changed["orders"].select("order_id").distinct(),
        transaction_keys=sold.select(*transaction_key()).distinct(),
        customers=_customers(changed["orders"], sold),
        customers_sold=_customers(after["orders"], after["transactions"]),
        skus=_skus(changed["orders"], sold),
        skus_sold=_skus(after["orders"], after["transactions"]),
        dates=dates,
        only_new=only_new,
        cached=cached,
    )


def _customers(orders_: DataFrame, sold: DataFrame) -> DataFrame:
    both = orders_.select("user_id").unionByName(sold.select(F.col("customer_id").alias("user_id")))
    return both.where(F.col("user_id").isNotNull()).distinct()


def _skus(orders_: DataFrame, sold: DataFrame) -> DataFrame:
    of_lines = orders_.select(F.explode("items.sku").alias("sku"))
    both = of_lines.unionByName(sold.select(F.col("product_id").alias("sku")))
    return both.where(F.col("sku").isNotNull()).distinct()


def _as_it_is(feed: DataFrame, name: str, only_new: bool) -> DataFrame:
    """The rows that the changes ended in. Grain: the table's key."""
    table = {"orders": orders.TABLE, "transactions": transactions.TABLE}[name]
    if only_new:
        return feed.select(*table.column_names)
    # Within one commit an update has both images, and only the later one counts; a delete has one.
    newest = Window.partitionBy(*table.keys).orderBy(
        F.col("_commit_version").desc(), (F.col("_change_type") != "update_preimage").desc()
    )
    last = feed.withColumn("_place", F.row_number().over(newest)).where("_place = 1")
    return last.where(F.col("_change_type").isin("insert", "update_postimage")).select(*table.column_names)
