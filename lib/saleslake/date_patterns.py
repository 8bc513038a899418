"""Whether Spark can read by a datetime pattern: told from its text, so that a bad one is found before a JVM is up."""

from __future__ import annotations

import re

_MOST = {
    "G": 4, "y": 6, "D": 3, "M": 4, "L": 4, "d": 2, "a": 1, "h": 2, "K": 2, "k": 2, "H": 2, "m": 2, "s": 2, "S": 9,
    "V": 2, "z": 4, "O": 4, "X": 5, "x": 5, "Z": 5,
}  # fmt: skip
"""Letters Spark reads by, and how often each may be repeated."""
_ONLY = {"V": (2,), "O": (1, 4)}
_RESERVED = "{}#"
_PARTS = re.compile(r"'(?:[^']|'')*'|([A-Za-z])\1*|.", re.DOTALL)


def problem(pattern: str) -> str | None:
    """What is wrong with a pattern, or None. Letters in single quotes are text; `[` and `]` make a part optional."""
    if not pattern.strip():
        return "it is empty"
    depth = 0
    for part in _PARTS.finditer(pattern):
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
    return None


def _letter_problem(letter: str, count: int) -> str | None:
    if letter not in _MOST:
        return f"letter {letter!r} does not read dates (text goes between single quotes)"
    if count > _MOST[letter] or count not in _ONLY.get(letter, (count,)):
        return f"{letter * count!r} has the wrong number of letters"
    return None
