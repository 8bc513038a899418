"""Lakehouses that are built once, by the batch or by the stream, and copied for each test.

Delta's paths are relative, so a copy is a lakehouse of its own: its table ids, and with them what `state.json` remembers,
are those of the original. Workers of one run of the tests share what one of them has built.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from saleslake.cli.app import app
from saleslake.config import DEFAULT_CONFIG, PROJECT_ROOT
from saleslake.entry import open_settings
from saleslake.ingest.window import Window
from saleslake.lake import Lake
from saleslake.mock_api import MockApi
from saleslake.pipeline import Batch
from saleslake.simulator.events import simulated
from saleslake.simulator.spec import Spec
from tests.stream_support import CONFIG, put, stream_once

SAMPLE = PROJECT_ROOT / "sample_data"
EVENTS = Spec(150, 5, 1_714_606_800, 0.01, late=0.1, duplicated=0.1, corrected=0.2, malformed=0.1)
"""What the lakehouse of the stream was fed with."""


def built_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], None]) -> Path:
    """The folder that `build` fills, once for all workers."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder, done = shared / f"built-{name}", shared / f"built-{name}.done"
    with (shared / f"built-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            build(folder)
            done.touch()
    return folder


class Sample:
    """The lakehouse of conf/saleslake.toml with its data in a folder, and the sample's APIs served where it asks for them."""

    def __init__(self, folder: Path, api: MockApi):
        self.folder, self.api = folder, api

    def environment(self) -> dict[str, str]:
        """What a program needs to work on it."""
        urls = {name: f"SALESLAKE__SOURCES__{name.upper()}_API__API__URL" for name in ("orders", "products")}
        return {variable: f"{self.api.url}/{name}" for name, variable in urls.items()} | {
            "SALESLAKE__PATHS__DATA": str(self.folder / "data")
        }

    def lake(self) -> Lake:
        """Each call is a run of its own."""
        with pytest.MonkeyPatch.context() as patch:
            for variable, value in self.environment().items():
                patch.setenv(variable, value)
            return Lake(open_settings(str(DEFAULT_CONFIG)))

    def run(self) -> Batch:
        """The whole batch over what the sources hold now."""
        batch = Batch(self.lake())
        batch.run(Window())
        return batch


def sample_api() -> MockApi:
    """The sample's two APIs."""
    return MockApi(SAMPLE / "api_orders.json", SAMPLE / "api_products.json")


def build_sample(folder: Path) -> None:
    """What `saleslake run --demo` makes of the sample, on the embedded engine; what it prints, in `said.txt`."""
    with mock.patch.dict(os.environ, {"SALESLAKE__PATHS__DATA": str(folder / "data")}):  # --demo names its APIs there
        done = CliRunner().invoke(app, ["run", "--demo", "--engine", "embedded"])
    assert done.exit_code == 0, done.output
    (folder / "said.txt").write_text(done.stdout)


def build_streamed(spark: SparkSession, folder: Path) -> None:
    """What the stream makes of EVENTS, in two micro-batches or more."""
    lines = [event.line for event in simulated(EVENTS)]
    (folder / "saleslake.toml").write_text(
        '[paths]\nroot = "."\ndata = "data"\n' + CONFIG + "max_files_per_trigger = 1\n"
    )
    for number, at in enumerate((0, len(lines) // 2)):
        put(folder / "events", f"{number}.jsonl", *lines[at : at + len(lines) // 2])
    stream_once(streamed_lake(spark, folder))


def streamed_lake(spark: SparkSession, folder: Path) -> Lake:
    """The lakehouse of the stream in that folder."""
    return Lake(open_settings(str(folder / "saleslake.toml")), spark, uses="embedded")
