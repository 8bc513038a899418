"""The questions of `sql/questions.sql`, by name."""

from __future__ import annotations

import re

from saleslake import project
from saleslake.errors import ConfigError

_HEAD = re.compile(r"^-- (\w+): (.*)$", re.MULTILINE)


def questions() -> dict[str, str]:
    """Name → query."""
    text = project.read("sql", "questions.sql")
    heads = list(_HEAD.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    return {head[1]: text[head.end() : end].strip().removesuffix(";") for head, end in zip(heads, ends, strict=True)}


def asked(query: str) -> str:
    """The query itself, or for `@name` the question of that name. Raises ConfigError for a name that is none."""
    if not query.startswith("@"):
        return query
    known = questions()
    if query[1:] not in known:
        raise ConfigError(f"no question {query[1:]!r} in sql/questions.sql: give @{', @'.join(known)}")
    return known[query[1:]]
