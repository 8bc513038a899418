"""Gold in a real PostgreSQL: the same rows, only what changed, all at once or not at all."""

from __future__ import annotations

import signal
import threading
from typing import Any

import psycopg
import pytest

from saleslake.errors import SaleslakeError
from saleslake.lake import Lake
from saleslake.serve import postgres
from saleslake.serve.duck import connect
from saleslake.serve.tables import SERVED
from tests.processes import Processes
from tests.serve.conftest import House
from tests.stream_support import order


def _ask(dsn: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        connection.execute("set timezone = 'UTC'")
        return connection.execute(query.encode()).fetchall()


def _rows(dsn: str, lake: Lake, name: str) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """What PostgreSQL holds, and what the lakehouse does; every value as text."""
    columns = SERVED[name].column_names
    stored = _ask(dsn, f"select {', '.join(columns)} from gold.{name}")
    with connect(lake) as duck:
        wanted = duck.execute(f"select {', '.join(columns)} from gold.{name}").fetchall()
    plain = [sorted(tuple(_plain(v) for v in row) for row in rows) for rows in (stored, wanted)]
    return plain[0], plain[1]


def _plain(value: Any) -> str:
    return (
        value.replace("\0", "�")
        if isinstance(value, str)
        else f"{value:f}"
        if hasattr(value, "quantize")
        else str(value)
    )


def _is_gold(dsn: str, lake: Lake) -> None:
    for name, table in SERVED.items():
        if lake.exists(table):
            stored, wanted = _rows(dsn, lake, name)
            assert stored == wanted, name


def test_it_holds_gold_and_then_only_takes_what_changed(house: House, database: str) -> None:
    first = postgres.publish(house.lake, database, "gold")
    assert {table.table for table in first} == {t.full_name for t in SERVED.values() if house.lake.exists(t)}
    _is_gold(database, house.lake)
    assert _ask(database, "select email, country from gold.dim_user where user_id = 'u1'") == [
        ('o"brien, \\n{x}\\', None)
    ]
    assert postgres.publish(house.lake, database, "gold") == []

    house.sell("2.jsonl", order("O1", "2024-05-03T09:00:00Z", user_id="u1", updated_at="2024-06-01T00:00:00Z"))
    house.refresh()
    again = {table.table: table for table in postgres.publish(house.lake, database, "gold")}
    fact = again["gold.fact_sales"]
    assert fact.dates == {"2024-05-02", "2024-05-03"}, "the order moved from one day to the other"
    assert (fact.deleted, fact.inserted) == (1, 1)
    assert "gold.dim_product" not in again
    _is_gold(database, house.lake)


def test_the_views_answer_as_duckdb_does(house: House, database: str) -> None:
    postgres.publish(house.lake, database, "gold")
    for query in (
        "select order_id, sku, user_id, qty, amount, price from gold.fact_order order by order_id",
        "select channel, currency, orders, customers, units, net, average_order_value from gold.channel_performance_total order by 1, 2",
        "select sku, currency, name, gross, net, units from gold.product_revenue_total order by 1, 2",
        "select category, currency, skus, valued_skus, skus_without_count from gold.inventory_by_category order by 1, 2",
    ):
        with connect(house.lake) as duck:
            wanted = duck.execute(query).fetchall()
        found = _ask(database, query)
        assert [[_plain(v) for v in row] for row in found] == [[_plain(v) for v in row] for row in wanted], query
        assert found, query


def test_readers_see_the_old_or_the_new(house: House, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader asks between each two steps of the publication, and while it commits."""
    postgres.publish(house.lake, database, "gold")
    house.sell("2.jsonl", *[order(f"N{n}", "2024-05-02T10:00:00Z") for n in range(50)])
    house.refresh()
    totals = "select (select sum(line_amount) from gold.fact_sales), (select sum(net) from gold.product_revenue)"
    before, seen, own = _ask(database, totals)[0], [], postgres._Publication._merge

    def asked(self: Any, *arguments: Any) -> tuple[int, int]:
        done = own(self, *arguments)
        seen.append(_ask(database, totals)[0])
        return done

    monkeypatch.setattr(postgres._Publication, "_merge", asked)
    ended, during = threading.Event(), []

    def keep_asking() -> None:
        while not ended.is_set():
            during.append(_ask(database, totals)[0])

    reader = threading.Thread(target=keep_asking)
    reader.start()
    try:
        postgres.publish(house.lake, database, "gold")
    finally:
        ended.set()
        reader.join()
    after = _ask(database, totals)[0]
    assert before != after
    assert after[0] == after[1]
    assert set(seen) == {before}, "nothing is seen before the commit"
    assert set(during) <= {before, after}


def test_killed_before_its_commit_it_leaves_what_was_there(house: House, database: str, processes: Processes) -> None:
    postgres.publish(house.lake, database, "gold")
    count = "select count(*) from gold.fact_sales"
    before = _ask(database, count)
    house.sell("2.jsonl", order("N1", "2024-05-02T10:00:00Z"))
    house.refresh()
    command = ("saleslake", "publish", "--config", str(house.root / "saleslake.toml"))
    killed = processes.run(*command, SALESLAKE_POSTGRES_DSN=database, SALESLAKE_KILL_AT="before_publish_commit")
    assert killed.returncode == -signal.SIGKILL
    assert _ask(database, count) == before
    done = processes.run(*command, SALESLAKE_POSTGRES_DSN=database)
    assert done.returncode == 0, done.stderr
    assert "gold.fact_sales: 1 rows written, 0 deleted (1 dates compared)" in done.stdout
    _is_gold(database, house.lake)


def test_a_table_of_other_columns_is_made_anew_and_so_are_its_views(house: House, database: str) -> None:
    postgres.publish(house.lake, database, "gold")
    with psycopg.connect(database) as connection:
        connection.execute("alter table gold.fact_sales drop column sku cascade")
    postgres.publish(house.lake, database, "gold")
    _is_gold(database, house.lake)
    assert _ask(database, "select count(*) from gold.order_items") == [(13,)]


def test_rows_somebody_changed_come_back_when_everything_is_compared(house: House, database: str) -> None:
    postgres.publish(house.lake, database, "gold")
    with psycopg.connect(database) as connection:
        connection.execute("update gold.fact_sales set quantity = 7 where order_id = 'O1'")
        connection.execute("delete from gold.dim_user where user_id = 'u2'")
    assert postgres.publish(house.lake, database, "gold") == []
    postgres.publish(house.lake, database, "gold", everything=True)
    _is_gold(database, house.lake)


def test_errors_are_one_line_without_the_password(house: House, database: str) -> None:
    wrong = database.replace("saleslake:", "saleslake:canary-").replace("test_", "nowhere_")
    with pytest.raises(SaleslakeError, match=r"serving\.postgres: .*authentication failed") as failed:
        postgres.publish(house.lake, wrong, "gold")
    assert "canary" not in str(failed.value)
    with pytest.raises(SaleslakeError, match="cannot be read") as failed:
        postgres.publish(house.lake, "postgresql://a:canary@[", "gold")
    assert "canary" not in str(failed.value)
