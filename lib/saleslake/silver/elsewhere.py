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
from saleslake.silver.reading import JSON_BOMB, json_path, theirs

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
    paths = [f"{base}{path}" for base in _bases(source) for path in source.lines_incomplete_paths]
    if not paths:
        return F.lit(None).cast("string")
    # One lambda, interpreted for the few records that may be marked. A condition for each would be compiled for every run.
    known = F.array(*[F.struct(F.lit(path).alias("path"), F.lit(json_path(path)).alias("json")) for path in paths])

    def read(mark: Column) -> Column:
        value = F.call_function("get_json_object", raw, mark["json"])  # its namesake of `functions` takes no column
        return F.struct(mark["path"].alias("path"), value.alias("value"))

    first = F.get(F.filter(F.transform(known, read), lambda mark: ~mark["value"].rlike(_NOTHING)), F.lit(0))
    shown = F.concat(first["path"], F.lit(" = "), F.substring(first["value"], 1, _SHOWN))
    return F.when(may_be_marked(raw, source) & ~raw.rlike(JSON_BOMB), shown)


def _bases(source: Source) -> list[str]:
    """Where marks are looked up: beginnings of their paths, "" for the record itself."""
    parts = theirs(source, "items").split(".")
    return ["", *(".".join(parts[:n]) + "." for n in range(1, len(parts) + 1)), "refunds."]


def _keys_instead_of_lines(source: Source) -> Column:
    """The keys of an object that stands where the lines should, as text; NULL where an array, nothing or `{}` does."""
    is_object = F.col("items").isNull()
    text = F.col("items_json")
    if not source.is_csv:
        is_object = is_object & ~F.col("raw").rlike(JSON_BOMB)
        text = F.get_json_object("raw", json_path(theirs(source, "items")))
    keys = F.json_object_keys(F.when(is_object, text))
    return F.when(F.size(keys) > 0, F.substring(F.array_join(keys, ", "), 1, _SHOWN))
