"""Settings of one API: how its pages are asked for, followed, counted, limited and retried."""

from __future__ import annotations

from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from saleslake import date_writing


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
    cursor_of: Literal["page", "record"] = "page"
    """Where cursor_path leads: through the page, or through its last record (`starting_after=<id of the last one>`)."""
    more_path: str = ""
    """By cursor: dotted path of whether another page follows, where pages say so; what is false there ends the fetch."""
    page_param: str = "page"
    first_page: int = 1
    offset_param: str = "offset"
    page_size_param: str = "limit"
    page_size: int = Field(default=500, ge=1)
    offset_overlap: bool = True
    """By offset, each request begins at the last record that came: if it is not there, records moved."""
    total_path: str = ""
    """Dotted path of how many records there are; `total_header` names a header instead."""
    total_header: str = ""
    total_of: Literal["window", "catalogue"] = "window"
    """What the total counts. That of a window has to be reached; that of all the API has is only recorded."""
    error_paths: list[Annotated[str, Field(min_length=1)]] = ["error", "errors"]
    """Where an answer says that it failed though its status is 200. Null, false, 0, "", [] and {} say nothing."""
    end_statuses: list[int] = []
    """Statuses that mean "no more records", beside 204 and the known answers to a page past the last."""
    missing_is_empty: bool = False
    """An object without the field of `records_path` holds no records (protobuf leaves empty lists out)."""
    since_param: str = "since"
    until_param: str = "until"
    since_format: str = "iso"
    """How since and until are written: iso, iso_seconds, epoch_s, epoch_ms, or a datetime pattern."""
    since_time_zone: str = "UTC"
    """Zone since and until are written in."""
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

    @field_validator("since_format")
    @classmethod
    def _writable(cls, value: str) -> str:
        problem = None if value in date_writing.NAMES else date_writing.problem(value)
        if problem:
            names = ", ".join(date_writing.NAMES)
            raise ValueError(f"{value!r} is none of {names}, and no datetime pattern for writing: {problem}")
        return value

    @field_validator("since_time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return known_zone(value)

    @field_validator("end_statuses")
    @classmethod
    def _statuses_that_may_end(cls, value: list[int]) -> list[int]:
        for status in value:
            if not 400 <= status <= 499 or status in (401, 403, 407, 408, 429):
                raise ValueError(
                    f"{status} cannot mean that there are no more records; use one of 400, 404, 410, 416, …"
                )
        return value

    @model_validator(mode="after")
    def _cursors_alone(self) -> Api:
        if self.pagination != "cursor" and (self.more_path or self.cursor_of == "record"):
            raise ValueError("cursor_of and more_path are for pagination = 'cursor': leave them out, or set that")
        return self

    @model_validator(mode="after")
    def _one_total(self) -> Api:
        if self.total_path and self.total_header:
            raise ValueError("give total_path or total_header, not both")
        if self.total_of == "catalogue" and not (self.total_path or self.total_header):
            raise ValueError("total_of says what the total counts: it needs total_path or total_header")
        return self


def known_zone(name: str) -> str:
    """The name, if there is such a time zone. Raises ValueError."""
    try:
        ZoneInfo(name)
    except Exception:
        raise ValueError(f"unknown time zone {name!r}; use a name like Europe/Berlin") from None
    return name
