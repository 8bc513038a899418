"""Extraction of files: folders, globs and single files, each landed whole unless its content is landed already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import structlog

from saleslake import bronze
from saleslake.charsets import printable
from saleslake.config import Source
from saleslake.errors import SourceError
from saleslake.ingest.paths import look
from saleslake.ingest.records import split, unread
from saleslake.ingest.report import Landed, Unread
from saleslake.lake import Lake
from saleslake.landing import Unit, file_sha256, now, unit_name
from saleslake.silver.judge.reading import theirs
from saleslake.silver.registry import ENTITIES
from saleslake.sources import headers
from saleslake.sources.csv_records import Told
from saleslake.sources.files import check_header, check_text, check_whole, has_records, read_header, split_lines
from saleslake.store import ObjectPath, Place

_LONGEST_PATH = 1024
"""Bytes of a path in bronze. Where rows are keyed by line it stands in the fact's key, beside an id: PostgreSQL indexes 2,704 bytes
in all."""
_MAY_BE_EMPTY_BYTES = 1024 * 1024
"""No header is longer: a larger file is not looked at for being empty."""


def extract(
    lake: Lake,
    name: str,
    control: Sequence[bronze.Control],
    report: Landed,
    *,
    refetch: bool,
) -> list[Unit]:
    """Land the bytes of every file that is new or changed. What is refused or cannot be read is reported; the others go on.

    A document that cannot be read lands once and is reported at every run, unless `Source.dismiss` gives it up.
    """
    latest = bronze.latest_files(control)
    paths = look(lake.settings, name, latest, report)
    landing = _Landing(lake, name, report, control, paths)
    done, units = set[str](), []
    for number, path in enumerate(paths, 1):
        file = display_path(lake, path)
        if file in done:  # by another path of the source, or a link
            continue
        done.add(file)
        if not _is_utf8(file):
            report.failed.append(f"{printable(file)}: refused: its name is not UTF-8; rename it")
            continue
        if len(file.encode()) > _LONGEST_PATH:
            report.failed.append(
                f"{printable(file)}: refused: its path has {len(file.encode()):,} bytes, and databases index keys with no more than "
                f"{_LONGEST_PATH:,}; shorten it"
            )
            continue
        try:
            unit = landing.land(_Origin(path, file, number), {} if refetch else latest.get(file, {}))
        except SourceError as e:
            report.failed.append(str(e))
        except OSError as e:
            report.failed.append(f"{printable(file)}: cannot be read: {e.strerror or printable(str(e))}")
        else:
            if unit is None:
                report.left_out_units += 1
            else:
                units.append(unit)
    for note in report.notes:
        structlog.get_logger().warning("files", source=name, note=note)
    return units


def display_path(lake: Lake, path: Place) -> str:
    """What bronze calls a file: its path below the root, so that a moved project keeps its keys; else absolute, or its URL."""
    if isinstance(path, ObjectPath):
        return path.url
    try:
        return path.resolve().relative_to(lake.settings.root).as_posix()
    except ValueError:
        return path.resolve().as_posix()


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # bytes of another encoding, as Python keeps them
        return False
    return True


@dataclass(frozen=True)
class _Origin:
    """A file to land: where it lies, what bronze calls it, and its number in the run."""

    path: Place
    file: str
    number: int

    @property
    def shown(self) -> str:
        return printable(self.file)


@dataclass(frozen=True)
class _Landing:
    """Lands files of one source."""

    lake: Lake
    name: str
    report: Landed
    control: Sequence[bronze.Control]
    paths: Sequence[Place]
    """All files of the source."""

    @property
    def source(self) -> Source:
        return self.lake.settings.sources[self.name]

    def land(self, origin: _Origin, known: Mapping[str, Any]) -> Unit | None:
        """The landed unit, or None if the file's content is its latest landed content, which `known` is the entry of."""
        latest = known.get("sha256")
        if latest is not None and file_sha256(origin.path) == latest:
            if not self._reads_better(origin, known):
                return None
            latest = None
        unit = self._copied(origin)
        try:
            if unit.sha256 == latest:
                self.lake.landing.discard(unit)
                return None
            # What landed is what is checked: the file itself may be changing.
            unit = self._checked(unit, origin)
        except SourceError:
            self.lake.landing.discard(unit)
            raise
        if known.get("records") and not self._has_records(unit):
            what = "0 bytes" if not unit.bytes else "a header alone" if self.source.is_csv else "no record in it"
            self.report.notes.append(
                f"{origin.shown}: is empty now ({what}), and had {known['records']:,} records when it landed before; "
                "if that is not meant, export it again"
            )
        self.lake.landing.save(unit)
        return unit

    def _copied(self, origin: _Origin) -> Unit:
        fields: list[str] = []
        if self.source.format != "json":
            check_text(origin.path, origin.shown, self.source)
        if self.source.format == "csv":
            fields = self._columns(origin)
        unit = Unit(
            unit=f"{self.name}/{self.lake.run_id}/{origin.number:05d}-{unit_name(origin.path.name)}",
            source=self.name,
            file=origin.file,
            origin=printable(str(origin.path)),
            run_id=self.lake.run_id,
            landed_at=now(),
            sha256="",
            bytes=0,
            state="landed",
            fields=fields,
        )
        return self.lake.landing.copy_file(unit, origin.path)

    def _columns(self, origin: _Origin) -> list[str]:
        """The file's columns. Raises SourceError for one that is required, or mapped and in no file of the source yet."""
        wanted = [theirs(self.source, ours) for ours in ENTITIES[self.source.entity].fields.of_header]
        found = check_header(origin.path, origin.shown, self.source, _required(self.source), wanted)
        if found:
            mapped = {
                ours: name for ours, name in mapped_columns(self.source).items() if not headers.places(found, name)
            }
            never = {ours: name for ours, name in mapped.items() if not self._had(name)}
            headers.refuse_missing(origin.shown, found, never, "mapped column", "Correct")
        return found

    def _had(self, name: str) -> bool:
        """Whether a file of the source had a column: one that landed, or one of this run."""
        landed = any(headers.places(control.fields, name) for control in self.control)
        return landed or any(headers.places(fields, name) for fields in self._columns_of_this_run)

    @cached_property
    def _columns_of_this_run(self) -> list[list[str]]:
        """Of all files, whatever their order. Asked for only where one lacks a column."""
        found = []
        for path in self.paths:
            try:
                found.append(headers.names(read_header(path, self.source) or "", self.source))
            except (SourceError, ValueError, OSError):  # said where that file is landed
                continue
        return found

    def _checked(self, unit: Unit, origin: _Origin) -> Unit:
        """The unit, with what a look into its landed bytes tells. Raises SourceError for damaged gzip data."""
        path = self.lake.landing.path(unit.unit)
        check_whole(path, origin.shown)
        if self.source.format != "json":
            return unit
        found = split(path, origin.shown, self.source)
        self.lake.landing.hold(unit, found.batches)
        self._complain(origin, unit.sha256, Unread(found.trouble) if found.trouble else None)
        return replace(unit, records=found.records, defect="document_invalid" if found.trouble else None)

    def _reads_better(self, origin: _Origin, known: Mapping[str, Any]) -> bool:
        """Whether a document or CSV that landed as one that cannot be read can be read now: a setting was wrong.

        If it cannot, that is said again. Control rows from before `defect` stood in them tell by one record only.
        """
        if self.source.format == "csv" and known.get("defect"):
            told = Told()
            for _ in split_lines(origin.path, self.source, told):
                pass
            self._complain(origin, known["sha256"], unread(told))
            return told.broken is None
        if self.source.format != "json" or known.get("records") != 1:
            return False
        found = split(origin.path, origin.shown, self.source)
        if found.trouble:
            self._complain(origin, known["sha256"], Unread(found.trouble))
            return False
        return "defect" in known or found.records != 1

    def _complain(self, origin: _Origin, sha256: str, unread: Unread | None) -> None:
        if unread and not self.source.dismisses(sha256):
            self.report.failed.append(unread.line(self.name, origin.shown, sha256))

    def _has_records(self, unit: Unit) -> bool:
        if self.source.format == "json":
            return unit.records > 0
        return unit.bytes > _MAY_BE_EMPTY_BYTES or has_records(self.lake.landing.path(unit.unit), self.source)


def _required(source: Source) -> dict[str, str]:
    """Our names of the columns that a header must have, to the source's own."""
    key, *others = ENTITIES[source.entity].required
    needed = [ours for ours in ([key] if source.key == "default" else []) + others if ours not in source.defaults]
    return {ours: theirs(source, ours) for ours in needed} | {name: name for name in source.key_columns}


def mapped_columns(source: Source) -> dict[str, str]:
    """Our names of the columns of a CSV that its mapping names, to the source's own. Lines of an order lie in JSON."""
    return {ours: name for ours, name in source.mapping.items() if not ours.startswith("items.")}
