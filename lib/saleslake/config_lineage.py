"""Settings of the lineage events that runs emit; part of `config`, from which everything else imports them."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from saleslake.config_source import Strict


class Lineage(Strict):
    """A receiver of OpenLineage events, like Marquez or DataHub. Off unless it has an address."""

    url: str = ""
    """`http(s)://host[:port]`; empty: no events."""
    endpoint: str = "api/v1/lineage"
    namespace: str = Field(default="saleslake", min_length=1)
    """Of the jobs. Two lakehouses that report to one receiver need two."""
    api_key_env: str = ""
    """Name of the variable with the key, sent as bearer token; empty: none is sent."""
    timeout_seconds: float = Field(default=5.0, gt=0, le=60)
    """How long the end of a run waits for its event to be taken."""

    @field_validator("url")
    @classmethod
    def _no_secrets_in_it(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("give http://host:port or https://host, or nothing")
        if "@" in parts.netloc or parts.query:
            raise ValueError("must hold no user, password or parameters: name the key's variable in api_key_env")
        return value
