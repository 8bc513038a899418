"""The embedded engine writes a table's columns, in its types, or nothing; and says in the log what is in each file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from saleslake import bronze
from saleslake.engine.types import duck_type
from saleslake.errors import TableError
from saleslake.gold import sales_by_minute, star
from saleslake.lake import Lake
from saleslake.silver import quarantine
from saleslake.silver.registry import ENTITIES
from saleslake.table import STRING, Column, Table
from tests.engine.embedded_support import (
    LINES,
    data_files,
    engine_of,
    lake_in,
    line,
    row_of,
    statistics,
    stored,
    version,
)

TABLES = {
    table.full_name: table
    for table in (
        *(entity.table for entity in ENTITIES.values()), quarantine.TABLE, *star.TABLES.values(),
        bronze.table_of("users"), bronze.table_of(bronze.EVENTS), sales_by_minute.TABLE,
    )
}  # fmt: skip
BREAKS = {
    ("silver.orders", "key_given"): {"order_id": "''"},
    ("silver.orders", "currency_code"): {"currency": "'EURO'"},
    ("silver.orders", "date_of_creation"): {"date": "DATE '2024-05-02'"},
    ("silver.transactions", "key_given"): {"transaction_key": "''"},
    ("silver.transactions", "currency_code"): {"currency": "'eur'"},
    ("silver.transactions", "date_of_sale"): {"sale_date": "TIMESTAMPTZ '2024-04-30 23:59:59.999999+00'"},
    ("silver.users", "key_given"): {"user_id": "''"},
    ("silver.products", "key_given"): {"sku": "''"},
    ("silver.stock", "key_given"): {"product_id": "''"},
    ("silver.quarantine", "has_a_reason"): {"reasons": "CAST([] AS VARCHAR[])"},
    ("gold.fact_sales", "date_of_sale"): {"date": "DATE '2024-05-02'"},
    ("gold.fact_sales", "priced_or_flagged"): {"line_amount": "NULL", "flags": "['price_missing']"},
    ("gold.dim_user", "key_given"): {"user_id": "''"},
    ("gold.dim_product", "key_given"): {"sku": "''"},
    ("gold.dim_order", "key_given"): {"order_id": "''"},
    ("gold.product_revenue", "net_is_gross_and_returns"): {"net": "2.0001"},
    ("gold.channel_performance", "no_fewer_than_none"): {"orders": "-1"},
    ("gold.customer_purchase_frequency", "orders_there"): {"orders": "0"},
    ("gold.customer_purchase_frequency", "in_order"): {"last_purchase_at": "TIMESTAMPTZ '2024-05-01 09:59:59+00'"},
    ("gold.inventory_valuation", "known_status"): {"status": "'lost'", "stock_value": "NULL"},
    ("gold.inventory_valuation", "valued_or_not"): {"stock_value": "NULL"},
    ("bronze.users", "known_kind"): {"kind": "'windows'"},
    ("bronze.events", "known_kind"): {"kind": "''"},
}
"""By table and CHECK: what makes of a row that it takes one that it refuses."""


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    lake = lake_in(tmp_path)
    yield lake
    lake.close()


def _refused(lake: Lake, table: Table, says: str, **given: str) -> None:
    before = version(lake, table), data_files(lake, table)
    with pytest.raises(TableError) as refused:
        lake.engine.append(table, row_of(lake, table, **given))
    assert str(refused.value).startswith(f"{table.full_name}: ") and says in str(refused.value)
    assert "\n" not in str(refused.value)
    assert (version(lake, table), data_files(lake, table)) == before, "no version, and no file"


def test_each_check_of_each_table_is_broken_by_one_of_these_tests() -> None:
    assert set(BREAKS) == {(name, check) for name, table in TABLES.items() for check in table.constraints}


@pytest.mark.parametrize("name", TABLES)
def test_what_a_table_refuses_is_not_written(lake: Lake, name: str) -> None:
    table = TABLES[name]
    lake.engine.append(table, row_of(lake, table))
    for of, check in BREAKS:
        if of == name:
            _refused(lake, table, f"CHECK {check}", **BREAKS[of, check])
    for column in table.columns:
        if not column.nullable:
            _refused(lake, table, f"{column.name} is NULL", **{column.name: "NULL"})
    assert lake.engine.fetch(lake.engine.read(table)).num_rows == 1


def test_a_check_that_is_unknown_refuses_as_sparks_does(lake: Lake) -> None:
    lake.create(LINES)
    with pytest.raises(TableError, match=r"gold\.lines: CHECK some"):
        lake.engine.append(LINES, line(lake, n="NULL"))
    assert version(lake) == 0


def test_checks_are_those_of_the_log(lake: Lake) -> None:
    lake.engine.append(LINES, line(lake))
    laxer = replace(LINES, constraints={})
    with pytest.raises(TableError, match="CHECK some"):
        lake.engine.append(laxer, line(lake, n="0"))


@pytest.mark.parametrize("write", ["append", "upsert", "overwrite"])
def test_a_number_beyond_its_column_is_an_error_that_names_the_table(lake: Lake, write: str) -> None:
    lake.engine.append(LINES, line(lake))
    for given in ({"amount": "99999999999999.99995"}, {"n": "CAST(9223372036854775808 AS HUGEINT)"}):
        rows = line(lake, **given)
        with pytest.raises(TableError, match=r"^gold\.lines: its rows could not be written: .*out of range"):
            if write == "append":
                lake.engine.append(LINES, rows)
            elif write == "upsert":
                lake.engine.upsert(LINES, rows, None, None)
            else:
                lake.engine.overwrite(LINES, rows, ("date", "2024-05-01"))
    assert version(lake) == 1


def test_sums_and_decimals_are_stored_in_the_tables_types(lake: Lake) -> None:
    rows = line(lake, n="(SELECT sum(i) FROM (VALUES (1), (2)) v(i))", amount="CAST(0.00005 AS DECIMAL(38, 10))")
    lake.engine.append(LINES, rows)
    types = pq.read_schema(data_files(lake)[0])
    assert (str(types.field("n").type), str(types.field("amount").type)) == ("int64", "decimal128(18, 4)")
    (found,) = lake.engine.fetch(lake.engine.read(LINES)).to_pylist()
    assert (found["n"], found["amount"]) == (3, Decimal("0.0001")), "half-up"


@pytest.mark.parametrize("later", [0, 1])
def test_a_column_that_files_lack_is_null_in_them(lake: Lake, later: int) -> None:
    lake.engine.append(LINES, line(lake))
    newer = replace(LINES, columns=(*LINES.columns, Column("more", STRING, "added")))
    if later:
        lake.recreate(newer)
        lake.engine.append(LINES, line(lake, name="'b'"))
        lake.engine.append(newer, line(lake, more="'m'"))
    found = lake.engine.fetch(lake.engine.read(newer)).to_pylist()
    assert sorted(str(row["more"]) for row in found) == (["None", "m"] if later else ["None"])
    keys = lake.engine.sql("SELECT 'a' AS name")
    assert lake.engine.fetch(lake.engine.matching(newer, keys, {"name": "name"})).num_rows == 1
    added = lake.engine.changes(newer, 3 if later else 1, 3 if later else 1)
    assert added is not None
    assert [row["more"] for row in lake.engine.fetch(added).to_pylist()] == [None]
    lake.engine.upsert(newer, line(lake, more="'n'"), None, None)
    assert sorted(str(row["more"]) for row in lake.engine.fetch(lake.engine.read(newer)).to_pylist())[-1] == "n"


@pytest.mark.parametrize(
    "text",
    [
        "x" * 512, "z" * 511 + "é", "é" * 256, "日本", "😀" * 128, "\U0010ffff" * 128, "\U0010ffff", "\uffff", "", "a\x00b",
        "\x01\x1f\x7f", "a\nb\r\u2028", "a\"b'c\\d", "'; --", "{}", "null", "NULL", "~" * 400, "\x7f" * 400,
    ],
    ids=lambda text: ascii(text)[:20],
)  # fmt: skip
def test_statistics_of_texts_are_bounds(lake: Lake, text: str) -> None:
    quoted = "'" + text.replace("'", "''").replace("\x00", "' || chr(0) || '") + "'"
    lake.engine.append(LINES, line(lake, name=quoted))
    (found,) = lake.engine.fetch(lake.engine.read(LINES)).to_pylist()
    assert found["name"] == text
    told = statistics(lake)
    assert (told["numRecords"], told["nullCount"]) == (1, {"name": 0, "moment": 0, "note": 1})
    least, greatest = (told[bound].get("name") for bound in ("minValues", "maxValues"))
    # As bytes, which is how Spark and delta-rs compare them.
    assert least is not None and least.encode() <= text.encode(), "without a bound, delta-rs would leave the file out"
    assert greatest is not None and greatest.encode() >= text.encode()
    lake.engine.append(LINES, line(lake, name="'other'", note="'n'"))
    assert lake.rows(LINES).filter(ds.field("name") == text).count_rows() == 1, "as readers prune"
    assert lake.rows(LINES).filter(ds.field("note").is_null()).count_rows() == 1
    if len(text.encode()) <= 256:
        assert (least, greatest) == (text, text)
    assert "note" not in told["minValues"], "of a column that is NULL in all rows there is no least"


@pytest.mark.parametrize(
    ("moment", "least", "greatest"),
    [
        ("0001-01-01 00:00:00+00", "0001-01-01T00:00:00.000Z", "0001-01-01T00:00:00.001Z"),
        ("1961-05-01 00:00:00.0015+00", "1961-05-01T00:00:00.001Z", "1961-05-01T00:00:00.002Z"),
        ("2024-05-01 23:59:59.999999+00", "2024-05-01T23:59:59.999Z", "2024-05-02T00:00:00.000Z"),
        ("9999-12-31 23:59:59.998+00", "9999-12-31T23:59:59.998Z", "9999-12-31T23:59:59.999Z"),
        ("9999-12-31 23:59:59.999999+00", "9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
    ],
)
def test_statistics_of_moments_are_bounds(lake: Lake, moment: str, least: str | None, greatest: str | None) -> None:
    lake.engine.append(LINES, line(lake, moment=f"TIMESTAMPTZ '{moment}'"))
    told = statistics(lake)
    assert (told["minValues"].get("moment"), told["maxValues"].get("moment")) == (least, greatest)
    (found,) = lake.engine.fetch(lake.engine.read(LINES)).to_pylist()
    assert found["moment"] == datetime.fromisoformat(moment).astimezone(UTC)
    assert engine_of(lake)._snapshot(LINES).files[0].partition == {"date": moment[:10]}


def test_statistics_are_of_all_row_groups_and_row_groups_are_small(lake: Lake) -> None:
    bare = replace(LINES, partition_by=())
    lake.engine.append(
        bare,
        lake.engine.sql(
            """SELECT CASE i WHEN 7 THEN repeat('z', 12000) WHEN 200000 THEN '' ELSE 'k' || i END AS name,
                TIMESTAMPTZ '2024-05-01 10:00:00+00' AS moment, 1 AS amount, i + 1 AS n,
                CASE WHEN i > 130000 THEN 'x' END AS note, DATE '2024-05-01' AS date FROM range(300000) r(i)"""
        ),
    )
    told = statistics(lake, bare)
    assert told["minValues"]["name"] == "" and told["maxValues"]["name"] >= "z" * 200
    assert (told["numRecords"], told["nullCount"]["note"]) == (300_000, 130_001)
    metadata = pq.ParquetFile(data_files(lake, bare)[0]).metadata
    assert max(metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)) <= 131_072


@pytest.mark.parametrize("folder", ["My Projects", "a'b", "[x]", "a*b?", "date=2020-01-01", "ü{1,2}", "a$b&c#d"])
def test_a_lakehouse_lies_wherever_a_folder_can(tmp_path: Path, folder: str) -> None:
    lake = lake_in(tmp_path / folder)
    lake.engine.append(LINES, line(lake))
    lake.engine.upsert(LINES, line(lake, n="2"), None, None)
    assert stored(lake) == [("a", 2, "2024-05-01")]
    lake.close()


def test_each_type_has_its_word_in_duckdb() -> None:
    assert {duck_type(c.type) for table in TABLES.values() for c in table.columns} >= {"VARCHAR", "TIMESTAMPTZ", "DATE"}
