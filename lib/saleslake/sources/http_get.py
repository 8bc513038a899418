"""One GET of one API: capped while it is read, checked to be whole, never followed to another host."""

from __future__ import annotations

import logging
import ssl
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import cast

import requests
import urllib3

from saleslake.config import Api
from saleslake.errors import SourceError
from saleslake.sources.credentials import Credentials
from saleslake.sources.urls import canonical, kept_at_home, shown

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
_WIRE_BYTES = 8192  # inflates to 8.5 MB at most: how far one step may overshoot the cap
_BODY_SHOWN = 200
_START_BYTES = 8192
_ACCEPTED = (200, 203, 204, 206)
_HEADERS = {"Accept": "application/json, application/x-ndjson", "Accept-Encoding": "gzip", "User-Agent": "saleslake"}


class TryAgain(Exception):
    """An attempt failed in a way that another may mend; `retry_after` is the wait in seconds the server asks for."""

    def __init__(self, reason: str, retry_after: float | None = None, answer: Answer | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        self.answer = answer
        """The answer, where it came whole and only its body is no document."""


class Refused(SourceError):
    """The server said no, and asking again would not help; `body` is the start of what it answered."""

    def __init__(self, message: str, status: int, body: bytes) -> None:
        super().__init__(message)
        self.status = status
        self.body = body


@dataclass(frozen=True)
class Answer:
    """A response that came whole. `body` is decoded from transfer and content encoding, else untouched."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    fetched_at: datetime


class Getter:
    """Sends GET requests to one origin, with the credentials, over one session."""

    def __init__(
        self, api: Api, label: str, session: requests.Session, credentials: Credentials, clock: Callable[[], datetime]
    ) -> None:
        self._api = api
        self._label = label
        self._session = session
        self._credentials = credentials
        self._clock = clock
        self.hide = credentials.hide
        _keep_urls_out_of_logs()

    def get(self, url: str, room: int) -> Answer:
        """Fetch one URL; `room` is how many bytes are left of `max_total_bytes`.

        Raises TryAgain where another try may help, Refused for a status, else SourceError.
        """
        for _ in range(_MAX_REDIRECTS + 1):
            with self._send(url) as response:
                location = response.headers.get("Location", "")
                if response.status_code not in _REDIRECTS or not location:
                    return self._answer(url, response, room)
                url = self._redirected(url, location)
        raise self._refused(url, f"more than {_MAX_REDIRECTS} redirects")

    def _send(self, url: str) -> requests.Response:
        timeout = (self._api.connect_timeout_seconds, self._api.read_timeout_seconds)
        reason = ""
        try:
            return self._session.get(
                url, auth=self._credentials, headers=_HEADERS, timeout=timeout, stream=True, allow_redirects=False
            )
        except requests.ConnectTimeout:
            reason = f"no connection within connect_timeout_seconds = {timeout[0]:g}"
        except requests.ReadTimeout:
            reason = f"no answer within read_timeout_seconds = {timeout[1]:g}"
        except requests.ConnectionError as e:
            cause = _cause(e)
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise self._refused(url, f"TLS verification failed: {cause.verify_message}") from None
            reason = f"connection failed: {type(cause).__name__}: {cause}"
        except (requests.RequestException, UnicodeError) as e:
            raise self._refused(url, f"cannot be requested ({type(e).__name__})") from None
        raise TryAgain(self.hide(reason))

    def _redirected(self, url: str, location: str) -> str:
        try:
            return kept_at_home(canonical(location, base=url), url)
        except ValueError as e:
            fix = "if that is right, make it the source's url"
            raise self._refused(url, f"redirect {shown(location)!r} {e}; {fix}") from None

    def _answer(self, url: str, response: requests.Response, room: int) -> Answer:
        status = response.status_code
        if status in (408, 429) or status >= 500:
            raise TryAgain(f"HTTP {status}", _retry_after(response.headers.get("Retry-After", ""), self._clock()))
        if status not in _ACCEPTED:
            start = self._start_of_body(response)
            said = self.hide(start.decode("utf-8", errors="replace"))[:_BODY_SHOWN]
            raise Refused(str(self._refused(url, f"HTTP {status}: {said!r}")), status, start)
        part = response.headers.get("Content-Range", "").strip()
        if status == 206 and part.lower().startswith("bytes"):  # other units count records: a page
            raise TryAgain(self.hide(f"HTTP 206 with a part of the body, which was not asked for ({part[:100]})"))
        try:
            body = self._body(url, response, room)
        except urllib3.exceptions.ReadTimeoutError:
            raise TryAgain(f"body stalled beyond read_timeout_seconds = {self._api.read_timeout_seconds:g}") from None
        except (urllib3.exceptions.HTTPError, zlib.error, OSError) as e:
            raise TryAgain(self.hide(f"broken body: {type(_cause(e)).__name__}: {_cause(e)}")) from None
        headers = cast("Mapping[str, str]", response.headers)
        return Answer(url, status, headers, body, self._clock().astimezone(UTC))

    def _body(self, url: str, response: requests.Response, room: int) -> bytes:
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        wire = _Wire(response)
        if encoding in ("", "identity"):
            parts: Iterable[bytes] = wire
        elif encoding in ("gzip", "x-gzip", "deflate"):
            parts = _inflated(wire)
        else:
            raise self._refused(url, f"answers in Content-Encoding {encoding!r}, which was not asked for")
        body = bytearray()
        for part in parts:
            body += part
            if len(body) > self._api.max_body_bytes:
                raise self._refused(url, f"the body exceeds max_body_bytes = {self._api.max_body_bytes}")
            if len(body) > room:
                raise self._refused(url, f"the pages together exceed max_total_bytes = {self._api.max_total_bytes}")
        wire.check_whole()
        return bytes(body)

    def _start_of_body(self, response: requests.Response) -> bytes:
        start = bytearray()
        try:
            wire = _Wire(response)
            zipped = "gzip" in response.headers.get("Content-Encoding", "").lower()
            for part in _inflated(wire) if zipped else wire:
                start += part
                if len(start) >= _START_BYTES:
                    break
        except (urllib3.exceptions.HTTPError, zlib.error, OSError, TryAgain):
            pass
        return bytes(start)

    def _refused(self, url: str, problem: str) -> SourceError:
        return SourceError(self.hide(f"{self._label}: GET {shown(url)}: {problem}"))


class _Wire:
    """The body's bytes as they lie on the wire (content encoding kept), counted."""

    def __init__(self, response: requests.Response) -> None:
        self._response = response
        self._count = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._response.raw.stream(_WIRE_BYTES, decode_content=False):
            self._count += len(chunk)
            yield chunk

    def check_whole(self) -> None:
        """Raise TryAgain if fewer bytes came than announced (urllib3 1 does not look)."""
        announced = self._response.headers.get("Content-Length", "")
        if "Transfer-Encoding" not in self._response.headers and announced.isdecimal() and self._count < int(announced):
            raise TryAgain(f"truncated body: {self._count} of {announced} bytes")


def _inflated(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Inflate gzip (also of several members) or zlib data; unlike urllib3, miss its end when it is cut off."""
    stream, started = zlib.decompressobj(wbits=47), False  # 47: tell gzip from zlib by its header
    for chunk in chunks:
        data = chunk
        while data:
            if stream.eof:
                if not data.strip(b"\0"):
                    break
                stream = zlib.decompressobj(wbits=47)
            started = True
            yield stream.decompress(data)
            data = stream.unused_data
    if started and not stream.eof:
        raise TryAgain("truncated body: the compressed data end early")


def _keep_urls_out_of_logs() -> None:
    """urllib3 logs each URL whole at DEBUG, and some carry a secret in their query."""
    log = logging.getLogger("urllib3.connectionpool")
    if log.getEffectiveLevel() < logging.INFO:
        log.setLevel(logging.INFO)


def _cause(error: BaseException) -> BaseException:
    """The innermost of the errors wrapped in one another: the outer ones quote the whole URL."""
    for _ in range(10):
        inner = [getattr(error, "reason", None), *reversed(error.args)]
        found = next((e for e in inner if isinstance(e, BaseException)), None)
        if found is None:
            break
        error = found
    return error


def _retry_after(value: str, now: datetime) -> float | None:
    """The wait in seconds that a Retry-After header asks for, given as seconds or as a date; None if unreadable."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        then = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    aware = then if then.tzinfo else then.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())
