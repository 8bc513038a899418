"""A refresh of gold that dies after any of its tables leaves nothing behind that the next one does not make good."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.houses import House
from tests.scenarios import Run, Scenario

ORDER = (
    '{"order_id":"o1","user_id":"u1","created_at":"2024-03-01","currency":"EUR","amount":10,'
    '"items":[{"sku":"s1","qty":1,"price":10}]}'
)
CORRECTED = ORDER.replace("2024-03-01", "2024-03-02").replace('"qty":1', '"qty":2')
TABLES_OF_GOLD = 9


@pytest.mark.parametrize("table", range(1, TABLES_OF_GOLD + 1))
def test_what_is_made_of_a_table_that_was_written_is_made_by_the_next_refresh(tmp_path: Path, table: int) -> None:
    house = House(Scenario("default", "zero", feeds=("orders_a",)), tmp_path / "house")
    dies_at = f"after_gold_write:{table}"
    house.do(Run({"in/orders_a/1.x": ORDER.encode()}, "publish", dies_at))
    house.do(Run({}, "publish"))
    house.is_as_the_oracle_says()
    house.do(Run({"in/orders_a/2.x": CORRECTED.encode()}, "publish", dies_at))
    house.do(Run({}, "publish"))
    house.is_as_the_oracle_says()
