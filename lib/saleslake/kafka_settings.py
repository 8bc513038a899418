"""Security settings of Kafka from the environment, for Spark (`kafka.` before each name) and for kafka-python."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from dotenv import dotenv_values

from saleslake.config import Settings
from saleslake.errors import ConfigError

_PREFIXES = ("KAFKA_SECURITY_", "KAFKA_SASL_", "KAFKA_SSL_")
_EMPTY_MEANS_OFF = "ssl.endpoint.identification.algorithm"

_SAME = {
    "security.protocol": "security_protocol",
    "sasl.mechanism": "sasl_mechanism",
    "sasl.kerberos.service.name": "sasl_kerberos_service_name",
    "ssl.cafile": "ssl_cafile",
    "ssl.certfile": "ssl_certfile",
    "ssl.keyfile": "ssl_keyfile",
    "ssl.password": "ssl_password",
    "ssl.key.password": "ssl_password",
}
"""Kafka's name (or kafka-python's own, with dots) to that of kafka-python, where the value is the same."""


def environment(settings: Settings) -> dict[str, str]:
    """The environment over the lines of `.env`, as for every secret."""
    lines = {name: value for name, value in dotenv_values(settings.root / ".env").items() if value is not None}
    return {**lines, **os.environ}


def kafka_options(environ: Mapping[str, str]) -> dict[str, str]:
    """Kafka's own names: `KAFKA_SASL_MECHANISM=PLAIN` is `sasl.mechanism`. Others than security's are left alone.

    An empty variable counts as not set, but for the one that is emptied to turn off the check of host names.
    """
    found = {}
    for variable, value in sorted(environ.items()):
        name = variable.removeprefix("KAFKA_").lower().replace("_", ".")
        if variable.startswith(_PREFIXES) and (value or name == _EMPTY_MEANS_OFF):
            found[name] = value
    return found


def client_settings(options: Mapping[str, str]) -> dict[str, Any]:
    """Options of Kafka as keyword arguments of kafka-python; those it has nothing like are left out.

    Raises ConfigError for a login that cannot be told and for key stores that only Java can read.
    """
    found: dict[str, Any] = {_SAME[name]: value for name, value in options.items() if name in _SAME}
    if "sasl.jaas.config" in options:
        found |= _login(options["sasl.jaas.config"])
    found |= _store(options, "truststore", ("ssl_cafile",)) | _store(
        options, "keystore", ("ssl_certfile", "ssl_keyfile")
    )
    if options.get(_EMPTY_MEANS_OFF) == "":
        found["ssl_check_hostname"] = False
    return found


def _login(jaas: str) -> dict[str, Any]:
    """`… required username="me" password="secret";` The message of an error does not repeat it."""
    found = {}
    for name in ("username", "password"):
        match = re.search(rf"""\b{name}\s*=\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)')""", jaas)
        if match is None:
            raise ConfigError(f'KAFKA_SASL_JAAS_CONFIG: no {name}="…" in it')
        quoted, plain = match.groups()
        found[f"sasl_plain_{name}"] = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
    return found


def _store(options: Mapping[str, str], store: str, names: tuple[str, ...]) -> dict[str, Any]:
    """The files of a key store in PEM. One in Java's own formats is an error, unless PEM files are named beside it."""
    location, kind = options.get(f"ssl.{store}.location"), options.get(f"ssl.{store}.type", "JKS")
    if location is None or all(name.replace("_", ".") in options for name in names):
        return {}
    if kind.upper() != "PEM":
        beside = " and ".join(f"KAFKA_{name.upper()}" for name in names)
        raise ConfigError(
            f"KAFKA_SSL_{store.upper()}_LOCATION is of type {kind}, which only Java reads: "
            f"give KAFKA_SSL_{store.upper()}_TYPE=PEM with a PEM file, or name PEM files by {beside}"
        )
    return dict.fromkeys(names, location)
