"""One Spark session for all tests, and lakehouses in temporary folders."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from saleslake import config
from saleslake.config import Settings
from saleslake.entry import open_settings
from saleslake.lake import Lake
from saleslake.session import build_session

os.environ["NO_PROXY"] = "127.0.0.1,localhost"


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The session every test shares, built by the code under test."""
    folder = tmp_path_factory.mktemp("session")
    settings = config.load(write_config(folder, '[sources.users]\nentity = "users"\nformat = "csv"\npath = "u.csv"'))
    session = build_session(settings, "tests", "tests")
    yield session
    session.stop()


def write_config(folder: Path, text: str) -> Path:
    """A configuration file in `folder` whose root, and data, is that folder."""
    path = folder / "saleslake.toml"
    path.write_text('[paths]\nroot = "."\ndata = "data"\n' + textwrap.dedent(text), encoding="utf-8")
    return path


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[[str], Settings]:
    """Settings from the TOML text of a test, checked as every entry point checks them."""
    return lambda text: open_settings(str(write_config(tmp_path, text)))


@pytest.fixture
def make_lake(spark: SparkSession, make_settings: Callable[[str], Settings]) -> Callable[[str], Lake]:
    """A lakehouse in a temporary folder from the TOML text of a test. Each call is a run of its own."""
    return lambda text: Lake(make_settings(text), spark)
