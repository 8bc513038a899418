"""Bytes to text: which encoding they are in, and what stands in them that is no text."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: it begins with that one's
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
LONGEST_MARK = 4
_NO_CHARSETS = ("idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7")
"""Python's own, and one that may hold half a character: a file in one of these is read by nobody."""
_BAD_BYTE = re.compile("[\udc00-\udcff]")


def _keep_bad_bytes(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


_KEEP = "saleslake.keep_bad_bytes"
codecs.register_error(_KEEP, _keep_bad_bytes)


@dataclass(frozen=True)
class Text:
    """A text, the encoding it was read by, and where it could not be, if it could not."""

    text: str
    encoding: str
    problem: str = ""
    """Why not all of it is text; the bytes in question stand in `text` as `legible` finds them."""


def is_charset(name: str) -> bool:
    """Whether it is an encoding that text comes in."""
    try:
        found = codecs.lookup(name)
        "".encode(name)
    except (LookupError, ValueError):
        return False
    return found.name.replace("_", "-") not in _NO_CHARSETS


def canonical(encoding: str) -> str:
    """One name an encoding. A byte-order mark is looked for in every one, so `utf-8-sig` is UTF-8."""
    return codecs.lookup(encoding).name.removesuffix("-sig")


def is_ascii_compatible(encoding: str) -> bool:
    """Whether lines and delimiters can be found in the bytes."""
    return "\n,".encode(encoding) == b"\n,"


def marked_encoding(start: bytes, encoding: str) -> tuple[str, int]:
    """The encoding by the byte-order mark that the bytes begin with, and its length; else what is said, and 0.

    A mark is no chance: no text of another encoding begins with one.
    """
    for mark, marked in _MARKS:
        if start.startswith(mark):
            return marked, len(mark)
    return canonical(encoding), 0


def decode(body: bytes, encoding: str = "utf-8", named: str = "") -> Text:
    """The text of a body, without byte-order mark.

    Its encoding is that of its mark; else `encoding`, which a person set; else, where that is UTF-8, what the bytes are:
    UTF-8, or the charset that a header has `named`. In that order, because headers lie, and by chance nothing is UTF-8.
    """
    found, skip = marked_encoding(body[:LONGEST_MARK], encoding)
    tried = [found]
    if not skip and found == "utf-8" and named and is_charset(named) and canonical(named) != "utf-8":
        # UTF-16 and ISO 2022 of plain letters are valid UTF-8 as well, with characters that no document holds.
        is_other = b"\0" in body or b"\x1b" in body
        tried = [canonical(named)] if is_other else ["utf-8", canonical(named)]
    rest = memoryview(body)[skip:]
    problem = ""
    for name in tried:
        try:
            return Text(str(rest, name), name)
        except UnicodeDecodeError as e:
            problem = f"{'neither UTF-8 nor' if problem else 'not'} {name.upper()} at byte {e.start + skip}"
    return Text(decode_all(bytes(rest), tried[-1]), tried[-1], problem)


def decode_all(body: bytes, encoding: str) -> str:
    """The text of bytes whatever they are: those that cannot be read are kept aside in it, for `legible` to show."""
    return body.decode(encoding, _KEEP)


def legible(text: str) -> tuple[str, bool]:
    """The text with each byte that could not be read as `\\xNN`, and whether there is one."""
    found, count = _BAD_BYTE.subn(lambda bad: f"\\x{ord(bad[0]) - 0xDC00:02x}", text)
    return found, count > 0


def resembles(start: bytes) -> str:
    """`utf-16-le` or `utf-16-be` where bytes without a mark look like it; else empty."""
    start = start[: len(start[:256]) // 2 * 2]
    if len(start) < 4:
        return ""
    low, high = start[1::2].count(0), start[::2].count(0)
    half = len(start) // 4
    return "utf-16-le" if low > half > high else "utf-16-be" if high > half > low else ""


def printable(text: str) -> str:
    """A text of foreign origin as it may stand in a message: one line, and nothing that a terminal would act on."""
    return "".join(c if c.isprintable() else c.encode("unicode-escape").decode() for c in legible(text)[0])
