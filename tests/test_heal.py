"""Which files of a table are missing, wherever the lakehouse lies."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from saleslake.entry import open_settings
from saleslake.gold.dim_date import TABLE
from saleslake.heal import missing_files
from saleslake.lake import Lake
from tests.conftest import write_config

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
