"""The key of an API's record, told from its text without Spark: what overlaps and stated totals are counted by."""

from __future__ import annotations

from collections.abc import Callable

from saleslake.config import Settings, Source
from saleslake.silver.contract import Entity
from saleslake.silver.judge.reading import at_path, json_value, theirs
from saleslake.silver.judge.texts import identifiers, joined


def identifier(source: Source, entity: Entity, settings: Settings) -> Callable[[str], str | None]:
    """What tells the key of a record as the judge reads it; None where it has none that can be read."""
    names = source.key_columns or (theirs(source, entity.required[0]),)
    paths, longest = [name.split(".") for name in names], settings.run.longest_key
    read = identifiers(longest)

    def identify(text: str) -> str | None:
        try:
            whole = json_value(text)
        except ValueError:
            return None
        found = [at_path(whole, path) for path in paths]
        return read(found[0]) if len(found) == 1 else joined(read, found, longest)

    return identify
