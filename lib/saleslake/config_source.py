"""Settings of one source; part of `config`, from which everything else imports them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationInfo, field_validator, model_validator

from saleslake import date_patterns
from saleslake.charsets import is_charset
from saleslake.config_api import Api as Api
from saleslake.config_api import Auth as Auth
from saleslake.config_api import Strict as Strict
from saleslake.config_api import known_zone
from saleslake.config_rules import Severity as Severity

_HASH = re.compile(r"[0-9a-f]{12,64}")
LINES_INCOMPLETE = (
    "pageInfo.hasNextPage", "page_info.has_next_page", "has_more", "hasMore", "has_next", "hasNext", "next", "next_page",
    "nextPage", "next_url", "next_page_url", "next_link", "nextLink", "next_cursor", "nextCursor", "next_token", "nextToken",
    "NextToken", "next_page_token", "nextPageToken", "nextRecordsUrl", "paging.next", "pagination.next", "links.next",
    "_links.next.href",
)  # fmt: skip
"""How an order usually says that more of its lines or refunds are on another page."""
ALSO = {"items.quantity": "items.qty"}
"""Names of our columns that a setting may use as well: the API's own word."""
DecimalMark = Literal[".", ","]
ThousandsMark = Literal[".", ",", " ", "'", "\u00a0", "\u202f"]


class NumberDialect(Strict):
    """How the texts of one column write numbers. Numbers of JSON have a decimal point whatever stands here."""

    decimal: DecimalMark | None = None
    """What stands before decimals; not given: a point, and texts that could mean another number are counted."""
    thousands: ThousandsMark | None = None
    """What stands between groups of three digits, where there are any; a blank is any blank that printers use."""
    minor_units: bool = False
    """Amounts are in the smallest unit of their currency: 1299 is EUR 12.99, JPY 1299, KWD 1.299."""

    @model_validator(mode="after")
    def _two_marks(self) -> NumberDialect:
        if self.thousands is not None and self.thousands == (self.decimal or "."):
            raise ValueError(f"decimal and thousands are both {self.thousands!r}: give decimal as well")
        return self

    def over(self, other: NumberDialect) -> NumberDialect:
        """This one, what is not given taken from another."""
        return NumberDialect(
            decimal=self.decimal or other.decimal,
            thousands=self.thousands or other.thousands,
            minor_units=self.minor_units,
        )


NO_SALES = (
    "cancelled", "canceled", "voided", "failed", "expired", "rejected", "declined", "draft", "pending", "test",
)  # fmt: skip
"""Statuses by which shops usually say that nothing was sold (yet)."""
NULLS = ("NULL", "\\N", "nan", "NaN", "None", "N/A", "#N/A")
"""What databases, spreadsheets and pandas write in a CSV where nothing stands."""


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
    key: Literal["default", "line"] | tuple[str, ...] = "default"
    """What tells the records of orders or transactions apart, where their id alone does not: names of the source's own columns
    that do so together (`["store", "receipt"]`), or `line`, the place in the file. Else the entity's own key."""
    version: str = ""
    """Our name of the column that tells versions of a key apart in time (orders: updated_at, else created_at)."""
    mapping: dict[str, str] = {}
    """Our column name to theirs; JSON names may be dotted (`user_id = "customer.id"`, `"items.qty" = "quantity"`)."""
    defaults: dict[str, str] = {}
    """Value of one of our columns where the record has none."""
    delimiter: str = ","
    """csv: a file whose first line is `sep=;` names its own."""
    quote: str = '"'
    """What cells stand in that hold delimiters, quotes (doubled) or line breaks; empty: nothing is quoted."""
    escape: str = ""
    """The character that makes a delimiter, quote, line break or itself part of a cell, quoted or not (MySQL: a backslash)."""
    skip_lines: int = Field(default=0, ge=0)
    """csv: lines before the header."""
    skip_last: int = Field(default=0, ge=0)
    """csv: records at the end that are none, such as totals; blank lines do not count."""
    encoding: str = "utf-8"
    decimal: DecimalMark | None = None
    thousands: ThousandsMark | None = None
    """How texts of this source write numbers; see `NumberDialect`. `12,50` needs decimal = ","; `1.234,50` thousands = "." too."""
    dialects: dict[str, NumberDialect] = {}
    """The same for one of our columns (`total_price`, `items.price`), where an export mixes them; and `minor_units`."""
    null_values: list[str] | None = None
    """Texts that say that nothing stands there, for all columns but free text (`name`, `promo`, …); default: NULLS in a CSV, none
    in JSON, which has a null."""
    no_sales: tuple[str, ...] = NO_SALES
    """Values of `status`, where that is mapped, that make an order or transaction no sale: kept in silver, out of gold's figures.
    Case, blanks, `-` and `_` do not count."""
    items_as: Literal["array", "object", "json"] = "array"
    """Orders: what stands in place of the lines: an array of them, an object whose members they are, or JSON as a text."""
    lines_where: dict[str, tuple[str, ...]] = {}
    """Orders: which lines count: by a dotted path in a line, the texts that may stand there; `""`: nothing. So of a configurable
    product and the variant in it one is counted: `lines_where = { parent_item_id = "" }`."""
    no_customer: tuple[str, ...] = ()
    """Ids of `user_id` or `customer_id` that name nobody (`0` of a shop's guests): the customer is then not given."""
    date_formats: list[str] = ["iso"]
    """Datetime patterns (letters of java.time); `iso` for ISO 8601 with an optional zone; `epoch_s`, `epoch_ms` for seconds and
    milliseconds since 1970; `excel` for a spreadsheet's days."""
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
    """Severities of this source's rules, over those of `[rules.<entity>]`; of the project's own rules, too."""

    @field_validator("path", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("dialects", mode="before")
    @classmethod
    def _of_lines(cls, value: Any) -> Any:
        # `[sources.x.dialects.items.price]` is a table in `items`, as with mappings.
        for holder in ("items", "refunds"):
            within = value.get(holder) if isinstance(value, Mapping) else None
            if isinstance(within, Mapping) and all(isinstance(each, Mapping) for each in within.values()):
                others = {name: each for name, each in value.items() if name != holder}
                value = others | {f"{holder}.{name}": each for name, each in within.items()}
        return value

    @field_validator("lines_where", mode="before")
    @classmethod
    def _one_text_or_many(cls, value: Any) -> Any:
        flat = _flatten(value) if isinstance(value, Mapping) else value
        return {path: (texts,) if isinstance(texts, str) else texts for path, texts in flat.items()}

    @field_validator("mapping", "defaults", mode="before")
    @classmethod
    def _flatten(cls, value: Any) -> Any:
        # TOML reads `items.qty = "quantity"` as a table in `items`, and `"items.qty"` as one name. Both mean the same,
        # but beside `items = "…"` only the quoted one is TOML: a name cannot be a text and a table.
        return _flatten(value) if isinstance(value, Mapping) else value

    @field_validator("delimiter", "quote", "escape")
    @classmethod
    def _one_character(cls, value: str, info: ValidationInfo) -> str:
        may_be_empty = info.field_name != "delimiter"
        if not (len(value) == 1 or (may_be_empty and not value)) or (value and value in "\r\n"):
            raise ValueError(f"must be one character and no line break{', or empty' if may_be_empty else ''}")
        return value

    @field_validator("key")
    @classmethod
    def _several_columns(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if not isinstance(value, str) and (len(value) < 2 or len(set(value)) < len(value)):
            raise ValueError("give two or more different columns; one alone is mapped to the key")
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
            problem = None if pattern in ("iso", *date_patterns.COUNTS) else date_patterns.problem(pattern)
            if problem:
                raise ValueError(f"{pattern!r} is no datetime pattern for reading: {problem}")
        counts = [name for name in value if name in date_patterns.COUNTS]
        if len(counts) > 1:
            raise ValueError(f"{' and '.join(counts)} read the same numbers as different times: keep one")
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

    @model_validator(mode="before")
    @classmethod
    def _no_multiline(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and "multiline" in data:
            raise ValueError("multiline is no setting any more: leave it out, quoted line breaks are always read")
        return data

    @model_validator(mode="after")
    def _writes_csv_in_one_way(self) -> Source:
        if self.escape and self.escape == self.quote:
            raise ValueError(f"escape = {self.escape!r} is the quote: leave it out, a doubled quote is always read")
        if self.delimiter in (self.quote, self.escape):
            raise ValueError(f"delimiter = {self.delimiter!r} is the quote or escape as well; they must differ")
        for name in ("skip_lines", "skip_last"):
            if getattr(self, name) and self.format != "csv":
                raise ValueError(f"{name} is for csv, and the format is {self.format!r}: leave it out")
        if self.escape and not self.is_csv:
            raise ValueError(f"escape is for csv and events_csv, and the format is {self.format!r}: leave it out")
        return self

    @model_validator(mode="after")
    def _dialects_agree(self) -> Source:
        for column in ("", *self.dialects):
            self.dialect(column)
        return self

    @model_validator(mode="after")
    def _has_a_place(self) -> Source:
        if self.format == "api" and self.api is None:
            raise ValueError("format 'api' needs an [api] table with a url")
        for name in ("lines_incomplete_paths", "items_as", "lines_where"):
            if self.entity != "orders" and name in self.model_fields_set:
                raise ValueError(f"{name} is for orders, and this source feeds {self.entity!r}: leave it out")
        if self.no_customer and self.entity not in ("orders", "transactions"):
            raise ValueError(f"no_customer is for orders and transactions, not for {self.entity}: leave it out")
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

    def dialect(self, column: str) -> NumberDialect:
        """How one of our columns writes numbers. Raises ValueError where its marks and the source's are the same."""
        own = self.dialects.get(column) or self.dialects.get(ALSO.get(column, "")) or NumberDialect()
        return own.over(NumberDialect(decimal=self.decimal, thousands=self.thousands))

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The source's own names of the columns that are the key together; none: the key is one column, or the line."""
        return () if isinstance(self.key, str) else self.key

    @property
    def nulls(self) -> frozenset[str]:
        """Texts that stand for nothing."""
        found = (NULLS if self.is_csv else ()) if self.null_values is None else self.null_values
        return frozenset(text.strip() for text in found)

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
