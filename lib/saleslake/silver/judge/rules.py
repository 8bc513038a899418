"""Rules: a name, a severity, a meaning, when a record breaks it, and what is then said of the record.

`error` sends the record to quarantine, where it waits for a person. `discard` sends it there too, closed by the rule from the start.
`warn` keeps it and counts it. A rule decides by the record alone; what depends on another record or table is gold's to decide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from saleslake.config import Severity
from saleslake.errors import ConfigError
from saleslake.silver.judge.numbers import Problem
from saleslake.silver.judge.reading import Read
from saleslake.silver.judge.texts import UnfitId, text_of, trimmed

UNREADABLE, EMPTY, FRAMED = "unreadable", "empty_message", "registry_framing"
"""Reasons of a record of which nothing is known. The last two are defects of messages as well; after EMPTY the message's key may
stand: `empty_message: A1`."""
IN_OTHER_DIALECT = "reads with another decimal or thousands"
"""What is said of a number that breaks `number_in_other_dialect`."""
JSON_BEGINS = r"^[ \t\r\n]*[\{\[]"


class Record:
    """A record typed by its entity. What all entities have; an entity's own adds its columns."""

    __slots__ = ("absent", "extra_fields", "key", "notes", "short_fields", "unreadable", "version_time")

    key: str | None
    """What quarantine shows."""
    version_time: int | None
    """µs since 1970, UTC."""
    unreadable: str | None
    """Why the record as a whole cannot be read: then all else that is wrong with it follows from that."""
    extra_fields: bool
    short_fields: bool
    absent: frozenset[str]
    """Fields that no record of its file can have: a run says so once, and no rule of the record does."""
    notes: dict[str, list[str]] | None
    """What typing its values met, by the name of a rule `of_notes`: what each note says begins with the column's name."""

    def __init__(self, read: Read, key: str | None):
        _, self.unreadable, self.extra_fields, self.short_fields, _, _, self.absent = read
        self.key = key
        self.notes = None

    def note(self, rule: str, says: str) -> None:
        """Say that the record breaks a rule `of_notes`."""
        if self.notes is None:
            self.notes = {}
        self.notes.setdefault(rule, []).append(says)

    def check_number(self, column: str, value: Any, problem: Problem | None) -> None:
        """Note what is wrong with a number; where it is unreadable, a rule of the entity says so."""
        if problem is None or problem == "unreadable":
            return
        if problem == "overflow":
            self.note("number_overflow", f"{column}: does not fit")
        elif problem == "rounded":
            self.note("rounded", f"{column}: more digits than are kept")
        elif problem == "ambiguous":
            self.note(
                "number_ambiguous", f"{column}: '{text_of(value)}' is one number with a decimal point, another without"
            )
        else:
            self.note("number_in_other_dialect", f"{column}: '{text_of(value)}' {IN_OTHER_DIALECT}")

    def check_id(self, column: str, value: str | None) -> None:
        """Note why an id cannot be used, if it cannot."""
        if type(value) is UnfitId:
            self.note(value.why, f"{column}: {value.says}")

    def check_currency(self, column: str, value: Any, currency: str | None, beside: frozenset[str] | None) -> None:
        """Note an amount that is in another currency than its record."""
        if beside is not None and currency is not None and currency not in beside:
            self.note("currency_conflict", f"{column}: '{text_of(value)}' is no amount in {currency}")

    def check_times(self, first: int, last: int, **moments: int | None) -> None:
        """Note times that hardly can be right."""
        for name, moment in moments.items():
            if moment is not None and not first <= moment <= last:
                self.note_time(name)

    def note_time(self, column: str) -> None:
        self.note("date_implausible", f"{column}: outside run.plausible_dates")


@dataclass(frozen=True)
class Rule:
    """`broken`: whether a record breaks it. `fixed`: it cannot be `warn`, for silver could not hold the row."""

    name: str
    severity: Severity
    meaning: str
    broken: Callable[[Any], object]
    message: str | Callable[[Any], str]
    fixed: bool = False
    of_reading: bool = False
    """Looked at even where the record cannot be read."""
    of_notes: bool = False
    """Looked at only where typing the record noted something: of most records it does not."""

    def says(self, record: Any) -> str:
        return self.message if isinstance(self.message, str) else self.message(record)


READING = (
    Rule(
        UNREADABLE,
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


def noted(name: str, severity: Severity, meaning: str, *, fixed: bool = False) -> Rule:
    """A rule that a record breaks where typing its values noted so; it says what the notes say."""
    return Rule(
        name,
        severity,
        meaning,
        lambda r: r.notes is not None and name in r.notes,
        lambda r: "; ".join(r.notes[name]),
        fixed=fixed,
        of_notes=True,
    )


IDS = (
    noted(
        "key_mangled",
        "error",
        "an id that lost its digits on the way, as `4.501E+11` from a spreadsheet, so that several ids became one; or that holds U+0000",
        fixed=True,
    ),
    noted(
        "key_too_long",
        "error",
        "an id or channel of more bytes than `run.longest_key`: no database could index it",
        fixed=True,
    ),
)
"""Rules of entities with ids: all of them."""
TIMES = (
    noted("date_implausible", "warn", "a time outside `run.plausible_dates`, as placeholders and slips of the pen are"),
)
NUMBERS = (
    noted("number_overflow", "error", "a number does not fit its DECIMAL", fixed=True),
    noted(
        "number_in_other_dialect",
        "error",
        "a number that reads with another `decimal` or `thousands` than the source's, as `12,50` with a decimal point",
        fixed=True,
    ),
    noted(
        "number_ambiguous",
        "warn",
        "a text such as `1.234` while the source has neither `decimal` nor `thousands`: read as one and a bit",
    ),
    noted("rounded", "warn", "a number had more digits than its DECIMAL keeps"),
)
"""Rules of entities with numbers."""
MONEY_RULES = (
    *NUMBERS,
    noted(
        "currency_conflict",
        "error",
        "an amount written beside a code or sign of another currency than the record's",
        fixed=True,
    ),
)
"""Rules of entities with money."""


@dataclass(frozen=True)
class Verdict:
    """`reasons`: sorted names of the broken rules of severity error or discard; `details`: what each of these says, in the rules'
    order; `warnings`: sorted names of the others; `discarded_by`: those of `reasons` that say discard.

    One that says discard decides: nobody wants the record, whatever else is wrong with it.
    """

    reasons: list[str]
    details: list[str]
    warnings: list[str]
    discarded_by: list[str] = field(default_factory=list)


_NONE: list[str] = []
SOUND = Verdict(_NONE, _NONE, _NONE, _NONE)


def bench(rules: Sequence[Rule], severities: Mapping[str, Severity]) -> Callable[[Any], Verdict]:
    """Applies the rules, under the severities of the configuration, to one record after another."""
    told = [(rule, _severity(rule, severities)) for rule in rules]
    of_reading = [(rule, severity) for rule, severity in told if rule.of_reading]
    of_notes = [(rule, severity) for rule, severity in told if rule.of_notes]
    own = [(rule.broken, rule, severity) for rule, severity in told if not rule.of_reading and not rule.of_notes]

    def verdict(record: Any) -> Verdict:
        found: list[tuple[Rule, Severity]] | None = None
        if record.unreadable is not None or record.extra_fields or record.short_fields:
            found = [(rule, severity) for rule, severity in of_reading if rule.broken(record)]
        if record.unreadable is None:
            for broken, rule, severity in own:
                if broken(record):
                    if found is None:
                        found = []
                    found.append((rule, severity))
            if record.notes is not None:
                found = (found or []) + [(rule, severity) for rule, severity in of_notes if rule.broken(record)]
        return SOUND if found is None else _verdict(record, found)

    return verdict


def _severity(rule: Rule, severities: Mapping[str, Severity]) -> Severity:
    severity = severities.get(rule.name, rule.severity)
    return rule.severity if rule.fixed and severity == "warn" else severity


def _verdict(record: Any, found: Sequence[tuple[Rule, Severity]]) -> Verdict:
    return Verdict(
        sorted(rule.name for rule, severity in found if severity != "warn"),
        [rule.says(record) for rule, severity in found if severity != "warn"],
        sorted(rule.name for rule, severity in found if severity == "warn"),
        sorted(rule.name for rule, severity in found if severity == "discard"),
    )


def check_settings(where: str, rules: Sequence[Rule], settings: Mapping[str, Severity]) -> None:
    """Raise ConfigError for a severity of a rule that does not exist or cannot have it."""
    by_name = {rule.name: rule for rule in rules}
    for name, severity in settings.items():
        if name not in by_name:
            raise ConfigError(f"{where}.{name}: {name!r} is not a rule; rules there are: {', '.join(sorted(by_name))}")
        if severity == "warn" and by_name[name].fixed:
            raise ConfigError(
                f"{where}.{name} = 'warn': silver could not hold such a record; give 'error' (quarantined, for a person to "
                "look at) or 'discard' (quarantined, and closed by the rule)"
            )


def cannot_be_read(what: str, value: Any) -> str:
    """A message like `quantity: 'abc' cannot be read`, or `quantity: missing`."""
    text = text_of(value)
    return f"{what}: missing" if trimmed(text) is None else f"{what}: '{text}' cannot be read"
