"""verify: proves from the stored tables where every record went, and that gold is what silver says.

Nothing here trusts a counter of the pipeline: every record of bronze is read and judged again, ranked by
the definition of `applied`, and the resulting sets of record ids are compared with the stored ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from saleslake import bronze, windows
from saleslake.errors import first_line
from saleslake.fingerprint import gold_fingerprint, rules_fingerprint
from saleslake.gold import star
from saleslake.gold.sync import differences
from saleslake.lake import Lake
from saleslake.not_landed import lost_offsets
from saleslake.publish import ranked_versions, reused_keys
from saleslake.silver import quarantine, step
from saleslake.silver.contract import ORDER, Entity
from saleslake.silver.registry import ENTITIES
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
    windows: dict[str, Windows] = field(default_factory=dict)
    """Of each API: the windows that it was asked for."""
    not_landed: list[str] = field(default_factory=list)
    """What a source had, is not in bronze, and no run will ask for: one line each, until somebody settles it."""

    @property
    def holds(self) -> bool:
        return all(s.adds_up for s in self.sources) and not any(self.gold.values()) and not self.not_landed


def verify(lake: Lake) -> Proof:
    """Judge every landed record again and compare; derive gold again and compare."""
    proof = Proof()
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
        for name in ENTITIES:
            proof.sources += prove_entity(lake, ENTITIES[name])
        proof.gold = _prove_gold(lake)
    for name, source in lake.settings.sources.items():
        if source.format == "api":
            proof.windows[name] = windows.of(bronze.controls(lake, name), lake.landing.last_window(name))
            proof.not_landed += windows.passed(name, proof.windows[name])
    return proof


def states(lake: Lake, entity: Entity, frames: dict[str, DataFrame] | None = None) -> DataFrame | None:
    """Every landed record of an entity and what it should be: (record_id, source, state). None if nothing landed.

    `state`: applied, duplicate, superseded, quarantined, or, of the quarantined those that a rule closed, discarded.

    `frames`: by source, all its records as judged, where that is done already.
    """
    frames = _judged(lake, _landed(lake, entity))[0] if frames is None else frames
    if not frames:
        return None
    files = [f for s in frames if (f := step.touched_files(lake, s, None)) is not None]
    judged = reduce(DataFrame.unionByName, frames.values())
    valid = judged.where(F.size("reasons") == 0).select(
        *entity.table.keys, *_missing(entity, "record_id", "source"), "content_hash", *ORDER
    )
    former: DataFrame | None = None
    if files:
        current = F.broadcast(reduce(DataFrame.unionByName, files))
        joined = valid.join(current, "file", how="left")
        is_former = F.coalesce(F.col("landed_at") < F.col("current_landed_at"), F.lit(False))
        former = joined.where(is_former).select("record_id", "source", F.lit("superseded").alias("state"))
        valid = joined.where(~is_former).drop("current_landed_at")
    place = F.when(F.col("place") == "greatest", "applied").otherwise(F.col("place"))
    ranked = ranked_versions(valid, entity.table.keys).select("record_id", "source", place.alias("state"))
    state = quarantine.state().alias("state")
    rejected = judged.where(F.size("reasons") > 0).select("record_id", "source", state)
    result = ranked.unionByName(rejected)
    return result if former is None else result.unionByName(former)


def _missing(entity: Entity, *names: str) -> list[str]:
    return [name for name in names if name not in entity.table.keys]


def prove_entity(lake: Lake, entity: Entity) -> list[SourceProof]:
    """Judge every landed record of one silver table again and compare with what it and quarantine hold; a proof a source."""
    sources = [s for s, settings in lake.settings.sources.items() if settings.entity == entity.name]
    frames, unread = _judged(lake, _landed(lake, entity))
    should = states(lake, entity, frames)
    if should is None:
        return [SourceProof(s, never_landed=True) for s in sources if s not in unread] + list(unread.values())
    landed = reduce(DataFrame.unionByName, [bronze.records(lake, s).select("record_id", "source") for s in frames])
    applied = _stored(lake, entity, "applied")
    rejected = _stored(lake, entity, "quarantined")
    is_ = applied.unionByName(rejected)
    stored = is_.groupBy("record_id").agg(
        F.sort_array(F.collect_list("stored")).alias("stored"), F.first("stored_source").alias("stored_source")
    )
    times = landed.groupBy("record_id", "source").agg(F.count("*").alias("landed"))
    joined = times.join(should.select("record_id", "state"), "record_id", how="full").join(
        stored, "record_id", how="full"
    )
    wrong = (
        F.when(F.col("landed").isNull(), F.lit("stored, but never landed"))
        .when(F.col("landed") > 1, F.lit("landed twice under one id"))
        .when(F.col("state").isNull(), F.lit("landed, but judged by no rule"))
        .when(F.size(F.coalesce("stored", F.array())) > 1, F.lit("in more than one state"))
        .when((F.col("state") == "applied") & F.col("stored").isNull(), F.lit("should be applied, is not"))
        .when(
            F.col("state").isin("quarantined", "discarded") & F.col("stored").isNull(),
            F.lit("should be in quarantine, is not"),
        )
        .when(
            F.col("state").isin("duplicate", "superseded") & F.col("stored").isNotNull(),
            F.concat(F.lit("should be "), F.col("state"), F.lit(", but is stored")),
        )
        .when(
            F.col("stored").isNotNull() & (F.element_at("stored", 1) != F.col("state")),
            F.concat(F.lit("should be "), F.col("state"), F.lit(", is "), F.element_at("stored", 1)),
        )
    )
    judged = joined.select(
        F.coalesce("source", "stored_source").alias("source"),
        "record_id",
        F.coalesce("state", F.lit("none")).alias("state"),
        F.coalesce("landed", F.lit(0)).alias("landed"),
        wrong.alias("wrong"),
    )
    proofs = _read_off(judged.where(~F.col("source").isin([*unread]))) if unread else _read_off(judged)
    if any(proof.superseded for proof in proofs):
        by_line = {name for name in frames if lake.settings.sources[name].key == "line"}
        own = [frame.where(F.size("reasons") == 0) for name, frame in frames.items() if name not in by_line]
        reused = reused_keys(reduce(DataFrame.unionByName, own), entity.table.keys) if own else {}
        for proof in proofs:
            proof.reused_keys = reused.get(proof.source, 0)
    there = {proof.source for proof in proofs}
    for name in sources:
        if name not in there and name not in unread:
            nothing = name not in frames or lake.settings.sources[name].is_stream
            proofs.append(SourceProof(name, never_landed=nothing))
    return sorted([*proofs, *unread.values()], key=lambda proof: proof.source)


def _landed(lake: Lake, entity: Entity) -> list[str]:
    """Sources of the entity whose bronze table is there."""
    sources = lake.settings.sources
    return [s for s in sources if sources[s].entity == entity.name and lake.exists(bronze.holding(lake, s))]


def _judged(lake: Lake, sources: list[str]) -> tuple[dict[str, DataFrame], dict[str, SourceProof]]:
    """By source, all its records as judged; and the proofs of those whose records cannot be judged."""
    frames, unread = {}, {}
    for name in sources:
        try:
            frames[name] = step.judged_frame(lake, name, bronze.rows(lake, name))
        except Exception as e:
            unread[name] = SourceProof(name, wrong={f"cannot be judged: {first_line(e)}": []}, wrong_count=1)
    return frames, unread


def _stored(lake: Lake, entity: Entity, state: str) -> DataFrame:
    table = entity.table if state == "applied" else quarantine.TABLE
    lake.create(table)
    rows = lake.read(table)
    stored = F.lit(state)
    if state == "quarantined":
        rows, stored = rows.where(F.col("entity") == entity.name), quarantine.state()
    return rows.select("record_id", stored.alias("stored"), F.col("source").alias("stored_source"))


def _read_off(judged: DataFrame) -> list[SourceProof]:
    proofs: dict[str, SourceProof] = {}
    grouped = judged.groupBy("source", "state", "wrong").agg(
        F.count("*").alias("n"),
        F.sum("landed").alias("landed"),
        F.slice(F.sort_array(F.collect_list(F.when(F.col("wrong").isNotNull(), F.col("record_id")))), 1, _SHOWN).alias(
            "ids"
        ),
    )
    for row in grouped.collect():
        proof = proofs.setdefault(row["source"], SourceProof(row["source"]))
        proof.landed += row["landed"]
        if row["wrong"]:
            proof.wrong.setdefault(row["wrong"], []).extend(row["ids"])
            proof.wrong_count += row["n"]
        elif row["state"] != "none":
            setattr(proof, row["state"], getattr(proof, row["state"]) + row["n"])
            if row["state"] == "discarded":
                proof.quarantined += row["n"]
    return [proofs[name] for name in sorted(proofs)]


def _prove_gold(lake: Lake) -> dict[str, list[str]]:
    inputs = star.pinned_inputs(lake)
    missing = [table.full_name for name, table in star.INPUTS.items() if name not in inputs.pins]
    if missing:
        return {name: ["the table does not exist, so gold cannot be derived: run `saleslake run`"] for name in missing}
    found: dict[str, list[str]] = {}
    for name, expected in star.expected(inputs).items():
        table = star.TABLES[name]
        if not lake.exists(table):
            found[name] = ["the table does not exist"]
            continue
        differing = differences(table, expected, lake.read(table))
        keys = F.to_json(F.struct(*table.keys))
        found[name] = [
            f"{row['_action']} {row['k']}"
            for row in differing.select("_action", keys.alias("k")).limit(_SHOWN).collect()
        ]
    return found
