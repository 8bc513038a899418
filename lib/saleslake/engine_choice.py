"""Which engine a run takes: the one that was asked for, or the one that fits the lakehouse, the machine and the change."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from deltalake.exceptions import DeltaError

from saleslake import bronze
from saleslake.engine.interface import Name
from saleslake.engine.log import Snapshot
from saleslake.engine.own_folder import OwnFolder, left_behind
from saleslake.errors import ConfigError
from saleslake.machine import java_problem, memory_megabytes
from saleslake.silver import step
from saleslake.sources.paths import find

if TYPE_CHECKING:
    from saleslake.config import Settings
    from saleslake.lake import Lake

WANTED = ("spark", "embedded", "auto")
_MEMORY_OF_A_BYTE = 4
"""Bytes of memory that the embedded engine took a byte of JSON lines in the benchmark, at most; it spills, so more would do as well."""

_ATTEMPT = "attempt"
"""Of folders that are there while the embedded engine works because `auto` chose it: how their names begin."""


@dataclass(frozen=True)
class Choice:
    """The engine, and a line for the person where it is not the one that they would expect."""

    name: Name
    note: str = ""


def choose(lake: Lake, wanted: str | None) -> Choice:
    """`wanted`: `--engine`; None: `run.engine`, and where that says nothing Spark's, if it can start here.

    Raises ConfigError for an engine that there is not, or that this lakehouse cannot have.
    """
    settings = lake.settings
    name = wanted or settings.run.engine
    if name is not None and name not in WANTED:
        raise ConfigError(f"--engine {name!r}: give {', '.join(WANTED[:-1])} or {WANTED[-1]}")
    only_spark = _only_spark(lake)
    if name == "embedded" and only_spark:
        raise ConfigError(f"engine embedded: {only_spark}; leave it out, or give --engine spark")
    if name == "embedded":
        return Choice("embedded")
    if name == "spark" or only_spark:
        return Choice("spark")
    if name == "auto":
        return _automatic(lake)
    problem = None if "PYSPARK_GATEWAY_PORT" in os.environ else java_problem()
    return Choice("embedded", _without_java(problem)) if problem else Choice("spark")


def _without_java(problem: str) -> str:
    return f"on the embedded engine, without Spark: {problem}. With it come spark-submit, the stream and clusters"


def _only_spark(lake: Lake) -> str:
    """Why the embedded engine cannot write to this lakehouse; empty: it can."""
    if lake.settings.is_on_objects:
        return f"{lake.settings.data} is no local disk"
    if lake.settings.silver_writers == "conflict":
        return "run.silver_writers = 'conflict' lets several write at once, and Spark's MERGE finds their conflicts"
    return ""


def _automatic(lake: Lake) -> Choice:
    """Embedded while the change is small beside the memory, and nothing speaks against it."""
    reason = ""
    if _killed_attempts(lake):
        reason = "the last attempt on the embedded engine was killed"
    elif foreign := _foreign_features(lake):
        reason = foreign
    elif _bytes_of_change(lake) * _MEMORY_OF_A_BYTE > memory_megabytes() * 2**20 // 4:
        reason = "there is much to do"
    if not reason:
        return Choice("embedded")
    problem = java_problem()
    return Choice("embedded", _without_java(problem)) if problem else Choice("spark", f"on Spark: {reason}")


def _killed_attempts(lake: Lake) -> list[Path]:
    return [folder for folder in left_behind(_folder(lake)) if folder.name.startswith(_ATTEMPT)]


def _folder(lake: Lake) -> Path:
    return Path(lake.work("embedded"))


@contextmanager
def on_engine(
    lake: Lake,
    wanted: str | None,
    app_name: str,
    *,
    with_session: bool = False,
    conf: Callable[[Settings], dict[str, str]] = lambda _: {},
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[Choice]:
    """The lake with its engine: chosen, a session started where it is Spark, and given back after.

    `with_session`: the work needs Spark itself, so there is a session whatever the engine, which is `auto` unless set. `conf` adds
    settings of the session.
    """
    choice = choose(lake, wanted or ("auto" if with_session and lake.settings.run.engine is None else None))
    lake.uses = choice.name
    structlog.get_logger().info("engine_chosen", engine=choice.name, note=choice.note)
    try:
        if choice.name == "spark" or with_session:
            say("starting Spark")
            from saleslake.session import build_session  # the embedded engine does without

            lake.session = build_session(lake.settings, app_name, lake.run_id, conf(lake.settings))
        with attempted(lake, wanted):
            yield choice
    finally:
        lake.close()


@contextmanager
def attempted(lake: Lake, wanted: str | None) -> Iterator[None]:
    """Leaves a mark while `auto`'s embedded engine works: after a kill, for lack of memory perhaps, Spark has its turn."""
    if (wanted or lake.settings.run.engine) != "auto":
        yield
        return
    if lake.uses != "embedded":
        yield
        for folder in _killed_attempts(lake):  # Spark has had its turn
            shutil.rmtree(folder, ignore_errors=True)
        return
    mark = OwnFolder(_folder(lake), _ATTEMPT)
    try:
        yield
    finally:
        mark.close()


def _foreign_features(lake: Lake) -> str:
    """The first table whose protocol asks for what only Spark keeps."""
    for layer in ("bronze", "silver", "gold"):
        for path in lake.tables_of(layer):
            try:
                unknown = Snapshot(lake.open_table(path), path).unknown_features()
            except DeltaError:  # damaged: the run heals it, or says so
                continue
            if unknown:
                return f"{layer}.{Path(path).name} has {', '.join(unknown)}"
    return ""


def _bytes_of_change(lake: Lake) -> int:
    """Bytes of files that are not landed as they are, and of bronze that silver has not seen. APIs tell theirs only when asked."""
    total = 0
    for name, source in lake.settings.sources.items():
        if source.is_stream:
            continue
        if source.format != "api":
            landed = bronze.latest_files(bronze.controls(lake, name))
            found = [find(lake.settings.resolve(path), lake.settings.storage) for path in source.path]
            sizes = [file.stat().st_size for of_path in found for file in of_path.files]
            known = {unit.get("bytes") for unit in landed.values()}
            total += sum(size for size in sizes if size not in known)
        pin = lake.pin(bronze.holding(lake, name))
        if pin is not None and step.progress(lake, name) != pin:
            table = bronze.holding(lake, name)
            total += sum(file.size for file in Snapshot(lake.snapshot(table), lake.path(table)).files)
    return total
