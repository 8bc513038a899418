"""Rules: a name, a severity, a meaning, when a record breaks it, and what is then said of the record.

`error` sends the record to quarantine, `warn` keeps it and counts it. A rule decides by the record alone; what depends on
another record or table is gold's to decide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from saleslake.config import Severity
from saleslake.errors import ConfigError
from saleslake.silver.judge.reading import Read
from saleslake.silver.judge.texts import text_of, trimmed

EMPTY, FRAMED = "empty_message", "registry_framing"
"""Defects of messages that are reasons of their own. After the first the message's key may stand: `empty_message: A1`."""
JSON_BEGINS = r"^[ \t\r\n]*[\{\[]"


class Record:
    """A record typed by its entity. What all entities have; an entity's own adds its columns."""

    __slots__ = ("extra_fields", "key", "short_fields", "unreadable", "version_time")

    key: str | None
    """What quarantine shows."""
    version_time: int | None
    """µs since 1970, UTC."""
    unreadable: str | None
    """Why the record as a whole cannot be read: then all else that is wrong with it follows from that."""
    extra_fields: bool
    short_fields: bool

    def __init__(self, read: Read, key: str | None):
        _, self.unreadable, self.extra_fields, self.short_fields, _ = read
        self.key = key


@dataclass(frozen=True)
class Rule:
    """`broken`: whether a record breaks it. `fixed`: it has no setting, for silver could not hold the row."""

    name: str
    severity: Severity
    meaning: str
    broken: Callable[[Any], object]
    message: str | Callable[[Any], str]
    fixed: bool = False
    of_reading: bool = False
    """Looked at even where the record cannot be read."""

    def says(self, record: Any) -> str:
        return self.message if isinstance(self.message, str) else self.message(record)


READING = (
    Rule(
        "unreadable",
        "error",
        "the record is no JSON object, or its CSV quoting is broken, or its bytes are no text",
        lambda r: r.unreadable is not None and r.unreadable.partition(":")[0] not in (EMPTY, FRAMED),
        lambda r: f"record: {r.unreadable}",
        fixed=True,
        of_reading=True,
    ),
    Rule(
        EMPTY,
        "error",
        "a message without a value, as Kafka says that a key was deleted; key: the message's",
        lambda r: r.unreadable is not None and r.unreadable.partition(":")[0] == EMPTY,
        "record: a message without a value",
        fixed=True,
        of_reading=True,
    ),
    Rule(
        FRAMED,
        "error",
        "a message framed by a schema registry: no JSON in it, or stream.kafka.framing does not say that there is",
        lambda r: r.unreadable == FRAMED,
        "record: framed by a schema registry; stream.kafka.framing = 'schema_registry_json' reads JSON in it",
        fixed=True,
        of_reading=True,
    ),
    Rule(
        "extra_fields",
        "error",
        "the CSV line has more fields than its header",
        lambda r: r.extra_fields,
        "more fields than the header",
        of_reading=True,
    ),
    Rule(
        "short_fields",
        "warn",
        "the CSV line has fewer fields than its header",
        lambda r: r.short_fields,
        "fewer fields than the header",
        of_reading=True,
    ),
    Rule("key_missing", "error", "no readable key", lambda r: r.key is None, "key missing or unreadable", fixed=True),
)
"""The rules that every entity has."""


@dataclass(frozen=True)
class Verdict:
    """`reasons`, `warnings`: sorted names of the broken rules; `details`: what each broken error says, in the rules' order."""

    reasons: list[str]
    details: list[str]
    warnings: list[str]


_NONE: list[str] = []
SOUND = Verdict(_NONE, _NONE, _NONE)


def bench(rules: Sequence[Rule], severities: Mapping[str, Severity]) -> Callable[[Any], Verdict]:
    """Applies the rules, under the severities of the configuration, to one record after another."""
    told = [(rule, _severity(rule, severities) == "error") for rule in rules]
    of_reading = [(rule, is_error) for rule, is_error in told if rule.of_reading]
    own = [(rule.broken, rule, is_error) for rule, is_error in told if not rule.of_reading]

    def verdict(record: Any) -> Verdict:
        found: list[tuple[Rule, bool]] | None = None
        if record.unreadable is not None or record.extra_fields or record.short_fields:
            found = [(rule, is_error) for rule, is_error in of_reading if rule.broken(record)]
        if record.unreadable is None:
            for broken, rule, is_error in own:
                if broken(record):
                    if found is None:
                        found = []
                    found.append((rule, is_error))
        return SOUND if found is None else _verdict(record, found)

    return verdict


def _severity(rule: Rule, severities: Mapping[str, Severity]) -> Severity:
    return rule.severity if rule.fixed else severities.get(rule.name, rule.severity)


def _verdict(record: Any, found: Sequence[tuple[Rule, bool]]) -> Verdict:
    return Verdict(
        sorted(rule.name for rule, is_error in found if is_error),
        [rule.says(record) for rule, is_error in found if is_error],
        sorted(rule.name for rule, is_error in found if not is_error),
    )


def check_settings(where: str, rules: Sequence[Rule], settings: Mapping[str, Severity]) -> None:
    """Raise ConfigError for a severity of a rule that does not exist or cannot be changed."""
    free = sorted(rule.name for rule in rules if not rule.fixed)
    for name in settings:
        if name not in free:
            fixed = any(rule.name == name for rule in rules)
            why = "always quarantines and has no setting" if fixed else "is not a rule"
            raise ConfigError(f"{where}.{name}: {name!r} {why}; rules that can be set there: {', '.join(free)}")


def cannot_be_read(what: str, value: Any) -> str:
    """A message like `quantity: 'abc' cannot be read`, or `quantity: missing`."""
    text = text_of(value)
    return f"{what}: missing" if trimmed(text) is None else f"{what}: '{text}' cannot be read"
