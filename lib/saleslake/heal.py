"""Self-healing: finds silver and gold tables that lost files or that somebody else wrote to, and has them rebuilt."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from saleslake import bronze
from saleslake.engine.log import actions
from saleslake.errors import first_line
from saleslake.lake import Lake
from saleslake.state import Pin, State
from saleslake.table import Table


@dataclass(frozen=True)
class Damage:
    """What is wrong with a table, in words for a person."""

    table: Table
    what: str


def inspect(lake: Lake, tables: Iterable[Table], state: State) -> tuple[list[Damage], dict[str, Pin]]:
    """(damages, pins of the sound tables). A table that does not exist yet and was never known is sound."""
    damages, sound = [], {}
    for table in tables:
        what, pin = _inspect_one(lake, table, state)
        if what:
            damages.append(Damage(table, what))
        elif pin:
            sound[table.full_name] = pin
    return damages, sound


def _inspect_one(lake: Lake, table: Table, state: State) -> tuple[str, Pin | None]:
    known = state.known.get(table.full_name)
    if table.full_name in state.rebuild:
        return "its rebuild was interrupted", None
    if not lake.exists(table):
        return ("the table is gone" if known else ""), None
    try:
        snapshot = lake.snapshot(table)
        pin = str(snapshot.metadata().id), int(snapshot.version())
        lost = _missing(lake, table, snapshot)
        other = _other_columns(table, snapshot)
    except DeltaError as e:
        return f"its log cannot be read ({first_line(e)[:120]})", None
    if lost:
        return f"{len(lost)} data file(s) missing, e.g. {lost[0]}", None
    if other:
        return f"made by another version of saleslake: {other}", None
    foreign = foreign_commits(lake, table, known, pin)
    if foreign:
        return f"written by somebody else: {foreign}", None
    return "", pin


def missing_files(lake: Lake, table: Table, version: int | None = None) -> list[str]:
    """Data files the table's log names, in the version or now, and the disk does not have, relative to the table."""
    return _missing(lake, table, lake.snapshot(table, version))


def _missing(lake: Lake, table: Table, snapshot: DeltaTable) -> list[str]:
    root = lake.place("tables", table.layer, table.name)
    # URIs, so a blank in the folder's name is `%20`.
    uris = [unquote(uri.removeprefix("file://")) for uri in snapshot.file_uris()]
    if isinstance(root, Path):
        return sorted(str(path.relative_to(root)) for path in map(Path, uris) if not path.exists())
    # One listing instead of a question a file.
    there = {file.key for file in root.files()} if uris else set()
    keys = [uri.partition("://")[2] for uri in uris]
    return sorted(key.removeprefix(f"{root.key}/") for key in keys if key not in there)


def _other_columns(table: Table, snapshot: DeltaTable) -> str:
    """What of the table's columns, or of the members in them, is not as this version has them; empty where all is."""
    there = dict(_columns(json.loads(snapshot.schema().to_json())))
    ours = dict(_columns(table.schema.jsonValue()))
    differ = sorted(name for name in there.keys() | ours.keys() if there.get(name) != ours.get(name))
    return f"column {', '.join(differ)}" if differ else ""


def _columns(schema: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """(name, type) of each column of a schema as Spark writes it; those of structs after them, as `items.sku`."""
    for column in schema["fields"]:
        name, kind = f"{prefix}{column['name']}", column["type"]
        if isinstance(kind, dict) and kind["type"] == "array":
            kind = kind["elementType"]
        if isinstance(kind, dict):
            yield from _columns(kind, f"{name}.")
        else:
            yield name, kind


def foreign_commits(lake: Lake, table: Table, known: Pin | None, now: Pin) -> str:
    """The first commit after `known` that changed data and does not carry saleslake's signature; empty if none."""
    if known is not None and known[0] != now[0]:
        return "the table was replaced by another"
    if known is not None and known[1] > now[1]:
        return f"its version went back from {known[1]} to {now[1]}"
    first = known[1] + 1 if known else 0
    log = lake.place("tables", table.layer, table.name, "_delta_log")
    for version in range(first, now[1] + 1):
        try:
            found = actions((log / f"{version:020d}.json").read_bytes())
        except FileNotFoundError:
            if known is None:
                continue  # cleaned up long ago; nothing is known about it
            return f"version {version} is no longer in the log, so it cannot be told who wrote it"
        info: dict[str, object] = next((a["commitInfo"] for a in found if "commitInfo" in a), {})
        ours = str(info.get("userMetadata", "")).startswith("saleslake ")
        changes = any(a.get(kind, {}).get("dataChange") for a in found for kind in ("add", "remove"))
        changes = changes or (version > 0 and any("metaData" in a for a in found))
        if changes and not ours:
            return f"version {version} is a {info.get('operation', 'commit')} of {info.get('engineInfo', 'another writer')}"
    return ""


def lost_bronze(lake: Lake, sources: Iterable[str]) -> dict[str, str]:
    """Sources whose bronze table lost files or its log, and what to do: nothing below it can bring them back by itself."""
    problems = {}
    for source in sources:
        table = bronze.holding(lake, source)
        try:
            lost = missing_files(lake, table) if lake.exists(table) else []
        except (DeltaError, OSError) as e:
            what = f"its log cannot be read ({first_line(e)[:120]})"
        else:
            what = f"{len(lost)} data file(s) missing, e.g. {lost[0]}" if lost else ""
        if what:
            problems[source] = (
                f"{table.full_name}: {what}: restore them from a backup, or move {lake.path(table)} away and run again: "
                f"what is in {lake.folder('landing', source)} is taken up anew"
            )
    return problems
