"""The files of one source, and what is said of its paths: what is missing, empty, cannot be entered or is left alone."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

import structlog

from saleslake.charsets import printable
from saleslake.config import Settings
from saleslake.config_storage import is_object
from saleslake.ingest.report import Landed
from saleslake.sources.paths import Found, find
from saleslake.store import Place

_NAMES_SHOWN = 5


def look(settings: Settings, name: str, known: Collection[str], report: Landed) -> list[Place]:
    """The files that a source names, sorted, each once. `known`: those it had, as bronze calls them.

    What cannot be read is added to the report's failures; a path without files too, or to its notes: `Source.no_files`.
    """
    source = settings.sources[name]
    every = [find(settings.resolve(path), settings.storage) for path in source.path]
    files: dict[str, Place] = {str(file): file for found in every for file in found.files}
    for found in every:
        report.failed += found.failed
        if found.left_alone:
            structlog.get_logger().info(
                "names_left_alone",
                source=name,
                path=printable(found.path),
                names=len(found.left_alone),
                first=[printable(path) for path in found.left_alone[:_NAMES_SHOWN]],
            )
        if found.missing:
            (report.failed if source.no_files == "fail" else report.notes).append(_missing(settings, name, found))
        elif not found.files and not found.failed:
            had = len(known) if not files else len(_below(settings, found.path, known))
            line = f"sources.{name}.path: no file to read in {printable(found.path)}"
            if found.left_alone:
                line += f" (names left alone, because hidden or temporary: {len(found.left_alone)})"
            if not had:
                report.notes.append(line)
                continue
            line += f", and {had:,} landed from there before"
            if source.no_files == "fail":
                fix = f'; put them back, or set sources.{name}.no_files = "say" if files are taken away once they are loaded'
                report.failed.append(line + fix)
            else:
                report.notes.append(line)
    return [files[path] for path in sorted(files, key=Path)]


def missing(settings: Settings, sources: Collection[str]) -> list[str]:
    """A line for each local path of these sources that names nothing. Quick, so that it can be said before Spark starts."""
    lines = []
    for name in sources:
        source = settings.sources[name]
        for path in map(settings.resolve, source.path if source.format != "api" else ()):
            if not is_object(path) and not os.path.lexists(path) and (found := find(path, settings.storage)).missing:
                lines.append(_missing(settings, name, found))
    return lines


def _missing(settings: Settings, name: str, found: Found) -> str:
    return (
        f"sources.{name}.path: nothing at {printable(found.path)}; put files there, correct the path in "
        f"{settings.config_file}, or remove the source"
    )


def _below(settings: Settings, path: str, known: Collection[str]) -> list[str]:
    """Those of the known files that lie below a path."""
    if is_object(path):
        return [file for file in known if file.startswith(f"{path}/")]
    top = Path(path).resolve()
    return [file for file in known if (settings.root / file).is_relative_to(top)]
