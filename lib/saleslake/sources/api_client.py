"""Reads an API page by page: retried, capped, same host only, and never a credential in what it writes.

A source's `url` may also be a file, read as one page: the same records arrive without a server.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests
import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from saleslake.config import Source
from saleslake.errors import ConfigError, SourceError
from saleslake.sources.credentials import Credentials, Secrets
from saleslake.sources.documents import Document, Form, InvalidDocument, split_document
from saleslake.sources.fetched import Fetched
from saleslake.sources.http_get import Answer, Getter, TryAgain
from saleslake.sources.pagination import pagination
from saleslake.sources.urls import (
    canonical,
    has_user_info,
    is_loopback,
    secret_values,
    shown,
    with_params,
    without_secrets,
)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Page:
    """One response, or one file: its exact bytes, but for a secret of its URL that it repeats, and the records in it."""

    number: int
    """From 1, in the order fetched."""
    url: str
    """Without user info and the values of parameters that carry a secret; of a file, its path."""
    status: int
    """Of the response; 0 for a file."""
    body: bytes
    fetched_at: datetime
    """UTC: when the body had arrived; of a file, its modification time."""
    records: list[str]
    """The exact text of each record; empty if the body is broken."""
    sha256: str
    """Of the body, in hexadecimal."""
    form: Form
    """How the body was split; the server's Content-Type may have decided it, which the bytes do not hold."""


class BrokenBody(SourceError):
    """A page came whole, and again at each retry, but holds no records: land and quarantine `page`."""

    def __init__(self, message: str, page: Page) -> None:
        super().__init__(message)
        self.page = page


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ApiClient:
    """The pages of one API source. `attempts` and `retries` count requests over the client's life.

    `gave_up`: all tries for one page failed.
    """

    def __init__(
        self,
        settings: Source,
        name: str,
        secrets: Secrets,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], datetime] = _utc_now,
        *,
        identify: Callable[[str], str | None] = lambda _: None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`secrets` is `Settings.secret`; `sleep` (seconds) and `clock` (aware, UTC) are for tests.

        `identify` tells the key of a record's text; `say` is told what the client waits for.
        """
        if settings.api is None:
            raise ConfigError(f"source {name}: format {settings.format!r} has no API to read")
        self.attempts = 0
        self.retries = 0
        self.gave_up = False
        self.fetched = Fetched()
        self._identify, self._say, self._ids = identify, say, set[str]()
        self._api = settings.api
        self._records_path = settings.records_path
        self._name = name
        self._label = f"source {name}"
        self._secrets = secrets
        self._sleep = sleep
        self._clock = clock

    def pages(self, since: str | None = None, until: str | None = None) -> Iterator[Page]:
        """Fetch page after page of the window (since, until], given as ISO 8601 texts; None leaves a side open.

        Each page is yielded before the next is asked for, so that the caller may land it. Raises BrokenBody for
        a page that is no document, SourceError for all else that ends the window early, ConfigError for settings.
        """
        for page in self._pages(since, until):
            self.fetched.pages += 1
            self.fetched.records += len(page.records)
            for key in filter(None, map(self._identify, page.records)):
                self.fetched.overlaps += key in self._ids
                self._ids.add(key)
            self.fetched.distinct_ids = len(self._ids)
            yield page
        self.fetched.end, self.fetched.complete = "no next page", True

    def _pages(self, since: str | None, until: str | None) -> Iterator[Page]:
        scheme = self._api.url.partition("://")[0].lower() if "://" in self._api.url else "file"
        if scheme == "file":
            yield self._read_file()
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
            with requests.Session() as session:
                # A proxy set in the environment cannot reach this machine's own ports.
                session.trust_env = not is_loopback(start)
                getter = Getter(self._api, self._label, session, credentials, self._clock)
                yield from self._follow(getter, start)
        except BrokenBody:
            raise
        except SourceError as e:
            message = credentials.hide(str(e))  # a next link or cursor may quote the token
        else:
            return
        raise SourceError(message)

    def _follow(self, getter: Getter, start: str) -> Iterator[Page]:
        steps = pagination(self._api, start, self._label)
        url: str | None = steps.first
        number, total, previous = 0, 0, ""
        while url is not None:
            number += 1
            if number > self._api.max_pages:
                raise SourceError(f"{self._label}: there are more pages than max_pages = {self._api.max_pages}")
            answer, document = self._fetch(getter, url, number, self._api.max_total_bytes - total)
            page = _page(number, getter.hide(shown(answer.url)), answer, document)
            if page.records and page.sha256 == previous:
                problem = f"page {number} repeats the body of page {number - 1}"
                raise SourceError(f"{self._label}: GET {page.url}: {problem}; check the pagination settings")
            previous, total = page.sha256, total + len(page.body)
            _log.debug("api_page_fetched", source=self._name, page=number, url=page.url, records=len(page.records))
            yield page
            url = steps.after(answer, document)

    def _start(self, since: str | None, until: str | None) -> str:
        api = self._api
        if has_user_info(api.url):
            fix = "name the variables that hold them in [api.auth], kind 'basic'"
            raise ConfigError(f"{self._label}: api.url {shown(api.url)} must hold no user name or password: {fix}")
        window = {api.since_param: since, api.until_param: until}
        params = api.params | {name: value for name, value in window.items() if name and value is not None}
        try:
            return canonical(with_params(canonical(api.url), params))
        except ValueError as e:
            raise ConfigError(f"{self._label}: api.url {shown(api.url)}: {e}") from None

    def _fetch(self, getter: Getter, url: str, number: int, room: int) -> tuple[Answer, Document]:
        """One page, tried up to `retries` times more."""
        where = getter.hide(shown(url))
        tries = self._api.retries + 1
        retrying = Retrying(
            stop=stop_after_attempt(tries),
            wait=self._wait,
            sleep=self._sleep,
            retry=retry_if_exception_type(TryAgain),
            after=lambda state: self._log_failure(state, where),
            before_sleep=self._count_retry,
            reraise=True,
        )
        try:
            return retrying(self._attempt, getter, url, room)
        except TryAgain as e:
            failure = e
        self.gave_up = True
        problem = f"{self._label}: GET {where}: {failure.reason} (gave up after {tries} tries)"
        if failure.answer is None:
            raise SourceError(problem)
        broken = failure.answer
        raise BrokenBody(problem, _page(number, getter.hide(shown(broken.url)), broken, Document([])))

    def _attempt(self, getter: Getter, url: str, room: int) -> tuple[Answer, Document]:
        self.attempts += 1
        answer = getter.get(url, room)
        try:
            return answer, split_document(answer.body, self._records_path, answer.headers.get("Content-Type", ""))
        except InvalidDocument as e:
            reason = getter.hide(f"invalid body: {e}")
        raise TryAgain(reason, answer=answer)

    def _wait(self, state: RetryCallState) -> float:
        """Seconds until the next try: what the server asks for, else exponential with jitter; capped."""
        cap = self._api.backoff_max_seconds
        asked = _failure(state).retry_after
        if asked is None:
            longest: float = wait_exponential(multiplier=self._api.backoff_seconds, max=cap)(state)
            return longest * random.uniform(0.5, 1.0)
        if asked > cap:
            _log.warning("api_retry_after_capped", source=self._name, asked_seconds=asked, backoff_max_seconds=cap)
        return min(asked, cap)

    def _log_failure(self, state: RetryCallState, url: str) -> None:
        tries, reason = self._api.retries + 1, _failure(state).reason
        attempt = state.attempt_number
        _log.warning("api_attempt_failed", source=self._name, url=url, attempt=attempt, tries=tries, reason=reason)

    def _count_retry(self, state: RetryCallState) -> None:
        self.retries += 1
        wait = state.next_action.sleep if state.next_action else 0.0
        _log.info("api_retry", source=self._name, attempt=state.attempt_number + 1, wait_seconds=round(wait, 3))

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
            return _page(1, str(path), answer, split_document(body, self._records_path, lines))
        except InvalidDocument as e:
            reason = f"{self._label}: {path}: invalid body: {e}"
        raise BrokenBody(reason, _page(1, str(path), answer, Document([])))


def _failure(state: RetryCallState) -> TryAgain:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, TryAgain) else TryAgain("unknown")


def _page(number: int, url: str, answer: Answer, document: Document) -> Page:
    body = without_secrets(answer.body, answer.url) if answer.status else answer.body
    digest = hashlib.sha256(body).hexdigest()
    return Page(number, url, answer.status, body, answer.fetched_at, document.records, digest, document.form)
