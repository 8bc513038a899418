"""What one source's landing did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Landed:
    """Counts of one source in one run. `failed` is why it could not be extracted whole; empty if it was."""

    source: str
    records: int = 0
    units: int = 0
    left_out: int = 0
    left_out_units: int = 0
    recovered_units: int = 0
    attempts: int = 0
    retries: int = 0
    gave_up: bool = False
    """Whether an API answered none of the tries that one of its pages has."""
    new_fields: list[str] = field(default_factory=list)
    lacking_fields: list[str] = field(default_factory=list)
    """Of CSV: columns of ours that none of the files has, and that are usually there: said once a run, not once a record."""
    ignored_fields: list[str] = field(default_factory=list)
    """Fields of the source that change what its sales are worth, and that nothing reads."""
    lost_fields: list[str] = field(default_factory=list)
    """Mapped columns or paths that the commit before had, and this one has not."""
    skipped: int = 0
    """Of CSV: lines and records that `skip_lines` and `skip_last` left out."""
    since: str | None = None
    until: str | None = None
    watermark: str | None = None
    fetch: dict[str, Any] | None = None
    """Of an API: what the fetch of the window came to (`Fetched.facts`) and `failure`, why it is not complete."""
    failed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What is worth saying and is no failure."""

    @property
    def nothing_new(self) -> bool:
        return self.records == 0 and not self.failed


@dataclass(frozen=True)
class Unread:
    """Why a document or file was not read whole, and what stands in quarantine of it."""

    why: str
    quarantined: str = "The document is quarantined as a whole"
    what: str = "document"

    def line(self, source: str, shown: str, sha256: str) -> str:
        """What is said of it at every run."""
        return (
            f"{shown}: {self.why}. {self.quarantined} (source {source}), "
            f"and read again at every run until it or the setting is put right, or the {self.what} is given up: "
            f'sources.{source}.dismiss = ["{sha256[:12]}"]'
        )


def told(fetch: Mapping[str, Any]) -> str:
    """What a fetch came to, in one line without its failure."""
    figures = [f"{fetch['pages']:,} pages", f"{fetch['records']:,} records", f"{fetch['distinct_ids']:,} ids"]
    figures += [f"{fetch['overlaps']:,} records twice"] if fetch["overlaps"] else []
    figures += [f"{fetch['stated_total']:,} stated"] if fetch["stated_total"] is not None else []
    figures += [f"begun anew {fetch['refetches']:,} times"] if fetch["refetches"] else []
    end = f"complete ({fetch['end']})" if fetch["complete"] else "NOT COMPLETE"
    return f"{end}: {', '.join(figures)}"
