"""A Delta table's log, read without an engine: which files a version has, and which its commits added and removed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from saleslake.lake import Lake
    from saleslake.table import Table

KNOWN_FEATURES = {"appendOnly", "invariants", "checkConstraints", "changeDataFeed", "generatedColumns"}
"""What the embedded engine keeps of a table's protocol. Columns of ours are never generated, so nothing is to be kept of that."""

_BY_VERSION = {5: "columnMapping", 6: "identityColumns"}
"""The writer version that brings each of those features that are not known."""


@dataclass(frozen=True)
class File:
    """A data file of a version: its path below the table, its partition's values, its size in bytes and its rows."""

    path: str
    partition: dict[str, str | None]
    size: int
    rows: int


@dataclass
class Commit:
    """What one commit did to the data. `cdc`: files of the change feed that it wrote, which say it exactly."""

    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    cdc: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Snapshot:
    """A table as one version has it."""

    table: DeltaTable
    path: str

    @property
    def version(self) -> int:
        return int(self.table.version())

    @cached_property
    def files(self) -> list[File]:
        found = pa.table(self.table.get_add_actions(flatten=True))
        partitions = {name.partition(".")[2]: name for name in found.column_names if name.startswith("partition.")}
        return [
            File(
                unquote(row["path"]),
                {ours: None if row[name] is None else str(row[name]) for ours, name in partitions.items()},
                int(row["size_bytes"]),
                int(row["num_records"] or 0),
            )
            for row in found.select(["path", "size_bytes", "num_records", *partitions.values()]).to_pylist()
        ]

    @property
    def configuration(self) -> dict[str, str]:
        return dict(self.table.metadata().configuration)

    def unknown_features(self) -> list[str]:
        """Features of its protocol that only Spark keeps."""
        protocol = self.table.protocol()
        features = {*(protocol.writer_features or ()), *(protocol.reader_features or ())}
        # Protocols older than features have them by their number.
        if not protocol.writer_features:
            features |= {name for least, name in _BY_VERSION.items() if protocol.min_writer_version >= least}
        return sorted((features - KNOWN_FEATURES) | set(self.unreadable_features()))

    def unreadable_features(self) -> list[str]:
        """Features by which its files are not simply its rows, or may not be."""
        protocol = self.table.protocol()
        if protocol.reader_features is None:
            return [_BY_VERSION[5]] if protocol.min_reader_version >= 2 else []
        return sorted({*protocol.reader_features} - KNOWN_FEATURES)


def commits(lake: Lake, table: Table, first: int, last: int) -> list[Commit] | None:
    """What each of these versions did, in order; None where the log has one of them no more, or the table was described anew."""
    log = lake.place("tables", table.layer, table.name, "_delta_log")
    found = []
    for version in range(first, last + 1):
        try:
            text = (log / f"{version:020d}.json").read_bytes()
        except FileNotFoundError:
            return None
        of_version = actions(text)
        if any("metaData" in action for action in of_version):
            return None  # the files before may have other columns
        found.append(_commit(of_version))
    return found


def actions(commit: bytes) -> list[dict[str, dict[str, Any]]]:
    """The actions of a commit: one JSON a line, whose texts may hold every other line break there is."""
    return [json.loads(line) for line in commit.split(b"\n") if line.strip()]


def _commit(found: list[dict[str, dict[str, Any]]]) -> Commit:
    commit = Commit()
    for action in found:
        for kind, files in (("add", commit.added), ("remove", commit.removed), ("cdc", commit.cdc)):
            if kind in action and (kind == "cdc" or action[kind].get("dataChange")):
                files.append(unquote(action[kind]["path"]))
    return commit
