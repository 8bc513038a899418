"""One page of an API, as it is handed over to be landed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from saleslake.errors import SourceError
from saleslake.sources.documents import Document
from saleslake.sources.http_get import Answer
from saleslake.sources.urls import without_secrets


@dataclass(frozen=True)
class Page:
    """One response, or one file: its exact bytes, but for a secret of its URL that it repeats, and the records in it."""

    number: int
    """From 1, in the order fetched, over all rounds of a fetch."""
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
    form: str
    """How the body was split; the server's Content-Type may have decided it, which the bytes do not hold."""


class BrokenBody(SourceError):
    """A page came whole, and again at each retry, but holds no records: land and quarantine `page`."""

    def __init__(self, message: str, page: Page) -> None:
        super().__init__(message)
        self.page = page


def make_page(number: int, url: str, answer: Answer, document: Document) -> Page:
    """`url` is the one to show."""
    body = without_secrets(answer.body, answer.url) if answer.status else answer.body
    digest = hashlib.sha256(body).hexdigest()
    return Page(number, url, answer.status, body, answer.fetched_at, document.records, digest, document.form)
