"""Orders whose lines are no plain array of what was sold: objects, JSON as text, and lines beside those that count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from saleslake.config import Source
from saleslake.silver.judge.reading import at_path, json_value
from saleslake.silver.judge.texts import trimmed

LEFT_OUT = object()
"""Stands in the place of a line that `lines_where` leaves out, so that the others keep their numbers."""
_SHOWN = 10
"""Line numbers in a message."""


def shaper(source: Source) -> Callable[[Any], Any] | None:
    """Makes an array of what stands in place of the lines, by `items_as`; None where nothing need be done."""
    if source.items_as == "object":
        return lambda items: list(items.values()) if type(items) is dict else items
    return _of_text if source.items_as == "json" else None


def _of_text(items: Any) -> Any:
    if type(items) is not str:
        return items
    try:
        return json_value(items)
    except ValueError:
        return items


def chooser(source: Source) -> Callable[[list[Any]], tuple[list[Any], str]] | None:
    """Leaves out lines by `lines_where`: (the array with LEFT_OUT in their places, which they were); None: none are."""
    if not source.lines_where:
        return None
    wanted = {tuple(path.split(".")): frozenset(texts) for path, texts in source.lines_where.items()}

    def choose(items: list[Any]) -> tuple[list[Any], str]:
        chosen = [item if type(item) is not dict or _is_wanted(item, wanted) else LEFT_OUT for item in items]
        out = [number for number, item in enumerate(chosen, 1) if item is LEFT_OUT]
        shown = ", ".join(map(str, out[:_SHOWN])) + (", …" if len(out) > _SHOWN else "")
        return chosen, f"line {shown}: not in lines_where" if out else ""

    return choose


def _is_wanted(item: dict[str, Any], wanted: Mapping[tuple[str, ...], frozenset[str]]) -> bool:
    return all((trimmed(at_path(item, path)) or "") in texts for path, texts in wanted.items())
