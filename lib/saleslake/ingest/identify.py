"""The key of an API's record, told from its text without Spark: what overlaps and stated totals are counted by."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from saleslake.config import Source
from saleslake.silver.contract import Entity
from saleslake.silver.judge.reading import theirs
from saleslake.silver.judge.texts import WHITESPACE


def identifier(source: Source, entity: Entity) -> Callable[[str], str | None]:
    """What tells the key of a record by the source's own name for the entity's key; None where it has none that can be read.

    Numbers keep their text, and white space around a key does not count, as in silver.
    """
    path = theirs(source, entity.required[0]).split(".")

    def identify(text: str) -> str | None:
        try:
            value: Any = json.loads(text, parse_int=str, parse_float=str, parse_constant=_no_key)
        except (ValueError, RecursionError):
            return None
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return (value.strip(WHITESPACE) or None) if isinstance(value, str) else None

    return identify


def _no_key(_: str) -> None:
    return None
