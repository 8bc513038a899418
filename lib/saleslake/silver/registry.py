"""The entities there are. One of your own: a module, a line here, and what CONTRIBUTING lists beside these."""

from __future__ import annotations

from collections.abc import Sequence

from saleslake.config import ALSO, CustomRule, Settings, Source
from saleslake.errors import ConfigError
from saleslake.silver import orders, products, stock, transactions, users
from saleslake.silver.contract import Entity
from saleslake.silver.judge.conditions import Conditions
from saleslake.silver.judge.reading import Fields, reader
from saleslake.silver.judge.rules import check_settings

ENTITIES: dict[str, Entity] = {
    entity.name: entity for entity in (orders.ENTITY, transactions.ENTITY, users.ENTITY, products.ENTITY, stock.ENTITY)
}

_NO_MONEY = ("quantity", "on_hand", "items.quantity", "items.qty", "refunds.quantity")


def check(settings: Settings) -> None:
    """Raise ConfigError for a rule, field or version column of the configuration that does not exist."""
    for name, rules in settings.rules.items():
        _known(f"{settings.config_file}: rules.{name}", name)
        check_settings(f"{settings.config_file}: rules.{name}", ENTITIES[name].rules, rules.severities)
        _check_own(f"{settings.config_file}: rules.{name}.custom", ENTITIES[name], rules.custom)
    for name, source in settings.sources.items():
        where = f"{settings.config_file}: sources.{name}"
        _known(f"{where}.entity", source.entity)
        _check_source(where, source, settings)


def _check_source(where: str, source: Source, settings: Settings) -> None:
    entity = ENTITIES[source.entity]
    own = {rule.name for rule in settings.rules_of(entity.name).custom}
    of_ours = {rule: severity for rule, severity in source.rules.items() if rule not in own}
    check_settings(f"{where}.rules", entity.rules, of_ours)
    _check_names(where, source, entity.fields)
    try:
        reader(source, entity.fields)
        entity.typing(source, settings)
    except ConfigError as e:
        raise ConfigError(f"{where}.{e}") from None
    if source.version and source.version not in entity.version_columns:
        raise ConfigError(f"{where}.version: {source.version!r} is not one of: {', '.join(entity.version_columns)}")
    if source.key_columns and source.entity not in ("orders", "transactions"):
        raise ConfigError(f"{where}.key: several columns are for orders and transactions; {source.entity} has one")
    if source.key == "line" and source.entity != "transactions":
        raise ConfigError(f"{where}.key: 'line' is for transactions; {source.entity} needs its own key")


def _check_names(where: str, source: Source, fields: Fields) -> None:
    """Raise ConfigError for a setting of one of our columns that does not exist, or that it cannot have."""
    defaulted = {*fields.of_header, *(f"items.{name}" for name in fields.line_texts)} - {"refunds"}
    of_settings = {"mapping": _also(fields.names), "defaults": defaulted, "dialects": _also(fields.names_of_numbers)}
    for setting, known in of_settings.items():
        for field in getattr(source, setting):
            if field not in known:
                raise ConfigError(
                    f"{where}.{setting}.{field}: {source.entity} has no such column; it has: {', '.join(sorted(known))}"
                )
    lost = sorted(source.mapping.keys() & set(fields.within_refunds))
    if lost and "refunds" not in source.mapping:
        raise ConfigError(f"{where}.mapping.{lost[0]}: refunds itself is not mapped: give the path of their array")
    for field, dialect in source.dialects.items():
        if dialect.minor_units and field in _NO_MONEY:
            raise ConfigError(f"{where}.dialects.{field}.minor_units: {field} is no amount of money")


def _also(names: set[str]) -> set[str]:
    """Names of columns, and their other ones."""
    return names | {ALSO[name] for name in names & ALSO.keys()}


def _known(where: str, entity: str) -> None:
    if entity not in ENTITIES:
        raise ConfigError(f"{where}: no entity {entity!r}; there are: {', '.join(sorted(ENTITIES))}")


def _check_own(where: str, entity: Entity, rules: Sequence[CustomRule]) -> None:
    """Raise ConfigError for a project's own rule that has the name of another, or whose condition cannot be used."""
    names = {rule.name: "a rule of saleslake (docs/rules.md)" for rule in entity.rules} | {"custom": "this setting"}
    for rule in rules:
        if rule.name in names:
            raise ConfigError(f"{where}: {rule.name!r} is the name of {names[rule.name]} already; give it another")
        names[rule.name] = "another rule here"
    if rules:
        Conditions(where, entity.own_arrow, rules, {})
