"""What one round over the pages of a window has shown: which records came, how often, and how many there should be."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from saleslake.config import Api
from saleslake.errors import SourceError
from saleslake.sources.answers import stated_total
from saleslake.sources.documents import Document
from saleslake.sources.fetched import Fetched
from saleslake.sources.http_get import Answer

Identify = Callable[[str], str | None]
"""A record's text to its id; None where it has none that can be read."""


@dataclass(frozen=True)
class Doubt:
    """Why a round may have missed records."""

    reason: str
    fails: bool = True
    """Whether it fails the fetch if the next round has it too; else that is how the server's pages are."""
    error: SourceError | None = None
    """To be raised then, where it is not the reason itself that tells most."""


@dataclass(frozen=True)
class Seen:
    """A page, as far as it matters for what is asked next."""

    answer: Answer
    document: Document
    keys: list[int]
    """What tells its records apart, in order."""
    is_reached: bool
    """Whether as many different records came in this round as the total of the window says there are."""
    total: int | None = None

    @property
    def saves_a_request(self) -> bool:
        """Whether the stated total is reached, and cannot be the mere number of records on this page."""
        return self.is_reached and self.total is not None and self.total > len(self.keys)


@dataclass
class Round:
    """Counts into `fetched` what comes in one round, from the first page on."""

    api: Api
    label: str
    identify: Identify
    fetched: Fetched
    fell: str = ""
    """Both figures, if the stated total became smaller while the round went on."""
    _keys: set[int] = field(default_factory=set)
    _names: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.fetched.stated_total = None
        self.fetched.distinct_ids = 0

    def look(self, answer: Answer, document: Document, kind: str) -> Seen:
        """Take a page in. `kind` is `check` for one that was asked again only to see that it still is as it was,
        `overlap` for one that begins with the record that the page before ended with. Raises SourceError.
        """
        keys = self._keys_of(document.records)
        if kind == "check":
            return Seen(answer, document, keys, False)
        known = sum(key in self._keys for key in keys)
        self._keys.update(keys)
        self._names = self._names or list(document.envelope)
        self.fetched.overlaps += max(0, known - (kind == "overlap"))
        self.fetched.distinct_ids = len(self._keys)
        try:
            total = stated_total(answer, document, self.api)
        except ValueError as e:
            raise SourceError(f"{self.label}: {e}") from None
        if total == 0 and not keys and self._keys:
            total = None  # a page past the last that counts itself
        if total is not None:
            before = self.fetched.stated_total
            if before is not None and total < before and not self.fell:
                self.fell = f"from {before} to {total}"
            self.fetched.stated_total = total
        return Seen(answer, document, keys, self.is_reached, total)

    @property
    def is_reached(self) -> bool:
        total = self.fetched.stated_total
        return self.api.total_of == "window" and total is not None and len(self._keys) >= total

    def missing(self, *, may_skip: bool) -> Doubt | None:
        """What the stated total says against this round; `may_skip`: a fall of it is a sign of a record passed by.

        Raises SourceError if the setting finds no total at all.
        """
        api, total = self.api, self.fetched.stated_total
        setting = f"total_header {api.total_header!r}" if api.total_header else f"total_path {api.total_path!r}"
        if total is None:
            if self._keys and (api.total_path or api.total_header):
                has = f"; the body has: {', '.join(self._names)}" if self._names and api.total_path else ""
                raise SourceError(f"{self.label}: no page has a number at {setting}{has}")
            return None
        if api.total_of == "catalogue":
            return None
        if len(self._keys) < total:
            fix = 'if that counts more than the window, set total_of = "catalogue"'
            return Doubt(f"{setting} says {total}, and {len(self._keys)} different records came ({fix})")
        if may_skip and self.fell:
            why = "a record that went away shifts another one past the next page"
            return Doubt(f"{setting} fell {self.fell} between two pages: {why}, or the figure is of one page only")
        return None

    def _keys_of(self, texts: list[str]) -> list[int]:
        """Records without an id are told apart by their text, and equal ones on one page by their place."""
        nameless: Counter[str] = Counter()
        keys = []
        for text in texts:
            name = self.identify(text)
            if name is None:
                nameless[text] += 1
                name = f"{nameless[text]} {text}"
            else:
                name = f"= {name}"
            digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            keys.append(int.from_bytes(digest, "big"))
        return keys
