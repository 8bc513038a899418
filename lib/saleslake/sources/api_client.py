"""Reads an API page by page: retried, capped, same host only, complete or said not to be, never a credential in sight.

A source's `url` may also be a file, read as one page: the same records arrive without a server.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests
import structlog

from saleslake.config import Source
from saleslake.errors import ConfigError, SourceError
from saleslake.sources.attempts import Attempts, GaveUp, Say
from saleslake.sources.credentials import Credentials, Secrets
from saleslake.sources.documents import Document, InvalidDocument, split_document
from saleslake.sources.fetched import Fetched
from saleslake.sources.http_get import Answer, Getter, Refused
from saleslake.sources.offsets import Offset
from saleslake.sources.page import BrokenBody, Page, make_page
from saleslake.sources.pagination import Cursor, NextLink, Numbered, Pagination
from saleslake.sources.rounds import Doubt, Identify, Round
from saleslake.sources.urls import canonical, has_user_info, is_loopback, secret_values, shown, with_params
from saleslake.sources.window_form import written

__all__ = ["ApiClient", "BrokenBody", "Page"]

_log = structlog.get_logger(__name__)

_STYLES = {"none": Pagination, "next": NextLink, "cursor": Cursor, "page": Numbered, "offset": Offset}


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ApiClient:
    """The pages of one API source; `fetched` is what the fetch in hand has come to."""

    def __init__(
        self,
        settings: Source,
        name: str,
        secrets: Secrets,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], datetime] = _utc_now,
        *,
        identify: Identify = lambda text: text,
        say: Say = lambda _: None,
    ) -> None:
        """`secrets` is `Settings.secret`; `identify` reads a record's id; `say` hears of waits while they last;
        `sleep` (seconds) and `clock` (aware, UTC) are for tests.
        """
        if settings.api is None:
            raise ConfigError(f"source {name}: format {settings.format!r} has no API to read")
        self.fetched = Fetched()
        self._api = settings.api
        self._settings = settings
        self._name = name
        self._label = f"source {name}"
        self._secrets = secrets
        self._clock = clock
        self._identify = identify
        self._say = say
        self._tries = Attempts(settings, name, self._split, sleep, say)
        self._bodies: set[str] = set()
        self._last_texts: set[str] = set()

    @property
    def attempts(self) -> int:
        """Requests over the client's life."""
        return self._tries.attempts

    @property
    def retries(self) -> int:
        """Those of them that repeated a failed one."""
        return self._tries.retries

    @property
    def gave_up(self) -> bool:
        """Whether all tries for one page failed."""
        return self._tries.gave_up

    def pages(self, since: str | None = None, until: str | None = None) -> Iterator[Page]:
        """Fetch page after page of the window (since, until], given as ISO 8601 texts; None leaves a side open.

        Each page is yielded before the next is asked for, so that the caller may land it. The window is fetched once
        more where a round leaves a doubt; pages that came already are not yielded again. `fetched.complete` is true
        at the end, or an error was raised: BrokenBody for a page that is no document, SourceError for all else that
        ends the window early, ConfigError for settings.
        """
        self.fetched, self._bodies, self._last_texts = Fetched(), set(), set()
        scheme = self._api.url.partition("://")[0].lower() if "://" in self._api.url else "file"
        if scheme == "file":
            yield self._read_file()
            self.fetched.end, self.fetched.complete = "one file", True
        elif scheme in ("http", "https"):
            yield from self._fetch_all(since, until)
        else:
            raise ConfigError(f"{self._label}: api.url is neither http(s):// nor a file: {shown(self._api.url)}")

    def _fetch_all(self, since: str | None, until: str | None) -> Iterator[Page]:
        start = self._start(since, until)
        credentials = Credentials(self._api.auth, self._secrets, f"sources.{self._name}.api.auth")
        credentials.hide_also(secret_values(start))
        if start.startswith("http://") and self._api.auth.kind != "none" and not is_loopback(start):
            _log.warning(
                "credentials_sent_unencrypted", source=self._name, url=shown(start), fix="use https:// in api.url"
            )
        try:
            with requests.Session() as session, self._tries.watched():
                # A proxy set in the environment cannot reach this machine's own ports.
                session.trust_env = not is_loopback(start)
                getter = Getter(self._api, self._label, session, credentials, self._clock)
                yield from self._rounds(getter, start)
        except BrokenBody:
            raise
        except SourceError as e:
            message = credentials.hide(str(e))  # a next link or cursor may quote the token
        else:
            return
        raise SourceError(message)

    def _rounds(self, getter: Getter, start: str) -> Iterator[Page]:
        """The window once, and once more if a doubt is left."""
        doubt: Doubt | None = None
        for round_number in (1, 2):
            steps = _STYLES[self._api.pagination](self._api, start, self._label)
            doubt = yield from self._round(getter, steps)
            if doubt is None or (round_number == 2 and not doubt.fails):
                self.fetched.end, self.fetched.complete = steps.end, True
                return
            if round_number == 1:
                self.fetched.refetches += 1
                reason = getter.hide(doubt.reason)
                _log.warning("api_window_fetched_again", source=self._name, reason=reason)
                self._say(f"fetching the window again: {reason}")
        assert doubt is not None
        raise doubt.error or SourceError(f"{self._label}: {doubt.reason}; fetching the window again did not mend it")

    def _round(self, getter: Getter, steps: Pagination) -> Generator[Page, None, Doubt | None]:
        this = Round(self._api, self._label, self._identify, self.fetched)
        url: str | None = steps.first
        requests_sent, total = 0, 0
        while url is not None:
            requests_sent += 1
            if requests_sent > self._api.max_pages:
                raise SourceError(f"{self._label}: there are more pages than max_pages = {self._api.max_pages}")
            try:
                answer, document = self._fetch(getter, url, self._api.max_total_bytes - total)
            except Refused as e:
                url = steps.refused(e, this.is_reached)
                continue
            total += len(answer.body)
            seen = this.look(answer, document, steps.kind)
            yield from self._new_pages(getter, answer, document)
            url = steps.after(seen)
        if steps.doubt is not None and steps.doubt.fails:
            return steps.doubt
        missing = this.missing(may_skip=steps.may_skip)
        return missing or (None if this.is_reached else steps.doubt)

    def _new_pages(self, getter: Getter, answer: Answer, document: Document) -> Iterator[Page]:
        """The page, unless it brings nothing: its body came already, its records all stood on the page before, or
        there is no document in it that could be landed.
        """
        page = make_page(self.fetched.pages + 1, getter.hide(shown(answer.url)), answer, document)
        texts = set(page.records)
        came = page.sha256 in self._bodies or (texts and texts <= self._last_texts)
        if came or not self._is_splittable(page):
            return
        self._bodies.add(page.sha256)
        self._last_texts = texts or self._last_texts
        self.fetched.pages += 1
        self.fetched.records += len(page.records)
        _log.debug("api_page_fetched", source=self._name, page=page.number, url=page.url, records=len(page.records))
        yield page

    def _split(self, body: bytes, content_type: str) -> Document:
        return split_document(body, self._settings.records_path, content_type, self._settings.encoding)

    def _is_splittable(self, page: Page) -> bool:
        try:
            return bool(page.records) or self._split(page.body, page.form) is not None
        except InvalidDocument:  # 204, or an object without the field, where missing_is_empty allows it
            return False

    def _fetch(self, getter: Getter, url: str, room: int) -> tuple[Answer, Document]:
        try:
            return self._tries.fetch(getter, url, room)
        except GaveUp as e:
            problem, broken = str(e), e.answer
        if broken is None:
            raise SourceError(problem)
        raise BrokenBody(
            problem, make_page(self.fetched.pages + 1, getter.hide(shown(broken.url)), broken, Document([]))
        )

    def _start(self, since: str | None, until: str | None) -> str:
        api = self._api
        if has_user_info(api.url):
            fix = "name the variables that hold them in [api.auth], kind 'basic'"
            raise ConfigError(f"{self._label}: api.url {shown(api.url)} must hold no user name or password: {fix}")
        params = dict(api.params)
        if api.since_param and since is not None:
            params[api.since_param] = written(since, api, later=False)
        if api.until_param and until is not None:
            params[api.until_param] = written(until, api, later=True)
        if api.page_size_param and api.pagination != "none":
            params[api.page_size_param] = str(api.page_size)
        try:
            return canonical(with_params(canonical(api.url), params))
        except ValueError as e:
            raise ConfigError(f"{self._label}: api.url {shown(api.url)}: {e}") from None

    def _read_file(self) -> Page:
        url = self._api.url
        path = Path(url2pathname(urlsplit(url).path) if "://" in url else url)
        try:
            with path.open("rb") as file:
                body = file.read(self._api.max_body_bytes + 1)
            modified = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        except OSError as e:
            raise SourceError(f"{self._label}: cannot read {path}: {e.strerror or e}") from None
        if len(body) > self._api.max_body_bytes:
            raise SourceError(f"{self._label}: {path} exceeds max_body_bytes = {self._api.max_body_bytes}")
        lines = "jsonl" if path.suffix.lower() in (".jsonl", ".ndjson") else ""
        answer = Answer(str(path), 0, {}, body, modified)
        try:
            document = self._split(body, lines)
        except InvalidDocument as e:
            reason = f"{self._label}: {path}: invalid body: {e}"
        else:
            Round(self._api, self._label, self._identify, self.fetched).look(answer, document, "page")
            self.fetched.pages, self.fetched.records = 1, len(document.records)
            return make_page(1, str(path), answer, document)
        raise BrokenBody(reason, make_page(1, str(path), answer, Document([])))
