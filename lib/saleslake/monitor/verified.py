"""When each table was last proven by `saleslake verify`: a small JSON file, which monitoring reads."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from saleslake import bronze
from saleslake.accounting import Proof
from saleslake.gold import star
from saleslake.lake import Lake
from saleslake.silver import quarantine
from saleslake.silver.registry import ENTITIES

FILE = "verified.json"


@dataclass
class Verified:
    """`at`, `held_at`: when verify last ran, and last found no fault. `tables`: when each was last found without one."""

    at: datetime | None = None
    held_at: datetime | None = None
    tables: dict[str, datetime] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        return self.at is not None and self.at == self.held_at


def read(lake: Lake) -> Verified:
    """What the file says; nothing where there is none, or it cannot be read."""
    try:
        content = json.loads(Path(lake.work(FILE)).read_text())
        tables = {str(name): datetime.fromisoformat(at) for name, at in content["tables"].items()}
        at, held_at = (datetime.fromisoformat(content[name]) if content[name] else None for name in ("at", "held_at"))
        return Verified(at, held_at, tables)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Verified()


def note(lake: Lake, proof: Proof) -> None:
    """Write down what a proof found sound; a table at fault keeps the time it last was."""
    now = datetime.now(UTC)
    known = read(lake)
    known.at = now
    known.held_at = now if proof.holds else known.held_at
    known.tables |= dict.fromkeys(sound_tables(lake, proof), now)
    path = Path(lake.work(FILE))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    content = {"at": known.at, "held_at": known.held_at, "tables": dict(sorted(known.tables.items()))}
    partial.write_text(json.dumps(content, indent=1, default=datetime.isoformat))
    partial.replace(path)


def provable(lake: Lake) -> set[str]:
    """Names of the tables that a proof is about."""
    bronzes = {bronze.holding(lake, source).full_name for source in lake.settings.sources}
    silver = {entity.table.full_name for entity in ENTITIES.values()} | {quarantine.TABLE.full_name}
    return bronzes | silver | {table.full_name for table in star.TABLES.values()}


def sound_tables(lake: Lake, proof: Proof) -> set[str]:
    """Names of the tables in which a proof found no fault."""
    settings = lake.settings.sources
    at_fault = {found.source for found in proof.sources if not found.adds_up}
    faulty = {bronze.holding(lake, source).full_name for source in at_fault if source in settings}
    faulty |= {ENTITIES[settings[source].entity].table.full_name for source in at_fault if source in settings}
    if at_fault:
        faulty.add(quarantine.TABLE.full_name)
    if at_fault - set(settings):  # stored rows of a source that is no longer configured: of which entity is not known
        faulty |= {entity.table.full_name for entity in ENTITIES.values()}
    proven = {name for name, differing in proof.gold.items() if not differing}
    return {name for name in provable(lake) if name not in faulty and (not name.startswith("gold.") or name in proven)}
