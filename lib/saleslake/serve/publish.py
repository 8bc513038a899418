"""`saleslake publish`: gold to each target that is asked for, or that a connection is set for."""

from __future__ import annotations

from collections.abc import Iterator

from saleslake.errors import ConfigError
from saleslake.lake import Lake
from saleslake.serve import duckfile, postgres, redshift
from saleslake.store import ObjectPath, place

TARGETS = ("postgres", "redshift", "duckdb")


def publish(lake: Lake, to: str = "", *, everything: bool = False, execute: bool = False) -> Iterator[str]:
    """Publish to each target of `to` (names, separated by commas); yields what it did, a line each.

    Nothing named: PostgreSQL and Redshift where their connection is set. Raises ConfigError for a name that is none, or
    where there is nothing to publish to; `execute` runs Redshift's statements, which are only written otherwise.
    """
    targets = [name.strip() for name in to.split(",") if name.strip()]
    wrong = [name for name in targets if name not in TARGETS]
    if wrong:
        raise ConfigError(f"publish to {wrong[0]!r}: give {', '.join(TARGETS)}")
    if not targets:
        targets = [name for name in ("postgres", "redshift") if _is_connected(lake, name)]
    if not targets:
        variable = lake.settings.serving.postgres.dsn_env
        raise ConfigError(f"nothing to publish to: set {variable}, or give --to {' or '.join(TARGETS)}")
    for name in targets:
        yield from _publish(lake, name, everything, execute)


def _is_connected(lake: Lake, name: str) -> bool:
    try:
        lake.settings.secret(getattr(lake.settings.serving, name).dsn_env, "")
    except ConfigError:
        return False
    return True


def _publish(lake: Lake, name: str, everything: bool, execute: bool) -> Iterator[str]:
    own = lake.settings.serving
    if name == "postgres":
        dsn = lake.settings.secret(own.postgres.dsn_env, "serving.postgres.dsn_env").get_secret_value()
        written = postgres.publish(lake, dsn, own.postgres.schema_name, everything=everything)
        for table in written:
            scope = "whole table" if table.dates is None else f"{len(table.dates)} dates"
            yield f"postgres: {table.table}: {table.inserted} rows written, {table.deleted} deleted ({scope} compared)"
        if not written:
            yield f"postgres: schema {own.postgres.schema_name} holds all of it already"
    elif name == "redshift":
        folder = place(lake.settings.resolve(own.redshift.export), lake.settings.storage)
        rows = sum(table.rows for table in redshift.export(lake, folder))
        there = redshift.in_s3(lake.settings)
        copy = "" if isinstance(folder, ObjectPath) else f"copy it to {there}, then "
        yield f"redshift: {rows} rows in {folder}; {copy}run {folder / redshift.LOAD}"
        if execute:
            redshift.execute(lake.settings, folder)
            yield f"redshift: {redshift.LOAD} was run"
    else:
        path = place(lake.settings.resolve(own.duckdb.path), lake.settings.storage)
        rows = sum(duckfile.write(lake, path).values())
        yield f"duckdb: {rows} rows in {path} ({path.stat().st_size / 1e6:.1f} MB)"
