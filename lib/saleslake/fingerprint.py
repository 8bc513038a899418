"""Fingerprints of everything in the configuration that decides what silver makes of a record, and gold of silver."""

from __future__ import annotations

import hashlib
import json

from saleslake.config import EntityRules, Settings
from saleslake.engine import prelude
from saleslake.gold import catalogue, star

_DECIDES = (
    "entity", "format", "key", "version", "mapping", "defaults", "delimiter", "quote", "escape", "date_formats", "time_zone",
    "rules", "lines_incomplete_paths", "decimal", "thousands", "dialects", "null_values", "no_sales", "no_customer",
    "items_as", "lines_where",
)  # fmt: skip


_JUDGE = 2
"""Raised whenever `silver.judge` comes to mean something else by the same text."""


def rules_fingerprint(settings: Settings) -> str:
    """Equal fingerprints: the same records come out the same."""
    content: dict[str, object] = {
        "judge": _JUDGE,
        "sources": {name: source.model_dump(include=set(_DECIDES)) for name, source in settings.sources.items()},
        "rules": {name: _rules(rules) for name, rules in settings.rules.items()},
        "channels": settings.channels,
        "run": settings.run.model_dump(include={"amount_tolerance", "longest_key", "plausible_dates", "currencies"}),
    }
    if settings.stream.kafka.framing != "none":
        # Left out by default, so that the fingerprints of lakehouses made before the setting hold.
        content["framing"] = settings.stream.kafka.framing
    return _digest(content)


def _rules(rules: EntityRules) -> dict[str, object]:
    # Without rules of its own as it was before there were any.
    own = {"custom": [rule.model_dump() for rule in rules.custom]} if rules.custom else {}
    return {**rules.severities, **own}


def gold_fingerprint(settings: Settings) -> str:
    """Equal fingerprints: the same silver makes the same gold."""
    products = {name: source.format for name, source in settings.sources.items() if source.entity == "products"}
    sql = {gold.name: gold.sql for gold in star.GOLD} | {"catalogue": catalogue.SQL}
    return _digest({"gold": settings.gold.model_dump(), "products": products, "sql": sql, "prelude": prelude.TEXTS})


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]
