"""The mock API's records: each kept as the exact text it was given as, sorted by version time."""

from __future__ import annotations

import json
import re
import threading
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from saleslake.errors import ConfigError
from saleslake.sources.documents import InvalidDocument, split_document

Given = Sequence[Any] | str | Path
"""JSON values, or the path of a file that holds them as an array or as JSON lines."""

_BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, order=True)
class Record:
    """Sorts by (version time, key), undated ones first so that what is appended later never shifts them."""

    version: datetime
    key: str
    arrival: int
    text: str = field(compare=False)

    @property
    def is_dated(self) -> bool:
        return self.version != _BEGINNING


class Records:
    """All records of one endpoint, in the order they are served."""

    def __init__(self, key: str, given: Given) -> None:
        """`key` is the field that orders records of the same time; empty: they keep the order they came in."""
        self._key = key
        self._records: list[Record] = []
        self._arrived = 0
        self._lock = threading.Lock()
        self.add(texts_of(given))

    def add(self, texts: list[str]) -> None:
        """Put in more records, each any JSON value."""
        with self._lock:
            for text in texts:
                value = json.loads(text, parse_int=str, parse_float=str)
                key = str(value.get(self._key, "")) if self._key and isinstance(value, dict) else ""
                insort(self._records, Record(_version_of(value), key, self._arrived, text))
                self._arrived += 1

    def between(self, since: datetime | None, until: datetime | None) -> list[str]:
        """Texts of the records with since < version time <= until; undated ones are in every window."""
        with self._lock:
            return [
                record.text
                for record in self._records
                if not record.is_dated
                or ((since is None or since < record.version) and (until is None or record.version <= until))
            ]


def texts_of(given: Given) -> list[str]:
    """The text of each record. Raises ConfigError naming the file and what in it is no JSON."""
    if not isinstance(given, str | Path):
        return [_text(value) for value in given]
    path = Path(given)
    try:
        body = path.read_bytes()
    except OSError as e:
        raise ConfigError(f"cannot read {path}: {e.strerror or e}") from None
    return texts_in(body, str(path), "jsonl" if path.suffix.lower() in (".jsonl", ".ndjson") else "")


def texts_in(body: bytes, where: str, content_type: str = "") -> list[str]:
    """The text of each record of a JSON array or JSON lines. Raises ConfigError naming what is no JSON."""
    try:
        texts = split_document(body, "", content_type).records
    except InvalidDocument as e:
        raise ConfigError(f"{where}: {e}") from None
    for number, text in enumerate(texts, 1):
        try:
            split_document(f"[{text}]".encode(), "")
        except (InvalidDocument, UnicodeEncodeError) as e:
            raise ConfigError(f"{where}: record {number} is no JSON value: {e}") from None
    return texts


def read_time(text: str) -> datetime | None:
    """An ISO 8601 time as UTC (a naive one is UTC), or None."""
    try:
        time = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith(("Z", "z")) else text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    # UTF-8 has no lone surrogates, only JSON's escapes have
    return json.dumps(value) if re.search("[\ud800-\udfff]", text) else text


def _version_of(value: Any) -> datetime:
    given = (value.get("updated_at") or value.get("created_at")) if isinstance(value, dict) else None
    return (read_time(given) if isinstance(given, str) else None) or _BEGINNING
