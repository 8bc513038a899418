"""Names of the members of JSON records: what a source has, what is new in it, and what its mapping names and it lacks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

_SAMPLED = 200
"""Records per batch (a part of a document, or 32 MiB of JSON lines) that are looked at for their fields."""
_MOST_MEMBERS = 200
"""An object with more members than any record of a shop names things by their ids: those are data, and no names."""
_DEEPEST = 10


def of_batch(batch: pa.RecordBatch) -> set[str]:
    """Dotted paths of the members of the first JSON records of a batch; those of a list's objects as of its own."""
    found: set[str] = set()
    for text in batch.column("raw").slice(0, _SAMPLED).to_pylist():
        found |= of_record(text)
    return found


def of_record(text: str) -> set[str]:
    """Of one record; nothing where it is no JSON object."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return set()
    return set(_paths(value, "", _DEEPEST)) if isinstance(value, dict) else set()


def _paths(value: Any, prefix: str, depth: int) -> Iterator[str]:
    if isinstance(value, list):
        for element in value:
            yield from _paths(element, prefix, depth)
    elif isinstance(value, dict) and depth and len(value) <= _MOST_MEMBERS:
        for name, member in value.items():
            # JSON may escape half of a surrogate pair, which no file of ours could hold.
            path = prefix + name.encode("utf-8", "backslashreplace").decode("utf-8")
            yield path
            if isinstance(member, dict | list):
                yield from _paths(member, f"{path}.", depth - 1)


def with_parents(paths: Iterable[str]) -> set[str]:
    """The paths, and what they lead through: `a.b` leads through `a`."""
    found = set[str]()
    for path in paths:
        parts = path.split(".")
        found |= {".".join(parts[:end]) for end in range(1, len(parts) + 1)}
    return found


def new(seen: set[str], known: set[str], earlier: Iterable[str]) -> set[str]:
    """What is news of the fields seen: not what lies within something new.

    Within an object that is known only what came after `earlier` commits is news: a first one would tell all that nobody maps.
    """
    looked_within = any("." in path for path in earlier)
    fresh = seen - known
    told = fresh if looked_within else {path for path in fresh if "." not in path}
    return {path for path in told if not _lies_within(path, fresh)}


def _lies_within(path: str, others: set[str]) -> bool:
    parts = path.split(".")
    return any(".".join(parts[:end]) in others for end in range(1, len(parts)))
