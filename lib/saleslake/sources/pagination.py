"""Which request follows a page: next links, cursors, page numbers; offsets are in `offsets`.

Each style yields the URL of the first page and, given a page, of the one after it or None at the end; it says how
it knew the end, or why records may be missing. What would never end, leave the host or come twice is a SourceError,
because half a window must not pass for a whole one.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

import structlog
from requests.utils import parse_header_links

from saleslake.config import Api
from saleslake.errors import SourceError
from saleslake.sources.answers import at_path, says_no_more
from saleslake.sources.http_get import Refused
from saleslake.sources.rounds import Doubt, Seen
from saleslake.sources.urls import canonical, kept_at_home, shown, with_params

_log = structlog.get_logger(__name__)

_EXPIRED = (400, 404, 410)


class Pagination:
    """The order in which pages are asked for."""

    names_next: ClassVar[bool] = True
    """Whether pages name the next one. If not, they are asked for by place, and one may well come twice."""
    checks: ClassVar[tuple[str, ...]] = ("pagination",)
    """Settings that are likely wrong where pages repeat."""
    may_skip = False
    """Whether a record that goes away may move another one past the pages without any other sign."""
    kind = "page"
    """Of the request in hand: page, overlap or check, see `Round.look`."""

    def __init__(self, api: Api, first: str, label: str) -> None:
        self.api = api
        self.first = first
        self.label = label
        self.end = ""
        self.doubt: Doubt | None = None
        self.last: Seen | None = None

    def after(self, seen: Seen) -> str | None:
        """URL of the page after this one, or None if there is none to ask for. Raises SourceError."""
        self._refuse_repeated_body(seen)
        url = self.following(seen)
        self.last = seen
        return url

    def following(self, seen: Seen) -> str | None:
        return self.ended("one page asked for")

    def refused(self, refusal: Refused, is_reached: bool) -> str | None:
        """What follows a refused request: the next URL, or None at an end or a doubt; else raises the refusal."""
        if refusal.status in self.api.end_statuses:
            return self.ended(f"HTTP {refusal.status}")
        raise refusal

    def ended(self, how: str) -> str | None:
        self.end = how
        return None

    def checked(self) -> str:
        return ", ".join(f"{name} = {getattr(self.api, name)!r}" for name in self.checks)

    def error(self, seen: Seen, problem: str) -> SourceError:
        return SourceError(f"{self.label}: GET {shown(seen.answer.url)}: {problem}")

    def _refuse_repeated_body(self, seen: Seen) -> None:
        if self.names_next and seen.keys and self.last and seen.answer.body == self.last.answer.body:
            raise self.error(seen, f"this page repeats the body of the page before: check {self.checked()}")


class _Linked(Pagination):
    """Pages that name the next one."""

    _repeats = 0

    def refused(self, refusal: Refused, is_reached: bool) -> str | None:
        if self.last is not None and refusal.status in _EXPIRED and refusal.status not in self.api.end_statuses:
            self.doubt = Doubt(f"HTTP {refusal.status} for the page that the page before named", error=refusal)
            return None
        return super().refused(refusal, is_reached)

    def after(self, seen: Seen) -> str | None:
        same = bool(seen.keys) and self.last is not None and set(seen.keys) == set(self.last.keys)
        self._repeats = self._repeats + 1 if same else 0
        if self._repeats > 1:
            raise self.error(seen, f"the same records came three times in a row: check {self.checked()}")
        return super().after(seen)


class NextLink(_Linked):
    """Follows the link in the body, else the one in the Link header; an empty page does not end it."""

    checks = ("next_path",)

    def __init__(self, api: Api, first: str, label: str) -> None:
        super().__init__(api, first, label)
        self._seen = {first}

    def following(self, seen: Seen) -> str | None:
        answer, envelope = seen.answer, seen.document.envelope
        self._seen.add(answer.url)
        link = at_path(envelope, self.api.next_path)
        if link is None or link == "" or link is False:
            link = _header_link(answer.headers.get("Link", ""))
        if link is None:
            self._warn_of_full_page(seen)
            return self.ended("no next link")
        if not isinstance(link, str):
            raise self.error(seen, f"next_path {self.api.next_path!r} holds {type(link).__name__}, not a link")
        try:
            url = kept_at_home(canonical(link, base=answer.url), answer.url)
        except ValueError as e:
            raise self.error(seen, f"next link {shown(link)!r} {e}") from None
        if url in self._seen:
            raise self.error(seen, f"next link loops: {shown(url)} was already fetched")
        self._seen.add(url)
        return url

    def _warn_of_full_page(self, seen: Seen) -> None:
        first_name = self.api.next_path.split(".")[0]
        is_full = len(seen.keys) >= self.api.page_size
        if len(self._seen) == 1 and is_full and first_name not in seen.document.envelope:
            _log.warning("api_full_page_without_next", source=self.label, next_path=self.api.next_path)


class Cursor(_Linked):
    """Sends back the cursor of the page before, or of its last record; ends where there is none.

    An empty page that repeats the cursor it was asked with ends it too: such APIs hand out a cursor for ever.
    """

    checks = ("cursor_param", "cursor_path")

    def __init__(self, api: Api, first: str, label: str) -> None:
        super().__init__(api, first, label)
        self._sent = ""
        self._seen: set[str] = set()

    def following(self, seen: Seen) -> str | None:
        if self.api.more_path and not self._more(seen):
            return self.ended(f"{self.api.more_path} is false")
        if self.api.cursor_of == "record":
            if not seen.document.records:
                self._check_end(seen)
                return self.ended("empty page")
            found = self._of_last_record(seen)
        else:
            found = at_path(seen.document.envelope, self.api.cursor_path)
            if found is None or found == "" or found is False:
                return self.ended("no next cursor")
        if isinstance(found, bool) or not isinstance(found, str | int):
            raise self.error(seen, f"cursor_path {self.api.cursor_path!r} holds {type(found).__name__}, not a cursor")
        cursor = str(found)
        if cursor == self._sent and not seen.keys:
            return self.ended("empty page with its own cursor")
        if cursor in self._seen:
            raise self.error(seen, f"cursor loops: {cursor[:100]!r} was already sent")
        self._seen.add(cursor)
        self._sent = cursor
        try:
            return canonical(with_params(self.first, {self.api.cursor_param: cursor}))
        except ValueError:  # a lone surrogate
            raise SourceError(f"{self.label}: cursor {cursor[:100]!r} cannot be sent in a URL") from None

    def _more(self, seen: Seen) -> bool:
        found = at_path(seen.document.envelope, self.api.more_path)
        if not isinstance(found, bool):
            there = ", ".join(seen.document.envelope) or "nothing"
            raise self.error(seen, f"more_path {self.api.more_path!r} is neither true nor false; the body has: {there}")
        return found

    def _check_end(self, seen: Seen) -> None:
        if self.api.more_path:
            raise self.error(seen, f"{self.api.more_path} is true, and the page has no record to go on from")

    def _of_last_record(self, seen: Seen) -> Any:
        try:
            found = at_path(json.loads(seen.document.records[-1]), self.api.cursor_path)
        except (ValueError, RecursionError):
            found = None
        if found is None or found == "":
            raise self.error(seen, f"the last record has nothing at cursor_path {self.api.cursor_path!r}")
        return found


class Numbered(Pagination):
    """Counts pages, to an empty one, a stated total, or the answer that there is no such page.

    A short page is not the end: a server may cap the size at less than asked for, or leave records out of a page.
    """

    names_next = False
    may_skip = True

    def __init__(self, api: Api, start: str, label: str) -> None:
        self._start = start
        self._at = api.first_page
        self._has_moved_on = False
        self._repeats = 0
        super().__init__(api, canonical(with_params(start, {api.page_param: str(self._at)})), label)

    def following(self, seen: Seen) -> str | None:
        if self._repeats == 1 and not self._repeated(seen):
            # It may be that new records shifted the pages by a whole one; or a cache gave a wrong page.
            self.doubt = Doubt(f"page {self._at - 1} was the page before it once more", fails=False)
        if not seen.keys:
            return self.ended("empty page")
        if seen.saves_a_request:
            return self.ended("stated total reached")
        if self._repeated(seen):
            if not self._has_moved_on and seen.is_reached:
                return self.ended("stated total reached")
            if not self._has_moved_on:
                raise self.error(
                    seen, ignored(f"page_param = {self.api.page_param!r}, first_page = {self.api.first_page}")
                )
            self._repeats += 1
            if self._repeats == 2:
                return self.ended("last page came again")
        else:
            self._repeats = 0
            self._has_moved_on = self.last is not None
        self._at += 1
        return canonical(with_params(self._start, {self.api.page_param: str(self._at)}))

    def refused(self, refusal: Refused, is_reached: bool) -> str | None:
        if self.last is not None and says_no_more(refusal, self.api):
            return self.ended(f"HTTP {refusal.status}: no such page")
        if self.last is not None and allows_an_end(refusal, is_reached):
            return self.ended("stated total reached")
        return super().refused(refusal, is_reached)

    def _repeated(self, seen: Seen) -> bool:
        """Whether its records are those of the page before: once it may be a shift by new records, twice the end."""
        return bool(seen.keys) and self.last is not None and set(seen.keys) == set(self.last.keys)


def allows_an_end(refusal: Refused, is_reached: bool) -> bool:
    """Whether it refuses a page behind a total that is reached, which there need not be."""
    return is_reached and refusal.status not in (401, 403)


def ignored(setting: str) -> str:
    """Says that a second page with the records of the first is no page of its own."""
    fix = "if the server repeats its last page for ever, set total_path, which ends the fetch before that"
    return f"this page repeats the records of the first page: the server does not seem to know {setting}; {fix}"


def _header_link(header: str) -> str | None:
    for link in parse_header_links(header):
        if "next" in link.get("rel", "").lower().split():
            return link["url"]
    return None
