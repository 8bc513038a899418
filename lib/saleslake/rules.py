"""Rules: a name, a condition that is true where the rule is broken, a message, a severity.

`error` sends the record to quarantine, `warn` keeps it and counts it. A rule decides by the record
alone; what depends on another table is gold's to decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from saleslake.config import Severity
from saleslake.errors import ConfigError


@dataclass(frozen=True)
class Rule:
    """`condition` true means broken; NULL means not broken. `fixed` rules have no setting: silver could not hold the row."""

    name: str
    condition: Column
    message: Column
    severity: Severity = "error"
    fixed: bool = False


@dataclass(frozen=True)
class RuleInfo:
    """A rule as documentation and settings see it, without Spark."""

    name: str
    severity: Severity
    fixed: bool
    meaning: str


def with_severities(rules: Sequence[Rule], settings: dict[str, Severity]) -> list[Rule]:
    """The rules with the severities of the configuration."""
    return [rule if rule.fixed else replace(rule, severity=settings.get(rule.name, rule.severity)) for rule in rules]


def check_settings(where: str, infos: Sequence[RuleInfo], settings: dict[str, Severity]) -> None:
    """Raise ConfigError for a severity of a rule that does not exist or cannot be changed."""
    free = sorted(info.name for info in infos if not info.fixed)
    for name in settings:
        if name not in free:
            fixed = any(info.name == name for info in infos)
            why = "always quarantines and has no setting" if fixed else "is not a rule"
            raise ConfigError(f"{where}.{name}: {name!r} {why}; rules that can be set there: {', '.join(free)}")


def apply_rules(frame: DataFrame, rules: Sequence[Rule]) -> DataFrame:
    """Grain unchanged; adds `reasons` and `warnings` (sorted rule names) and `details` (messages of broken errors)."""
    errors = [rule for rule in rules if rule.severity == "error"]
    warns = [rule for rule in rules if rule.severity == "warn"]
    return frame.select(
        "*",
        _if_any(errors, _names(errors)).alias("reasons"),
        _if_any(errors, _collected([F.when(rule.condition, rule.message) for rule in errors])).alias("details"),
        _if_any(warns, _names(warns)).alias("warnings"),
    )


def _if_any(rules: Sequence[Rule], found: Column) -> Column:
    """Most rows break no rule: for them one chain of conditions is all that is evaluated."""
    nothing = F.array().cast("array<string>")
    if not rules:
        return nothing
    return F.when(reduce(or_, [F.coalesce(rule.condition, F.lit(False)) for rule in rules]), found).otherwise(nothing)


def _names(rules: Sequence[Rule]) -> Column:
    ordered = sorted(rules, key=lambda rule: rule.name)
    return _collected([F.when(rule.condition, F.lit(rule.name)) for rule in ordered])


def _collected(columns: Sequence[Column]) -> Column:
    if not columns:
        return F.array().cast("array<string>")
    return F.array_compact(F.array(*columns))
