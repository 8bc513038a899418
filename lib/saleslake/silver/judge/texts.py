"""Texts of a record: ids, enumerations, channels."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

_RANGES = (
    (0x00, 0x20), (0x7F, 0xA0), (0xAD, 0xAD), (0x61C, 0x61C), (0x1680, 0x1680), (0x180E, 0x180E), (0x2000, 0x200F),
    (0x2028, 0x202F), (0x205F, 0x206F), (0x3000, 0x3000), (0xFEFF, 0xFEFF),
)  # fmt: skip
AROUND = "".join(chr(point) for first, last in _RANGES for point in range(first, last + 1))
"""What surrounds a value without being part of it: Unicode's white space, control characters, and what nobody sees, such as
U+200B and U+FEFF. Spelled out, for `str.strip` and Unicode's own tables change with versions of Python."""

EXACT_TO = 2**53
"""Programs that keep numbers as floats tell whole numbers from their neighbours up to this one."""
_ODD_ID = re.compile(
    r'="(?P<formula>[^"]*)"|(?P<whole>-?[0-9]+)\.0|(?P<mangled>[+-]?[0-9](?:[.,][0-9]+)?[eE]\+[0-9]{2,3})'
)
_IGNORED = re.compile(r"[ \t\r\n\x0B\f_-]")
"""What spellings of a channel may differ in."""


def text_of(value: Any) -> str | None:
    """A value of JSON as text: a string as it is, a number by its digits, an object or array as JSON; None for null."""
    if value is None or type(value) is str:
        return value
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is bytes:  # a number of JSON: numbers.Number
        return value.decode()
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
    return value is None or (type(value) is str and not value.strip(AROUND))


def verbatim(value: Any) -> str | None:
    """A text that people wrote, as it is; None where nothing stands."""
    return None if is_blank(value) else text_of(value)


def trimmed(value: Any) -> str | None:
    """A value as text without surrounding white space; None where that leaves nothing."""
    text = value if type(value) is str else text_of(value)
    return (text.strip(AROUND) or None) if text is not None else None


class UnfitId(str):
    """An id that cannot be used, as it was written."""

    def __new__(cls, text: str, why: str, says: str) -> UnfitId:
        made = super().__new__(cls, text)
        made.why, made.says = why, says
        return made

    why: str
    """The rule that it breaks."""
    says: str


def identifiers(longest: int) -> Callable[[Any], str | None]:
    """Reads ids, of at most so many bytes; None where there is none, or an object or array in its place.

    One rule says which ids are equal: the digits count, not how they were kept. What surrounds an id is no part of it, nor is a
    spreadsheet's `="…"`. A whole number is its digits, also where a program made a float of it: `1`, `1.0` and `"1"` are one
    id, and `01` is another. What lost digits on the way is an `UnfitId`: `4.501E+11`, a float beyond 2^53, a fraction.
    """

    def read(value: Any) -> str | None:
        if type(value) is not str:
            return _of_json(value)
        text = value.strip(AROUND)
        if not text.isalnum():
            if not text:
                return None
            if "\0" in text:
                return UnfitId(text, "key_mangled", "holds U+0000, which databases cannot keep")
            if text[0] <= "=":  # a digit, a sign or `="`: letters come later
                text = _plain_id(text) or ""
                if not text or type(text) is UnfitId:
                    return text or None
        return text if len(text) * 4 <= longest else within(text, longest)

    def _of_json(value: Any) -> str | None:
        if value is None or isinstance(value, dict | list):
            return None
        text = text_of(value) or ""
        if type(value) is bytes:
            try:
                number = Decimal(text)
            except InvalidOperation:  # an exponent of twenty digits
                return _mangled(text)
            if number != number.to_integral_value() or number.copy_abs() >= EXACT_TO:
                return _mangled(text)
            text = str(int(number))
        return read(text)

    return read


def customers(identifier: Callable[[Any], str | None], no_customer: Iterable[str]) -> Callable[[Any], str | None]:
    """Reads ids of customers; None also for those that name nobody."""
    nobody = frozenset(map(identifier, no_customer))

    def read(value: Any) -> str | None:
        found = identifier(value)
        return None if found in nobody else found

    return read if nobody else identifier


def joined(identifier: Callable[[Any], str | None], values: Iterable[Any], longest: int) -> str | None:
    """The key that several ids are together, as `store|receipt`; None where one is missing.

    A `|` or `\\` within one of them has a `\\` before it, so that no two lists make one key.
    """
    ids = [identifier(value) for value in values]
    if None in ids:
        return None
    unfit = next((each for each in ids if type(each) is UnfitId), None)
    if unfit is not None:
        return unfit
    key = "|".join(str(each).replace("\\", "\\\\").replace("|", "\\|") for each in ids)
    return within(key, longest)


def _plain_id(text: str) -> str | None:
    found = _ODD_ID.fullmatch(text)
    if found is None:
        return text
    if found["mangled"]:
        return _mangled(text)
    if found["formula"] is not None:  # what it says is an id like any other
        return _plain_id(found["formula"].strip(AROUND)) or None
    return found["whole"] if len(found["whole"]) < 18 and abs(int(found["whole"])) < EXACT_TO else _mangled(text)


def within(text: str, longest: int) -> str:
    """The text, if it has no more bytes than that; else an `UnfitId`."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size <= longest:
        return text
    return UnfitId(text, "key_too_long", f"{size:,} bytes, more than run.longest_key = {longest}")


def _mangled(text: str) -> UnfitId:
    return UnfitId(text, "key_mangled", f"'{text}' is no id any more but a rounded number: export the column as text")


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


def channels(names: Mapping[str, str]) -> Callable[[Any], str]:
    """Reads a channel by `[channels]`: its name there, whatever the spelling; else the trimmed text; `unknown` where there is none."""
    known = {_spelling(name): channel for name, channel in names.items()}

    def read(text: str) -> str:
        bare = text.strip(AROUND).replace("\0", "\ufffd")  # a key of gold, which databases must keep
        return known.get(_spelling(bare), bare) if bare else "unknown"

    spellings = Remembered(read)
    return lambda value: spellings[value if type(value) is str else text_of(value) or ""]


def statuses(no_sales: Iterable[str]) -> Callable[[str | None], bool]:
    """Whether a status is one of a sale, whatever its spelling; one that is not given is."""
    names = frozenset(map(_spelling, no_sales))
    is_none = Remembered(lambda text: _spelling(text) in names)
    return lambda status: status is None or not is_none[status]


def _spelling(text: str) -> str:
    return _IGNORED.sub("", text).lower()
