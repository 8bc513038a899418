"""Maintenance: small files of every table compacted, files that no version within the retention names removed.

Under the lock that the table's writers hold, so it may run beside batch and stream.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from saleslake import bronze
from saleslake.errors import LockTimeout
from saleslake.gold import sales_by_minute, star
from saleslake.lake import Lake
from saleslake.silver import quarantine
from saleslake.silver.registry import ENTITIES
from saleslake.table import Table

_BRIEFLY = 1.0
"""Seconds to wait for a stream, which may live for months."""


@dataclass
class Maintained:
    """What was done to one table. `skipped`: why nothing was."""

    table: str
    files_removed: int = 0
    files_added: int = 0
    skipped: str = ""


def maintain(lake: Lake) -> list[Maintained]:
    """OPTIMIZE and VACUUM every table. The guard on retention (7 days) stays on: readers of older versions are safe."""
    done = [_one(lake, table, lock) for table, lock in _tables(lake) if lake.exists(table)]
    for result in done:
        structlog.get_logger().info("maintained", **result.__dict__)
    return done


def _tables(lake: Lake) -> list[tuple[Table, str]]:
    """Every table and the lock of its writers."""
    found: dict[str, tuple[Table, str]] = {}
    for name, source in lake.settings.sources.items():
        table = bronze.holding(lake, name)
        found[table.full_name] = (table, f"landing-{bronze.EVENTS if source.is_stream else name}")
    silver = [*(entity.table for entity in ENTITIES.values()), quarantine.TABLE]
    return [
        *found.values(),
        *((table, "silver") for table in silver),
        *((table, "gold") for table in star.TABLES.values()),
        (sales_by_minute.TABLE, "sales_by_minute"),
    ]


def _one(lake: Lake, table: Table, lock: str) -> Maintained:
    result = Maintained(table.full_name)
    try:
        with lake.lock(lock, _BRIEFLY if lock == f"landing-{bronze.EVENTS}" else None):
            result.files_removed, result.files_added = lake.engine.compact(table)
            lake.engine.vacuum(table)
    except LockTimeout:
        if lock != f"landing-{bronze.EVENTS}":
            raise
        # A running stream holds bronze.events for as long as it lives, and compacts as it goes.
        result.skipped = f"its writer holds the lock {lock}"
    return result
