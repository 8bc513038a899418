"""Settings: the only reader of `conf/`, `.env` and the environment.

A configuration is one TOML file. Every setting may be overridden by an environment variable
(`SALESLAKE__RUN__LOCK_TIMEOUT_SECONDS=30`) or the same line in the file `.env` in `paths.root`, in this order of
precedence (but `.env` cannot move `paths.root` itself). Secrets come from these two only and are referred to in TOML
by the *name* of their variable.
Relative paths are relative to `paths.root`, which is itself relative to the file's own folder.
"""

from __future__ import annotations

import os
import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from saleslake.config_alerts import Alerts as Alerts
from saleslake.config_lineage import Lineage as Lineage
from saleslake.config_monitoring import DEFAULT_EXPECT_NEW_HOURS
from saleslake.config_monitoring import Monitoring as Monitoring
from saleslake.config_rules import CustomRule as CustomRule
from saleslake.config_rules import EntityRules as EntityRules
from saleslake.config_serving import Serving as Serving
from saleslake.config_source import ALSO as ALSO
from saleslake.config_source import Api as Api
from saleslake.config_source import Auth as Auth
from saleslake.config_source import NumberDialect as NumberDialect
from saleslake.config_source import Severity as Severity
from saleslake.config_source import Source as Source
from saleslake.config_source import Strict
from saleslake.config_storage import Storage as Storage
from saleslake.config_storage import export_credentials, is_object, normal_url
from saleslake.config_stream import Stream as Stream
from saleslake.errors import ConfigError as ConfigError
from saleslake.project import ROOT

PROJECT_ROOT = ROOT
DEFAULT_CONFIG = PROJECT_ROOT / "conf" / "saleslake.toml"

_NAME = re.compile(r"^[a-z][a-z0-9_]*$")


class Paths(Strict):
    """Where everything lies. `root` is relative to the configuration file; the rest to `root`."""

    root: str = ".."
    data: str = "data"
    """A folder on a local disk, or `s3a://bucket/…`."""
    work: str = ""
    """A local folder for what is of this machine: logs, records on their way. Default: `data`, or, where that is no local disk, the folder `data`."""


class Run(Strict):
    """How a run waits and how far it looks back."""

    lock_timeout_seconds: float = Field(default=600.0, ge=0)
    silver_writers: Literal["auto", "lock", "conflict"] = "auto"
    """How writers of silver keep out of one another's way: one at a time by a lock on the local disk, or all at once, Delta
    finding conflicts and the loser trying again: for stores that know no file locks. `auto`: by where `paths.data` lies."""
    conflict_retries: int = Field(default=8, ge=0)
    watermark_lag_seconds: int = Field(default=3600, ge=0)
    """The next API window starts this long before the watermark, for records that appear late."""
    amount_tolerance: Decimal = Decimal("0.005")
    """Greatest difference between an order's amount and Σ qty × price that is not a mismatch, in currency."""
    longest_key: int = Field(default=512, ge=16, le=2048)
    """Most bytes of an id. PostgreSQL indexes no key of more than 2,704, and of two columns half as many."""
    plausible_dates: tuple[date, date] = (date(1970, 1, 1), date(2100, 12, 31))
    """First and last day that a sale, count or version is expected of; others are counted (`date_implausible`)."""
    currencies: tuple[Annotated[str, Field(pattern="^[A-Z]{3}$")], ...] = ()
    """Codes of three letters beside ISO 4217's that count as currencies, for points and vouchers."""
    quarantine_share: float = Field(default=1.0, gt=0, le=1)
    """A source ends the run with 1 if at least this share of its records of the run was quarantined …"""
    quarantine_from_records: int = Field(default=20, ge=1)
    """… and they are at least so many. The stream goes on, and sends an alert."""
    engine: Literal["spark", "embedded", "auto"] | None = None
    """What computes and writes: Spark; DuckDB and delta-rs without a JVM; or whichever fits the change. Default: Spark, and where it
    cannot start, for there is no Java, the embedded engine. Results are the same."""

    @model_validator(mode="before")
    @classmethod
    def _without_few_rows(cls, given: object) -> object:
        if isinstance(given, dict) and "few_rows" in given:
            raise ValueError("few_rows is no setting any more: run.engine says what computes and writes; take it out")
        return given


class Gold(Strict):
    """Decisions of the gold layer."""

    missing_item_price: Literal["zero", "catalogue"] = "zero"
    product_precedence: dict[str, list[str]] = Field(default_factory=dict)
    """Per field of dim_product, the sources in order of trust; default: API sources before files."""


class Spark(Strict):
    """Session settings; what is not given is found from the machine's cores and memory."""

    master: str = ""
    driver_memory: str = ""
    conf: dict[str, str] = Field(default_factory=dict)


class Settings(BaseSettings):
    """The whole configuration of one lakehouse."""

    model_config = SettingsConfigDict(env_prefix="SALESLAKE__", env_nested_delimiter="__", extra="forbid", frozen=True)

    paths: Paths = Paths()
    run: Run = Run()
    gold: Gold = Gold()
    spark: Spark = Spark()
    stream: Stream = Stream()
    storage: Storage = Storage()
    serving: Serving = Serving()
    alerts: Alerts = Alerts()
    lineage: Lineage = Lineage()
    monitoring: Monitoring = Monitoring()
    channels: dict[str, str] = {}
    """Spelling of a channel (compared without case, spaces, `-` and `_`) to its name."""
    rules: dict[str, EntityRules] = {}
    """By entity."""
    sources: Annotated[dict[str, Source], Field(min_length=1)]

    config_file: Path = DEFAULT_CONFIG

    @field_validator("sources")
    @classmethod
    def _named_well(cls, value: dict[str, Source]) -> dict[str, Source]:
        for name in value:
            if not _NAME.match(name):
                raise ValueError(f"source name {name!r} must be lower-case letters, digits and _ (it names a table)")
        return value

    @model_validator(mode="after")
    def _expected_of_sources(self) -> Settings:
        for name in self.monitoring.expect_new_hours:
            if name not in self.sources:
                there = ", ".join(self.sources)
                raise ValueError(f"monitoring.expect_new_hours.{name}: no such source; there are: {there}")
        return self

    @model_validator(mode="after")
    def _fits_its_storage(self) -> Settings:
        for path in self._paths():
            if "://" in path:
                normal_url(path)
        if self.is_on_objects and self.run.silver_writers == "lock":
            raise ValueError(
                f"run.silver_writers = 'lock': {self.paths.data} knows no file locks; leave the setting out, or give 'conflict'"
            )
        for name, path in (("paths.work", self.paths.work), ("stream.socket.spool", self.stream.socket.spool)):
            if "://" in path:
                raise ValueError(f"{name} = {path!r}: this one is a folder on a local disk")
        return self

    def _paths(self) -> list[str]:
        """Every path of the configuration that may be a URL."""
        files, serving = self.stream.files, self.serving
        own = [self.paths.data, files.path, files.archive, serving.duckdb.path, serving.redshift.export]
        return [*own, *(path for source in self.sources.values() for path in source.path)]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        toml = TomlConfigSettingsSource(settings_cls, _current_file)
        # Other lines of .env are secrets under names of their own.
        dotenv = DotEnvSettingsSource(settings_cls, env_file=_dotenv(toml), dotenv_filtering="match_prefix")
        return (init_settings, env_settings, dotenv, toml)

    @property
    def root(self) -> Path:
        return (self.config_file.parent / self.paths.root).resolve()

    def rules_of(self, entity: str) -> EntityRules:
        """`[rules.<entity>]`, which may be left out."""
        return self.rules.get(entity, EntityRules())

    def resolve(self, path: str) -> str:
        """A path of the configuration as an absolute one; URLs (`s3a://…`, `https://…`) stay as they are."""
        expanded = os.path.expandvars(os.path.expanduser(path))  # noqa: PTH111 - Path would take the slashes of a URL
        if expanded.startswith(("s3://", "s3a://")):
            return normal_url(expanded)
        return expanded if "://" in expanded else str(self.root / expanded)

    def expect_new_hours(self, source: str) -> float:
        """Within how many hours something new should land; 0: whenever."""
        default = DEFAULT_EXPECT_NEW_HOURS if self.sources[source].is_incremental else 0.0
        return self.monitoring.expect_new_hours.get(source, default)

    @property
    def data(self) -> str:
        return self.resolve(self.paths.data)

    @property
    def work(self) -> str:
        """The local folder of this machine's own files."""
        return self.resolve(self.paths.work or ("data" if self.is_on_objects else self.paths.data))

    @property
    def is_on_objects(self) -> bool:
        """Whether the lakehouse lies on an object store."""
        return is_object(self.data)

    @property
    def object_paths(self) -> list[str]:
        """Every path that lies on an object store."""
        return [path for path in map(self.resolve, self._paths()) if is_object(path)]

    @property
    def silver_writers(self) -> str:
        """`lock` or `conflict`."""
        chosen = self.run.silver_writers
        return chosen if chosen != "auto" else ("conflict" if self.is_on_objects else "lock")

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


def _dotenv(toml: TomlConfigSettingsSource) -> Path:
    """`.env` in `paths.root`, which is not a checked setting yet when this is asked."""
    paths = toml.toml_data.get("paths")
    root = os.environ.get("SALESLAKE__PATHS__ROOT") or (paths.get("root") if isinstance(paths, dict) else None)
    return _current_file.parent / str(root or Paths().root) / ".env"


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
        settings = Settings(config_file=path)  # type: ignore[call-arg]  # the file brings the rest
    except ValidationError as e:
        lines = [": ".join(filter(None, [".".join(str(p) for p in err["loc"]), err["msg"]])) for err in e.errors()]
        raise ConfigError(f"{path}: " + "; ".join(lines)) from None
    except ValueError as e:  # TOML syntax, or an environment override that is no JSON
        raise ConfigError(f"{path}: {e}") from None
    if settings.object_paths:
        export_credentials(settings.root / ".env")
    return settings
