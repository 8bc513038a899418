"""Which records of an API window are already there, and so need not land again.

Asked in DuckDB of the stored tables: the records of a window are judged once (`judge`); which of them are news is then a
matter of a few joins, for which Spark would plan job after job.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pyarrow as pa

from saleslake import bronze
from saleslake.lake import Lake
from saleslake.landing import from_micros
from saleslake.silver import quarantine, winner
from saleslake.silver.contract import ORDER, Entity
from saleslake.silver.registry import ENTITIES

Version = tuple[datetime, str]
"""(version time, key)."""

_TIMES = ("version_time", "landed_at")


def judge(lake: Lake, source: str, stage: bronze.Staging) -> pa.Table:
    """Judge the staged records of all pages of a window. Grain: record. Columns: keys, unit, content_hash, ORDER (times in µs), valid."""
    entity = ENTITIES[lake.settings.sources[source].entity]
    engine = lake.landing_engine
    times = {name: f"micros({name}) AS {name}" for name in _TIMES}
    columns = [times.get(name, name) for name in dict.fromkeys((*entity.table.keys, "content_hash", *ORDER))]
    with engine.judged(source, bronze.with_identity(lake, stage.frame(lake))) as judged:
        sql = f"SELECT {', '.join(columns)}, file AS unit, tag_count(reasons) = 0 AS valid FROM judged"
        return engine.fetch(engine.sql(sql, judged=judged))


def greatest(lake: Lake, entity: Entity, judged: pa.Table, not_after: datetime) -> Version | None:
    """Greatest (version time, key) of the window's valid records, dated no later than `not_after`."""
    with lake.duck(judged=judged) as connection:
        row = connection.execute(
            f"""select version_time, {entity.table.keys[0]} from judged
                where valid and version_time <= $limit order by 1 desc, 2 desc limit 1""",
            {"limit": _micros(not_after)},
        ).fetchone()
    return (from_micros(row[0]), row[1]) if row else None


def units_to_land(lake: Lake, entity: Entity, source: str, judged: pa.Table) -> set[str]:
    """Units (pages) of a fetched window that hold anything bronze must have.

    A page is left out whole or lands whole. A record is known if silver, or a quarantine row that landing it again would
    not change, holds its content for its key now; one that a valid version in the window beats, itself valid or not, is
    known if bronze has its content. A page that lands takes along the pages with the window's winners of its keys: else an
    old version would land anew after the winner that was left out.
    """
    keys = ", ".join(entity.table.keys)
    tables = {"silver": entity.table, "quarantine": quarantine.TABLE, "bronze": bronze.table_of(source)}
    with lake.duck(judged=judged) as connection:
        for name, table in tables.items():
            connection.register(name, lake.rows(table))
        connection.execute(
            f"""create temp table ranked as
                select *, valid and row_number() over (partition by {keys}, valid order by {winner.NEWEST_FIRST}) = 1 as is_winner
                from judged"""
        )
        connection.execute(f"""
            create temp table marked as
            select j.unit, w.unit as winner_unit, j.valid, j.is_winner, in_silver, content_hash,
                w.unit is not null and {winner.is_newer("w", "j")} as is_beaten
            from ranked j left join (select {keys}, unit, {", ".join(ORDER)} from ranked where is_winner) w using ({keys})
            left join (select distinct {keys}, content_hash, true as in_silver from silver) using ({keys}, content_hash)""")
        rows = connection.execute(
            f"""select distinct unit from marked where not coalesce(case
                when is_beaten and content_hash in (select content_hash from bronze where kind = 'record') then true
                when not valid then content_hash in ({_unresolved(entity)})
                when is_winner then in_silver end, false)""",
            {"source": source},
        ).fetchall()
        pairs = connection.execute("select distinct unit, winner_unit from marked where is_beaten").fetchall()
    unknown = {row[0] for row in rows}
    while more := {winner for unit, winner in pairs if unit in unknown and winner not in unknown}:
        unknown |= more
    return unknown


def all_held(lake: Lake, entity: Entity, source: str, hashes: set[str]) -> bool:
    """Whether silver or quarantine holds every one of these contents now, as in `units_to_land`: then no page needs a closer look.

    This is what most windows of most runs come to; not even the records need to be judged.
    """
    if not lake.exists(entity.table) or not lake.exists(quarantine.TABLE):
        return False
    of_source = "where source = $source" if len(entity.table.keys) > 1 else ""
    held = lake.query(
        f"select content_hash from silver {of_source} union ({_unresolved(entity)})",
        {"source": source},
        silver=entity.table,
        quarantine=quarantine.TABLE,
    ).fetchall()
    return hashes <= {row[0] for row in held}


def greatest_held(lake: Lake, entity: Entity, hashes: set[str], not_after: datetime) -> Version | None:
    """Greatest (version time, key), no later than `not_after`, of the stored rows with these contents."""
    row = lake.query(
        f"""select epoch_us(version_time), {entity.table.keys[0]} from silver
            where content_hash in (select unnest($hashes)) and version_time <= make_timestamptz($limit)
            order by 1 desc, 2 desc limit 1""",
        {"hashes": sorted(hashes), "limit": _micros(not_after)},
        silver=entity.table,
    ).fetchone()
    return (from_micros(row[0]), row[1]) if row else None


def _unresolved(entity: Entity) -> str:
    """Contents of the source's quarantine rows that no stored row of their key and version time has overtaken.

    One that a greater version time beats is not open, but stays beaten however often it lands: served again, it is no news.
    """
    same_source = "and s.source = q.source" if len(entity.table.keys) > 1 else ""
    return f"""select q.content_hash from (select *, first_seen as landed_at from quarantine) q
        where q.entity = '{entity.name}' and q.source = $source
        and not exists (select 1 from silver s where s.{entity.table.keys[0]} = q.key {same_source}
            and s.version_time is not distinct from q.version_time and {winner.is_newer("s", "q")})"""


def _micros(moment: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (moment - from_micros(0)) // timedelta(microseconds=1)
