"""Settings of the alerts that a run sends itself; part of `config`, from which everything else imports them."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field, field_validator, model_validator

from saleslake.config_source import Strict

Kind = Literal["stream_failed", "check_failed", "retries_exhausted", "run_failed", "quarantine"]
"""What can be told, in the order in which a message tells it: the more precise before the less."""
_PORTS = {"starttls": 587, "tls": 465, "none": 25}


class Smtp(Strict):
    """A mail server. The password lies in the environment; here stands only its name."""

    host: str = Field(min_length=1)
    port: int | None = Field(default=None, ge=1, le=65535)
    """Default: 587 with `starttls`, 465 with `tls`, 25 with `none`."""
    tls: Literal["starttls", "tls", "none"] = "starttls"
    ca_file: str = ""
    """Certificates to trust beside the system's, in PEM: for a server of one's own."""
    sender: str
    recipients: list[str] = Field(min_length=1)
    username: str = ""
    password_env: str = ""

    @property
    def address(self) -> tuple[str, int]:
        return self.host, self.port or _PORTS[self.tls]

    @field_validator("recipients", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("sender", "recipients")
    @classmethod
    def _addresses(cls, value: str | list[str]) -> str | list[str]:
        for address in [value] if isinstance(value, str) else value:
            name, at, domain = address.rpartition("@")
            if not (name and at and domain) or any(c.isspace() or c in "<>," for c in address):
                raise ValueError(f"{address!r} is no e-mail address: give one like data@example.com")
        return value

    @model_validator(mode="after")
    def _login_is_whole_and_safe(self) -> Smtp:
        if bool(self.username) != bool(self.password_env):
            raise ValueError("username and password_env (the name of an environment variable) go together")
        if self.username and self.tls == "none":
            raise ValueError("tls 'none' would send the password in plain text: use 'starttls' or 'tls'")
        return self


class Webhook(Strict):
    """An address that takes a POST. Whoever knows it can post there, so it is a secret and comes from the environment."""

    url_env: str = Field(min_length=1)
    format: Literal["slack", "json"] = "slack"
    """`slack`: `{"text": …}`, which Slack, Mattermost and Rocket.Chat take; `json`: the facts as fields."""


class Alerts(Strict):
    """What a run tells people when it ends, and how. Nothing is sent unless `smtp` or `webhook` is given."""

    when: list[Kind] = Field(default_factory=lambda: list(get_args(Kind)))
    quarantine_share: float = Field(default=0.1, ge=0, lt=1)
    """`quarantine`: more than this share of the records that a run decided was rejected …"""
    quarantine_from_records: int = Field(default=100, ge=1)
    """… of at least so many: two of three bad records are no flood."""
    timeout_seconds: float = Field(default=15.0, gt=0, le=120)
    """How long a run waits for all its messages together, the second try included."""
    smtp: Smtp | None = None
    webhook: Webhook | None = None

    @property
    def configured(self) -> bool:
        return self.smtp is not None or self.webhook is not None
