"""Extraction of files: folders, globs and single files, each landed whole unless its content is landed already."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from saleslake import bronze
from saleslake.config import Source
from saleslake.config_storage import is_object
from saleslake.errors import SourceError, first_line
from saleslake.ingest.report import Landed
from saleslake.lake import Lake
from saleslake.landing import Unit, file_sha256, now
from saleslake.silver.reading import theirs
from saleslake.silver.registry import ENTITIES
from saleslake.sources.files import check_header, check_whole
from saleslake.store import ObjectPath, Place, matching, place


def find(lake: Lake, name: str, source: Source) -> list[Place]:
    """The files a source names, sorted. Hidden and temporary names are left alone: producers write those first.

    Raises SourceError for a path that names nothing.
    """
    found: dict[str, Place] = {}
    for pattern in source.path:
        resolved = lake.settings.resolve(pattern)
        matches = _objects(lake, resolved) if is_object(resolved) else _local(resolved)
        if matches is None:
            raise SourceError(
                f"sources.{name}.path: nothing at {resolved}; put files there, correct the path in "
                f"{lake.settings.config_file}, or remove the source"
            )
        for match in matches:
            if not match.name.startswith((".", "_")) and not match.name.endswith((".tmp", ".part")):
                found[str(match)] = match
    return [found[path] for path in sorted(found, key=Path)]


def _local(resolved: str) -> Sequence[Place] | None:
    """Files of a folder, a file, or what a pattern matches; None: nothing is there."""
    path = Path(resolved)
    if path.is_dir():
        return [p for p in path.rglob("*") if p.is_file()]
    if path.is_file():
        return [path]
    return [Path(p) for p in glob.glob(resolved, recursive=True) if Path(p).is_file()] or None


def _objects(lake: Lake, resolved: str) -> Sequence[Place] | None:
    """The same on an object store."""
    storage = lake.settings.storage
    try:
        if any(wildcard in resolved for wildcard in "*?["):
            return matching(resolved, storage) or None
        path = place(resolved, storage)
        assert isinstance(path, ObjectPath)
        return [path] if path.is_file() else path.files() or None
    except OSError as e:
        raise SourceError(f"{resolved}: the object store does not answer as it should: {first_line(e)}") from None


def extract(lake: Lake, name: str, control: Sequence[bronze.Control], report: Landed, *, refetch: bool) -> list[Unit]:
    """Land the bytes of every file that is new or changed. A file that is refused is reported; the others go on."""
    source = lake.settings.sources[name]
    try:
        paths = find(lake, name, source)
    except SourceError as e:
        report.failed.append(str(e))
        return []
    latest = bronze.latest_files(control)
    units = []
    for number, path in enumerate(paths, 1):
        file = display_path(lake, path)
        try:
            unit = _land_one(
                lake, name, source, path, file, number, None if refetch else latest.get(file, {}).get("sha256")
            )
        except (SourceError, OSError) as e:
            report.failed.append(str(e))
            continue
        if unit is None:
            report.left_out_units += 1
        else:
            units.append(unit)
    return units


def display_path(lake: Lake, path: Place) -> str:
    """What bronze calls a file: its path below the root, so that a moved project keeps its keys; else absolute, or its URL."""
    if isinstance(path, ObjectPath):
        return path.url
    try:
        return path.resolve().relative_to(lake.settings.root).as_posix()
    except ValueError:
        return path.resolve().as_posix()


def _land_one(
    lake: Lake, name: str, source: Source, path: Place, file: str, number: int, latest: str | None
) -> Unit | None:
    """The landed unit, or None if the file's content is its latest landed content."""
    if latest is not None and file_sha256(path) == latest:
        return None
    fields: list[str] = []
    if source.format == "csv":
        required = {ours: theirs(source, ours) for ours in ENTITIES[source.entity].required if _must_have(source, ours)}
        fields = check_header(path, file, source, required)
    unit = Unit(
        unit=f"{name}/{lake.run_id}/{number:05d}-{path.name}",
        source=name,
        file=file,
        origin=str(path),
        run_id=lake.run_id,
        landed_at=now(),
        sha256="",
        bytes=0,
        state="landed",
        fields=fields,
    )
    unit = lake.landing.copy_file(unit, path)
    if unit.sha256 == latest:
        lake.landing.discard(unit)
        return None
    try:
        # What landed is what is checked: the file itself may be changing.
        check_whole(lake.landing.path(unit.unit), file)
    except SourceError:
        lake.landing.discard(unit)
        raise
    lake.landing.save(unit)
    return unit


def _must_have(source: Source, column: str) -> bool:
    return not (column == "transaction_id" and source.key == "line") and column not in source.defaults
