"""The spelling of date patterns: letters of java.time, as far as they read a date. Read by `silver.judge.patterns`."""

from __future__ import annotations

import re

COUNTS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "excel": 86_400_000_000}
"""Formats that are numbers, not patterns: µs in one of their units."""
MEANINGS = {
    "y": "year", "M": "month", "L": "month", "d": "day", "D": "day of the year", "H": "hour 0-23", "k": "hour 1-24",
    "h": "hour 1-12", "K": "hour 0-11", "a": "AM or PM", "m": "minute", "s": "second", "S": "fraction of a second",
    "X": "offset, or Z", "x": "offset", "Z": "offset", "O": "offset as GMT+1", "V": "name of a zone",
}  # fmt: skip
"""The letters that read something."""
_MOST = {"y": 6, "D": 3, "M": 4, "L": 4, "a": 1, "S": 9, "V": 2, "O": 4, "X": 5, "x": 5, "Z": 5}
_ONLY = {"V": (2,), "O": (1, 4)}
_RESERVED = "{}#"
PARTS = re.compile(r"'(?:[^']|'')*'|([A-Za-z])\1*|.", re.DOTALL)
"""A text between quotes, a letter and its repetitions, or a character."""
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
"""What `MMM` stands for."""


def literal(part: str) -> str:
    """The text that a part of a pattern without a letter stands for: what is between its quotes, or the character itself."""
    return "'" if part == "''" else part[1:-1].replace("''", "'") if part.startswith("'") else part


def problem(pattern: str) -> str | None:
    """What is wrong with a pattern, or None."""
    if not pattern.strip():
        return "it is empty"
    depth = 0
    for part in PARTS.finditer(pattern):
        text, letter = part.group(0), part.group(1)
        if letter:
            found = _letter_problem(letter, len(text))
            if found:
                return found
        elif text == "'":
            return "a single quote is never closed"
        elif text in _RESERVED:
            return f"{text!r} is reserved"
        depth += (text == "[") - (text == "]")
        if depth < 0:
            return "']' without '['"
    return "'[' is never closed" if depth else None


def _letter_problem(letter: str, count: int) -> str | None:
    if letter not in MEANINGS:
        return f"letter {letter!r} does not read dates (text goes between single quotes)"
    if count > _MOST.get(letter, 2) or count not in _ONLY.get(letter, (count,)):
        return f"{letter * count!r} has the wrong number of letters"
    return None
