"""Rules of a project's own: conditions in SQL over the columns of a silver table, for DuckDB to compute, a batch at a time.

A condition decides by the record alone, so it may use the columns, constants, and what stands in FUNCTIONS: nothing that reads a
clock, a file or another row, nothing by chance, no floating point, and one loop over a list at a time. Regular expressions are RE2's, whose
time grows with the text alone. What else SQL has is refused at start.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from saleslake.config import CustomRule, Severity
from saleslake.errors import ConfigError, first_line
from saleslake.silver.judge.rules import EMPTY, FRAMED, UNREADABLE

FUNCTIONS = (
    "abs", "ceil", "floor", "round", "sign", "+", "-", "*", "%", "mod", "greatest", "least", "nullif",
    "length", "len", "lower", "upper", "trim", "ltrim", "rtrim", "left", "right", "substring", "substr", "||", "concat",
    "starts_with", "ends_with", "contains", "prefix", "suffix", "regexp_matches", "regexp_full_match", "~~", "!~~", "~~*", "!~~*",
    "like_escape", "not_like_escape",
    "year", "month", "day", "hour", "minute", "isodow", "date_part", "date_trunc", "date_diff",
    "list_apply", "list_transform", "list_filter", "list_value", "list_contains", "list_sum", "list_min", "list_max",
    "list_bool_and", "list_bool_or", "list_distinct", "struct_pack", "struct_extract",
)  # fmt: skip
"""By the names that DuckDB's parser gives them: `~~` is LIKE, and a list comprehension is made of `list_apply` and its like."""
CALLED = sorted(
    name for name in FUNCTIONS if name[0].isalpha() and not name.startswith(("struct_", "like_", "not_like_"))
)
"""Those that people write by their names."""
_NODES = {
    "COLUMN_REF", "CONSTANT", "COMPARISON", "CONJUNCTION", "OPERATOR", "BETWEEN", "CASE", "CAST", "FUNCTION", "LAMBDA",
}  # fmt: skip
_TYPES = {
    "BOOLEAN", "INTEGER", "BIGINT", "DECIMAL", "VARCHAR", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "INTERVAL",
}  # fmt: skip
"""What a value may be cast to."""
_PARTS = {"year", "quarter", "month", "week", "day", "hour", "minute", "isodow", "dow", "doy", "isoyear"}
"""Of a moment; others are floating-point numbers."""
_WIDEST = 38
_FAILED = "could not be evaluated on this record, as where a number becomes too large"
UNREAD = frozenset({UNREADABLE, EMPTY, FRAMED})
"""Reasons of a record of which nothing is known: no condition is asked."""


class Conditions:
    """The conditions of a project for one entity, ready to be asked. Raises ConfigError for one that cannot be used.

    `where`: the setting they stand in. `columns`: of a batch of typed records, as Arrow has them. `severities`: of the source,
    over those of the rules themselves.
    """

    def __init__(
        self, where: str, columns: pa.Schema, rules: Sequence[CustomRule], severities: Mapping[str, Severity]
    ) -> None:
        self._columns = pa.schema([field.with_type(_wide(field.type)) for field in columns])
        self._rules = [(rule, severities.get(rule.name, rule.severity)) for rule in rules]
        self._connection = _connection()
        self._used = {columns.names[0]}
        for rule in rules:
            try:
                self._check(rule.condition)
            except ConfigError as e:
                raise ConfigError(f"{where}: condition of {rule.name}: {e}") from None
        # Unknown holds, as in a CHECK; TRY makes NULL of what fails, a record at a time.
        self._sql = (
            f"select {', '.join(f'try(coalesce({_whole(rule.condition)}, true))' for rule in rules)} from records"
        )

    def broken(self, records: pa.RecordBatch) -> Iterator[tuple[str, Severity, str, list[int]]]:
        """Of each rule: its name, its severity, what it says of records, and the numbers of those that break it.

        A rule whose condition fails on a record, as by a number that becomes too large, is broken by it, and says so.
        """
        asked = [field for field in self._columns if field.name in self._used]
        columns = [records.column(field.name).cast(field.type) for field in asked]
        self._connection.register("records", pa.RecordBatch.from_arrays(columns, schema=pa.schema(asked)))
        answers = self._connection.execute(self._sql).to_arrow_table()
        self._connection.unregister("records")
        for (rule, severity), answer in zip(self._rules, answers.columns, strict=True):
            message = rule.message or f"does not hold: {' '.join(rule.condition.split())}"
            yield rule.name, severity, message, _numbers(pc.invert(answer))
            yield rule.name, severity, f"{message} ({_FAILED})", _numbers(pc.is_null(answer))

    def add_to(self, columns: dict[str, Any], records: pa.RecordBatch) -> None:
        """Add what the conditions find to `reasons`, `details`, `warnings` and `discarded_by` of these records."""
        reasons, details, warnings, discarded_by = (
            list(columns[name]) for name in ("reasons", "details", "warnings", "discarded_by")
        )
        for name, severity, message, numbers in self.broken(records):
            for number in numbers:
                if not UNREAD.isdisjoint(reasons[number]):
                    continue
                if severity == "warn":
                    warnings[number] = sorted([*warnings[number], name])
                    continue
                reasons[number] = sorted([*reasons[number], name])
                details[number] = [*details[number], message]
                if severity == "discard":
                    discarded_by[number] = sorted([*discarded_by[number], name])
        columns.update(reasons=reasons, details=details, warnings=warnings, discarded_by=discarded_by)

    def _check(self, condition: str) -> None:
        """Raise ConfigError for what is no condition over the columns, or could fail by the form of a text."""
        parsed, names = self._parsed(condition), {name.lower() for name in self._columns.names}
        _allowed(parsed, names, in_loop=False)
        self._used |= names & set(_first_names(parsed))
        for text in (None, "x"):
            self._connection.register("records", pa.RecordBatch.from_pylist([self._sample(text)], self._columns))
            try:
                found = self._connection.execute(f"select {_whole(condition)} as condition from records")
                type_ = str(found.description[0][1]) if found.description else ""
                found.fetchall()
            except duckdb.Error as e:
                said = first_line(e).partition(": ")[2] or first_line(e)
                hint = "; compare a text with a text in quotes, or read it by try_cast"
                raise ConfigError(f"{said}{hint if isinstance(e, duckdb.ConversionException) else ''}") from None
            finally:
                self._connection.unregister("records")
            if type_ != "BOOLEAN":
                raise ConfigError(f"the condition gives {type_}, and must give true or false")

    def _sample(self, text: str | None) -> dict[str, Any]:
        """A record without values, but for its texts: what fails on it fails by the form of a text, not by a value."""

        def value(type_: pa.DataType) -> Any:
            if pa.types.is_list(type_):
                return None if text is None else [value(type_.value_type)]
            if pa.types.is_struct(type_):
                return {field.name: value(field.type) for field in type_}
            return text if pa.types.is_string(type_) else None

        return {field.name: value(field.type) for field in self._columns}

    def _parsed(self, condition: str) -> dict[str, Any]:
        """The condition as DuckDB's parser understands it."""
        row = self._connection.execute("select json_serialize_sql($sql)", {"sql": f"select {condition}"}).fetchone()
        told = json.loads(row[0] if row else "{}")
        if told.get("error"):
            raise ConfigError(f"no condition of SQL: {told['error_message']}")
        node = told["statements"][0]["node"]
        alone = len(told["statements"]) == 1 and node["type"] == "SELECT_NODE" and len(node.get("select_list", [])) == 1
        if not alone or node["from_table"]["type"] != "EMPTY" or node["modifiers"] or node["select_list"][0]["alias"]:
            raise ConfigError("no condition of SQL: give one expression, such as amount >= 0")
        parsed: dict[str, Any] = node["select_list"][0]
        return parsed


def _connection() -> duckdb.DuckDBPyConnection:
    """DuckDB that reads nothing but what it is given."""
    connection = duckdb.connect(config={"threads": 1, "enable_external_access": False})
    connection.execute("set timezone = 'UTC'")
    connection.execute("set lock_configuration = true")
    return connection


def _whole(condition: str) -> str:
    """As an operand. On lines of its own: it may end with a comment."""
    return f"(\n{condition}\n)"


def _wide(type_: pa.DataType) -> pa.DataType:
    """Decimals of most digits, so that sums and products fit."""
    if pa.types.is_decimal(type_):
        return pa.decimal128(_WIDEST, type_.scale)
    if pa.types.is_list(type_):
        return pa.list_(_wide(type_.value_type))
    if pa.types.is_struct(type_):
        return pa.struct([field.with_type(_wide(field.type)) for field in type_])
    return type_


def _numbers(flags: pa.ChunkedArray) -> list[int]:
    found: list[int] = pc.indices_nonzero(pc.fill_null(flags, False)).to_pylist()
    return found


def _first_names(node: Any) -> Iterator[str]:
    """Of what the condition refers to: columns, and variables of loops."""
    if isinstance(node, dict) and node.get("class") == "COLUMN_REF":
        yield node["column_names"][0].lower()
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _first_names(each)


def _allowed(node: Any, names: set[str], *, in_loop: bool) -> None:
    """Raise ConfigError for what a condition must not use. `names`: columns, and in a loop its variable."""
    if isinstance(node, list):
        for each in node:
            _allowed(each, names, in_loop=in_loop)
    if not isinstance(node, dict):
        return
    kind = node.get("class")
    if kind is not None and kind not in _NODES:
        raise ConfigError(
            f"{kind.lower().replace('_', ' ')}: a condition cannot use it, for it knows its own record alone"
        )
    if kind == "COLUMN_REF" and node["column_names"][0].lower() not in names:
        raise ConfigError(f"{node['column_names'][0]!r} is no column; there are: {', '.join(sorted(names))}")
    if kind == "CONSTANT" and node["value"]["type"]["id"] in ("DOUBLE", "FLOAT"):
        raise ConfigError(f"{node['value']['value']} is a floating-point number: write it without an exponent")
    if kind == "CAST" and node["cast_type"]["id"] not in _TYPES:
        raise ConfigError(f"a cast to {node['cast_type']['id']}: allowed are {', '.join(sorted(_TYPES))}")
    if kind == "FUNCTION":
        _allowed_function(node)
    if kind == "LAMBDA":
        if in_loop or node["lhs"].get("class") != "COLUMN_REF":
            raise ConfigError("a loop within a loop, or one over two variables, is not allowed")
        _allowed(node["expr"], names | {node["lhs"]["column_names"][0].lower()}, in_loop=True)
        return
    for each in node.values():
        _allowed(each, names, in_loop=in_loop)


def _allowed_function(node: dict[str, Any]) -> None:
    name = node["function_name"]
    if name in ("/", "//"):
        raise ConfigError(f"{name} gives a floating-point number: multiply the other side instead")
    if name.startswith("to_"):
        raise ConfigError("write an interval with its unit in quotes: interval '1 day'")
    if name not in FUNCTIONS:
        raise ConfigError(
            f"{name!r} is none of the functions that a condition can use (no clock, no chance, no floating point): "
            f"{', '.join(CALLED)}"
        )
    if name in ("date_part", "date_trunc", "date_diff"):
        part = node["children"][0].get("value", {}).get("value")
        if part not in _PARTS:
            raise ConfigError(f"{name} takes one of these in quotes: {', '.join(sorted(_PARTS))}")
