"""The evidence of one fetch: what came, and how its end was known."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class Fetched:
    """Counts of one fetch of a window. `complete` is earned: it stays False until the client saw a proof of the end."""

    pages: int = 0
    """Handed over to be landed. One that brings nothing is not: it came already, or repeats the page before."""
    records: int = 0
    """Of these pages, repeated ones among them."""
    distinct_ids: int = 0
    """Of the last round, however its pages repeat one another; what a stated total is compared with."""
    overlaps: int = 0
    """Records whose id had come on an earlier page of the same round."""
    stated_total: int | None = None
    """What the last page said there is; None: the API does not say."""
    refetches: int = 0
    """Rounds after the first: a total was missed, a cursor had expired, records had moved between pages."""
    end: str = ""
    """How the end was known: `empty page`, `no next link`, `stated total reached`, …; empty: it was not."""
    complete: bool = False

    def facts(self) -> dict[str, Any]:
        """As manifests, control rows, the run's summary and `status` keep it."""
        return asdict(self)
