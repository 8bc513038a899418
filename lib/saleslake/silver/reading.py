"""Bronze to named text: one row a record in, one row a record out, every mapped field a string.

The only parse of the data. JSON fields arrive as the text of their value, so numbers keep every digit;
CSV fields are found by header name, never by position.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from saleslake import bronze
from saleslake.config import Settings, Source
from saleslake.errors import ConfigError
from saleslake.sources.files import header_names
from saleslake.values import trimmed

LINEAGE = ("record_id", "source", "file", "ordinal", "landed_at", "run_id", "content_hash")
"""Columns of bronze that travel with every record."""

EXACT = T.DecimalType(38, 18)
"""How numbers leave the parser: wide enough that rounding and overflow of money can be told afterwards."""

_BOMB = r"[eE][+-]?[0-9]{6}"
"""No exponent of six digits is money, and Java would write out all its zeros, for minutes, to find that out."""
JSON_BOMB = rf"[:,\[]\s*-?[0-9.]+{_BOMB}[0-9]*\s*[,\]}}]"

_END = "__end_of_saleslake_record__"
OPTIONS = {
    # RFC 8259, nothing more lenient.
    "allowSingleQuotes": "false",
    "allowNonNumericNumbers": "false",
    # With Spark's default locale a number in a JSON string loses its commas: "12,50" would become 1250.
    # This one has no comma in its numbers, so such a text is not read here and is judged as text.
    "locale": "en-CH",
}


EMPTY, FRAMED = "empty_message", "registry_framing"
"""Defects of messages that are reasons of their own. After the first the message's key may stand: `empty_message: A1`."""
JSON_BEGINS = r"^[ \t\r\n]*[\{\[]"
_HASH_OF_NOTHING = hashlib.sha256(b"").hexdigest()[: bronze.HASH_LENGTH]


def as_set(rows: DataFrame, settings: Settings) -> DataFrame:
    """Records of bronze as the settings have them read. Grain unchanged.

    JSON that came in the frame of a schema registry is a text like any other where `stream.kafka.framing` says so. What
    has no text, as former versions landed messages without a value, has the empty one.
    """
    raw = F.coalesce("raw", F.lit(""))
    columns = {"raw": raw, "content_hash": F.coalesce("content_hash", F.lit(_HASH_OF_NOTHING))}
    if settings.stream.kafka.framing == "schema_registry_json":
        is_json = F.col("defect").eqNullSafe(F.lit(FRAMED)) & raw.rlike(JSON_BEGINS)
        columns["defect"] = F.when(~is_json, F.col("defect"))
    return rows.withColumns(columns)


@dataclass(frozen=True)
class Fields:
    """What to read of a record: texts and numbers of its header and of each of its lines (`items`)."""

    texts: tuple[str, ...]
    numbers: tuple[str, ...] = ()
    line_texts: tuple[str, ...] = ()
    line_numbers: tuple[str, ...] = ()


def read_records(bronze: DataFrame, source: Source, fields: Fields) -> DataFrame:
    """Grain: one row a bronze record. Columns: LINEAGE, `raw`, `header`, a string for each text field, and

    - for each number `x`: `x` (EXACT, NULL if unreadable) and `x_text` (its text where `x` is NULL and something stands there);
    - `unreadable` (why the record as a whole cannot be read, or NULL), `extra_fields` and `short_fields`
      (a CSV line longer or shorter than its header);
    - where lines are asked for, `parsed_items` (the array as the parser gives it, under the source's own names; NULL,
      or with NULLs, where it gave up), `items_json` (the text the array stands in), and `items`: an array of
      structs with the line fields as above and `is_object`; NULL if there is no array.
    """
    if source.is_csv:
        return with_defaults(_from_csv(bronze, source, fields), source, fields)
    return with_defaults(_from_json(bronze, source, fields), source, fields)


def theirs(source: Source, name: str) -> str:
    """The source's own name of one of our fields. Lines are JSON in a CSV file too."""
    is_json = not source.is_csv or name.startswith("items.")
    return source.mapping.get(
        name, source.mapping.get(_ALSO.get(name, ""), _JSON_NAMES.get(name, name) if is_json else name)
    )


_JSON_NAMES = {
    "order_source": "metadata.source",
    "promo": "metadata.promo",
    "items.quantity": "qty",
    "items.sku": "sku",
    "items.price": "price",
}
"""Where a field lies in the API's JSON unless the mapping says otherwise."""

_ALSO = {"items.quantity": "items.qty"}
"""Names of ours that a mapping may use as well: the API's own word."""


def with_defaults(named: DataFrame, source: Source, fields: Fields) -> DataFrame:
    filled = {}
    for name, value in source.defaults.items():
        if name in fields.texts:
            filled[name] = F.coalesce(F.when(trimmed(F.col(name)).isNotNull(), F.col(name)), F.lit(value))
        elif name in fields.numbers:
            given = F.col(name).isNotNull() | F.col(f"{name}_text").isNotNull()
            filled[name] = F.when(given, F.col(name)).otherwise(F.lit(value).try_cast(EXACT))
    return named.withColumns(filled) if filled else named


# --- JSON ------------------------------------------------------------------------------------------


def parsed(
    bronze: DataFrame, source: Source, fields: Fields, number: T.DataType, unless: Column | None = None
) -> tuple[DataFrame, Column, Column]:
    """One parse of `raw`: bronze's columns and the parse; the record in it, under the source's own names; whether it is whole.

    Numbers are of type `number`: rounded to its scale, NULL where they are none or overflow it. Records for which
    `unless` holds are not parsed; by default those with an exponent that would keep Java busy.
    """
    tree: dict[str, Any] = {}
    for name in fields.texts:
        plant(tree, theirs(source, name), T.StringType())
    for name in fields.numbers:
        plant(tree, theirs(source, name), number)
    if fields.line_texts:
        plant(tree, theirs(source, "items"), T.ArrayType(_line_struct(source, fields, number)))
    record = T.StructType([*struct_of(tree).fields, T.StructField(_END, T.StringType())])
    # The record stands in an array before a sentinel: text after the record, or a second object on the
    # line, breaks or lengthens the array; on its own Spark's parser would stop after the first object.
    wrapped = F.concat(F.lit("["), F.col("raw"), F.lit(f',{{"{_END}":"1"}}]'))
    wrapped = F.when(~(F.col("raw").rlike(JSON_BOMB) if unless is None else unless), wrapped)
    found = F.from_json(wrapped, T.ArrayType(record), OPTIONS)
    # A generator is evaluated once; a struct selected from twice would be parsed twice.
    frame = bronze.select(*LINEAGE, "raw", "header", "defect", F.inline(F.array(F.struct(found.alias("_p")))))
    first = F.get("_p", F.lit(0))
    whole = (F.size("_p") == 2) & F.get("_p", F.lit(1))[_END].eqNullSafe("1") & first.isNotNull()
    return frame, first, F.coalesce(whole & ~F.col("raw").contains(_END), F.lit(False))


def _from_json(bronze: DataFrame, source: Source, fields: Fields) -> DataFrame:
    frame, first, whole = parsed(bronze, source, fields, EXACT)
    columns = [walk(first, theirs(source, name)).alias(name) for name in fields.texts]
    for name in fields.numbers:
        value = walk(first, theirs(source, name))
        columns += [_number(value, F.get_json_object("raw", json_path(theirs(source, name))), name)]
    if fields.line_texts:
        parsed_items = walk(first, theirs(source, "items"))
        columns += [parsed_items.alias("parsed_items"), F.lit(None).cast("string").alias("items_json")]
    read = frame.select(
        *LINEAGE,
        "raw",
        "header",
        F.coalesce("defect", F.when(~whole, F.lit("json_invalid"))).alias("unreadable"),
        F.lit(False).alias("extra_fields"),
        F.lit(False).alias("short_fields"),
        *columns,
    )
    return _with_lines(_unpacked(read, fields), source, fields)


def _with_lines(read: DataFrame, source: Source, fields: Fields) -> DataFrame:
    """Adds `items` where lines are asked for; a reader that does not use it does not pay for it."""
    return read.withColumn("items", lines_in_detail(source, fields)) if fields.line_texts else read


def _number(value: Column, text: Column, name: str) -> Column:
    """A number and, only where it is NULL, its text: the text costs another parse, so it is asked for lazily."""
    fallback = F.when(value.isNull(), text)
    return F.struct(F.coalesce(value, _exact(fallback)).alias("exact"), fallback.alias("text")).alias(f"_{name}")


def _exact(text: Column) -> Column:
    return F.when(~text.rlike(_BOMB), text.try_cast(EXACT))


def _unpacked(read: DataFrame, fields: Fields) -> DataFrame:
    for name in fields.numbers:
        exact, text = F.col(f"_{name}")["exact"], F.col(f"_{name}")["text"]
        read = read.withColumns({name: exact, f"{name}_text": F.when(exact.isNull(), text)}).drop(f"_{name}")
    return read


def lines_in_detail(source: Source, fields: Fields) -> Column:
    """The lines over the columns of `read_records`: an array of structs with each text, each number `x` with `x_text`,

    and `is_object`; re-read one by one as text only where the parser gave up on one of them. NULL if there is no array.
    """
    items = F.col("parsed_items")
    suspicious = items.isNull() | F.exists(items, lambda item: _any_null(item, source, fields))
    texts = T.ArrayType(T.StringType())
    if source.is_csv:
        array = F.from_json("items_json", texts, OPTIONS)
    else:
        path, tree = theirs(source, "items"), dict[str, Any]()
        plant(tree, path, texts)
        array = walk(F.from_json("raw", struct_of(tree), OPTIONS), path)
    none = F.lit(None).cast("string")

    def plain(item: Column) -> Column:
        return _line(item, F.lit(True), source, fields, exact=lambda value: value, text=lambda _: none)

    reread = F.transform(array, lambda element: _text_line(element, source, fields))

    def exact_where_parsed(item: Column, line: Column) -> Column:
        # The text of an element has its numbers written anew as doubles, which keep only 17 digits.
        columns = [line[name].alias(name) for name in fields.line_texts]
        for name in fields.line_numbers:
            value = F.coalesce(line_field(item, source, name), line[name])
            columns += [value.alias(name), F.when(value.isNull(), line[f"{name}_text"]).alias(f"{name}_text")]
        return F.struct(*columns, line["is_object"].alias("is_object"))

    no_items = F.array().cast(T.ArrayType(_line_struct(source, fields, EXACT)))
    exact = F.when(reread.isNotNull(), F.zip_with(F.coalesce(items, no_items), reread, exact_where_parsed))
    return F.when(suspicious, exact).otherwise(F.transform(items, plain))


def line_field(item: Column, source: Source, name: str) -> Column:
    """A field of an element of `parsed_items`."""
    return walk(item, theirs(source, f"items.{name}"))


def _text_line(element: Column, source: Source, fields: Fields) -> Column:
    is_object = F.coalesce(element.startswith("{"), F.lit(False))
    item = F.from_json(F.when(is_object, element), _line_struct(source, fields, T.StringType()), OPTIONS)
    return _line(item, is_object, source, fields, exact=_exact, text=lambda text: text)


def _line(
    item: Column,
    is_object: Column,
    source: Source,
    fields: Fields,
    exact: Callable[[Column], Column],
    text: Callable[[Column], Column],
) -> Column:
    columns = [walk(item, theirs(source, f"items.{name}")).alias(name) for name in fields.line_texts]
    for name in fields.line_numbers:
        value = walk(item, theirs(source, f"items.{name}"))
        columns += [exact(value).alias(name), F.when(exact(value).isNull(), text(value)).alias(f"{name}_text")]
    return F.struct(*columns, is_object.alias("is_object"))


def _any_null(item: Column, source: Source, fields: Fields) -> Column:
    broken = item.isNull()
    for name in (*fields.line_texts, *fields.line_numbers):
        broken = broken | walk(item, theirs(source, f"items.{name}")).isNull()
    return broken


def _line_struct(source: Source, fields: Fields, number: T.DataType) -> T.StructType:
    tree: dict[str, Any] = {}
    for name in fields.line_texts:
        plant(tree, theirs(source, f"items.{name}"), T.StringType())
    for name in fields.line_numbers:
        plant(tree, theirs(source, f"items.{name}"), number)
    return struct_of(tree)


def json_path(dotted: str) -> str:
    """A dotted path as `get_json_object` takes it."""
    return "$" + "".join(f"['{part}']" for part in dotted.split("."))


def walk(value: Column, dotted: str) -> Column:
    for part in dotted.split("."):
        value = value[part]
    return value


def plant(tree: dict[str, Any], dotted: str, type_: T.DataType) -> None:
    *parents, leaf = dotted.split(".")
    for part in parents:
        tree = tree.setdefault(part, {})
        if not isinstance(tree, dict):
            raise ConfigError(f"mapping: {dotted!r} goes through {part!r}, which another mapping reads as a value")
    if isinstance(tree.get(leaf), dict):
        raise ConfigError(f"mapping: {dotted!r} is read as a value, but another mapping goes through it")
    tree[leaf] = type_


def struct_of(tree: dict[str, Any]) -> T.StructType:
    return T.StructType([T.StructField(k, struct_of(v) if isinstance(v, dict) else v) for k, v in tree.items()])


# --- CSV -------------------------------------------------------------------------------------------


def _from_csv(bronze: DataFrame, source: Source, fields: Fields) -> DataFrame:
    headers = sorted(row[0] for row in bronze.select("header").distinct().collect() if row[0] is not None)
    cells = csv_cells(F.col("raw"), source.delimiter, source.quote)
    frame = bronze.select(*LINEAGE, "raw", "header", "defect", F.inline(F.array(F.struct(cells.alias("_c")))))
    names = {header: header_names(header, source) for header in headers}
    width = _by_header({header: F.lit(len(names[header])) for header in headers}, F.lit(0))

    def cell(name: str) -> Column:
        wanted = theirs(source, name)
        at = {h: F.get("_c", F.lit(n.index(wanted))) for h, n in names.items() if wanted in n}
        return _by_header(at, F.lit(None).cast("string"))

    columns = [cell(name).alias(name) for name in fields.texts]
    columns += [_text_number(cell(name), name) for name in fields.numbers]
    if fields.line_texts:
        # Orders as CSV carry their lines as JSON text in one column.
        text = F.when(~cell("items").rlike(JSON_BOMB), cell("items"))
        # An object would be read as an array of one.
        array = F.when(text.rlike(r"^\s*\["), text)
        parsed_items = F.from_json(array, T.ArrayType(_line_struct(source, fields, EXACT)), OPTIONS)
        columns += [parsed_items.alias("parsed_items"), text.alias("items_json")]
    malformed = F.col("_c").isNull()
    read = frame.select(
        *LINEAGE,
        "raw",
        "header",
        F.coalesce("defect", F.when(malformed, F.lit("csv_malformed"))).alias("unreadable"),
        F.coalesce(F.size("_c") > width, F.lit(False)).alias("extra_fields"),
        F.coalesce(~malformed & (F.size("_c") < width), F.lit(False)).alias("short_fields"),
        *columns,
    )
    return _with_lines(_unpacked(read, fields), source, fields)


def _text_number(text: Column, name: str) -> Column:
    given = trimmed(text)
    return F.struct(_exact(given).alias("exact"), given.alias("text")).alias(f"_{name}")


def _by_header(values: dict[str, Column], otherwise: Column) -> Column:
    chosen = otherwise
    for header, value in values.items():
        chosen = F.when(F.col("header") == header, value).otherwise(chosen)
    return chosen


def csv_cells(line: Column, delimiter: str, quote: str) -> Column:
    """The cells of one RFC 4180 line as an array of strings; NULL if a quoted cell is not closed properly.

    A quote inside an unquoted cell is a literal. No regular expression over the cell and no recursion,
    so no line can overflow a stack: the pieces between delimiters are joined while a quote is open.
    """
    pieces = F.split(line, rf"\Q{delimiter}\E", -1)
    q, none = F.lit(quote), F.array().cast("array<string>")

    def join(state: Column, piece: Column) -> Column:
        # `open` holds the pieces of a cell with an odd number of quotes so far: the next odd piece closes it. Pieces,
        # not their text: a cell of thousands of pieces would be copied and counted thousands of times.
        is_open = F.size(state["open"]) > 0
        odd = ((F.length(piece) - F.length(F.replace(piece, q, F.lit("")))) % 2) == 1
        unfinished = F.when(is_open, ~odd).otherwise(piece.startswith(q) & odd)
        cell = F.when(is_open, F.array_join(F.array_append(state["open"], piece), delimiter)).otherwise(piece)
        return F.struct(
            F.when(unfinished, state["done"]).otherwise(F.array_append(state["done"], cell)).alias("done"),
            F.when(unfinished, F.array_append(state["open"], piece)).otherwise(none).alias("open"),
        )

    start = F.struct(none.alias("done"), none.alias("open"))

    def finish(state: Column) -> Column:
        malformed = (F.size(state["open"]) > 0) | F.exists(
            state["done"], lambda c: c.startswith(q) & ~_well_quoted(c, q)
        )
        return F.when(~malformed, F.transform(state["done"], lambda c: _unquoted(c, q)))

    return F.when(~line.contains(quote), pieces).otherwise(F.aggregate(pieces, start, join, finish))


def _inner(cell: Column) -> Column:
    return F.substring(cell, F.lit(2), F.length(cell) - 2)


def _well_quoted(cell: Column, q: Column) -> Column:
    doubled = F.concat(q, q)
    return (F.length(cell) >= 2) & cell.endswith(q) & ~F.replace(_inner(cell), doubled, F.lit("")).contains(q)


def _unquoted(cell: Column, q: Column) -> Column:
    return F.when(cell.startswith(q), F.replace(_inner(cell), F.concat(q, q), q)).otherwise(cell)
