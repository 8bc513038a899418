"""The entities there are. One of your own: a module, a line here, and what CONTRIBUTING lists beside these."""

from __future__ import annotations

from saleslake.config import Settings
from saleslake.errors import ConfigError
from saleslake.silver import orders, products, stock, transactions, users
from saleslake.silver.contract import Entity
from saleslake.silver.judge.reading import reader
from saleslake.silver.judge.rules import check_settings

ENTITIES: dict[str, Entity] = {
    entity.name: entity for entity in (orders.ENTITY, transactions.ENTITY, users.ENTITY, products.ENTITY, stock.ENTITY)
}


def check(settings: Settings) -> None:
    """Raise ConfigError for a rule, field or version column of the configuration that does not exist."""
    for name, rules in settings.rules.items():
        _known(f"{settings.config_file}: rules.{name}", name)
        check_settings(f"{settings.config_file}: rules.{name}", ENTITIES[name].rules, rules)
    for name, source in settings.sources.items():
        _known(f"{settings.config_file}: sources.{name}.entity", source.entity)
        entity = ENTITIES[source.entity]
        where = f"{settings.config_file}: sources.{name}"
        check_settings(f"{where}.rules", entity.rules, source.rules)
        fields = entity.fields
        plain = {*fields.texts, *fields.numbers}
        of_lines = {f"items.{field}" for field in (*fields.line_texts, *fields.line_numbers)}
        mapped = plain | of_lines | ({"items", "items.qty"} if of_lines else set())
        for setting, known in (("mapping", mapped), ("defaults", plain)):
            for field in getattr(source, setting):
                if field not in known:
                    raise ConfigError(
                        f"{where}.{setting}.{field}: {source.entity} has no such column; it has: {', '.join(sorted(known))}"
                    )
        try:
            reader(source, fields)
            entity.typing(source, settings)
        except ConfigError as e:
            raise ConfigError(f"{where}.{e}") from None
        if source.version and source.version not in entity.version_columns:
            raise ConfigError(f"{where}.version: {source.version!r} is not one of: {', '.join(entity.version_columns)}")
        if source.key == "line" and source.entity != "transactions":
            raise ConfigError(f"{where}.key: 'line' is for transactions; {source.entity} needs its own key")


def _known(where: str, entity: str) -> None:
    if entity not in ENTITIES:
        raise ConfigError(f"{where}: no entity {entity!r}; there are: {', '.join(sorted(ENTITIES))}")
