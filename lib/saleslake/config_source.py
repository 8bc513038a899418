"""Settings of one source; part of `config`, from which everything else imports them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, field_validator, model_validator

from saleslake import date_patterns
from saleslake.charsets import is_charset
from saleslake.config_api import Api as Api
from saleslake.config_api import Auth as Auth
from saleslake.config_api import Strict as Strict
from saleslake.config_api import known_zone

Severity = Literal["error", "warn"]

_HASH = re.compile(r"[0-9a-f]{12,64}")
LINES_INCOMPLETE = (
    "pageInfo.hasNextPage", "page_info.has_next_page", "has_more", "hasMore", "has_next", "hasNext", "next", "next_page",
    "nextPage", "next_url", "next_page_url", "next_link", "nextLink", "next_cursor", "nextCursor", "next_token", "nextToken",
    "NextToken", "next_page_token", "nextPageToken", "nextRecordsUrl", "paging.next", "pagination.next", "links.next",
    "_links.next.href",
)  # fmt: skip
"""How an order usually says that more of its lines or refunds are on another page."""


class Source(Strict, BaseModel):  # both, because ruff does not look into another module for what it may default to
    """One stream of records of one entity: where it comes from, how it reads, how its names map to ours."""

    entity: str
    """Which silver table it feeds: orders, transactions, users, products, stock, or one of your own."""
    format: Literal["csv", "json", "jsonl", "api", "events", "events_csv"]
    """`events` and `events_csv` are what the streaming job brings: JSON or CSV lines of one type of event."""
    event_type: str = ""
    """events: value of the stream's type field that names these events; default: the entity's name without its s."""
    columns: list[str] = []
    """events_csv: the column names of a line that comes without a header."""
    path: list[str] = []
    """Files, folders or globs (csv, json, jsonl). A folder means every file in it."""
    no_files: Literal["fail", "say"] = "fail"
    """What it is when a path names nothing, or had files and has none now: a failure (exit 1), or one line."""
    api: Api | None = None
    records_path: str = ""
    """Dotted path to the array of records in a JSON body, or to the one record; empty: the body itself is the array."""
    key: Literal["default", "line"] = "default"
    version: str = ""
    """Our name of the column that tells versions of a key apart in time (orders: updated_at, else created_at)."""
    mapping: dict[str, str] = {}
    """Our column name to theirs; JSON names may be dotted (`user_id = "customer.id"`, `"items.qty" = "quantity"`)."""
    defaults: dict[str, str] = {}
    """Value of one of our columns where the record has none."""
    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    multiline: bool = False
    date_formats: list[str] = ["iso"]
    """Datetime patterns (letters of java.time), and `iso` for ISO 8601 with an optional zone."""
    time_zone: str = "UTC"
    """Zone of times that carry none."""
    dismiss: list[str] = []
    """Files that cannot be read and are given up, each by the first 12 or more hex digits of its SHA-256, as the run that
    could not read it names them. A file that is replaced has other ones, so it is read again."""
    lines_incomplete_paths: tuple[str, ...] = LINES_INCOMPLETE
    """Orders: dotted paths, from the order, from what holds its lines and from its refunds, at which anything but `false`, `0`,
    `""`, `[]`, `{}` and null says that more of them are on another page."""
    incremental: bool | None = None
    """Whether the API takes since/until; default: yes for orders and transactions, no for reference data."""
    rules: dict[str, Severity] = {}
    """Severities of this source's rules, over those of `[rules.<entity>]`."""

    @field_validator("path", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("mapping", "defaults", mode="before")
    @classmethod
    def _flatten(cls, value: Any) -> Any:
        # TOML reads `items.qty = "quantity"` as a table in `items`, and `"items.qty"` as one name. Both mean the same,
        # but beside `items = "…"` only the quoted one is TOML: a name cannot be a text and a table.
        return _flatten(value) if isinstance(value, Mapping) else value

    @field_validator("delimiter", "quote")
    @classmethod
    def _one_character(cls, value: str) -> str:
        if len(value) != 1 or value in "\r\n":
            raise ValueError("must be one character and no line break")
        return value

    @field_validator("lines_incomplete_paths")
    @classmethod
    def _dotted_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for path in value:
            if not all(path.split(".")):
                raise ValueError(f"{path!r} is no dotted path of names, such as pageInfo.hasNextPage")
        return value

    @field_validator("date_formats")
    @classmethod
    def _readable_patterns(cls, value: list[str]) -> list[str]:
        if not value:
            raise ValueError("give at least one datetime pattern, or iso")
        for pattern in value:
            problem = None if pattern == "iso" else date_patterns.problem(pattern)
            if problem:
                raise ValueError(f"{pattern!r} is no datetime pattern for reading: {problem}")
        return value

    @field_validator("dismiss")
    @classmethod
    def _start_of_a_hash(cls, value: list[str]) -> list[str]:
        for digits in value:
            if not _HASH.fullmatch(digits):
                raise ValueError(f"{digits!r}: give 12 to 64 hex digits of the file's SHA-256, as the run prints them")
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        if not is_charset(value):
            raise ValueError(f"unknown encoding {value!r}; use a name like utf-8, latin-1, cp1252, utf-16 or shift_jis")
        return value

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return known_zone(value)

    @model_validator(mode="after")
    def _has_a_place(self) -> Source:
        if self.format == "api" and self.api is None:
            raise ValueError("format 'api' needs an [api] table with a url")
        if self.entity != "orders" and "lines_incomplete_paths" in self.model_fields_set:
            raise ValueError(
                f"lines_incomplete_paths is for orders, and this source feeds {self.entity!r}: leave it out"
            )
        if self.is_stream:
            if self.key == "line":
                raise ValueError("key 'line' is for files whose rows have no key; events need one")
            if self.format == "events_csv" and not self.columns:
                raise ValueError("format 'events_csv' needs columns, the names of a line's cells in order")
            return self
        if self.format != "api" and not self.path:
            raise ValueError(f"format {self.format!r} needs a path")
        if self.format == "api" and self.key == "line":
            raise ValueError("key 'line' is for files whose rows have no key; an API's records need one")
        return self

    def dismisses(self, sha256: str) -> bool:
        """Whether a file that cannot be read, with this SHA-256, is given up."""
        return any(sha256.startswith(digits) for digits in self.dismiss)

    @property
    def is_stream(self) -> bool:
        """Whether the streaming job lands it, and the batch only decides what has landed."""
        return self.format in ("events", "events_csv")

    @property
    def is_csv(self) -> bool:
        """Whether its records are lines of a CSV, to be read beside a header."""
        return self.format in ("csv", "events_csv")

    @property
    def is_incremental(self) -> bool:
        """Whether a window (since, until] is asked of the API."""
        default = self.entity in ("orders", "transactions")
        return self.format == "api" and (default if self.incremental is None else self.incremental)


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat
