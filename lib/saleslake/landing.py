"""Landing: the exact bytes of everything taken in, each with a manifest.

A landing unit is one file or one page of an API response. Its bytes are written to a temporary name,
fsynced and renamed, then its manifest the same way: a unit without a manifest never happened. Units
that were not left out and that bronze's control rows do not name are taken up by the next run.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from saleslake.store import Place, Readable, whole_file

MANIFEST = ".manifest.json"
WINDOW = "window.json"
"""Manifest of a window: what was asked of an API in one run, and what the fetch came to."""
_COPY_BYTES = 8 * 1024 * 1024
_AT_ONCE = 16
_LONGEST_NAME = 150
"""Bytes; file systems end at 255, and number, suffix and temporary name are added to it."""
_HELD_BYTES = 256 * 1024 * 1024
"""Split documents kept in memory until they are committed; beyond it they are split a second time."""

State = Literal["fetched", "landed", "left_out", "bronze"]
"""fetched: not decided yet; landed: goes to bronze; left_out: all of it was known; bronze: is there (a hint only)."""


@dataclass(frozen=True)
class Unit:
    """One landing unit and its manifest.

    `unit` is its path below `landing/` and the first half of its records' ids; `file` what bronze calls
    it (a file's own path; a page's unit); `landed_at` when it was fetched or first seen, in UTC.
    """

    unit: str
    source: str
    file: str
    origin: str
    run_id: str
    landed_at: datetime
    sha256: str
    bytes: int
    state: State
    records: int = 0
    status: int | None = None
    defect: str | None = None
    form: str | None = None
    """Of a page: `json` or `jsonl`, and its charset, as decided when its Content-Type was at hand; else its bytes tell."""
    since: str | None = None
    until: str | None = None
    left_out: list[str] = field(default_factory=list)
    """Content hashes of the records left out because they were already there."""
    fields: list[str] = field(default_factory=list)
    """Column or top-level field names seen in it, for drift."""

    def control(self) -> dict[str, Any]:
        """What bronze's control row keeps of it."""
        keep = ("unit", "file", "sha256", "records", *(("defect",) if self.defect else ()))
        return {name: getattr(self, name) for name in keep} | {"landed_at": iso(self.landed_at)}


def unit_name(name: str) -> str:
    """A file's name as part of its unit's, not so long that no suffix would fit. What the file is called, stands in `file`."""
    return name.encode()[-_LONGEST_NAME:].decode("utf-8", "ignore")


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds and Z, so that text order is time order."""
    # isoformat, because strftime writes the year 1 as "1".
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def from_micros(micros: int) -> datetime:
    """Microseconds since 1970 as a UTC datetime, exactly."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)


def now() -> datetime:
    """The clock of landing; the only place that asks it for `landed_at` of files."""
    return datetime.now(UTC)


class LandingZone:
    """The folder `landing/` of one lakehouse. `scratch`: a local folder, for what is on its way to an object store."""

    def __init__(self, folder: Place, scratch: Path):
        self.folder, self.scratch = folder, scratch
        self._held: dict[str, list[pa.RecordBatch]] = {}
        self._held_bytes = 0

    def hold(self, unit: Unit, batches: list[pa.RecordBatch]) -> None:
        """Keep a unit's records, split to see whether they can be, for the one that asks for them next."""
        size = sum(batch.nbytes for batch in batches)
        if self._held_bytes + size <= _HELD_BYTES:
            self._held[unit.unit] = batches
            self._held_bytes += size

    def release(self, unit: Unit) -> list[pa.RecordBatch] | None:
        """What is kept of a unit; it is kept no longer."""
        batches = self._held.pop(unit.unit, None)
        self._held_bytes -= sum(batch.nbytes for batch in batches or ())
        return batches

    def path(self, unit: str) -> Place:
        return self.folder / unit

    def add_bytes(self, unit: Unit, body: bytes) -> Unit:
        """Store a page's bytes, then its manifest. Returns the unit with size and hash."""
        with whole_file(self.path(unit.unit), self.scratch) as stream:
            stream.write(body)
        unit = replace(unit, bytes=len(body), sha256=hashlib.sha256(body).hexdigest())
        self.save(unit)
        return unit

    def copy_file(self, unit: Unit, origin: Readable) -> Unit:
        """Store a file's own bytes without a manifest yet. Returns the unit with size and hash of what was copied."""
        digest, size = hashlib.sha256(), 0
        with origin.open("rb") as stream, whole_file(self.path(unit.unit), self.scratch) as out:
            while block := stream.read(_COPY_BYTES):
                digest.update(block)
                size += len(block)
                out.write(block)
        return replace(unit, bytes=size, sha256=digest.hexdigest())

    def save(self, unit: Unit) -> None:
        """Write the unit's manifest, replacing an older one whole."""
        content = asdict(unit) | {"landed_at": iso(unit.landed_at)}
        with whole_file(self.path(f"{unit.unit}{MANIFEST}"), self.scratch) as stream:
            stream.write(json.dumps(content, indent=1, ensure_ascii=False).encode())

    def discard(self, unit: Unit) -> None:
        """Remove bytes that never became a unit (a refused or unchanged file)."""
        path = self.path(unit.unit)
        path.unlink(missing_ok=True)
        parent = path.parent
        if isinstance(parent, Path) and parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()

    def units(self, source: str) -> list[Unit]:
        """Every unit of a source by its manifest, oldest first."""
        paths: list[Place] = [*(self.folder / source).glob(f"*/*{MANIFEST}")]
        if isinstance(self.folder, Path):
            found = [self._read(path) for path in paths]
        else:  # each is a question to a server
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                found = list(pool.map(self._read, paths))
        return sorted(found, key=lambda u: (u.landed_at, u.unit))

    def units_of_runs(self, source: str) -> Iterator[list[Unit]]:
        """Every unit of a source, a list a run, the latest run first."""
        folder = self.folder / source
        runs = [str(run.name) for run in folder.iterdir()] if folder.is_dir() else []
        for run in sorted(runs, reverse=True):
            manifests: list[Place] = [*(folder / run).glob(f"*{MANIFEST}")]
            yield [self._read(path) for path in manifests]

    def save_window(self, source: str, run_id: str, content: dict[str, Any]) -> None:
        """Write the manifest of the window that a run asked of an API. Every fetch has one, whatever came of it."""
        with whole_file(self.path(f"{source}/{run_id}/{WINDOW}"), self.scratch) as stream:
            stream.write(json.dumps(content, indent=1, ensure_ascii=False).encode("utf-8", "backslashreplace"))

    def last_window(self, source: str) -> dict[str, Any] | None:
        """The manifest of the latest window of a source; None if none was asked for yet."""
        folder = self.folder / source
        runs = [str(run.name) for run in folder.iterdir()] if folder.is_dir() else []
        for run in sorted(runs, reverse=True):
            path = folder / run / WINDOW
            if path.is_file():
                content: dict[str, Any] = json.loads(path.read_bytes())
                return content
        return None

    @staticmethod
    def _read(path: Place) -> Unit:
        content = json.loads(path.read_bytes())
        moment = datetime.strptime(content.pop("landed_at"), "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
        return Unit(**content, landed_at=moment)


def file_sha256(path: Readable) -> str:
    """SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_COPY_BYTES):
            digest.update(block)
    return digest.hexdigest()


def remove_tree(folder: Place) -> None:
    """Remove a folder and what is in it, if it is there."""
    if isinstance(folder, Path):
        shutil.rmtree(folder, ignore_errors=True)
    else:
        folder.remove_tree()
