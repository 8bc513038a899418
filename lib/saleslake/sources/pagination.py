"""Which request follows a page: next links, cursors, page numbers, offsets.

Each style yields the URL of the first page and, given a page, of the one after it or None at the end. What would
never end, leave the host or come twice is a SourceError, because half a window must not pass for a whole one.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import structlog
from requests.utils import parse_header_links

from saleslake.config import Api
from saleslake.errors import SourceError
from saleslake.sources.documents import Document
from saleslake.sources.http_get import Answer
from saleslake.sources.urls import canonical, origin, shown, with_params

_log = structlog.get_logger(__name__)


class Pagination(Protocol):
    """The order in which pages are asked for."""

    first: str

    def after(self, answer: Answer, document: Document) -> str | None:
        """URL of the page after this one, or None if it was the last. Raises SourceError."""
        ...


def pagination(api: Api, start: str, label: str) -> Pagination:
    """The pagination of an API. `start` holds the parameters common to all pages; `label` begins error messages."""
    if api.pagination == "none":
        return _Single(start)
    sized = with_params(start, {api.page_size_param: str(api.page_size)}) if api.page_size_param else start
    if api.pagination == "next":
        return _NextLink(api, sized, label)
    if api.pagination == "cursor":
        return _Cursor(api, sized, label)
    return _Counted(api, sized)


def at_path(tree: dict[str, Any], path: str) -> Any:
    """The value at a dotted path, or None. A field whose own name has dots (`@odata.nextLink`) is found as well."""
    if path in tree:
        return tree[path]
    node: Any = tree
    for name in path.split("."):
        if not isinstance(node, dict) or name not in node:
            return None
        node = node[name]
    return node


class _Single:
    def __init__(self, start: str) -> None:
        self.first = start

    def after(self, answer: Answer, document: Document) -> str | None:
        return None


class _NextLink:
    """Follows the link in the body, else the one in the Link header; an empty page does not end it."""

    def __init__(self, api: Api, start: str, label: str) -> None:
        self.first = start
        self._api = api
        self._label = label
        self._seen = {start}

    def after(self, answer: Answer, document: Document) -> str | None:
        self._seen.add(answer.url)
        link = at_path(document.envelope, self._api.next_path)
        if link is None or link == "":
            link = _header_link(answer.headers.get("Link", ""))
        if link is None:
            self._warn_of_full_page(document)
            return None
        if not isinstance(link, str):
            raise self._error(answer, f"next_path {self._api.next_path!r} holds {type(link).__name__}, not a link")
        try:
            url = canonical(link, base=answer.url)
        except ValueError as e:
            raise self._error(answer, f"next link {shown(link)!r}: {e}") from None
        if origin(url) != origin(answer.url):
            raise self._error(answer, f"next link points to another host, {shown(url)}: refused")
        if url in self._seen:
            raise self._error(answer, f"next link loops: {shown(url)} was already fetched")
        self._seen.add(url)
        return url

    def _warn_of_full_page(self, document: Document) -> None:
        first_name = self._api.next_path.split(".")[0]
        is_full = len(document.records) >= self._api.page_size
        if len(self._seen) == 1 and is_full and first_name not in document.envelope:
            _log.warning("api_full_page_without_next", source=self._label, next_path=self._api.next_path)

    def _error(self, answer: Answer, problem: str) -> SourceError:
        return SourceError(f"{self._label}: GET {shown(answer.url)}: {problem}")


class _Cursor:
    """Sends back the cursor of the page before; ends where there is none.

    An empty page that repeats the cursor it was asked with ends it too: such APIs hand out a cursor for ever.
    """

    def __init__(self, api: Api, start: str, label: str) -> None:
        self.first = start
        self._api = api
        self._start = start
        self._label = label
        self._sent = ""
        self._seen: set[str] = set()

    def after(self, answer: Answer, document: Document) -> str | None:
        found = at_path(document.envelope, self._api.cursor_path)
        if found is None or found == "" or found is False:
            return None
        if isinstance(found, bool) or not isinstance(found, str | int):
            problem = f"cursor_path {self._api.cursor_path!r} holds {type(found).__name__}, not a cursor"
            raise SourceError(f"{self._label}: GET {shown(answer.url)}: {problem}")
        cursor = str(found)
        if cursor == self._sent and not document.records:
            return None
        if cursor in self._seen:
            raise SourceError(
                f"{self._label}: GET {shown(answer.url)}: cursor loops: {cursor[:100]!r} was already sent"
            )
        self._seen.add(cursor)
        self._sent = cursor
        try:
            return canonical(with_params(self._start, {self._api.cursor_param: cursor}))
        except ValueError:  # a lone surrogate
            raise SourceError(f"{self._label}: cursor {cursor[:100]!r} cannot be sent in a URL") from None


class _Counted:
    """Counts pages or records; ends at an empty page or one shorter than the longest before it.

    Not at one shorter than `page_size`: a server that caps the size at less than asked for would look finished
    after its first page. An offset advances by the records that came, for the same reason.
    """

    _params: ClassVar[dict[str, str]] = {"page": "page_param", "offset": "offset_param"}

    def __init__(self, api: Api, start: str) -> None:
        self._start = start
        self._param: str = getattr(api, self._params[api.pagination])
        self._by_records = api.pagination == "offset"
        self._at = 0 if self._by_records else api.first_page
        self._longest = 0
        self.first = self._url()

    def after(self, answer: Answer, document: Document) -> str | None:
        count = len(document.records)
        if count == 0 or count < self._longest:
            return None
        self._longest = count
        self._at += count if self._by_records else 1
        return self._url()

    def _url(self) -> str:
        return canonical(with_params(self._start, {self._param: str(self._at)}))


def _header_link(header: str) -> str | None:
    for link in parse_header_links(header):
        if "next" in link.get("rel", "").lower().split():
            return link["url"]
    return None
