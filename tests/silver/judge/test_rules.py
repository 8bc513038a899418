"""Rules: severities, what they leave behind, and settings that are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from saleslake.config import Settings, Severity
from saleslake.errors import ConfigError
from saleslake.silver.judge.reading import Read
from saleslake.silver.judge.rules import (
    READING,
    SOUND,
    Record,
    Rule,
    Verdict,
    bench,
    cannot_be_read,
    check_settings,
)
from saleslake.silver.registry import ENTITIES
from tests.silver.judge.support import number


class Numbered(Record):
    """A record of one number."""

    __slots__ = ("x",)

    x: int | None


def numbered(
    x: int | None, unreadable: str | None = None, extra: bool = False, short: bool = False, key: str | None = "A1"
) -> Numbered:
    record = Numbered(Read([], unreadable, extra, short, None), key)
    record.x = x
    return record


def rule(
    name: str,
    broken: Callable[[Any], object],
    severity: Severity = "error",
    *,
    fixed: bool = False,
    of_reading: bool = False,
) -> Rule:
    return Rule(name, severity, "", broken, lambda r: f"{name}: {r.x}", fixed, of_reading)


def below(limit: int) -> Callable[[Numbered], bool | None]:
    return lambda r: None if r.x is None else r.x < limit


def always(_: Numbered) -> bool:
    return True


RULES = [
    rule("small", below(2)),
    rule("negative", below(0)),
    rule("odd", lambda r: r.x is not None and r.x % 2, "warn"),
    rule("any", below(9), "warn"),
]


@pytest.mark.parametrize(
    ("x", "verdict"),
    [
        (1, Verdict(["small"], ["small: 1"], ["any", "odd"])),
        (-1, Verdict(["negative", "small"], ["small: -1", "negative: -1"], ["any", "odd"])),
        (2, Verdict([], [], ["any"])),
        (10, SOUND),
        (None, SOUND),
    ],
)
def test_broken_errors_and_warnings_are_named_sorted_and_none_is_not_broken(x: int | None, verdict: Verdict) -> None:
    assert bench(RULES, {})(numbered(x)) == verdict


def test_a_message_without_a_value_in_it_is_said_as_it_is() -> None:
    plain = Rule("b", "error", "", always, "the same for all")
    assert bench([plain, rule("a", always)], {})(numbered(7)) == Verdict(["a", "b"], ["the same for all", "a: 7"], [])


@pytest.mark.parametrize("record", [numbered(0), numbered(None), numbered(1, unreadable="csv_malformed", extra=True)])
def test_without_rules_nothing_is_broken(record: Numbered) -> None:
    assert bench([], {})(record) == Verdict([], [], [])


def test_severities_are_set_by_name_except_for_fixed_rules() -> None:
    rules = [rule("a", always), rule("b", always, "warn"), rule("key", always, fixed=True), rule("c", always)]
    settings: dict[str, Severity] = {"a": "warn", "b": "error", "key": "warn"}
    assert bench(rules, settings)(numbered(1)) == Verdict(["b", "c", "key"], ["b: 1", "key: 1", "c: 1"], ["a"])
    assert bench(rules, {})(numbered(1)) == Verdict(["a", "c", "key"], ["a: 1", "key: 1", "c: 1"], ["b"])


DISCARDING: dict[str, dict[str, Severity]] = {
    "a rule that warns": {"warns": "discard"},
    "a rule that rejects": {"rejects": "discard"},
    "a fixed rule": {"key": "discard"},
    "two": {"rejects": "discard", "key": "discard"},
}


@pytest.mark.parametrize("settings", DISCARDING.values(), ids=DISCARDING)
def test_one_rule_that_discards_closes_the_record_whatever_else_is_wrong(settings: dict[str, Severity]) -> None:
    rules = [rule("rejects", always), rule("warns", always, "warn"), rule("key", always, fixed=True)]
    reasons = sorted({"rejects", "key", *settings})
    details = [f"{each.name}: 1" for each in rules if each.name in reasons]
    warnings = [] if "warns" in settings else ["warns"]
    assert bench(rules, settings)(numbered(1)) == Verdict(reasons, details, warnings, sorted(settings))


def test_a_record_that_cannot_be_read_can_be_discarded_as_such() -> None:
    judge = bench(READING, {"unreadable": "discard", "key_missing": "discard", "short_fields": "discard"})
    unread = numbered(1, unreadable="json_invalid", key=None)
    assert judge(unread) == Verdict(["unreadable"], ["record: json_invalid"], [], ["unreadable"])
    assert judge(numbered(1)) == SOUND


def test_a_record_that_cannot_be_read_breaks_only_rules_of_reading() -> None:
    rules = [
        rule("whole", lambda r: r.unreadable is not None, of_reading=True),
        rule("short", lambda r: r.short_fields, "warn", of_reading=True),
        rule("other", lambda r: r.extra_fields, of_reading=True),
        rule("own", always),
        rule("own_warning", always, "warn"),
    ]
    judge = bench(rules, {})
    assert judge(numbered(1, unreadable="json_invalid")) == Verdict(["whole"], ["whole: 1"], [])
    assert judge(numbered(1, unreadable="json_invalid", short=True)) == Verdict(["whole"], ["whole: 1"], ["short"])
    assert judge(numbered(1, extra=True)) == Verdict(["other", "own"], ["other: 1", "own: 1"], ["own_warning"])
    assert judge(numbered(1)) == Verdict(["own"], ["own: 1"], ["own_warning"])


@pytest.mark.parametrize(
    ("record", "reasons", "details", "warnings"),
    [
        (numbered(1), [], [], []),
        (numbered(1, key=None), ["key_missing"], ["key missing or unreadable"], []),
        (numbered(1, unreadable="json_invalid", key=None), ["unreadable"], ["record: json_invalid"], []),
        (numbered(1, unreadable="bad_bytes: 0xff"), ["unreadable"], ["record: bad_bytes: 0xff"], []),
        (
            numbered(1, unreadable="empty_message", key=None),
            *(["empty_message"], ["record: a message without a value"], []),
        ),
        (numbered(1, unreadable="empty_message: A1"), ["empty_message"], ["record: a message without a value"], []),
        (
            numbered(1, unreadable="registry_framing", key=None),
            ["registry_framing"],
            ["record: framed by a schema registry; stream.kafka.framing = 'schema_registry_json' reads JSON in it"],
            [],
        ),
        (numbered(1, extra=True), ["extra_fields"], ["more fields than the header"], []),
        (numbered(1, short=True), [], [], ["short_fields"]),
        (
            numbered(1, extra=True, key=None),
            *(["extra_fields", "key_missing"], ["more fields than the header", "key missing or unreadable"], []),
        ),
        (numbered(1, short=True, key=None), ["key_missing"], ["key missing or unreadable"], ["short_fields"]),
    ],
)
def test_the_rules_of_all_entities(
    record: Numbered, reasons: list[str], details: list[str], warnings: list[str]
) -> None:
    assert bench(READING, {})(record) == Verdict(reasons, details, warnings)


def test_one_record_leaves_nothing_in_the_verdict_of_the_next() -> None:
    judge = bench(RULES, {})
    first = judge(numbered(-1))
    assert judge(numbered(10)) == SOUND == Verdict([], [], [])
    assert judge(numbered(-1)) == first


INFOS = [
    rule("b", always),
    rule("a", always, "warn"),
    rule("key", always, fixed=True),
]


NEVER_WARN = (
    " = 'warn': silver could not hold such a record; give 'error' (quarantined, for a person to look at) or 'discard' "
    "(quarantined, and closed by the rule)"
)


def test_a_fixed_rule_that_is_to_warn_is_refused_with_what_it_can_be() -> None:
    with pytest.raises(ConfigError) as refused:
        check_settings("rules.t", INFOS, {"a": "error", "key": "warn"})
    assert str(refused.value) == f"rules.t.key{NEVER_WARN}"


def test_a_setting_of_an_unknown_rule_is_refused_with_the_rules_there_are() -> None:
    with pytest.raises(ConfigError, match=r"^rules\.t\.typo: 'typo' is not a rule; rules there are: a, b, key$"):
        check_settings("rules.t", INFOS, {"typo": "warn"})


def test_settings_of_rules_that_have_one_are_accepted() -> None:
    check_settings("rules.t", INFOS, {"a": "discard", "b": "warn", "key": "discard"})
    check_settings("rules.t", INFOS, {"key": "error"})
    check_settings("rules.t", INFOS, {})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("abc", "x: 'abc' cannot be read"),
        (" abc\n", "x: ' abc\n' cannot be read"),
        (number("1.50"), "x: '1.50' cannot be read"),
        (["a"], "x: '[\"a\"]' cannot be read"),
        ("a\u00a0", "x: 'a\u00a0' cannot be read"),
        ("\u00a0", "x: missing"),
        ("\u200b", "x: missing"),
        (" \t", "x: missing"),
        ("", "x: missing"),
        (None, "x: missing"),
    ],
)
def test_what_cannot_be_read_is_told_from_what_is_missing(value: object, message: str) -> None:
    assert cannot_be_read("x", value) == message


FIXED = [(entity.name, info.name) for entity in ENTITIES.values() for info in entity.rules if info.fixed]


@pytest.mark.parametrize(("entity", "name"), FIXED)
def test_no_fixed_rule_of_any_entity_can_be_made_a_warning(
    entity: str, name: str, make_settings: Callable[[str], Settings]
) -> None:
    source = f'[sources.s]\nentity = "{entity}"\nformat = "csv"\npath = "x"\n'
    for where, text in (
        (f"rules.{entity}", f'{source}[rules.{entity}]\n{name} = "warn"\n'),
        ("sources.s.rules", f'{source}rules = {{ {name} = "warn" }}\n'),
    ):
        with pytest.raises(ConfigError) as refused:
            make_settings(text)
        assert str(refused.value).endswith(f"{where}.{name}{NEVER_WARN}")


@pytest.mark.parametrize("entity", ENTITIES)
def test_rules_are_named_once_and_say_what_they_mean(entity: str) -> None:
    infos = ENTITIES[entity].rules
    assert len({info.name for info in infos}) == len(infos)
    assert all(info.meaning for info in infos)
    assert all(info.severity == "error" for info in infos if info.fixed)


@pytest.mark.parametrize("entity", ENTITIES)
def test_every_entity_has_the_rules_of_reading_first(entity: str) -> None:
    """Then what a record is told comes in the order of its rules."""
    of_reading = [info.of_reading for info in ENTITIES[entity].rules]
    assert set(READING) <= set(ENTITIES[entity].rules)
    assert of_reading == sorted(of_reading, reverse=True)
