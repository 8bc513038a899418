"""Checks `[gold.product_precedence]`: a field or source that does not exist would be ignored in silence."""

from __future__ import annotations

from saleslake.config import Settings
from saleslake.errors import ConfigError
from saleslake.gold.dim_product import precedence


def check(settings: Settings) -> None:
    """Raise ConfigError for a field that is none of dim_product's, or a source that is none of products."""
    fields = ["default", *precedence(settings)]
    sources = [name for name, source in settings.sources.items() if source.entity == "products"]
    for field, trusted in settings.gold.product_precedence.items():
        where = f"{settings.config_file}: gold.product_precedence.{field}"
        if field not in fields:
            raise ConfigError(f"{where}: no such field; there are: {', '.join(fields)}")
        for name in trusted:
            if name not in sources:
                found = ", ".join(sources) or "none"
                raise ConfigError(f"{where}: {name!r} is no source of products; there are: {found}")
