"""Which source an event belongs to: told by its type field or, where that is missing, by the key it carries."""

from __future__ import annotations

from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from saleslake.config import Settings, Source
from saleslake.errors import ConfigError
from saleslake.silver.reading import OPTIONS, csv_cells, plant, struct_of, theirs, walk
from saleslake.values import timestamp, trimmed

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


def routed(lines: DataFrame, settings: Settings) -> DataFrame:
    """Adds source, event_time (UTC, NULL where unreadable); sets header and defect. Grain: one row a line, in and out.

    Takes columns raw, header, defect and whatever else. What does not look like JSON goes to the source of CSV events, if there
    is one and the line has its delimiter; what nobody claims goes to the first source, whose rules name what is wrong.
    """
    sources = event_sources(settings)
    json = {name: source for name, source in sources.items() if not source.is_csv}
    csv = {name: source for name, source in sources.items() if source.is_csv}
    tree: dict[str, Any] = {}
    plant(tree, settings.stream.type_field, T.StringType())
    for source in json.values():
        for name in (KEYS[source.entity], TIMES[source.entity]):
            plant(tree, theirs(source, name), T.StringType())
    is_object = F.coalesce(F.col("raw").rlike(r"^\s*\{"), F.lit(False))
    parsed = F.from_json(F.when(is_object, F.col("raw")), struct_of(tree), OPTIONS)
    # A generator is evaluated once: selected from twice, the line would be parsed twice.
    frame = lines.select("*", is_object.alias("_is_object"), F.inline(F.array(F.struct(parsed.alias("_e")))))
    type_ = F.lower(trimmed(walk(F.col("_e"), settings.stream.type_field)))
    by_csv = _csv_source(csv)
    is_json = F.coalesce(F.col("raw").rlike(r"^\s*[\{\[]"), F.lit(True))
    source_of = F.when(~is_json & by_csv.isNotNull(), by_csv).otherwise(
        F.coalesce(_by_type(json, type_), _by_key(json, type_), F.lit(next(iter(json))))
    )
    unknown = F.col("_is_object") & type_.isNotNull() & _by_type(json, type_).isNull()
    frame = frame.withColumns(
        {"source": source_of, "defect": F.coalesce("defect", F.when(unknown, F.lit(UNKNOWN_TYPE)))}
    )
    frame = frame.withColumn("header", _header(csv))
    return frame.withColumn("event_time", _event_time(json, csv)).drop("_is_object", "_e")


def _by_type(json: dict[str, Source], type_: Column) -> Column:
    chosen = F.lit(None).cast("string")
    for name, source in reversed(json.items()):
        chosen = F.when(type_ == event_type(source), F.lit(name)).otherwise(chosen)
    return chosen


def event_type(source: Source) -> str:
    """The value of the type field that names a source's events."""
    return (source.event_type or source.entity.removesuffix("s")).lower()


def _by_key(json: dict[str, Source], type_: Column) -> Column:
    chosen = F.lit(None).cast("string")
    for name, source in reversed(json.items()):
        key = walk(F.col("_e"), theirs(source, KEYS[source.entity]))
        chosen = F.when(type_.isNull() & key.isNotNull(), F.lit(name)).otherwise(chosen)
    return chosen


def _csv_source(csv: dict[str, Source]) -> Column:
    """The CSV source whose header the line came with, else the first with as many columns as the line has, else the first."""
    chosen = F.lit(None).cast("string")
    for name, source in reversed(csv.items()):
        cells = F.split("raw", rf"\Q{source.delimiter}\E", -1)
        chosen = F.when(F.size(cells) > 1, F.lit(name)).otherwise(chosen)
    for name, source in reversed(csv.items()):
        cells = F.split("raw", rf"\Q{source.delimiter}\E", -1)
        chosen = F.when(F.size(cells) == len(source.columns), F.lit(name)).otherwise(chosen)
    return chosen


def configured_header(source: Source) -> str:
    """The header of lines that come without one."""
    return source.delimiter.join(source.columns)


def _header(csv: dict[str, Source]) -> Column:
    chosen = F.lit(None).cast("string")
    for name, source in csv.items():
        own = F.coalesce(F.col("header"), F.lit(configured_header(source)))
        chosen = F.when(F.col("source") == name, own).otherwise(chosen)
    return chosen


def _event_time(json: dict[str, Source], csv: dict[str, Source]) -> Column:
    text_of = {n: walk(F.col("_e"), theirs(s, TIMES[s.entity])) for n, s in json.items()}
    text_of |= {name: csv_cell(source, TIMES[source.entity]) for name, source in csv.items()}
    chosen = F.lit(None).cast("timestamp")
    for name, text in text_of.items():
        source = (json | csv)[name]
        when = timestamp(text, source.date_formats, source.time_zone)
        chosen = F.when(F.col("source") == name, when).otherwise(chosen)
    return chosen


def csv_cell(source: Source, name: str) -> Column:
    """A cell of the CSV line `raw` by the line `header`, without asking what headers there are; NULL where it is not."""
    cells = csv_cells(F.col("raw"), source.delimiter, source.quote)
    names = F.transform(csv_cells(F.col("header"), source.delimiter, source.quote), lambda name: F.trim(name))
    place = F.array_position(names, theirs(source, name))
    return F.get(cells, (place - 1).cast("int"))
