"""Orders whose lines or refunds come in pages of their own: what in a record says that there are more of them elsewhere.

The marks are paths of the source's `lines_incomplete_paths`, looked up in the record, in each object on the way to its lines
(`lineItems` and `lineItems.edges` for `items = "lineItems.edges"`) and to its refunds, and in `refunds`. Where refunds are
mapped, in each of them and on the way to its lines, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    refunds = theirs(source, "refunds").split(".")
    looked_at = frozenset(["refunds", refunds[0], *(path.split(".")[0] for path in source.lines_incomplete_paths)])
    all_within_reach = len(parts) < 2
    """Whether no object stands between the record and its lines."""
    usual = [["refunds"]] if refunds != ["refunds"] else []
    mark_in = marks(source, [*_ways(parts), *_ways(refunds), *usual])

    def find(whole: dict[str, Any] | None, items: Any) -> str | None:
        if type(items) is list and all_within_reach and (whole is None or looked_at.isdisjoint(whole)):
            return None
        if whole is not None:
            said = mark_in(whole)
            if said is not None:
                return f"more lines or refunds are on another page: {said}"
        if type(items) is dict and items:
            return f"items: an object of {', '.join(items)[:_SHOWN]}, no array: map items to the array in it"
        return None

    return find


def of_refund(source: Source) -> Callable[[dict[str, Any]], str | None]:
    """A refund -> what says that lines of it are missing; None where nothing does."""
    return marks(source, _ways(theirs(source, "refunds.items").split(".")))


def marks(source: Source, holders: Sequence[list[str]]) -> Callable[[dict[str, Any]], str | None]:
    """Looks for the first mark in an object, and in those that lie at these paths in it."""
    found = [path.split(".") for path in source.lines_incomplete_paths]
    first = frozenset(path[0] for path in found)

    def mark_in(whole: dict[str, Any]) -> str | None:
        said = None if first.isdisjoint(whole) else _mark(whole, [], found)
        for holder in holders:
            within = whole.get(holder[0]) if len(holder) == 1 else at_path(whole, holder)
            if said is None and type(within) is dict and not first.isdisjoint(within):
                said = _mark(within, holder, found)
        return said

    return mark_in


def _ways(parts: list[str]) -> list[list[str]]:
    """Each place on the way to a path, and the path."""
    return [parts[:n] for n in range(1, len(parts) + 1)]


def _mark(within: dict[str, Any], holder: list[str], marks: list[list[str]]) -> str | None:
    """The first mark in an object and what it says, as text like `lineItems.pageInfo.hasNextPage = true`."""
    for path in marks:
        text = text_of(at_path(within, path))
        if text is not None and text.strip(AROUND) not in _NOTHING:
            return f"{'.'.join([*holder, *path])} = {text[:_SHOWN]}"
    return None
