"""Texts of a record: keys, enumerations, currencies, channels."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

WHITESPACE = " \t\r\n"
"""What surrounds a value without being part of it."""

_CURRENCY = re.compile("[A-Z]{3}")
_IGNORED = re.compile(r"[ \t\r\n\x0B\f_-]")
"""What spellings of a channel may differ in."""


def text_of(value: Any) -> str | None:
    """A value of JSON as text: a string as it is, a number by its digits, an object or array as JSON; None for null."""
    if value is None or type(value) is str:
        return value
    if type(value) is bool:
        return "true" if value else "false"
    return as_json(value) if isinstance(value, dict | list) else str(value)


def as_json(value: Any) -> str:
    """A value of JSON as JSON, without blanks; its numbers keep their digits."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{_quoted(name)}:{as_json(member)}" for name, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(as_json(member) for member in value) + "]"
    if type(value) is str:
        return _quoted(value)
    return "null" if value is None else str(text_of(value))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def is_blank(value: Any) -> bool:
    """Whether nothing stands there: null, or a text of white space alone."""
    return value is None or (type(value) is str and not value.strip(WHITESPACE))


def trimmed(value: Any) -> str | None:
    """A value as text without surrounding white space; None where that leaves nothing."""
    text = value if type(value) is str else text_of(value)
    return (text.strip(WHITESPACE) or None) if text is not None else None


def identifier(value: Any) -> str | None:
    """A key: trimmed; None where an object or array stands in its place."""
    if type(value) is str:
        return value.strip(WHITESPACE) or None
    return None if isinstance(value, dict | list) else trimmed(value)


def currency(value: Any) -> str | None:
    """An ISO 4217 code by its form, three letters of any case; None for anything else."""
    return _currencies[value] if type(value) is str else _currency(text_of(value) or "")


def _currency(text: str) -> str | None:
    bare = text.strip(WHITESPACE)
    code = bare.upper() if bare.isascii() else ""
    return code if _CURRENCY.fullmatch(code) else None


class Remembered(dict[Any, Any]):
    """What was read of texts, up to so many."""

    def __init__(self, read: Callable[[Any], Any], most: int = 10_000):
        super().__init__()
        self._read, self._most = read, most

    def __missing__(self, text: Any) -> Any:
        if len(self) >= self._most:
            self.clear()
        found = self[text] = self._read(text)
        return found


_currencies = Remembered(_currency)


def channels(names: Mapping[str, str]) -> Callable[[Any], str]:
    """Reads a channel by `[channels]`: its name there, whatever the spelling; else the trimmed text; `unknown` where there is none."""
    known = {_spelling(name): channel for name, channel in names.items()}

    def read(text: str) -> str:
        bare = text.strip(WHITESPACE)
        return known.get(_spelling(bare), bare) if bare else "unknown"

    spellings = Remembered(read)
    return lambda value: spellings[value if type(value) is str else text_of(value) or ""]


def _spelling(text: str) -> str:
    return _IGNORED.sub("", text).lower()
