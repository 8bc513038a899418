"""Which files of a table are missing, wherever the lakehouse lies; and tables that another version of saleslake made."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from saleslake.accounting import verify
from saleslake.entry import open_settings
from saleslake.errors import SaleslakeError
from saleslake.gold import fact_sales
from saleslake.gold.dim_date import TABLE
from saleslake.heal import _other_columns, missing_files
from saleslake.lake import Lake
from saleslake.serve.duck import connect
from saleslake.silver import orders, quarantine
from tests.conftest import write_config
from tests.lakes import Sample

CONFIG = '[sources.users]\nentity = "users"\nformat = "csv"\npath = "u.csv"'


@pytest.mark.parametrize("name", ["plain", "a blank", "ümläut #1"])
def test_only_what_is_gone_is_missing_whatever_the_folder_is_called(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    lake = Lake(open_settings(str(write_config(folder, CONFIG))))
    for day in (1, 2):
        write_deltalake(lake.path(TABLE), pa.table({"day": [day]}), mode="append")
    assert missing_files(lake, TABLE) == []
    lost = sorted(Path(lake.path(TABLE)).glob("*.parquet"))[0]
    lost.unlink()
    assert missing_files(lake, TABLE) == [lost.name]


def test_tables_of_another_version_are_named_by_what_differs_and_made_anew(sample: Sample) -> None:
    lake = sample.lake()
    fact_before = sorted(map(str, lake.rows(fact_sales.TABLE).to_table().to_pylist()))
    # As a version made them that knew neither statuses nor purchases, nor what a line was sold for.
    former = [
        (orders.TABLE, lambda rows: rows.drop_columns(["status", "is_sale", "items"])),
        (quarantine.TABLE, lambda rows: rows.drop_columns(["discarded_by"])),
        (
            fact_sales.TABLE,
            lambda rows: rows.append_column("line_no", rows["line_number"]).drop_columns(["line_number"]),
        ),
    ]
    for table, made in former:
        rows = made(lake.rows(table).to_table())
        partitions = list(table.partition_by) or None
        write_deltalake(lake.path(table), rows, mode="overwrite", schema_mode="overwrite", partition_by=partitions)
    with pytest.raises(
        SaleslakeError, match=r"tables made by another version of saleslake .*: saleslake run brings them up"
    ):
        connect(lake).__enter__()

    healed = sample.run().summary.healed
    assert healed == [
        "silver.orders: made by another version of saleslake: column is_sale, items.amount, items.line_number, "
        "items.quantity, items.refunded_at, items.sku, items.unit_price, status; rebuilding it",
        "silver.quarantine: made by another version of saleslake: column discarded_by; rebuilding it",
        "gold.fact_sales: made by another version of saleslake: column line_no, line_number; rebuilding it",
    ]
    lake = sample.lake()
    assert sorted(map(str, lake.rows(fact_sales.TABLE).to_table().to_pylist())) == fact_before
    assert all(_other_columns(table, lake.snapshot(table)) == "" for table, _ in former)
    assert verify(lake).holds
