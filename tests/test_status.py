"""What `status` counts as a table's rows; and what a commit's text may hold when a run looks who wrote it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import CommitProperties, write_deltalake
from pyspark.sql.pandas.types import to_arrow_schema

from saleslake import bronze
from saleslake.entry import open_settings
from saleslake.errors import SaleslakeError, first_line
from saleslake.heal import foreign_commits
from saleslake.lake import Lake, signature
from saleslake.monitor.tables import _records
from saleslake.serve.duck import connect, tables
from saleslake.silver import orders, products, quarantine, stock, transactions, users
from saleslake.silver.users import TABLE
from saleslake.status import status
from saleslake.table import Table
from tests.conftest import write_config

NOON = datetime(2025, 1, 31, 12, tzinfo=UTC)
CONFIG = '[sources.shop]\nentity = "users"\nformat = "csv"\npath = "u.csv"'


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(open_settings(str(write_config(tmp_path, CONFIG))))


def test_control_rows_are_no_records(lake: Lake) -> None:
    path = lake.path(bronze.table_of("shop"))
    write_deltalake(path, pa.table({"kind": ["record"] * 1000 + ["window"]}))
    write_deltalake(path, pa.table({"kind": ["record"] * 7}), mode="append")
    write_deltalake(path, pa.table({"kind": ["window"]}), mode="append")
    (table,) = status(lake)["tables"]
    assert (table["table"], table["rows"], table["version"]) == ("bronze.shop", 1007, 2)


SILVER = (orders, transactions, users, products, stock)
"""The view over quarantine asks for the tables of all."""


def _rejected(number: int, reasons: list[str], **more: Any) -> dict[str, Any]:
    """A rejected order: number `n` of a page, its key `A<n>`."""
    row: dict[str, Any] = {
        "record_id": f"p#{number}",
        "entity": "orders",
        "source": "shop",
        "key": f"A{number}",
        "reasons": reasons,
    }
    row |= {"details": reasons, "content_hash": "h", "first_seen": NOON, "file": "p", "ordinal": number, "run_id": "r"}
    return row | more


def _write(lake: Lake, table: Table, rows: list[dict[str, Any]], without: str = "") -> None:
    schema = to_arrow_schema(table.schema, timezone="UTC")
    schema = pa.schema([field.with_nullable(True) for field in schema if field.name != without])
    write_deltalake(lake.path(table), pa.Table.from_pylist(rows, schema))


def _standing(lake: Lake) -> dict[str, str]:
    with connect(lake) as connection:
        return dict(connection.execute("select key, status from silver.quarantine_status").fetchall())


def test_what_a_rule_discards_is_closed_from_the_start_and_stays_so(lake: Lake) -> None:
    for module in SILVER:
        later = {"order_id": "A2", "landed_at": NOON, "file": "q", "ordinal": 1, "source": "shop"}
        again = [later, later | {"order_id": "A4"}] if module is orders else []
        _write(lake, module.TABLE, again)
    rejected = [
        _rejected(1, ["user_missing"], discarded_by=[]),
        _rejected(2, ["user_missing"], discarded_by=[]),
        _rejected(3, ["user_missing", "zero_price"], discarded_by=["user_missing"]),
        _rejected(4, ["user_missing"], discarded_by=["user_missing"]),
    ]
    _write(lake, quarantine.TABLE, rejected)
    assert _standing(lake) == {"A1": "open", "A2": "resolved", "A3": "discarded", "A4": "discarded"}
    assert status(lake)["quarantine"] == [
        {"source": "shop", "reason": "user_missing", "records": 4, "open": 1, "discarded": 2},
        {"source": "shop", "reason": "zero_price", "records": 1, "open": 0, "discarded": 1},
    ]
    with connect(lake) as connection:
        open_records = list(_records(connection, tables(lake)))
    open_now = {
        (family.name, *sample.labels.values()): sample.value
        for family in open_records
        for sample in family.samples
        if family.name.startswith("saleslake_quarantine_open")
    }
    assert open_now == {
        ("saleslake_quarantine_open_records", "shop"): 1,
        ("saleslake_quarantine_open_reasons", "shop", "user_missing"): 1,
    }


def test_a_table_of_a_former_version_is_told_in_one_line_until_a_run_has_made_it_anew(lake: Lake) -> None:
    for module in SILVER:
        _write(lake, module.TABLE, [])
    _write(lake, quarantine.TABLE, [_rejected(1, ["user_missing"])], without="discarded_by")
    with pytest.raises(
        SaleslakeError, match=r'^tables made by another version of saleslake .*"discarded_by"'
    ) as refused:
        _standing(lake)
    assert str(refused.value).endswith(": saleslake run brings them up to this one")


@pytest.mark.parametrize("character", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\ufeff", "\xa0"])
def test_a_commit_that_names_a_key_with_any_line_break_is_read(lake: Lake, character: str) -> None:
    path = lake.path(TABLE)
    users = pa.table({"user_id": [f"a{character}b", "c"]})
    signed = CommitProperties(custom_metadata={"userMetadata": signature("r")})
    write_deltalake(path, users, commit_properties=signed)
    write_deltalake(
        path, users.slice(0, 1), mode="overwrite", predicate=f"user_id = 'a{character}b'", commit_properties=signed
    )
    log = (Path(path) / "_delta_log" / f"{1:020d}.json").read_bytes()
    assert character.encode() in log or json.dumps(character)[1:-1].encode() in log
    pin = lake.pin(TABLE)
    assert pin is not None
    assert foreign_commits(lake, TABLE, (pin[0], 0), pin) == ""
    write_deltalake(path, users, mode="append")
    pin = lake.pin(TABLE)
    assert pin is not None
    assert foreign_commits(lake, TABLE, (pin[0], 0), pin).startswith("version 2 is a WRITE of ")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("no such file\nat Foo.java", "no such file"),
        ("key 'a\u2028b' and a remedy\r\nat", "key 'a\u2028b' and a remedy"),
        ("  \n ", "no message"),
        ("", "no message"),
        ("\n\nsecond", "second"),
    ],
)
def test_the_first_line_of_an_error_ends_at_a_line_feed(text: str, line: str) -> None:
    assert first_line(SaleslakeError(text)) == line
