"""Pages by offset, joined record to record.

A record that is deleted at the source while pages are fetched moves the later ones forward, and one of them passes
from the next page to the one that has been fetched already: it would be missed without a word. So each request begins
at the last record that came. If that record is there, nothing lies between the pages. If it is not, or nothing new
follows it, the exact offset is asked for, and then the page before once more: if that still is as it was, no record
moved, and the server has its own idea of offsets (some round them down to whole pages) or is at its end.
"""

from __future__ import annotations

from saleslake.config import Api
from saleslake.sources.answers import says_no_more
from saleslake.sources.documents import Document
from saleslake.sources.http_get import Refused
from saleslake.sources.pagination import Pagination, allows_an_end, ignored
from saleslake.sources.rounds import Doubt, Seen
from saleslake.sources.urls import canonical, with_params


class Offset(Pagination):
    """Advances by the records that came, not by the size asked for: a server may cap the size."""

    names_next = False

    def __init__(self, api: Api, start: str, label: str) -> None:
        self._start = start
        self._next = 0
        """Offset of the first record that has not come."""
        self._asked = 0
        self._last_asked = 0
        """Offset that brought `last`, the last page that was joined on."""
        self._longest = 0
        self._beyond: Seen | None = None
        """The page at the exact offset, until the page before has been looked at again; without keys at an end."""
        self._beyond_end = ""
        super().__init__(api, "", label)
        self.first = self._ask(0)
        self.may_skip = not api.offset_overlap

    def after(self, seen: Seen) -> str | None:
        if self.kind == "check":
            return self._checked(seen)
        if self.last is None:
            return self._join(seen) if seen.keys else self.ended("empty page")
        if self._joins_on(seen):
            return self._join(seen)
        if self.kind == "overlap":
            return self._ask(self._next)
        self._beyond, self._beyond_end = seen, "empty page"
        is_new = not seen.keys or not set(seen.keys) <= set(self.last.keys)
        return self._settle() if is_new and not self.api.offset_overlap else self._check()

    def refused(self, refusal: Refused, is_reached: bool) -> str | None:
        if self.last is None:
            return super().refused(refusal, is_reached)
        if self.kind == "overlap":
            # Servers limit offset + size: then whole pages from the start reach further than overlapping ones.
            whole = (self._next - 1) // self._longest * self._longest
            return self._ask(whole, "overlap") if whole < self._asked else self._ask(self._next)
        if self.kind == "check" or not (says_no_more(refusal, self.api) or allows_an_end(refusal, is_reached)):
            raise refusal
        self._beyond = Seen(self.last.answer, Document([]), [], is_reached)
        self._beyond_end = f"HTTP {refusal.status}: no such page"
        return self._check() if self.api.offset_overlap else self._settle()

    def _joins_on(self, seen: Seen) -> bool:
        """Whether it holds the last record of the page before, and others."""
        assert self.last is not None
        return self.last.keys[-1] in seen.keys and not set(seen.keys) <= set(self.last.keys)

    def _join(self, seen: Seen) -> str | None:
        # A first page shorter than asked for, or one shorter than another, is likely the last: look beyond it first.
        is_likely_last = len(seen.keys) < (self._longest or self.api.page_size)
        self.last, self._last_asked = seen, self._asked
        self._longest = max(self._longest, len(seen.keys))
        self._next = self._asked + len(seen.keys)
        if seen.saves_a_request:
            return self.ended("stated total reached")
        if is_likely_last or not self.api.offset_overlap:
            return self._ask(self._next)
        return self._ask(self._next - 1, "overlap")

    def _check(self) -> str:
        return self._ask(self._last_asked, "check")

    def _checked(self, seen: Seen) -> str | None:
        assert self.last is not None
        if seen.keys != self.last.keys:
            reason = (
                f"records moved while the pages came: offset {self._last_asked} no longer answers with the same ones; "
                "if the API can sort by time or id, ask for that in api.params"
            )
            self.doubt = Doubt(reason)
            return None
        return self._settle()

    def _settle(self) -> str | None:
        """Go on from the page beyond, which follows the last one directly."""
        beyond, last = self._beyond, self.last
        assert beyond is not None
        assert last is not None
        if not beyond.keys:
            return self.ended(self._beyond_end)
        if not set(beyond.keys) <= set(last.keys):
            self._asked = self._next
            return self._join(beyond)
        if beyond.is_reached:
            return self.ended("stated total reached")
        if self._last_asked == 0:
            raise self.error(beyond, ignored(f"offset_param = {self.api.offset_param!r}"))
        return self.ended("last page came again")

    def _ask(self, offset: int, kind: str = "page") -> str:
        self.kind, self._asked = kind, offset
        return self._url(offset)

    def _url(self, offset: int) -> str:
        return canonical(with_params(self._start, {self.api.offset_param: str(offset)}))
