"""Orders whose lines or refunds come in pages of their own: what in a record says that there are more of them elsewhere.

The marks are paths of the source's `lines_incomplete_paths`, looked up in the record, in each object on the way to its lines
(`lineItems` and `lineItems.edges` for `items = "lineItems.edges"`) and in `refunds`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from saleslake.config import Source
from saleslake.silver.judge.reading import at_path, theirs
from saleslake.silver.judge.rules import noted
from saleslake.silver.judge.texts import AROUND, text_of

_NOTHING = ("", "false", "0", "[]", "{}")
"""What a mark says, as text, where nothing follows; null as well."""
_SHOWN = 100

RULE = noted(
    "lines_incomplete",
    "error",
    "the record says that more of its lines or refunds are on another page, or holds an object in place of the lines",
    fixed=True,
)
"""Fixed: an order with fewer lines than it has is worth less than it was sold for."""


def finder(source: Source) -> Callable[[Any, Any], str | None]:
    """(the record, what stands in place of its lines) -> what says that lines are missing; None where nothing does."""
    parts = [] if source.is_csv else theirs(source, "items").split(".")
    marks = [path.split(".") for path in source.lines_incomplete_paths]
    first = frozenset(path[0] for path in marks)
    all_within_reach = len(parts) < 2
    """Whether no object stands between the record and its lines."""
    holders = [parts[:n] for n in range(1, len(parts) + 1)] + [["refunds"]]

    def find(whole: dict[str, Any] | None, items: Any) -> str | None:
        if (
            type(items) is list
            and all_within_reach
            and (whole is None or (first.isdisjoint(whole) and "refunds" not in whole))
        ):
            return None
        if whole is not None:
            said = None if first.isdisjoint(whole) else _mark(whole, [], marks)
            for holder in holders:
                within = whole.get(holder[0]) if len(holder) == 1 else at_path(whole, holder)
                if said is None and type(within) is dict and not first.isdisjoint(within):
                    said = _mark(within, holder, marks)
            if said is not None:
                return f"more lines or refunds are on another page: {said}"
        if type(items) is dict and items:
            return f"items: an object of {', '.join(items)[:_SHOWN]}, no array: map items to the array in it"
        return None

    return find


def _mark(within: dict[str, Any], holder: list[str], marks: list[list[str]]) -> str | None:
    """The first mark in an object and what it says, as text like `lineItems.pageInfo.hasNextPage = true`."""
    for path in marks:
        text = text_of(at_path(within, path))
        if text is not None and text.strip(AROUND) not in _NOTHING:
            return f"{'.'.join([*holder, *path])} = {text[:_SHOWN]}"
    return None
