"""What a run read and wrote, told from its summary, under the names that OpenLineage gives such things."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from saleslake import bronze
from saleslake.config import Settings
from saleslake.gold import star
from saleslake.ingest.report import Landed
from saleslake.lake import Lake
from saleslake.silver import quarantine
from saleslake.silver.registry import ENTITIES
from saleslake.summary import Summary
from saleslake.table import Table


@dataclass(frozen=True)
class Dataset:
    """A thing read or written; `table` where it is one of ours, `rows` read or written by this run where that is known."""

    namespace: str
    name: str
    table: Table | None = None
    rows: int | None = None


def read_and_written(lake: Lake, summary: Summary) -> tuple[list[Dataset], list[Dataset]]:
    """(inputs, outputs) of a run. A table that the run wrote itself before it read it is an output only."""
    read, written = [*_landed_from(lake.settings, summary)], _Tables(lake)
    needed = _Tables(lake)
    for report in summary.landed:
        if report.units or report.records:
            written.add(bronze.holding(lake, report.source), report.records)
    if summary.stream_input and summary.outcomes:
        written.add(bronze.table_of(bronze.EVENTS), None)
    for name, outcome in summary.outcomes.items():
        entity, sources = _decided(lake.settings, name)
        for table in sources:
            needed.add(table, None)
        if outcome.applied or outcome.deleted:
            written.add(ENTITIES[entity].table, outcome.applied)
        if outcome.quarantined:
            written.add(quarantine.TABLE, outcome.quarantined)
    for change in summary.written:
        if change.anything:
            written.add(star.TABLES[change.table], change.rows)
    if summary.written:
        for table in star.INPUTS.values():
            needed.add(table, None)
    return [*read, *(one for one in needed.datasets() if one.name not in written.names())], list(written.datasets())


class _Tables:
    """Tables in the order in which they were named, the rows of one named twice added up."""

    def __init__(self, lake: Lake):
        self.lake = lake
        self._found: dict[str, Dataset] = {}

    def add(self, table: Table, rows: int | None) -> None:
        namespace, name = place(self.lake.path(table))
        before = self._found.get(name)
        if before is not None and before.rows is not None and rows is not None:
            rows += before.rows
        self._found[name] = Dataset(namespace, name, table, rows)

    def datasets(self) -> Iterator[Dataset]:
        yield from self._found.values()

    def names(self) -> set[str]:
        return set(self._found)


def place(path: str) -> tuple[str, str]:
    """(namespace, name) of a path or URL; never its user, password, parameters."""
    if "://" not in path:
        return "file", path
    parts = urlsplit(path)
    scheme = {"s3a": "s3", "s3n": "s3"}.get(parts.scheme, parts.scheme)
    host = parts.netloc.rpartition("@")[2]
    return f"{scheme}://{host}", parts.path.lstrip("/") if scheme == "s3" else parts.path or "/"


def _landed_from(settings: Settings, summary: Summary) -> Iterator[Dataset]:
    for report in summary.landed:
        yield from _source(settings, report)
    own = settings.stream
    if summary.stream_input == "kafka":
        for topic in own.kafka.topics.split(","):
            yield Dataset(f"kafka://{own.kafka.bootstrap_servers.split(',')[0].strip()}", topic.strip())
    elif summary.stream_input == "files":
        yield Dataset(*place(settings.resolve(own.files.path)))
    elif summary.stream_input == "socket":
        yield Dataset(f"tcp://{own.socket.host}:{own.socket.port}", "lines")


def _source(settings: Settings, report: Landed) -> Iterator[Dataset]:
    source = settings.sources[report.source]
    places = [source.api.url] if source.api is not None else source.path
    rows = report.records + report.left_out if len(places) == 1 else None
    for path in places:
        yield Dataset(*place(settings.resolve(path)), rows=rows)


def _decided(settings: Settings, name: str) -> tuple[str, list[Table]]:
    """(entity, bronze tables it was decided from) by the name of an outcome: a source, `events: x` or `x (all of bronze)`."""
    events = bronze.table_of(bronze.EVENTS)
    if name in settings.sources:
        source = settings.sources[name]
        return source.entity, [events if source.is_stream else bronze.table_of(name)]
    if name.startswith("events: "):
        return name.removeprefix("events: "), [events]
    entity = name.removesuffix(" (all of bronze)")
    of_entity = {n: s for n, s in settings.sources.items() if s.entity == entity}
    return entity, [events if source.is_stream else bronze.table_of(n) for n, source in of_entity.items()]
