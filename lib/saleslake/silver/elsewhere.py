"""Orders whose lines or refunds come in pages of their own: what in a record says that there are more of them elsewhere.

The marks are paths of the source's `lines_incomplete_paths`, looked up in the record, in each object on the way to its lines
(`lineItems` and `lineItems.edges` for `items = "lineItems.edges"`) and in `refunds`.
"""

from __future__ import annotations

import re

from pyspark.sql import Column
from pyspark.sql import functions as F

from saleslake.config import Source
from saleslake.rules import Rule, RuleInfo
from saleslake.silver.reading import JSON_BOMB, OPTIONS, json_path, theirs

RULE = RuleInfo(
    "lines_incomplete",
    "error",
    True,
    "the record says that more of its lines or refunds are on another page, or holds an object in place of the lines",
)
_NOTHING = r"^\s*(?:false|0|\[\s*\]|\{\s*\})?\s*$"
"""What a mark says where nothing follows; NULL as well."""
_SHOWN = 100


def may_be_marked(raw: Column, source: Source) -> Column:
    """Whether a mark may stand in the record, by its text: quick, and never false where one does."""
    names = sorted({path.split(".")[-1] for path in source.lines_incomplete_paths})
    if not names:
        return F.lit(False)
    first = "".join(sorted({re.escape(name[0]) for name in names}))
    # A name may be written with escapes: of ASCII, which hardly anybody uses, or else any.
    escape = r"\\u00[2-7]" if all(re.fullmatch(r"[\w.@$ -]+", name, re.ASCII) for name in names) else r"\\"
    # Looking at one letter first is what most keys of a record are done with.
    return raw.rlike(rf'"(?=[{first}])(?:{"|".join(map(re.escape, names))})"\s*:|{escape}')


def columns(source: Source) -> tuple[Column, Column]:
    """What `rule` looks at, over the columns of `read_records`."""
    marked = F.lit(None).cast("string") if source.is_csv else _marks(F.col("raw"), source)
    return marked.alias("more_lines"), _keys_instead_of_lines(source).alias("keys_instead")


def rule() -> Rule:
    """Fixed: an order with fewer lines than it has is worth less than it was sold for."""
    more, keys = F.col("more_lines"), F.col("keys_instead")
    message = F.coalesce(
        F.concat(F.lit("more lines or refunds are on another page: "), more),
        F.concat(F.lit("items: an object of "), keys, F.lit(", no array: map items to the array in it")),
    )
    return Rule(RULE.name, more.isNotNull() | keys.isNotNull(), message, fixed=True)


def _marks(raw: Column, source: Source) -> Column:
    """The first mark of a JSON record and what it says, as text like `lineItems.pageInfo.hasNextPage = true`; NULL: none."""
    if not source.lines_incomplete_paths:
        return F.lit(None).cast("string")
    found = F.concat(*[_in(raw, base, source) for base in _bases(source)])
    return F.when(may_be_marked(raw, source) & ~raw.rlike(JSON_BOMB), F.get(found, F.lit(0)))


def _bases(source: Source) -> list[str]:
    """Where marks are looked up: dotted paths, "" for the record itself."""
    parts = theirs(source, "items").split(".")
    return ["", *(".".join(parts[:n]) for n in range(1, len(parts) + 1)), "refunds"]


def _in(raw: Column, base: str, source: Source) -> Column:
    """The marks in one object of the record: an array of texts."""
    text = F.get_json_object(raw, json_path(base)) if base else raw
    # A map, for names that differ in case alone are one name to a struct.
    fields = F.from_json(text, "map<string,string>", OPTIONS)
    said = []
    for path in source.lines_incomplete_paths:
        name, _, rest = path.partition(".")
        value = F.try_element_at(fields, F.lit(name))
        if rest:
            value = F.get_json_object(value, json_path(rest))
        whole = F.lit(f"{base}.{path} = " if base else f"{path} = ")
        said.append(F.when(~value.rlike(_NOTHING), F.concat(whole, F.substring(value, 1, _SHOWN))))
    return F.array_compact(F.array(*said))


def _keys_instead_of_lines(source: Source) -> Column:
    """The keys of an object that stands where the lines should, as text; NULL where an array, nothing or `{}` does."""
    is_object = F.col("items").isNull()
    text = F.col("items_json")
    if not source.is_csv:
        is_object = is_object & ~F.col("raw").rlike(JSON_BOMB)
        text = F.get_json_object("raw", json_path(theirs(source, "items")))
    keys = F.json_object_keys(F.when(is_object, text))
    return F.when(F.size(keys) > 0, F.substring(F.array_join(keys, ", "), 1, _SHOWN))
