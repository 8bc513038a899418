"""Hides the values of all secrets that the configuration names, in texts that leave the process.

The parts that use a secret keep it out of their messages themselves; this is for what Spark, a driver or a server says.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit

from saleslake.config import Settings
from saleslake.kafka_settings import environment
from saleslake.sources.urls import secret_values, spellings, with_params

Hide = Callable[[str], str]

_SHORTEST = 4
"""A shorter secret would blot out ordinary words."""
_OTHERS = re.compile(r"(KAFKA_.*(PASSWORD|JAAS_CONFIG|KEY)|AWS_SECRET_ACCESS_KEY|AWS_SESSION_TOKEN)")
"""Secrets that no setting names: Kafka's and Amazon's own variables."""
_ASSIGNED = re.compile(r"""password\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"';]+))""", re.IGNORECASE)


def hider(settings: Settings) -> Hide:
    """A function that puts `***` for every secret in a text, however it is spelled. Raises nothing."""
    secrets = {value for value in _values(settings) if len(value) >= _SHORTEST}
    forms = sorted({form for value in secrets for form in _forms(value)}, key=len, reverse=True)
    if not forms:
        return lambda text: text
    found = re.compile("|".join(re.escape(form) for form in forms))
    return lambda text: found.sub("***", text)


def _values(settings: Settings) -> Iterator[str]:
    environ = environment(settings)
    for variable in {*_named(settings.model_dump()), *filter(_OTHERS.fullmatch, environ)}:
        yield from _parts(environ.get(variable, "").strip())
    if settings.alerts.webhook is not None:
        hook = environ.get(settings.alerts.webhook.url_env, "").strip().rstrip("/")
        after_host = "/" + hook.partition("://")[2].partition("/")[2]
        yield from (hook, after_host, hook.rpartition("/")[2])
    for source in settings.sources.values():
        if source.api is not None:
            with suppress(ValueError):  # no URL at all: nothing in it is sent either
                yield from secret_values(with_params(source.api.url, source.api.params))


def _named(tree: Mapping[str, Any]) -> Iterator[str]:
    """The variables that settings ending in `_env` name; a user name is no secret."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _named(value)
        elif name.endswith("_env") and name != "username_env" and value:
            yield value


def _parts(secret: str) -> Iterator[str]:
    """A secret and the passwords in it; an address is one only if it holds any."""
    if "://" not in secret:
        yield from (secret, *("".join(found) for found in _ASSIGNED.findall(secret)))
        return
    try:
        password = urlsplit(secret).password
        yield from secret_values(secret)
    except ValueError:
        yield secret
        return
    if password:
        yield from (secret, password, unquote(password))


def _forms(secret: str) -> Iterator[str]:
    """As it may reappear: plain, percent-encoded, in JSON, in base64 wherever it begins."""
    yield from spellings(secret)
    yield json.dumps(secret)[1:-1]
    raw = secret.encode()
    for before in range(3):
        # The characters that depend on nothing but the secret, whatever stands before and after it.
        first, last = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
        coded = base64.b64encode(b"\0" * before + raw).decode()[first:last]
        if len(coded) >= 2 * _SHORTEST:
            yield from (coded, coded.replace("+", "-").replace("/", "_"))
