"""What `status` counts as a table's rows; and what a commit's text may hold when a run looks who wrote it."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, write_deltalake

from saleslake import bronze
from saleslake.entry import open_settings
from saleslake.errors import SaleslakeError, first_line
from saleslake.heal import foreign_commits
from saleslake.lake import Lake, signature
from saleslake.silver.users import TABLE
from saleslake.status import status
from tests.conftest import write_config

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
