"""Bronze comes back from landing; a full refresh counts as seen; other [gold] settings are noticed; open means open."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from deltalake import DeltaTable

from saleslake.accounting import verify
from saleslake.gold import fact_sales
from saleslake.ingest.window import Window
from saleslake.lake import Lake
from saleslake.pipeline import Batch, Summary
from saleslake.serve.duck import connect
from saleslake.silver.registry import ENTITIES
from saleslake.state import StateFile
from saleslake.status import status

GOLD = '[gold]\nmissing_item_price = "{}"\n'
SOURCES = """
[sources.orders]
entity = "orders"
format = "jsonl"
path = "in/orders"
[sources.products]
entity = "products"
format = "csv"
path = "in/products.csv"
"""
ORDER = (
    '{{"order_id":"{}","user_id":"u","amount":1,"currency":"EUR","created_at":"2024-01-0{}",'
    '"items":[{{"sku":"s","qty":{}}}]}}'
)
LINES = [
    ORDER.format("A", 1, 2), ORDER.format("B", 2, '"x"'), ORDER.format("B", 3, 1), ORDER.format("C", 1, 1),
    ORDER.format("C", 2, '"x"'), ORDER.format("D", 1, '"x"'),
]  # fmt: skip


def versions(lake: Lake) -> dict[str, int]:
    found = {t["table"]: t["version"] for t in status(lake)["tables"]}
    return {name: version for name, version in found.items() if name.startswith(("silver.", "gold."))}


def run(lake: Lake) -> Summary:
    return Batch(lake).run(Window())


@pytest.fixture
def lake(make_lake: Callable[[str], Lake], tmp_path: Path) -> Lake:
    (tmp_path / "in" / "orders").mkdir(parents=True)
    (tmp_path / "in" / "products.csv").write_text("sku,price,currency\ns,7,EUR\n")
    for number, line in enumerate(LINES):
        (tmp_path / "in" / "orders" / f"{number}.jsonl").write_text(line + "\n")
    return make_lake(GOLD.format("zero") + SOURCES)


def stored(lake: Lake, sql: str) -> list[tuple[object, ...]]:
    with connect(lake) as connection:
        return connection.execute(sql).fetchall()


def test_bronze_settings_and_refresh(lake: Lake, make_lake: Callable[[str], Lake], tmp_path: Path) -> None:
    """One lakehouse for all four: setting one up is what takes the time."""
    run(lake)
    _quarantine_agrees(lake)
    _bronze_comes_back(lake, tmp_path)
    _a_full_refresh_counts_as_seen(lake)
    _lost_and_edited_tables_come_back(lake)
    _other_rules_hold_after_a_full_refresh(lake, make_lake)
    _other_gold_settings_are_noticed(make_lake)


def _quarantine_agrees(lake: Lake) -> None:
    view = stored(lake, "select key, status, has_older_version from silver.quarantine_status order by key")
    assert view == [("B", "resolved", False), ("C", "open", True), ("D", "open", False)]
    assert [(q["records"], q["open"]) for q in status(lake)["quarantine"]] == [(3, 2)]


def _bronze_comes_back(lake: Lake, tmp_path: Path) -> None:
    ids = "select record_id, landed_at, run_id from bronze.orders where kind = 'record' order by all"
    before, landed = versions(lake), stored(lake, ids)
    shutil.rmtree(tmp_path / "data" / "tables" / "bronze" / "orders")
    shutil.rmtree(tmp_path / "in" / "orders")  # not even the sources are needed
    (tmp_path / "in" / "orders").mkdir()
    summary = run(lake)
    assert {r.source: r.recovered_units for r in summary.landed} == {"orders": len(LINES), "products": 0}
    assert stored(lake, ids) == landed
    assert stored(lake, "select count(*) from bronze.orders where kind = 'window'") == [(1,)]
    assert versions(lake) == before
    assert verify(lake).holds
    assert run(lake).nothing_new


def _a_full_refresh_counts_as_seen(lake: Lake) -> None:
    StateFile(lake.folder("state.json")).update(lambda state: state.seen.clear())
    batch = Batch(lake)
    batch.full_refresh()
    batch.gold()
    assert set(batch.summary.outcomes) == {"orders (all of bronze)", "products (all of bronze)"}
    assert batch.summary.processed == len(LINES) + 1
    again = run(lake)
    assert again.nothing_new
    assert again.outcomes == {}


CONTENT = "select order_id, units from (select order_id, sum(quantity)::int as units from gold.fact_sales group by 1) order by 1"


def _lost_and_edited_tables_come_back(lake: Lake) -> None:
    """Files lost in silver, rows deleted in gold by somebody else: noticed, said, rebuilt; the rest is left alone."""
    before, rows = versions(lake), stored(lake, CONTENT)
    shutil.rmtree(Path(lake.path(ENTITIES["orders"].table)) / "date=2024-01-01")
    edited = DeltaTable(lake.path(fact_sales.TABLE))
    edited.delete("order_id = 'C'")
    assert stored(lake, CONTENT) != rows
    healed = run(lake).healed
    assert [line.partition(":")[0] for line in healed] == ["silver.orders", "gold.fact_sales"]
    assert "1 data file(s) missing" in healed[0]
    assert "written by somebody else: version" in healed[1]
    assert stored(lake, CONTENT) == rows
    assert verify(lake).holds
    changed = {name for name, version in versions(lake).items() if version != before[name]}
    assert changed == {"silver.orders", "silver.quarantine", "gold.fact_sales"}
    assert run(lake).nothing_new


def _other_rules_hold_after_a_full_refresh(lake: Lake, make_lake: Callable[[str], Lake]) -> None:
    """Order B sells one unit and names a customer; under rules that want an amount that adds up, no order here does."""
    assert stored(lake, "select count(*) from silver.orders") == [(3,)]
    strict = make_lake(GOLD.format("zero") + SOURCES + '[rules.orders]\namount_mismatch = "error"\n')
    assert any("--full-refresh" in note for note in run(strict).notes)
    Batch(strict).run(Window(), full_refresh=True)
    assert stored(strict, "select (select count(*) from silver.orders), (select count(*) from gold.fact_sales)") == [
        (0, 0)
    ]
    assert verify(strict).holds
    back = make_lake(GOLD.format("zero") + SOURCES)
    Batch(back).run(Window(), full_refresh=True)
    assert stored(back, "select count(*) from silver.orders") == [(3,)]


def _other_gold_settings_are_noticed(make_lake: Callable[[str], Lake]) -> None:
    amount = "select order_id, line_amount from gold.fact_sales where order_id = 'A'"
    other = make_lake(GOLD.format("catalogue") + SOURCES)
    assert any("[gold]" in note for note in verify(other).notes)
    run(other)
    assert [float(str(row[1])) for row in stored(other, amount)] == [14.0]
    assert verify(other).holds
    assert run(other).nothing_new
