"""What a change of silver's sales touches in gold: keys, dates, customers and skus, from the change feeds alone.

A micro-batch changes a few thousand orders of tables that hold millions: everything here is sized by the change, and in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from saleslake import few
from saleslake.changes import MOST_ROWS, Change
from saleslake.gold import line_dates
from saleslake.gold.fact_sales import TRANSACTION_KEY
from saleslake.gold.sync_few import Scope
from saleslake.lake import Lake
from saleslake.silver import orders, transactions
from saleslake.table import Table

_SALES = {"orders": orders.TABLE, "transactions": transactions.TABLE}
_CUSTOMERS = (
    "select user_id from {0} where user_id is not null union select customer_id from {1} where customer_id is not null"
)
_SKUS = """select line.sku from (select unnest(items) as line from {0}) where line.sku is not null
    union select product_id from {1} where product_id is not null"""

_SALES_OF = "(from {} where is_sale)"


@dataclass
class Touched:
    """The changed sales. `orders`, `transactions`: rows of silver as they are now, of the changed keys only."""

    orders: pa.Table
    transactions: pa.Table
    order_ids: pa.Table
    """Grain: order_id of every changed order."""
    transaction_keys: pa.Table
    """Grain: (order_id, line_number, line_file) of every changed transaction, as fact_sales has them."""
    customers: set[str]
    """user_id of every changed sale, before and after; the unknown customer left out."""
    customers_sold: set[str]
    """Those of them after."""
    skus: set[str]
    """sku of every changed line, before and after."""
    skus_sold: set[str]
    dates: set[date]
    """Dates of every line of a changed sale, before and after."""
    rows: int
    """Rows of the change feeds."""
    only_new: bool
    """Whether nothing was there before, and all that came are sales: no row of silver was updated or deleted."""

    @property
    def lines(self) -> Scope:
        """The same lines, for `sync_few`."""
        where = f"""(source_system = 'orders' and order_id in (select order_id from order_ids)) or (source_system = 'transactions'
            and ({", ".join(TRANSACTION_KEY)}) in (select ({", ".join(TRANSACTION_KEY)}) from transaction_keys))"""
        return Scope(self.dates, where, {"order_ids": self.order_ids, "transaction_keys": self.transaction_keys})

    @property
    def headers(self) -> Scope:
        """The rows in dim_order of the changed orders."""
        return Scope(self.dates, "order_id in (select order_id from order_ids)", {"order_ids": self.order_ids})

    def lines_of(self, lake: Lake, fact: DataFrame) -> DataFrame:
        """The lines in fact_sales of the changed sales, whatever they were."""
        ids, keys = F.broadcast(few.frame(lake, self.order_ids)), F.broadcast(few.frame(lake, self.transaction_keys))
        of_orders = fact.where("source_system = 'orders'").join(ids, "order_id", how="left_semi")
        of_transactions = fact.where("source_system = 'transactions'")
        of_transactions = of_transactions.join(keys, list(TRANSACTION_KEY), how="left_semi")
        columns = fact.columns
        return of_orders.select(*columns).unionByName(of_transactions.select(*columns))

    @staticmethod
    def reaches(lake: Lake, dimension: Table, keys: set[str], sold: set[str]) -> bool:
        """Whether a dimension may change by these sales: a key it lacks, or an inferred one that may have lost its last sale.

        `keys`: of the sales before and after; `sold`: those after.
        """
        key = dimension.keys[0]
        sql = f"select {key}, is_inferred from t where {key} in (select unnest($keys))"
        there = dict(lake.query(sql, {"keys": sorted(keys)}, t=dimension).fetchall())
        return any(name not in there or (there[name] and name not in sold) for name in keys)


def touched(changes: dict[str, Change]) -> Touched | None:
    """What the changes of orders and transactions touch; None where it is not known or so much that whole dates pay."""
    feeds = {name: few.empty(table) for name, table in _SALES.items()}
    kinds: set[str] = set()
    for name in _SALES.keys() & changes.keys():
        rows = changes[name].rows
        if rows is None:
            return None
        feeds[name] = rows
        kinds |= set(rows.column("_change_type").unique().to_pylist())
    count = sum(feed.num_rows for feed in feeds.values())
    if count > MOST_ROWS:
        return None
    only_new = kinds <= {"insert"}
    after = {name: feed if only_new else _as_it_is(feed, _SALES[name]) for name, feed in feeds.items()}
    with Lake.duck(
        orders=feeds["orders"], sold=feeds["transactions"], orders_now=after["orders"], sold_now=after["transactions"]
    ) as connection:

        def texts(sql: str, *tables: str) -> set[str]:
            return {row[0] for row in connection.execute(sql.format(*tables)).fetchall()}

        key = ", ".join(f"{sql} as {name}" for name, sql in TRANSACTION_KEY.items())
        return Touched(
            orders=after["orders"].select(orders.TABLE.column_names),
            transactions=after["transactions"].select(transactions.TABLE.column_names),
            order_ids=connection.execute("select distinct order_id from orders").to_arrow_table(),
            transaction_keys=connection.execute(f"select distinct {key} from sold").to_arrow_table(),
            customers=texts(_CUSTOMERS, "orders", "sold"),
            customers_sold=texts(_CUSTOMERS, "orders_now", _SALES_OF.format("sold_now")),
            skus=texts(_SKUS, "orders", "sold"),
            skus_sold=texts(_SKUS, _SALES_OF.format("orders_now"), _SALES_OF.format("sold_now")),
            dates=line_dates.of_rows(feeds["orders"]) | set(feeds["transactions"].column("date").unique().to_pylist()),
            rows=count,
            only_new=only_new and not any(_has_others(feed) for feed in feeds.values()),
        )


def _has_others(feed: pa.Table) -> bool:
    return not pc.all(feed.column("is_sale")).as_py() if feed.num_rows else False


def _as_it_is(feed: pa.Table, table: Table) -> pa.Table:
    """The rows that the changes ended in. Grain: the table's key."""
    if feed.num_rows == 0:
        return feed
    # Within one commit an update has both images, or a delete and an insert, and only the later one counts.
    sql = f"""
        select _row from (select _row, _change_type, row_number() over (partition by {", ".join(table.keys)}
            order by _commit_version desc, _change_type in ('insert', 'update_postimage') desc) as place from feed)
        where place = 1 and _change_type in ('insert', 'update_postimage') order by _row"""
    narrow = feed.select([*table.keys, "_change_type", "_commit_version"])
    with Lake.duck(feed=few.numbered(narrow)) as connection:
        return few.picked(feed, (row[0] for row in connection.execute(sql).fetchall()))
