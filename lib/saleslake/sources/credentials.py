"""The credentials of one API: put on each request, and hidden from everything that is written."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable

import requests
from pydantic import SecretStr
from requests.auth import AuthBase

from saleslake.config import Auth
from saleslake.errors import ConfigError
from saleslake.sources.urls import spellings

Secrets = Callable[[str, str], SecretStr]
"""(name of the environment variable, setting that asks for it) → its value; raises ConfigError."""


class Credentials(AuthBase):
    """Sets the authentication header, or none.

    Given to requests as `auth` even where there is nothing to set: it then takes none from .netrc or the URL.
    """

    def __init__(self, auth: Auth, secrets: Secrets, setting: str) -> None:
        self._headers: dict[str, str] = {}
        self._hidden: set[str] = set()
        if auth.kind == "bearer":
            self._headers["Authorization"] = f"Bearer {self._read(secrets, auth.token_env, f'{setting}.token_env')}"
        elif auth.kind == "header":
            self._headers[auth.header] = self._read(secrets, auth.token_env, f"{setting}.token_env")
        elif auth.kind == "basic":
            username = secrets(auth.username_env, f"{setting}.username_env").get_secret_value()
            password = secrets(auth.password_env, f"{setting}.password_env").get_secret_value()
            pair = base64.b64encode(f"{username}:{password}".encode()).decode()
            self.hide_also([password, pair])
            self._headers["Authorization"] = f"Basic {pair}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        return request

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._headers) or 'none'})"

    def hide_also(self, values: Iterable[str]) -> None:
        """Hide these values too from now on."""
        self._hidden |= {spelling for value in values if value for spelling in spellings(value)}

    def hide(self, text: str) -> str:
        """The text with `***` for every secret in it: servers echo them in their errors and links."""
        for value in sorted(self._hidden, key=len, reverse=True):
            text = text.replace(value, "***")
        return text

    def _read(self, secrets: Secrets, variable: str, setting: str) -> str:
        value = secrets(variable, setting).get_secret_value().strip()
        if not value.isascii() or not value.isprintable():
            # requests would refuse it too, with the value in its message
            raise ConfigError(f"{setting}: the value of {variable} has characters that no HTTP header may hold")
        self.hide_also([value])
        return value
