"""Settings of one source and its API; part of `config`, from which everything else imports them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from saleslake import date_patterns

Severity = Literal["error", "warn"]

LINES_INCOMPLETE = (
    "pageInfo.hasNextPage", "page_info.has_next_page", "has_more", "hasMore", "has_next", "hasNext", "next", "next_page",
    "nextPage", "next_url", "next_page_url", "next_link", "nextLink", "next_cursor", "nextCursor", "next_token", "nextToken",
    "NextToken", "next_page_token", "nextPageToken", "nextRecordsUrl", "paging.next", "pagination.next", "links.next",
    "_links.next.href",
)  # fmt: skip
"""How an order usually says that more of its lines or refunds are on another page."""


class Strict(BaseModel):
    """Refuses settings it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Auth(Strict):
    """How requests authenticate. The values live in the environment; here stand only their names."""

    kind: Literal["none", "bearer", "header", "basic"] = "none"
    token_env: str = ""
    header: str = "X-API-Key"
    username_env: str = ""
    password_env: str = ""

    @model_validator(mode="after")
    def _names_given(self) -> Auth:
        needed = {"bearer": ["token_env"], "header": ["token_env"], "basic": ["username_env", "password_env"]}
        for name in needed.get(self.kind, []):
            if not getattr(self, name):
                raise ValueError(f"auth kind {self.kind!r} needs {name} (the name of an environment variable)")
        return self


class Api(Strict):
    """One REST endpoint: how its pages are asked for, followed, limited and retried."""

    url: str
    auth: Auth = Auth()
    pagination: Literal["next", "cursor", "page", "offset", "none"] = "next"
    next_path: str = "next"
    """Dotted path of the next link in the body; a `Link: <…>; rel="next"` header is honoured as well."""
    cursor_path: str = "next_cursor"
    cursor_param: str = "cursor"
    page_param: str = "page"
    first_page: int = 1
    offset_param: str = "offset"
    page_size_param: str = "limit"
    page_size: int = Field(default=500, ge=1)
    since_param: str = "since"
    until_param: str = "until"
    params: dict[str, str] = {}
    connect_timeout_seconds: float = Field(default=5.0, gt=0)
    read_timeout_seconds: float = Field(default=30.0, gt=0)
    retries: int = Field(default=3, ge=0)
    backoff_seconds: float = Field(default=0.5, ge=0)
    backoff_max_seconds: float = Field(default=60.0, gt=0)
    max_pages: int = Field(default=100_000, ge=1)
    max_body_bytes: int = Field(default=64 * 1024 * 1024, ge=1)
    """Cap on one body after decompression."""
    max_total_bytes: int = Field(default=64 * 1024**3, ge=1)


class Source(Strict):
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
    api: Api | None = None
    records_path: str = ""
    """Dotted path to the array of records in a JSON body; empty: the body itself is the array."""
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
    """Spark datetime patterns, and `iso` for ISO 8601 with an optional zone."""
    time_zone: str = "UTC"
    """Zone of times that carry none."""
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
            raise ValueError("give at least one Spark datetime pattern, or iso")
        for pattern in value:
            problem = None if pattern == "iso" else date_patterns.problem(pattern)
            if problem:
                raise ValueError(f"{pattern!r} is no Spark datetime pattern for reading: {problem}")
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            "".encode(value)
        except LookupError:
            raise ValueError(f"unknown encoding {value!r}") from None
        return value

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except Exception:
            raise ValueError(f"unknown time zone {value!r}; use a name like Europe/Berlin") from None
        return value

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
