"""Writes docs/rules.md from the rules themselves: `python -m tools.rules_doc`."""

from __future__ import annotations

from pathlib import Path

from saleslake.silver.judge.conditions import CALLED
from saleslake.silver.judge.rules import READING, Rule
from saleslake.silver.registry import ENTITIES

DOC = Path(__file__).resolve().parents[1] / "docs" / "rules.md"
_HEAD = """# Rules

Written by `python -m tools.rules_doc` from the rules in `lib/saleslake/silver`; a test holds the two together.

A rule decides by the record alone. **error** quarantines the record, where it waits for a person. **discard** quarantines it too, closed by the
rule from the start: for what you leave out on purpose. **warn** keeps the record and counts it. Where one broken rule says discard and another
error, the record is discarded: nobody wants it, whatever else is wrong with it.

Severities are set for an entity (`[rules.orders]`) or one source (`[sources.<name>.rules]`): `user_missing = "discard"`. One with a star
can be any of the three. The others can be `error` or `discard`, never `warn`: silver could not hold the row.

## Rules of your own
```toml
[[rules.orders.custom]]
name = "too_many_units"
condition = "list_sum([x.quantity for x in items]) <= 500"
severity = "discard"                  # default: error
message = "more than 500 units"       # what `details` say; default: the condition
```
`condition` is what must hold, in DuckDB's SQL over the columns of the silver table (`amount`, `currency`, `created_at`, `items` with `sku`, `quantity`,
`unit_price`, `line_number`, …; its lineage columns aside). Try it on what silver holds: `saleslake sql "select * from silver.orders where not (…)"`.

- The rule is broken where the condition is **false**. Where it is unknown (NULL) it holds, as in a CHECK of SQL: `user_id <> 'U7'` says nothing of
  an order without a `user_id`; `user_id is not null` does.
- Numbers are exact decimals: `0.1 + 0.2 = 0.3`. Moments are UTC: `created_at < '2025-03-01'`, `date + interval '1 day'`.
- It knows its own record alone. No clock, no chance, no floating point (so no `/`: multiply the other side), no other row, table or file; one loop
  over a list at a time, 1,000 characters at most; regular expressions are RE2's, which take no longer than the text is long.
- What is no such condition is refused at start: an unknown column or function, a text compared with a number (`try_cast(promo as integer)`
  reads one), a name that a rule of ours has.
- Where it fails on a record, as where a number becomes too large, the record breaks the rule, and `details` say so. Records that cannot be read are not asked.
- A source has its own severity of it like of ours: `[sources.<name>.rules]`, `too_many_units = "warn"`. After a change, `saleslake run --full-refresh`.

Functions: @FUNCTIONS@; operators
`+ - * % ||`, comparisons, `between`, `in`, `like`, `ilike`, `similar to`, `is null`, `is distinct from`, `case`, `coalesce`, `cast`, `try_cast`, `extract`, `[x.sku for x in items if x.quantity > 1]`.
"""


def text() -> str:
    """The whole document."""
    parts = [_HEAD.replace("@FUNCTIONS@", ", ".join(f"`{name}`" for name in CALLED)), _section("Every entity", READING)]
    for name, entity in ENTITIES.items():
        parts.append(_section(name, [rule for rule in entity.rules if rule not in READING]))
    return "\n".join(parts)


def _section(title: str, rules: tuple[Rule, ...] | list[Rule]) -> str:
    rows = [f"| `{rule.name}` | {rule.severity}{'' if rule.fixed else ' *'} | {rule.meaning} |" for rule in rules]
    return "\n".join([f"## {title}", "| rule | severity | a record breaks it where |", "|---|---|---|", *rows, ""])


if __name__ == "__main__":
    DOC.write_text(text(), encoding="utf-8")
