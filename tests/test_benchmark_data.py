"""What `make bench` measures with: the data, and that the programs that need no session agree on it."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import ours, rival_duckdb
from benchmarks.common import Totals
from benchmarks.data import ORDERS, SALES, Data, data
from saleslake.entry import open_settings
from saleslake.generate import generate
from saleslake.ingest.window import Window
from saleslake.lake import Lake
from saleslake.pipeline import Batch

COUNT, SEED = 2000, 3


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return data(tmp_path_factory.mktemp("made"), COUNT, SEED)


def orders_of(folder: Path) -> dict[str, dict[str, Any]]:
    """The last sound line of each order."""
    found = {}
    for line in (folder / ORDERS).read_text(encoding="utf-8").splitlines():
        try:
            order = json.loads(line)
            found[order["order_id"]] = order
        except (ValueError, LookupError, TypeError):
            continue
    return found


def sales_of(folder: Path) -> dict[str, list[str]]:
    with (folder / SALES).open(encoding="utf-8", newline="") as file:
        return {row[0]: row for row in csv.reader(file)}


def digest(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_the_orders_of_the_base_are_those_of_the_generator(made: Data, tmp_path: Path) -> None:
    generate(COUNT, SEED, tmp_path, transactions=0)
    assert digest(made.base)[ORDERS] == digest(tmp_path)[ORDERS]


def test_the_same_seed_gives_the_same_bytes(made: Data, tmp_path: Path) -> None:
    again, other = data(tmp_path / "again", COUNT, SEED), data(tmp_path / "other", COUNT, SEED + 1)
    assert (digest(again.base), digest(again.increment)) == (digest(made.base), digest(made.increment))
    assert digest(other.increment) != digest(made.increment)


def test_the_increment_is_the_mix_that_it_says(made: Data) -> None:
    base, increment = orders_of(made.base), orders_of(made.increment)
    of_old = {key: order for key, order in increment.items() if key in base}
    new = [order for key, order in increment.items() if key not in base and order.get("created_at")]
    kinds = {"amount": 0, "other_field": 0, "moved": 0, "again": 0, "broken": 0}
    for key, order in of_old.items():
        old = base[key]
        if order["items"] and order["items"][0]["qty"] == "n/a":
            kinds["broken"] += 1
        elif "updated_at" not in order:
            kinds["again"] += order == old
        elif order["created_at"][:10] != old["created_at"][:10]:
            kinds["moved"] += order["amount"] == old["amount"]
        else:
            kinds["amount" if order["amount"] != old["amount"] else "other_field"] += 1
    assert {"new": made.mix[ORDERS]["new"], **kinds} == made.mix[ORDERS]
    assert sum(made.mix[ORDERS].values()) == COUNT // 100
    assert 0 < len(new) <= made.mix[ORDERS]["new"]
    assert min(order["created_at"] for order in new) >= "2024-03-29"


def test_the_increment_brings_new_transactions_and_comes_back_to_old_ones(made: Data) -> None:
    base, increment = sales_of(made.base), sales_of(made.increment)
    old = [(base[key], row) for key, row in increment.items() if key in base and key != "transaction_id"]
    mix = made.mix[SALES]
    assert len(old) == mix["amount"] + mix["moved"] + mix["again"]
    assert sum(before[5] != after[5] for before, after in old) == mix["amount"]
    assert sum(before[3] != after[3] for before, after in old) == mix["moved"]


def test_saleslake_and_duckdb_agree_on_the_full_load_and_after_the_increment(made: Data, tmp_path: Path) -> None:
    """The increment leaves what one load of both files gives, as an independent program reads them."""
    house, whole = tmp_path / "house", tmp_path / "whole"
    for folder in (house, whole):
        folder.mkdir()
    ours.come_in(made.base, house, "full")
    assert totals(house) == rival_duckdb.work(made.base, tmp_path / "base")
    ours.come_in(made.increment, house, "increment")
    for name in (ORDERS, SALES):
        more = (made.increment / name).read_text()
        (whole / name).write_text((made.base / name).read_text() + (more.partition("\n")[2] if name == SALES else more))
    assert totals(house) == rival_duckdb.work(whole, tmp_path / "both")


def totals(house: Path) -> Totals:
    """What the embedded engine's tables hold after a run."""
    lake = Lake(open_settings(str(house / "saleslake.toml")))
    Batch(lake).run(Window())
    lake.close()
    return ours.totals(lake)
