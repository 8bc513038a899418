"""A small lakehouse with gold."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from saleslake.entry import open_settings
from saleslake.gold import refresh as gold
from saleslake.ingest.land import land
from saleslake.ingest.window import Window
from saleslake.lake import Lake
from saleslake.silver import step
from tests.conftest import write_config
from tests.stream_support import order, put, transaction

CONFIG = """
[sources.shop]
entity = "orders"
format = "jsonl"
path = "orders"
[sources.tills]
entity = "transactions"
format = "jsonl"
path = "sales"
version = "updated_at"
[sources.people]
entity = "users"
format = "csv"
path = "users.csv"
"""


class House:
    """A lakehouse that can be brought something more."""

    def __init__(self, lake: Lake):
        self.lake, self.root = lake, lake.settings.root

    def refresh(self) -> None:
        for source in self.lake.settings.sources:
            land(self.lake, source, Window())
            step.catch_up(self.lake, source)
        gold.refresh(self.lake)

    def sell(self, name: str, *events: str) -> None:
        put(self.root / "orders", name, *events)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Orders on three days, sales on one; texts that are hard to carry over. Copied for each test."""
    root = tmp_path_factory.mktemp("house")
    found = House(Lake(open_settings(str(write_config(root, CONFIG)))))
    users = 'user_id,email,created_at,country\nu1,"o""brien, \\n{x}\\",2024-01-01,""\nu2,,2024-01-02,Österreich\n'
    (root / "users.csv").write_text(users, encoding="utf-8")
    days = [order(f"O{n}", f"2024-05-0{1 + n % 3}T10:00:00Z", user_id=f"u{n % 4}") for n in range(12)]
    found.sell("1.jsonl", *days, order("O99", metadata={"source": "web", "promo": "nul\u0000here"}, amount=5.0))
    put(root / "sales", "1.jsonl", *[transaction(f"T{n}", currency="USD") for n in range(5)])
    found.refresh()
    return root


@pytest.fixture
def house(built: Path, tmp_path: Path) -> House:
    """A lakehouse of the test's own."""
    root = tmp_path / "house"
    shutil.copytree(built, root)
    return House(Lake(open_settings(str(root / "saleslake.toml"))))
