"""Which source an event belongs to: told by its type field or, where that is missing, by the key it carries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import pyarrow as pa

from saleslake.config import Settings, Source
from saleslake.errors import ConfigError
from saleslake.silver.judge import moments
from saleslake.silver.judge.batches import array
from saleslake.silver.judge.reading import Fields, at_path, json_value, reader, theirs
from saleslake.silver.judge.texts import trimmed
from saleslake.sources.dialect import dialect_of, splitter

AHEAD_SECONDS = 3600
"""An event dated later than this after its landing moves no clock: one dated 9999 would make all others late."""

KEYS = {"orders": "order_id", "transactions": "transaction_id"}
TIMES = {"orders": "created_at", "transactions": "sale_date"}
"""Per entity that events may be of: its key, and when the event happened."""

UNKNOWN_TYPE = "event_type_unknown"


def event_sources(settings: Settings) -> dict[str, Source]:
    """The sources that the stream brings, JSON before CSV.

    Raises ConfigError if there is none, or one that events cannot be of.
    """
    found = {name: source for name, source in settings.sources.items() if source.is_stream}
    if not any(source.format == "events" for source in found.values()):
        raise ConfigError(
            f"{settings.config_file}: no source has format = 'events', so events would have nowhere to go: "
            "add [sources.events_orders] as in conf/saleslake.toml"
        )
    for name, source in found.items():
        if source.entity not in KEYS:
            raise ConfigError(
                f"{settings.config_file}: sources.{name}.entity = {source.entity!r}: events are {' or '.join(KEYS)}"
            )
    return dict(sorted(found.items(), key=lambda item: item[1].is_csv))


class Route(NamedTuple):
    """Where an event goes. `event_time`: when it happened, µs since 1970 in UTC; None where that cannot be read."""

    source: str
    header: str | None
    defect: str | None
    event_time: int | None


Router = Callable[[str | None, str | None, str | None], Route]
"""(raw, header, defect) of a line -> its route."""


def routed(lines: pa.Table, settings: Settings) -> pa.Table:
    """Sets source, header and defect of lines of events, and adds past_time. Grain: one row a line, in and out.

    past_time: event time, UTC; NULL where it is unreadable or more than AHEAD_SECONDS after landing.
    """
    batches = list(_route_all(settings, lines.combine_chunks().to_batches()))
    return pa.Table.from_batches(batches) if batches else lines.append_column("past_time", pa.nulls(0, _MICROS))


_MICROS = pa.timestamp("us", tz="UTC")
_SETS = {"source": 0, "header": 1, "defect": 2}


def _route_all(settings: Settings, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    route = router(settings)
    for batch in batches:
        texts = [batch.column(name).to_pylist() for name in ("raw", "header", "defect")]
        found = [route(*line) for line in zip(*texts, strict=True)]
        landed_at = batch.column("landed_at").cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_pylist()
        past = [past_time(each.event_time, at) for each, at in zip(found, landed_at, strict=True)]
        columns = [
            array([each[_SETS[name]] for each in found], pa.string()) if name in _SETS else batch.column(name)
            for name in batch.schema.names
        ]
        yield pa.RecordBatch.from_arrays([*columns, array(past, _MICROS)], names=[*batch.schema.names, "past_time"])


def past_time(event_time: int | None, landed_at: int) -> int | None:
    """When an event happened, unless that is ahead of the clock of its landing; µs since 1970."""
    return event_time if event_time is not None and event_time <= landed_at + AHEAD_SECONDS * 1_000_000 else None


def router(settings: Settings) -> Router:
    """Tells the source of a line, and when what it tells of happened.

    What does not look like JSON goes to the source of CSV events, if there is one and the line has its delimiter; what nobody
    claims goes to the first source, whose rules name what is wrong.
    """
    sources = event_sources(settings)
    json = {name: source for name, source in sources.items() if not source.is_csv}
    csv = {name: source for name, source in sources.items() if source.is_csv}
    first = next(iter(json))
    by_type = {event_type(source): name for name, source in reversed(json.items())}
    type_path = settings.stream.type_field.split(".")
    keys = {name: theirs(source, KEYS[source.entity]).split(".") for name, source in json.items()}
    times = {name: theirs(source, TIMES[source.entity]).split(".") for name, source in json.items()}
    moment = {name: moments.reader(source.date_formats, source.time_zone) for name, source in sources.items()}
    # As the record has it: a default says nothing of when an event happened.
    time_in = {
        name: reader(source.model_copy(update={"defaults": {}}), Fields((TIMES[source.entity],)))
        for name, source in csv.items()
    }

    def route(raw: str | None, header: str | None, defect: str | None) -> Route:
        begins = "" if raw is None else raw.lstrip(_SPACE)[:1]
        if raw is not None and begins not in ("{", "["):
            name = _csv_source(csv, raw)
            if name is not None:
                header = header if header is not None else configured_header(csv[name])
                return Route(name, header, defect, moment[name](time_in[name](raw, header).values[0]))
        whole = _object(raw) if raw is not None and begins == "{" else None
        type_ = (trimmed(at_path(whole, type_path)) or "").lower()
        named = by_type.get(type_)
        if type_ and named is None:
            defect = UNKNOWN_TYPE if defect is None else defect
        elif named is None:
            named = next((name for name, path in keys.items() if at_path(whole, path) is not None), None)
        name = named or first
        return Route(name, None, defect, moment[name](at_path(whole, times[name])))

    return route


_SPACE = " \t\r\n\x0b\x0c"


def _object(raw: str) -> Any:
    try:
        return json_value(raw)
    except ValueError:
        return None


def event_type(source: Source) -> str:
    """The value of the type field that names a source's events."""
    return (source.event_type or source.entity.removesuffix("s")).lower()


def _csv_source(csv: dict[str, Source], raw: str) -> str | None:
    """The first CSV source with as many columns as the line has, else the first whose delimiter is in it."""
    counts = {name: _cells(source, raw) for name, source in csv.items()}
    fits = [name for name, count in counts.items() if count == len(csv[name].columns)]
    return next(iter(fits + [name for name, source in csv.items() if source.delimiter in raw]), None)


def _cells(source: Source, raw: str) -> int:
    """How many cells the line has for this source; a delimiter at its end begins none."""
    cells = splitter(dialect_of(source))(raw)
    if cells is None:
        return raw.count(source.delimiter) + 1
    return len(cells) - (len(cells) == len(source.columns) + 1 and not cells[-1])


def configured_header(source: Source) -> str:
    """The header of lines that come without one."""
    return source.delimiter.join(source.columns)
