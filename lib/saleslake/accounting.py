"""verify: proves from the stored tables where every record went, and that gold is what silver says.

Nothing here trusts a counter of the pipeline: every record of bronze is read and judged again, ranked by
the definition of `applied`, and the resulting sets of record ids are compared with the stored ones.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from saleslake import bronze, windows
from saleslake.engine.interface import Frame, union
from saleslake.errors import first_line
from saleslake.fingerprint import gold_fingerprint, rules_fingerprint
from saleslake.gold import star
from saleslake.gold.sync import differences
from saleslake.lake import Lake
from saleslake.not_landed import lost_offsets
from saleslake.publish import decisions, reused_keys
from saleslake.silver import quarantine, step
from saleslake.silver.contract import Entity
from saleslake.silver.registry import ENTITIES
from saleslake.table import Table
from saleslake.windows import Windows

_SHOWN = 20


@dataclass
class SourceProof:
    """One source: landed = applied + duplicate + superseded + quarantined, as sets of record ids."""

    source: str
    never_landed: bool = False
    """Nothing of it ever came: not even an empty file, or an API's answer without records."""
    landed: int = 0
    applied: int = 0
    duplicate: int = 0
    superseded: int = 0
    quarantined: int = 0
    reused_keys: int = 0
    """Of the superseded: those of `publish.reused_keys`."""
    discarded: int = 0
    """Those of the quarantined that a rule of severity discard closed."""
    wrong: dict[str, list[str]] = field(default_factory=dict)
    """What is wrong → offending record ids, the first of them."""
    wrong_count: int = 0

    @property
    def adds_up(self) -> bool:
        return self.landed == self.applied + self.duplicate + self.superseded + self.quarantined and not self.wrong


@dataclass
class Proof:
    """The whole proof."""

    sources: list[SourceProof] = field(default_factory=list)
    gold: dict[str, list[str]] = field(default_factory=dict)
    """Gold table → keys that differ from what silver says, the first of them; empty lists for tables that agree."""
    notes: list[str] = field(default_factory=list)
    engine: str = ""
    """What proved it: spark or embedded."""
    wrote: list[str] = field(default_factory=list)
    """Which of them the latest commits of silver and gold are of."""
    seconds: float = 0.0
    windows: dict[str, Windows] = field(default_factory=dict)
    """Of each API: the windows that it was asked for."""
    not_landed: list[str] = field(default_factory=list)
    """What a source had, is not in bronze, and no run will ask for: one line each, until somebody settles it."""

    @property
    def holds(self) -> bool:
        return all(s.adds_up for s in self.sources) and not any(self.gold.values()) and not self.not_landed


def verify(lake: Lake, say: Callable[[str], None] = lambda _: None) -> Proof:
    """Judge every landed record again and compare; derive gold again and compare. On the lake's engine, whichever one wrote."""
    started = time.monotonic()
    proof = Proof(engine=lake.engine.name, wrote=_writers(lake))
    state = lake.state.load()
    if state.rules and state.rules != rules_fingerprint(lake.settings):
        proof.notes.append(
            "the configuration's rules differ from those silver was last decided by; differences below may be due to "
            "that: saleslake run --full-refresh decides everything by the present ones"
        )
    if state.gold and state.gold != gold_fingerprint(lake.settings):
        proof.notes.append(
            "the [gold] settings have changed since gold was last refreshed: saleslake run brings it up to them"
        )
    for lost in lost_offsets(lake):
        if lost.acknowledged:
            proof.notes.append(
                f"not landed, and acknowledged: {lost.text}" + (f" ({lost.because})" if lost.because else "")
            )
        else:
            proof.not_landed.append(lost.text)
    with lake.lock("gold"), lake.lock("silver"):
        for name, entity in ENTITIES.items():
            say(f"silver.{name}: judging every record again")
            proof.sources += prove_entity(lake, entity)
        say("gold: deriving it again")
        proof.gold = _prove_gold(lake)
    for name, source in lake.settings.sources.items():
        if source.format == "api":
            proof.windows[name] = windows.of(bronze.controls(lake, name), lake.landing.last_window(name))
            proof.not_landed += windows.passed(name, proof.windows[name])
    proof.seconds = round(time.monotonic() - started, 3)
    return proof


def _writers(lake: Lake) -> list[str]:
    """The engines of the latest commits that changed silver and gold, as these sign."""
    tables = [*(entity.table for entity in ENTITIES.values()), *star.TABLES.values()]
    found = set()
    for table in tables:
        if lake.exists(table):
            (last,) = lake.snapshot(table).history(1)
            engine = str(last.get("engineInfo", last.get("clientVersion", "")))
            found |= {"spark"} if engine.startswith("Apache-Spark") else {"embedded"} if "delta-rs" in engine else set()
    return sorted(found)


def prove_entity(lake: Lake, entity: Entity) -> list[SourceProof]:
    """Judge every landed record of one silver table again and compare with what it and quarantine hold; a proof a source.

    Silver's rows are compared whole, not by their ids: one that was edited is not what its record says.
    """
    engine, table = lake.engine, entity.table
    for stored in (table, quarantine.TABLE):
        lake.create(stored)
    proofs: list[SourceProof] = []
    with ExitStack() as stack:
        frames, unread = _judged(lake, entity, stack)
        if frames:
            inputs = {
                "judged": union(engine, [*frames.values()]),
                "landed": union(engine, [bronze.records(lake, source) for source in frames]),
                "silver": engine.read(table),
                "held": engine.sql(f"SELECT * FROM q WHERE entity = '{entity.name}'", q=engine.read(quarantine.TABLE)),
            }
            decided = decisions(engine, table, inputs["judged"], step.current_files(lake, frames))
            inputs["decided"] = stack.enter_context(engine.kept(decided))
            proofs = _read_off(engine.fetch(engine.sql(_findings(table, unread), **inputs)).to_pylist())
            if any(proof.superseded for proof in proofs):
                reused = reused_keys(lake, table, inputs["judged"])
                for proof in proofs:
                    proof.reused_keys = reused.get(proof.source, 0)
    there = {proof.source for proof in proofs}
    for name, settings in lake.settings.sources.items():
        if settings.entity == entity.name and name not in there and name not in unread:
            proofs.append(SourceProof(name, never_landed=name not in frames or settings.is_stream))
    return sorted([*proofs, *unread.values()], key=lambda proof: proof.source)


def _judged(lake: Lake, entity: Entity, stack: ExitStack) -> tuple[dict[str, Frame], dict[str, SourceProof]]:
    """By source, all its records as judged; and the proofs of those whose records cannot be judged."""
    frames: dict[str, Frame] = {}
    unread: dict[str, SourceProof] = {}
    for name, settings in lake.settings.sources.items():
        if settings.entity != entity.name or not lake.exists(bronze.holding(lake, name)):
            continue
        try:
            frames[name] = stack.enter_context(lake.engine.judged(name, bronze.rows(lake, name)))
        except Exception as e:
            unread[name] = SourceProof(name, wrong={f"cannot be judged: {first_line(e)}": []}, wrong_count=1)
    return frames, unread


def _findings(table: Table, unread: Iterable[str]) -> str:
    """Every landed and every stored record beside each other: (source, state, wrong) with how many there are and the first ids.

    Takes `judged`, `decided`, `landed`, `silver` and `held`, the entity's part of quarantine.
    """
    columns = ", ".join(table.column_names)
    differs = " OR ".join(f"j.{name} IS DISTINCT FROM s.{name}" for name in table.column_names)
    closed = "CASE WHEN tag_count(COALESCE({0}, no_tags())) > 0 THEN 'discarded' ELSE 'quarantined' END"
    left_out = ", ".join(f"'{name}'" for name in unread)
    return f"""
    WITH should AS (
        SELECT record_id, CASE WHEN action = 'insert' THEN 'applied'
            WHEN action IN ('quarantined', 'held') THEN {closed.format("discarded_by")} ELSE action END AS state
        FROM decided
    ), times AS (
        SELECT record_id, source, COUNT(*) AS landed FROM landed GROUP BY record_id, source
    ), sound AS (
        SELECT {columns} FROM judged WHERE tag_count(reasons) = 0
    ), applied AS (
        SELECT s.record_id, s.source, 'applied' AS state, j.record_id IS NOT NULL AND ({differs}) AS is_edited
        FROM silver s LEFT JOIN sound j ON s.record_id = j.record_id
    ), stored AS (
        SELECT record_id, source, state, is_edited FROM applied
        UNION ALL SELECT record_id, source, {closed.format("discarded_by")}, false FROM held
    ), is_ AS (
        SELECT record_id, MIN(source) AS source, MIN(state) AS state, COUNT(*) AS times, BOOL_OR(is_edited) AS is_edited
        FROM stored GROUP BY record_id
    ), beside AS (
        SELECT COALESCE(t.source, i.source) AS source, COALESCE(t.record_id, w.record_id, i.record_id) AS record_id,
            COALESCE(w.state, 'none') AS state, COALESCE(t.landed, 0) AS landed,
            CASE WHEN t.landed IS NULL THEN 'stored, but never landed'
                WHEN t.landed > 1 THEN 'landed twice under one id'
                WHEN w.state IS NULL THEN 'landed, but judged by no rule'
                WHEN i.times > 1 THEN 'in more than one state'
                WHEN w.state = 'applied' AND i.state IS NULL THEN 'should be applied, is not'
                WHEN w.state IN ('quarantined', 'discarded') AND i.state IS NULL THEN 'should be in quarantine, is not'
                WHEN w.state IN ('duplicate', 'superseded') AND i.state IS NOT NULL
                    THEN CONCAT('should be ', w.state, ', but is stored')
                WHEN i.state <> w.state THEN CONCAT('should be ', w.state, ', is ', i.state)
                WHEN i.is_edited THEN 'stored with another content than its record gives' END AS wrong
        FROM times t FULL JOIN should w ON t.record_id = w.record_id
            FULL JOIN is_ i ON COALESCE(t.record_id, w.record_id) = i.record_id
    ), shown AS (
        SELECT source, record_id, state, landed, wrong, ROW_NUMBER() OVER (PARTITION BY source, state, wrong ORDER BY record_id) AS n
        FROM beside
    )
    SELECT source, state, wrong, COUNT(*) AS n, CAST(SUM(landed) AS BIGINT) AS landed,
        array_agg(CASE WHEN wrong IS NOT NULL AND n <= {_SHOWN} THEN record_id END) AS ids
    FROM shown {f"WHERE source NOT IN ({left_out})" if left_out else ""}
    GROUP BY source, state, wrong
    """


def _read_off(rows: list[dict[str, Any]]) -> list[SourceProof]:
    proofs: dict[str, SourceProof] = {}
    for row in rows:
        proof = proofs.setdefault(row["source"], SourceProof(row["source"]))
        proof.landed += row["landed"]
        if row["wrong"]:
            ids = sorted(each for each in row["ids"] if each is not None)
            proof.wrong.setdefault(row["wrong"], []).extend(ids)
            proof.wrong_count += row["n"]
        elif row["state"] != "none":
            setattr(proof, row["state"], getattr(proof, row["state"]) + row["n"])
            if row["state"] == "discarded":
                proof.quarantined += row["n"]
    return [proofs[name] for name in sorted(proofs)]


def _prove_gold(lake: Lake) -> dict[str, list[str]]:
    pins = star.pinned(lake)
    missing = [table.full_name for name, table in star.INPUTS.items() if name not in pins]
    if missing:
        return {name: ["the table does not exist, so gold cannot be derived: run `saleslake run`"] for name in missing}
    engine, found = lake.engine, {}
    with ExitStack() as stack:
        for name, expected in star.expected(lake, pins, stack).items():
            table = star.TABLES[name]
            if not lake.exists(table):
                found[name] = ["the table does not exist"]
                continue
            keys = ", ".join(f"COALESCE({key}, old_{key}) AS {key}" for key in table.keys)
            differing = engine.sql(differences(table), expected=expected, stored=engine.read(table))
            first = engine.sql(
                f"SELECT _action, {keys} FROM d ORDER BY {', '.join(table.keys)} LIMIT {_SHOWN}", d=differing
            )
            found[name] = [_told(row) for row in engine.fetch(first).to_pylist()]
    return found


def _told(row: dict[str, Any]) -> str:
    keys = {name: value for name, value in row.items() if name != "_action"}
    return f"{row['_action']} {json.dumps(keys, ensure_ascii=False, default=str)}"
