"""Writes docs/rules.md from the rules themselves: `python -m tools.rules_doc`."""

from __future__ import annotations

from pathlib import Path

from saleslake.silver.judge.rules import READING, Rule
from saleslake.silver.registry import ENTITIES

DOC = Path(__file__).resolve().parents[1] / "docs" / "rules.md"
_HEAD = """# Rules

Written by `python -m tools.rules_doc` from the rules in `lib/saleslake/silver`; a test holds the two together.

A rule decides by the record alone. **error** quarantines the record, **warn** keeps it and counts it. A severity with a star can be
changed, for an entity (`[rules.orders]`) or one source (`[sources.<name>.rules]`): `user_missing = "error"`. The others stay: silver could
not hold the row.
"""


def text() -> str:
    """The whole document."""
    parts = [_HEAD, _section("Every entity", READING)]
    for name, entity in ENTITIES.items():
        parts.append(_section(name, [rule for rule in entity.rules if rule not in READING]))
    return "\n".join(parts)


def _section(title: str, rules: tuple[Rule, ...] | list[Rule]) -> str:
    rows = [f"| `{rule.name}` | {rule.severity}{'' if rule.fixed else ' *'} | {rule.meaning} |" for rule in rules]
    return "\n".join([f"## {title}", "| rule | severity | a record breaks it where |", "|---|---|---|", *rows, ""])


if __name__ == "__main__":
    DOC.write_text(text(), encoding="utf-8")
