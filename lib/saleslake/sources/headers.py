"""The header of a CSV file: its column names, and which of them is meant by a name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from saleslake.charsets import printable
from saleslake.config import Source
from saleslake.errors import SourceError
from saleslake.sources.dialect import dialect_of, splitter

_SAYS = re.compile(r'("?)sep=([^"\r\n])\1', re.IGNORECASE)
"""First line of a file, for Excel: its delimiter."""
_KEPT = re.compile(r"sep=(.)\n", re.DOTALL)
_LONGEST_NAME = 100
"""Characters of a column name in a message; a file that is no table may have any."""


def own_delimiter(line: str, source: Source) -> str:
    """The delimiter that a file names in its first line (`sep=;`); empty where that line is another one."""
    said = _SAYS.fullmatch(line)
    return said[2] if said and said[2] not in (source.quote, source.escape) else ""


def kept(own: str, header: str) -> str:
    """A header as it stands beside records. What the file says of its delimiter goes with it, so that each record can be read alone."""
    return f"sep={own}\n{header}" if own else header


def read(header: str) -> tuple[str, str]:
    """The delimiter that stands in a header kept so, else empty; and the header as it is in the file."""
    said = _KEPT.match(header)  # no header of a file begins so: a line break ends it, unless it is in quotes
    return (said[1], header[said.end() :]) if said else ("", header)


def names(header: str, source: Source) -> list[str]:
    """The column names of a header, trimmed. Raises ValueError where its quoting is broken or a carriage return ends its lines."""
    own, line = read(header)
    dialect = dialect_of(source, own)
    cells = splitter(dialect)(line)
    if cells is None:
        raise ValueError("text follows the end of a quoted name")
    if "\r" in line and any("\r" in cell for cell in cells) and not any(mark in line for mark in dialect.marks):
        raise ValueError("a carriage return stands in it")
    return [cell.strip() for cell in cells]


def places(found: Sequence[str], wanted: str) -> list[int]:
    """Where a column stands: by its exact name; else by that name in any case. Of several exact ones, the first."""
    wanted = wanted.strip()
    if wanted in found:
        return [found.index(wanted)]
    folded = wanted.casefold()
    return [at for at, name in enumerate(found) if name.casefold() == folded]


def place(found: Sequence[str], wanted: str) -> int | None:
    """Where a column stands; None where it does not, or two may be meant."""
    at = places(found, wanted)
    return at[0] if len(at) == 1 else None


def check(origin: str, found: Sequence[str], required: Mapping[str, str], others: Iterable[str]) -> None:
    """Raise SourceError for a name that stands twice, columns that may both be meant, and required ones that are missing."""
    twice = sorted({name for name in found if name and found.count(name) > 1})
    if twice:
        raise SourceError(
            f"{origin}: refused: column {_shown(twice)} stands more than once in the header; rename one of them in the export"
        )
    for wanted in [*required.values(), *others]:
        alike = [found[at] for at in places(found, wanted)]
        if len(alike) > 1:
            raise SourceError(
                f"{origin}: refused: {wanted} may be column {' or '.join(map(printable, alike))}, which differ in case only; "
                "name one of them in [sources.….mapping], letter by letter"
            )
    refuse_missing(origin, found, required, "required column", "Map it in")


def refuse_missing(origin: str, found: Sequence[str], wanted: Mapping[str, str], what: str, fix: str) -> None:
    """Raise SourceError for columns that are not in the header. `wanted`: our name to theirs."""
    lacking = [
        f"{theirs} (our {ours})" if theirs != ours else ours
        for ours, theirs in wanted.items()
        if not places(found, theirs)
    ]
    if lacking:
        raise SourceError(
            f"{origin}: refused: {what} {', '.join(lacking)} not found; columns found: {_shown(found)}. "
            f"{fix} [sources.….mapping], or check delimiter and encoding"
        )


def _shown(found: Sequence[str]) -> str:
    return ", ".join(
        f"{name[:_LONGEST_NAME]}…" if len(name) > _LONGEST_NAME else name for name in map(printable, found)
    )
