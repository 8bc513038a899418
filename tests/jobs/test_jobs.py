"""Each job by its `main`, on the shared session: its exit code, what it prints, what the tables then hold.

Under spark-submit they run in tests/jobs/test_processes.py, and in Airflow in tests/dags.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from deltalake import DeltaTable

from saleslake.gold import product_revenue
from saleslake.lake import Lake
from saleslake.mock_api import MockApi
from saleslake.silver import orders
from tests.chaos.harness import contents
from tests.jobs.shop import CONFIG, deliver, revenue
from tests.processes import ROOT
from tests.stream_support import order, rows, versions

Job = Callable[..., tuple[int, str, str]]
API = """
[sources.web]
entity = "orders"
format = "api"
records_path = "data"
[sources.web.api]
url = "{url}/orders"
page_size = 2
"""


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Job:
    """Calls a job of jobs/ as spark-submit does; gives its exit code, what it printed, and its errors."""
    monkeypatch.syspath_prepend(str(ROOT / "jobs"))

    def call(name: str, lake: Lake, *arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = importlib.import_module(name).main(
            ["--config", str(lake.settings.config_file), "--engine", "embedded", *arguments]
        )
        return (code, *capsys.readouterr())

    return call


def test_files_and_an_api_go_through_every_job_to_what_is_served(
    tmp_path: Path, make_lake: Callable[[str], Lake], job: Job
) -> None:
    deliver(tmp_path)
    with MockApi([json.loads(order(f"W{n}", "2024-03-02T10:00:00Z")) for n in range(3)]) as api:
        lake = make_lake(CONFIG.format(timeout=60) + API.format(url=api.url))
        said = {
            "land_api": "3 records landed",
            "land_files": "4 records landed",
            "silver": "7 records decided, 1 quarantined",
            "gold": "9 gold tables written",
        }
        for name, what in said.items():
            code, out, err = job(name, lake)
            assert (code, err) == (0, "")
            assert re.fullmatch(rf"{name}: {what} \(\d+\.\d s\)\n", out)
        before = versions(lake)
        for name in said:
            assert re.fullmatch(rf"{name}: nothing new \(\d+\.\d s\)\n", job(name, lake)[1])
        assert versions(lake) == before
    assert revenue(lake) == [("2024-03-02", "A", 4, 40), ("2024-03-02", "a", 6, 60)]
    assert rows(lake, "select count(*) from silver.quarantine") == [(1,)]
    code, out, err = job("verify", lake)
    assert (code, err) == (0, "")
    said_last = out.splitlines()[-3:]
    assert (said_last[0], said_last[2]) == (
        "gold: 9 of 9 tables equal what silver says",
        "every landed record is accounted for",
    )
    assert said_last[1].startswith("written by the embedded engine; proved by the embedded engine in ")  # fmt: skip
    code, out, err = job("publish_serving", lake, "--to", "duckdb")
    assert (code, err) == (0, "")
    assert out.startswith("duckdb: ")
    with duckdb.connect(str(tmp_path / "data" / "serving" / "saleslake.duckdb"), read_only=True) as served:
        assert served.execute("select sum(net)::int from gold.product_revenue").fetchall() == [(100,)]
    assert job("publish_serving", lake)[0] == 2, "nothing is connected, and nothing named"


def test_orders_that_gold_has_not_seen_yet_are_no_finding_and_rows_that_somebody_deleted_are(
    tmp_path: Path, make_lake: Callable[[str], Lake], job: Job
) -> None:
    """A stream beside the checks is always a little ahead of gold."""
    deliver(tmp_path)
    lake = make_lake(CONFIG.format(timeout=60))
    for name in ("land_files", "silver", "gold", "check"):
        assert job(name, lake)[0] == 0, name
    (tmp_path / "in" / "orders.json").write_text(f"[{order('new', '2024-03-03T10:00:00Z')}]")
    for name in ("land_files", "silver", "check"):
        assert job(name, lake)[0] == 0, name
    assert "2024-03-03" not in {date for date, *_ in revenue(lake)}
    assert DeltaTable(lake.path(orders.TABLE)).delete("order_id = 'o1'")["num_deleted_rows"] == 1
    assert "fact_equals_orders: 2 FAILED" in job("check", lake)[1].splitlines()


def test_check_and_verify_fail_on_a_table_somebody_wrote_to_and_gold_mends_it(streamed: Lake, job: Job) -> None:
    table = product_revenue.TABLE
    before = revenue(streamed)
    gone = DeltaTable(streamed.path(table)).delete(f"sku = '{before[0][1]}'")
    assert gone["num_deleted_rows"] > 0
    code, out, err = job("check", streamed)
    assert code == 1
    failed = [line.partition(":")[0] for line in out.splitlines() if line.endswith(" FAILED")]
    assert failed == ["revenue_equals_fact"]
    assert re.fullmatch(r"error: 1 of \d+ checks failed: revenue_equals_fact; saleslake check tells more\n", err)
    code, out, err = job("verify", streamed)
    assert code == 1
    assert "gold.product_revenue is not what silver says: insert" in out
    assert err == "error: the proof does not hold; what is missing is said above\n"
    code, out, err = job("gold", streamed)
    assert code == 0, err
    assert out.startswith("gold: 1 tables rebuilt")
    assert "rebuilding_table" in err
    assert revenue(streamed) == before
    code, out, err = job("check", streamed)
    assert (code, err) == (0, "")
    assert "fact_equals_orders: 0 ok" in out.splitlines()
    assert job("verify", streamed)[0] == 0


def test_maintain_makes_few_files_of_many_and_changes_no_row(streamed: Lake, job: Job) -> None:
    held = contents(streamed)
    code, out, err = job("maintain", streamed)
    assert (code, err) == (0, "")
    assert re.search(r"^bronze\.events: ([2-9]|\d\d+) files became 1$", out, re.MULTILINE)
    assert len(out.splitlines()) >= len(held)
    assert contents(streamed) == held
