"""One source's trouble stops no other: each kind of source broken in each way, in one run, beside two that are sound."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

from saleslake.accounting import verify
from saleslake.ingest.window import Window
from saleslake.lake import Lake
from saleslake.mock_api import Fault, MockApi
from saleslake.pipeline import Batch, Summary
from saleslake.serve.duck import connect
from tools.processes import free_port

TWINS = 'mapping = { user_id = "Id", email = "ID" }'
"""Names that differ in case only: Spark's own reader of JSON cannot tell them apart, and they are no trouble here."""


def rows(lake: Lake, sql: str) -> list[tuple[object, ...]]:
    with connect(lake) as connection:
        return connection.execute(sql).fetchall()


def source(name: str, entity: str, format_: str, more: str = "", url: str = "") -> str:
    where = f'path = "in/{name}"' if format_ != "api" else 'records_path = "data"'
    api = f'[sources.{name}.api]\nurl = "{url}"\nretries = 0\nbackoff_seconds = 0\n' if url else ""
    return f'[sources.{name}]\nentity = "{entity}"\nformat = "{format_}"\n{where}\n{more}\n{api}'


def put(root: Path, name: str, content: bytes) -> None:
    folder = root / "in" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "one").write_bytes(content)


def failures(summary: Summary) -> dict[str, str]:
    """The one line of each source that has one."""
    found = {report.source: list(report.failed) for report in summary.landed if report.failed}
    for name, lines in summary.troubles.items():
        found.setdefault(name, []).extend(lines)
    assert all(len(lines) == 1 for lines in found.values()), found
    assert len(summary.failures) == len(found), summary.failures
    return {name: lines[0] for name, lines in found.items()}


def configured(root: Path, api: MockApi) -> str:
    user = json.dumps({"user_id": "u", "Id": "a", "ID": "b"}).encode()
    put(root, "good", b"user_id,email\nu1,a@x\n")
    put(root, "sales", b"transaction_id,sale_date,quantity,total_price,currency\nt1,2024-01-01,1,2,EUR\n")
    put(root, "columns", b"id;email\n1;a@x\n")
    put(root, "cut", gzip.compress(b"user_id,email\n" + bytes(range(48, 58)) * 999)[:-20])
    put(root, "twins", user)
    put(root, "no_landing", b"user_id,email\nu2,b@x\n")
    lines = [f"p{n};1;31/12/2024" for n in range(20)]
    put(root, "dates", "\n".join(["product_id;on_hand;counted_at", *lines]).encode())
    # A file in the place of a folder: something nobody foresaw.
    (root / "data" / "landing").mkdir(parents=True)
    (root / "data" / "landing" / "no_landing").write_text("")
    return "\n".join(
        [
            source("good", "users", "csv"),
            source("good_api", "products", "api", url=f"{api.url}/products"),
            source("sales", "transactions", "csv"),
            source("nothing", "users", "csv"),
            source("columns", "users", "csv"),
            source("cut", "users", "csv"),
            source("no_landing", "users", "csv"),
            source("twins", "users", "jsonl", TWINS),
            source("twins_api", "products", "api", TWINS.replace("user_id", "sku").replace("email", "name"), f"{api.url}/products"),
            source("away", "orders", "api", url=f"http://127.0.0.1:{free_port()}/orders"),
            source("broken", "orders", "api", url=f"{api.url}/orders"),
            source("dates", "stock", "csv", 'delimiter = ";"'),
        ]
    )  # fmt: skip


def test_every_source_that_is_sound_comes_to_gold_whatever_becomes_of_the_others(
    tmp_path: Path, make_lake: Callable[[str], Lake]
) -> None:
    with MockApi([], [{"sku": "s1", "name": "Cup", "price": 1, "Id": "a", "ID": "b"}]) as api:
        api.add_faults(Fault("500", "orders", times=0))
        settings = configured(tmp_path, api)
        lake = make_lake(settings)
        summary = Batch(lake).run(Window())
        said = failures(summary)
        expected = {
            "nothing": "sources.nothing.path: nothing at",
            "columns": "required column user_id not found",
            "cut": "gzip",
            "no_landing": "no_landing",
            "away": "Connection",
            "broken": "500",
            "dates": "all 20 records of this run were quarantined, 20 of them for counted_at_unreadable (counted_at: '31/12/2024'",
        }
        for name, part in expected.items():
            assert part in said[name], (name, said[name])
        assert said.keys() == expected.keys()
        assert rows(lake, "select user_id, email from gold.dim_user where email is not null order by 1") == [
            ("a", "b"),
            ("u1", "a@x"),
        ]
        assert rows(lake, "select sku, name from gold.dim_product where name is not null order by 1") == [
            ("a", "b"),
            ("s1", "Cup"),
        ]
        assert all(not result.failed for result in summary.checks)
        _the_proof_names_them(lake)
        _bronze_that_lost_files_is_left_alone(tmp_path, make_lake, settings)
        _a_full_refresh_does_what_it_can(tmp_path, make_lake, settings)


def _the_proof_names_them(lake: Lake) -> None:
    proofs = {proof.source: proof for proof in verify(lake).sources}
    assert proofs.keys() == lake.settings.sources.keys()
    assert {name for name, proof in proofs.items() if proof.never_landed} == {
        "nothing", "columns", "cut", "no_landing", "away", "broken",
    }  # fmt: skip
    assert all(proof.adds_up for proof in proofs.values())
    assert (proofs["good"].applied, proofs["good_api"].applied, proofs["dates"].quarantined) == (1, 1, 20)


def _bronze_that_lost_files_is_left_alone(root: Path, make_lake: Callable[[str], Lake], settings: str) -> None:
    for path in (root / "data" / "tables" / "bronze" / "dates").rglob("*.parquet"):
        path.unlink()
    put(root, "good", b"user_id,email\nu1,new@x\n")
    lake = make_lake(settings)
    said = failures(Batch(lake).run(Window()))
    assert "bronze.dates: 1 data file(s) missing" in said["dates"]
    assert rows(lake, "select email from gold.dim_user where email is not null order by 1") == [("b",), ("new@x",)]


def _a_full_refresh_does_what_it_can(root: Path, make_lake: Callable[[str], Lake], settings: str) -> None:
    lake = make_lake(settings)
    users = rows(lake, "select user_id, email from silver.users order by 1")
    summary = Batch(lake).run(Window(), full_refresh=True)
    lost, kept = summary.troubles["dates"]
    assert "bronze.dates: 1 data file(s) missing" in lost
    assert kept == "source dates: silver.stock was not decided anew"
    assert summary.outcomes.keys() == {f"{name} (all of bronze)" for name in ("transactions", "users", "products")}
    assert rows(lake, "select user_id, email from silver.users order by 1") == users
    assert lake.state.load().rebuild == []
