"""Records inline, as they are read and as their entity types them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from saleslake.config import Settings
from saleslake.silver.judge.batches import typing_of
from saleslake.silver.judge.reading import reader
from saleslake.silver.registry import ENTITIES
from tests.silver_support import Given, Record


def number(text: str) -> bytes:
    """A number of JSON with a point or an exponent, as its reader makes it (`numbers.Number`)."""
    return text.encode()


class Fields(NamedTuple):
    """One record as read: its values by our names, and what is wrong with it."""

    values: dict[str, Any]
    unreadable: str | None
    extra_fields: bool
    short_fields: bool


def read(settings: Settings, given: Iterable[Given], source: str = "s") -> list[Fields]:
    """The records of a source as read, nothing typed."""
    config = settings.sources[source]
    fields = ENTITIES[config.entity].fields
    read_one, found = reader(config, fields), []
    for record in _records(given):
        one = read_one(record.raw, record.header)
        values = dict(zip(fields.of_header, one.values, strict=True))
        found.append(Fields(values, one.unreadable, one.extra_fields, one.short_fields))
    return found


def typed(settings: Settings, given: Iterable[Given], source: str = "s") -> list[Any]:
    """The records of a source, typed: those of one file, in order, numbered from 1."""
    type_one = typing_of(source, settings)
    return [type_one(each.raw, each.header, each.defect, "f.txt", n) for n, each in enumerate(_records(given), 1)]


def _records(given: Iterable[Given]) -> list[Record]:
    return [Record(each) if isinstance(each, str) else each for each in given]
