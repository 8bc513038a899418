"""Rules: severities, what they leave behind, and settings that are refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from saleslake.config import Settings
from saleslake.errors import ConfigError
from saleslake.rules import Rule, RuleInfo, apply_rules, check_settings, with_severities
from saleslake.silver.registry import ENTITIES
from tests.frames import expect, frame

INFOS = [RuleInfo("b", "error", False, ""), RuleInfo("a", "warn", False, ""), RuleInfo("key", "error", True, "")]


def rule(name: str, sql: str, severity: str = "error", fixed: bool = False) -> Rule:
    return Rule(name, F.expr(sql), F.concat(F.lit(f"{name}: "), F.col("x").cast("string")), severity, fixed)  # type: ignore[arg-type]


def test_broken_errors_and_warnings_are_named_sorted_and_null_is_not_broken(spark: SparkSession) -> None:
    rules = [
        rule("small", "x < 2"),
        rule("negative", "x < 0"),
        rule("odd", "x % 2 <> 0", "warn"),
        rule("any", "x < 9", "warn"),
    ]
    expect(
        apply_rules(frame(spark, "x int", [(1,), (-1,), (None,)]), rules),
        "x int, reasons array<string>, details array<string>, warnings array<string>",
        [
            (1, ["small"], ["small: 1"], ["any", "odd"]),
            (-1, ["negative", "small"], ["small: -1", "negative: -1"], ["any", "odd"]),
            (None, [], [], []),
        ],
    )


def test_without_rules_nothing_is_broken_and_the_grain_stays(spark: SparkSession) -> None:
    expect(
        apply_rules(frame(spark, "id long", [(0,), (1,), (1,), (None,)]), []),
        "id long, reasons array<string>, details array<string>, warnings array<string>",
        [(0, [], [], []), (1, [], [], []), (1, [], [], []), (None, [], [], [])],
    )


def test_severities_are_set_by_name_except_for_fixed_rules(spark: SparkSession) -> None:
    rules = [rule("a", "x > 0"), rule("b", "x > 0", "warn"), rule("key", "x > 0", fixed=True), rule("c", "x > 0")]
    changed = with_severities(rules, {"a": "warn", "b": "error", "key": "warn"})
    assert [(r.name, r.severity) for r in changed] == [("a", "warn"), ("b", "error"), ("key", "error"), ("c", "error")]


def test_a_setting_of_a_fixed_rule_is_refused_with_the_rules_that_can_be_set() -> None:
    with pytest.raises(
        ConfigError,
        match=r"^rules\.t\.key: 'key' always quarantines and has no setting; rules that can be set there: a, b$",
    ):
        check_settings("rules.t", INFOS, {"a": "error", "key": "warn"})


def test_a_setting_of_an_unknown_rule_is_refused_with_the_rules_there_are() -> None:
    with pytest.raises(ConfigError, match=r"^rules\.t\.typo: 'typo' is not a rule; rules that can be set there: a, b$"):
        check_settings("rules.t", INFOS, {"typo": "warn"})


FIXED = [(entity.name, info.name) for entity in ENTITIES.values() for info in entity.rules if info.fixed]


@pytest.mark.parametrize(("entity", "name"), FIXED)
def test_no_fixed_rule_of_any_entity_takes_a_setting(
    entity: str, name: str, make_settings: Callable[[str], Settings]
) -> None:
    source = f'[sources.s]\nentity = "{entity}"\nformat = "csv"\npath = "x"\n'
    for where, text in (
        (f"rules.{entity}", f'{source}[rules.{entity}]\n{name} = "warn"\n'),
        ("sources.s.rules", f'{source}rules = {{ {name} = "warn" }}\n'),
    ):
        with pytest.raises(ConfigError) as refused:
            make_settings(text)
        allowed = sorted(info.name for info in ENTITIES[entity].rules if not info.fixed)
        why = f"{name!r} always quarantines and has no setting; rules that can be set there: {', '.join(allowed)}"
        assert str(refused.value).endswith(f"{where}.{name}: {why}")


@pytest.mark.parametrize("entity", ENTITIES)
def test_rules_are_named_once_and_say_what_they_mean(entity: str) -> None:
    infos = ENTITIES[entity].rules
    assert len({info.name for info in infos}) == len(infos)
    assert all(info.meaning for info in infos)
    assert all(info.severity == "error" for info in infos if info.fixed)
