"""Sanity checks in SQL over the stored tables, in DuckDB: independent of the Spark code that wrote them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

import duckdb

from saleslake import heal
from saleslake.errors import SaleslakeError, first_line
from saleslake.gold import star
from saleslake.gold.star import INPUTS
from saleslake.lake import Lake
from saleslake.serve.duck import connect, require_tables
from saleslake.silver import quarantine
from saleslake.silver.registry import ENTITIES
from saleslake.table import Table

Severity = Literal["error", "count"]


@dataclass(frozen=True)
class Check:
    """`sql` yields one number: offending rows. `error`: more than 0 fails; `count`: the number is only told."""

    name: str
    meaning: str
    sql: str
    severity: Severity = "error"


@dataclass(frozen=True)
class Result:
    check: Check
    found: int

    @property
    def failed(self) -> bool:
        return self.check.severity == "error" and self.found > 0

    @property
    def problem(self) -> str:
        return f"check {self.check.name}: {self.found} found; expected: {self.check.meaning}"


def _unique(table: Table) -> Check:
    name, keys = table.full_name, ", ".join(table.keys)
    sql = f"select coalesce(sum(n - 1), 0) from (select count(*) as n from {name} group by {keys} having count(*) > 1)"
    return Check(f"unique_{name.replace('.', '_')}", f"no two rows of {name} share ({keys})", sql)


def _found_in(table: Table, column: str, dimension: Table) -> Check:
    (key,) = dimension.keys
    sql = f"select count(*) from {table.full_name} f anti join {dimension.full_name} d on f.{column} = d.{key}"
    return Check(
        f"orphan_{table.name}_{column}", f"every {column} of {table.full_name} is in {dimension.full_name}", sql
    )


_TABLES = [*(entity.table for entity in ENTITIES.values()), quarantine.TABLE, *star.TABLES.values()]

CHECKS: tuple[Check, ...] = (
    Check(
        "fact_equals_orders",
        "per date and currency: lines, units and revenue of orders in the fact equal those of the sales in silver.orders, "
        "refunds on their own date",
        """
        with silver as (
            select coalesce(cast(item.refunded_at as date), date) as date, currency, count(*) as lines,
                   sum(item.quantity) as units, sum(item.amount) as revenue
            from (select date, currency, unnest(items) as item from silver.orders where is_sale) group by all),
        fact as (
            select date, currency, count(*) as lines, sum(quantity) as units,
                   sum(line_amount) filter (not list_contains(flags, 'price_missing') and not list_contains(flags, 'catalogue_price')) as revenue
            from gold.fact_sales where source_system = 'orders' group by all)
        select count(*) from silver full join fact using (date, currency)
        where silver.lines is distinct from fact.lines or silver.units is distinct from fact.units
           or coalesce(silver.revenue, 0) <> coalesce(fact.revenue, 0)""",
    ),
    Check(
        "fact_equals_transactions",
        "per date and currency: sales, units and stated totals in the fact equal those of the sales in silver.transactions",
        """
        with silver as (
            select date, currency, count(*) as lines, sum(quantity) as units,
                   sum(amount) as revenue
            from silver.transactions where is_sale group by all),
        fact as (
            select date, currency, count(*) as lines, sum(quantity) as units,
                   sum(line_amount) filter (not list_contains(flags, 'base_price')) as revenue
            from gold.fact_sales where source_system = 'transactions' group by all)
        select count(*) from silver full join fact using (date, currency)
        where silver.lines is distinct from fact.lines or silver.units is distinct from fact.units
           or coalesce(silver.revenue, 0) <> coalesce(fact.revenue, 0)""",
    ),
    Check(
        "revenue_equals_fact",
        "product_revenue and channel_performance sum to the fact, per date and currency",
        """
        with fact as (select date, currency, sum(coalesce(line_amount, 0)) as net, sum(quantity) as units from gold.fact_sales group by all),
        product as (select date, currency, sum(net) as net, sum(units) as units from gold.product_revenue group by all),
        channel as (select date, currency, sum(net) as net, sum(units) as units from gold.channel_performance group by all)
        select count(*) from fact full join product using (date, currency) full join channel using (date, currency)
        where fact.net is distinct from product.net or fact.net is distinct from channel.net
           or fact.units is distinct from product.units or fact.units is distinct from channel.units""",
    ),
    Check(
        "orphan_fact_sales_order_id",
        "every order of the fact is in dim_order",
        """select count(*) from (select distinct order_id from gold.fact_sales where source_system = 'orders') f
           anti join gold.dim_order d using (order_id)""",
    ),
    *(
        _found_in(gold.table, column, star.TABLES[dimension])
        for gold in star.GOLD
        for column, dimension in gold.references.items()
    ),
    *(_unique(table) for table in _TABLES),
    Check(
        "revenue_mismatch",
        "orders whose amount is missing or differs from their lines (kept, warned)",
        """select count(*) from gold.dim_order
           where list_contains(warnings, 'amount_mismatch') or list_contains(warnings, 'amount_missing')""",
        "count",
    ),
    Check(
        "unpriced_lines",
        "lines of the fact without any price, out of revenue",
        "select count(*) from gold.fact_sales where line_amount is null",
        "count",
    ),
    Check(
        "unknown_products",
        "skus in facts that no catalogue knows",
        "select count(*) from gold.dim_product where is_inferred and sku <> '(unknown)'",
        "count",
    ),
    Check(
        "unknown_users",
        "users in facts that no users file knows",
        "select count(*) from gold.dim_user where is_inferred and user_id <> '(unknown)'",
        "count",
    ),
)


def run_checks(lake: Lake, patience_seconds: float = 60.0) -> list[Result]:
    """Run every check. Raises SaleslakeError if a table is not there.

    Gold is read as it is now, and silver as gold saw it last: a stream that goes on writing is no finding. While another
    process refreshes gold, a check that fails is asked again, up to `patience_seconds`; who holds gold's lock gives 0.
    """
    require_tables(lake, "gold", "silver")
    give_up = time.monotonic() + patience_seconds
    while True:
        results = _run_once(lake)
        if not any(result.failed for result in results) or time.monotonic() >= give_up or not lake.holder("gold"):
            return results
        time.sleep(1.0)


def _run_once(lake: Lake) -> list[Result]:
    with connect(lake, _as_gold_saw_silver(lake)) as connection:
        try:
            return [Result(check, int(connection.execute(check.sql).fetchall()[0][0])) for check in CHECKS]
        except duckdb.CatalogException as e:
            what = first_line(e).removeprefix("Catalog Error: ")
            raise SaleslakeError(f"{what} Missing tables come with `saleslake run`") from None


def _as_gold_saw_silver(lake: Lake) -> dict[str, int]:
    """The versions of silver's tables that gold was refreshed from; not of those that others wrote to, or that are gone."""
    state = lake.state.load()
    _, sound = heal.inspect(lake, INPUTS.values(), state)
    versions = {}
    for table in INPUTS.values():
        seen, now = state.refreshed.get(table.full_name), sound.get(table.full_name)
        if not seen or not now or seen[0] != now[0]:
            continue
        # Of the version of now, the inspection has seen that its files are there.
        if seen[1] == now[1] or not heal.missing_files(lake, table, seen[1]):
            versions[table.full_name] = seen[1]
    return versions
