"""No row can stop serving: the longest keys and texts, the greatest numbers, the first and last times."""

from __future__ import annotations

import random
import string
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq

from saleslake.entry import open_settings
from saleslake.lake import Lake
from saleslake.serve import postgres, redshift
from saleslake.serve.tables import SERVED
from saleslake.silver import quarantine
from tests.serve.conftest import House
from tests.stream_support import order, transaction

_chance = random.Random(20261127)
LONGEST = 512


def text(length: int) -> str:
    """Letters that cannot be packed: an index holds them as they are."""
    return "".join(_chance.choices(string.ascii_letters + string.digits, k=length))


def sale(**own: Any) -> str:
    source, promo = own.pop("source", "web"), own.pop("promo", None)
    return order(own.pop("order_id"), metadata={"source": source, "promo": promo}, **own)


def test_the_extremes_of_every_column_are_served(house: House, database: str, tmp_path: Path) -> None:
    largest = {"qty": 999999999999999, "price": 0.0999, "sku": text(LONGEST)}
    keys = [text(LONGEST) for _ in range(3)]
    house.sell(
        "9.jsonl",
        sale(order_id=keys[0], user_id=text(LONGEST), source=text(LONGEST), promo=text(1_000_000), items=[largest]),
        sale(order_id=keys[1], created_at="0001-01-01T00:00:00Z", amount=99999999999999.99, promo="\0\ud83d\ude00"),
        sale(order_id=keys[2], created_at="9999-12-31T23:59:59.999999Z", amount=-99999999999999.99, currency="JPY"),
        sale(order_id=text(LONGEST + 1)),
        sale(order_id="channel", source=text(LONGEST + 1)),
        sale(order_id="nul\0id"),
    )
    sold = transaction(text(LONGEST), customer_id=text(LONGEST), product_id=text(LONGEST), sales_channel=text(LONGEST))
    (house.root / "sales" / "9.jsonl").write_text(sold + "\n")
    users = f"user_id,email,created_at,country\n{text(LONGEST)},{text(100_000)},9999-12-31,{text(100_000)}\n"
    (house.root / "users.csv").write_text(users)
    # A path of as many bytes as may stand in the fact's key, and one more.
    deep = house.root / "lines"
    for length in (200, 200, 200, 200):
        deep /= text(length)
    deep.mkdir(parents=True)
    for more in (0, 1):
        name = text(1024 - len(str(deep.relative_to(house.root))) - 1 + more)
        (deep / name).write_text(
            "sale_date,quantity,total_price,transaction_id\n2025-01-31,1,5," + text(LONGEST) + "\n"
        )
    config = house.root / "saleslake.toml"
    config.write_text(
        config.read_text() + '[sources.lines]\nentity = "transactions"\nformat = "csv"\npath = "lines"\nkey = "line"\n'
        'defaults = { currency = "EUR" }\n'
    )
    house = House(Lake(open_settings(str(config))))
    house.refresh()

    found = house.lake.query(
        "select order_id from f where order_id in (select unnest($keys))", {"keys": keys}, f=SERVED["fact_sales"]
    )
    assert {key for (key,) in found.fetchall()} == set(keys)
    postgres.publish(house.lake, database, "gold")
    with psycopg.connect(database) as connection:
        count = "select count(*), max(octet_length(line_file)), max(octet_length(channel)) from gold.fact_sales"
        row = connection.execute(count).fetchone()
        assert row is not None
        assert row[1:] == (1024, LONGEST)
        assert row[0] == house.lake.snapshot(SERVED["fact_sales"]).count()
        (promo,) = connection.execute("select promo from gold.dim_order where order_id = %s", [keys[1]]).fetchone() or (
            "",
        )
        assert promo == "\ufffd😀"
    redshift.export(house.lake, tmp_path / "export")
    files = list((tmp_path / "export").rglob("*.parquet"))
    assert {file.relative_to(tmp_path / "export").parts[0] for file in files} >= {"fact_sales", "dim_order", "dim_user"}
    longest = max(
        len(str(value).encode()) for file in files for row in pq.read_table(file).to_pylist() for value in row.values()
    )
    assert longest == 1024
    refused = house.lake.query("select key, reasons from q where source = 'shop'", q=quarantine.TABLE).fetchall()
    assert sorted(reasons[0] for _, reasons in refused) == ["key_mangled", "key_too_long", "key_too_long"]
