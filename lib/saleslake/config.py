"""Settings: the only reader of `conf/`, `.env` and the environment.

A configuration is one TOML file. Every setting may be overridden by an environment variable
(`SALESLAKE__RUN__LOCK_TIMEOUT_SECONDS=30`) or a line in `.env` beside the project root; secrets come
from there only and are referred to in TOML by the *name* of their variable.
Relative paths are relative to `paths.root`, which is itself relative to the file's own folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from saleslake.errors import ConfigError

Severity = Literal["error", "warn"]

PROJECT_ROOT = Path(__file__).resolve().parents[2]
DEFAULT_CONFIG = PROJECT_ROOT / "conf" / "saleslake.toml"

_NAME = re.compile(r"^[a-z][a-z0-9_]*$")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Auth(_Strict):
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


class Api(_Strict):
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


class Source(_Strict):
    """One stream of records of one entity: where it comes from, how it reads, how its names map to ours."""

    entity: str
    """Which silver table it feeds: orders, transactions, users, products, stock, or one of your own."""
    format: Literal["csv", "json", "jsonl", "api"]
    path: list[str] = []
    """Files, folders or globs (csv, json, jsonl). A folder means every file in it."""
    api: Api | None = None
    records_path: str = ""
    """Dotted path to the array of records in a JSON body; empty: the body itself is the array."""
    key: Literal["default", "line"] = "default"
    version: str = ""
    """Our name of the column that tells versions of a key apart in time (orders: updated_at, else created_at)."""
    mapping: dict[str, str] = {}
    """Our column name to theirs; JSON names may be dotted (`user_id = "customer.id"`, `items.qty = "quantity"`)."""
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
        # TOML reads `items.qty = "quantity"` as a nested table; both spellings mean the same.
        return _flatten(value) if isinstance(value, Mapping) else value

    @field_validator("delimiter", "quote")
    @classmethod
    def _one_character(cls, value: str) -> str:
        if len(value) != 1 or value in "\r\n":
            raise ValueError("must be one character and no line break")
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
        if self.format != "api" and not self.path:
            raise ValueError(f"format {self.format!r} needs a path")
        if self.format == "api" and self.key == "line":
            raise ValueError("key 'line' is for files whose rows have no key; an API's records need one")
        return self

    @property
    def is_incremental(self) -> bool:
        """Whether a window (since, until] is asked of the API."""
        default = self.entity in ("orders", "transactions")
        return self.format == "api" and (default if self.incremental is None else self.incremental)


class Paths(_Strict):
    """Where everything lies. `root` is relative to the configuration file; the rest to `root`."""

    root: str = ".."
    data: str = "data"


class Run(_Strict):
    """How a run waits and how far it looks back."""

    lock_timeout_seconds: float = Field(default=600.0, ge=0)
    watermark_lag_seconds: int = Field(default=3600, ge=0)
    """The next API window starts this long before the watermark, for records that appear late."""
    amount_tolerance: Decimal = Decimal("0.005")
    """Greatest difference between an order's amount and Σ qty × price that is not a mismatch, in currency."""


class Gold(_Strict):
    """Decisions of the gold layer."""

    missing_item_price: Literal["zero", "catalogue"] = "zero"
    product_precedence: dict[str, list[str]] = {}
    """Per field of dim_product, the sources in order of trust; default: API sources before files."""


class Spark(_Strict):
    """Session settings; what is not given is found from the machine's cores and memory."""

    master: str = ""
    driver_memory: str = ""
    conf: dict[str, str] = {}


class Settings(BaseSettings):
    """The whole configuration of one lakehouse."""

    model_config = SettingsConfigDict(env_prefix="SALESLAKE__", env_nested_delimiter="__", extra="forbid", frozen=True)

    paths: Paths = Paths()
    run: Run = Run()
    gold: Gold = Gold()
    spark: Spark = Spark()
    channels: dict[str, str] = {}
    """Spelling of a channel (compared without case, spaces, `-` and `_`) to its name."""
    rules: dict[str, dict[str, Severity]] = {}
    sources: Annotated[dict[str, Source], Field(min_length=1)]

    config_file: Path = DEFAULT_CONFIG

    @field_validator("sources")
    @classmethod
    def _named_well(cls, value: dict[str, Source]) -> dict[str, Source]:
        for name in value:
            if not _NAME.match(name):
                raise ValueError(f"source name {name!r} must be lower-case letters, digits and _ (it names a table)")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls, _current_file))

    @property
    def root(self) -> Path:
        return (self.config_file.parent / self.paths.root).resolve()

    def resolve(self, path: str) -> str:
        """A path of the configuration as an absolute one; URLs (`s3a://…`, `https://…`) stay as they are."""
        expanded = os.path.expandvars(os.path.expanduser(path))
        return expanded if "://" in expanded else str(self.root / expanded)

    @property
    def data(self) -> str:
        return self.resolve(self.paths.data)

    def secret(self, variable: str, setting: str) -> SecretStr:
        """The secret that lies in an environment variable or `.env`.

        Raises ConfigError naming the variable and the setting that asks for it.
        """
        value = os.environ.get(variable) or dotenv_values(self.root / ".env").get(variable)
        if not value:
            raise ConfigError(
                f"{self.config_file}: {setting} names the environment variable {variable}, which is not set: "
                f"export it or put it into {self.root / '.env'}"
            )
        return SecretStr(value)


_current_file: Path = DEFAULT_CONFIG


def load(config: str | os.PathLike[str] | None = None) -> Settings:
    """Read and check one configuration file (default `$SALESLAKE_CONFIG`, else `conf/saleslake.toml`).

    Raises ConfigError with one line per wrong setting.
    """
    global _current_file
    path = Path(config or os.environ.get("SALESLAKE_CONFIG") or DEFAULT_CONFIG).resolve()
    if not path.is_file():
        raise ConfigError(f"configuration file not found: {path}; name one with --config")
    _current_file = path
    try:
        return Settings(config_file=path)
    except ValidationError as e:
        lines = [f"{'.'.join(str(p) for p in err['loc'])}: {err['msg']}" for err in e.errors()]
        raise ConfigError(f"{path}: " + "; ".join(lines)) from None
    except ValueError as e:  # TOML syntax, or an environment override that is no JSON
        raise ConfigError(f"{path}: {e}") from None


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat
