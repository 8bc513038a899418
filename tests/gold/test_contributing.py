"""CONTRIBUTING's example of a gold table, done as it says: one module, one .sql, one line."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from saleslake.accounting import verify
from saleslake.checks import _unique
from saleslake.config import PROJECT_ROOT
from saleslake.gold import refresh, star
from saleslake.gold.gold_table import GoldTable
from saleslake.serve.duck import connect
from tests.lakes import Sample


def _example(folder: Path) -> GoldTable:
    text = (PROJECT_ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition("## Adding a gold table")[2].partition("\n## ")[0]
    for kind, suffix in (("python", ".py"), ("sql", ".sql")):
        (block,) = re.findall(rf"```{kind}\n(.*?)```", section, re.DOTALL)
        (folder / f"country_revenue{suffix}").write_text(block, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("country_revenue", folder / "country_revenue.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: GoldTable = module.GOLD
    return found


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GoldTable:
    gold = _example(tmp_path)
    tables = star.TABLES | {gold.name: gold.table}
    monkeypatch.setattr(star, "GOLD", (*star.GOLD, gold))
    for module in (star, refresh):
        monkeypatch.setattr(module, "TABLES", tables)
    return gold


def test_a_table_of_ones_own_is_made_narrowed_proven_and_checked(sample: Sample, example: GoldTable) -> None:
    sample.run()
    lake = sample.lake()
    with connect(lake) as duck:
        own = duck.execute("select currency, sum(net) from gold.country_revenue group by 1 order by 1").fetchall()
        fact = "select currency, sum(coalesce(line_amount, 0)) from gold.fact_sales group by 1 order by 1"
        assert own == duck.execute(fact).fetchall()
        assert duck.execute("select count(distinct country) from gold.country_revenue").fetchall()[0][0] > 2
        assert duck.execute(_unique(example.table).sql).fetchall() == [(0,)]
    assert verify(lake).gold[example.name] == []
    before = lake.snapshot(example.table).version()
    sample.run()
    assert lake.snapshot(example.table).version() == before
    lake.engine.overwrite(example.table, None)
    assert len(verify(sample.lake()).gold[example.name]) > 2, "rows that are not there are named"
    lake.close()
