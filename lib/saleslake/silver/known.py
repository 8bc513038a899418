"""Which records of an API window are already there, and so need not land again."""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from saleslake import bronze
from saleslake.lake import Lake
from saleslake.landing import from_micros
from saleslake.publish import order_of
from saleslake.silver import quarantine
from saleslake.silver.contract import ORDER, Entity


def units_to_land(lake: Lake, entity: Entity, source: str, window: DataFrame) -> set[str]:
    """Units (pages) of a fetched window that hold anything bronze must have.

    `window` is the cleaned frame of all its pages, with `unit`. A page is left out whole or lands whole. A record
    is known if silver, or a quarantine row that landing it again would not change, holds its content for its key now; one
    that a valid version in the window beats, itself valid or not, is known if bronze has its content. A page that lands takes along the pages with the window's winners
    of its keys: else an old version would land anew after the winner that was left out.
    """
    marked = _marked(lake, entity, source, window).persist()
    try:
        unknown = {row[0] for row in marked.where("NOT known").select("unit").distinct().collect()}
        winners = marked.where("is_winner").select(*entity.table.keys, F.col("unit").alias("winner_unit"))
        beaten = marked.where("is_beaten").select(*entity.table.keys, "unit")
        pairs = {
            (r[0], r[1])
            for r in beaten.join(winners, list(entity.table.keys)).select("unit", "winner_unit").distinct().collect()
        }
    finally:
        marked.unpersist()
    while True:
        more = {winner for unit, winner in pairs if unit in unknown and winner not in unknown}
        if not more:
            return unknown
        unknown |= more


def all_held(lake: Lake, entity: Entity, source: str, hashes: set[str]) -> bool:
    """Whether silver or quarantine holds every one of these contents now, as in `units_to_land`: then no page needs a closer look.

    Asked of the stored tables without Spark: this is what most windows of most runs come to.
    """
    if not lake.exists(entity.table) or not lake.exists(quarantine.TABLE):
        return False
    key = entity.table.keys[0]
    by_source = len(entity.table.keys) > 1
    same_source, of_source = ("and s.source = q.source", "where source = $source") if by_source else ("", "")
    held = lake.query(
        f"""select content_hash from silver {of_source}
            union select q.content_hash from quarantine q where q.entity = '{entity.name}' and q.source = $source
            and not exists (select 1 from silver s where s.{key} = q.key {same_source}
                and s.version_time is not distinct from q.version_time
                and (s.landed_at, s.file, s.ordinal) > (q.first_seen, q.file, q.ordinal))""",
        {"source": source},
        silver=entity.table,
        quarantine=quarantine.TABLE,
    ).fetchall()
    return hashes <= {row[0] for row in held}


def greatest_held(lake: Lake, entity: Entity, hashes: set[str], not_after: datetime) -> tuple[datetime, str] | None:
    """Greatest (version time, key), no later than `not_after`, of the stored rows with these contents."""
    row = lake.query(
        f"""select epoch_us(version_time), {entity.table.keys[0]} from silver
            where content_hash in (select unnest($hashes)) and version_time <= make_timestamptz($limit)
            order by 1 desc, 2 desc limit 1""",
        {"hashes": sorted(hashes), "limit": int(not_after.timestamp() * 1_000_000)},
        silver=entity.table,
    ).fetchone()
    return (from_micros(row[0]), row[1]) if row else None


def _marked(lake: Lake, entity: Entity, source: str, window: DataFrame) -> DataFrame:
    """Adds valid, is_winner (of its key in the window), is_beaten (by that) and known to: keys, unit, content_hash."""
    keys = list(entity.table.keys)
    newest_first = Window.partitionBy(*keys).orderBy(*[F.col(name).desc_nulls_last() for name in ORDER])
    valid = F.size("reasons") == 0
    rows = window.select(*keys, "key", "unit", "content_hash", *ORDER, valid.alias("valid"))
    winner = F.max(F.when(F.col("valid"), order_of())).over(Window.partitionBy(*keys))
    rows = rows.withColumn("is_beaten", F.coalesce(winner > order_of(), F.lit(False)))
    first = F.row_number().over(newest_first) == 1
    ranked = (
        rows.where("valid")
        .withColumn("is_winner", first)
        .unionByName(rows.where("NOT valid").withColumn("is_winner", F.lit(False)))
    )
    held = lake.read(entity.table).select(*keys, "content_hash", F.lit(True).alias("in_silver"))
    landed = lake.read(bronze.table_of(source)).where("kind = 'record'").select("content_hash").distinct()
    landed = landed.withColumn("in_bronze", F.lit(True))
    open_ = (
        _quarantine(lake, entity, of_same_time=True).where(F.col("source") == source).select("content_hash").distinct()
    )
    open_ = open_.withColumn("in_quarantine", F.lit(True))
    joined = (
        ranked.join(held, [*keys, "content_hash"], how="left")
        .join(open_, "content_hash", how="left")
        .join(landed, "content_hash", how="left")
    )
    known = (
        F.when(F.col("is_beaten") & F.col("in_bronze"), True)
        .when(~F.col("valid"), F.col("in_quarantine"))
        .when(F.col("is_winner"), F.col("in_silver"))
    )
    return joined.withColumn("known", F.coalesce(known, F.lit(False)))


def open_quarantine(lake: Lake, entity: Entity) -> DataFrame:
    """Quarantine rows of an entity that no stored row of their key has overtaken. Grain: one row a rejected record."""
    return _quarantine(lake, entity, of_same_time=False)


def _quarantine(lake: Lake, entity: Entity, *, of_same_time: bool) -> DataFrame:
    """Quarantine rows that no stored row of their key, or only none of their version time, has overtaken.

    One that a greater version time beats is not open, but stays beaten however often it lands: served again, it is no news.
    """
    table = quarantine.TABLE
    if not lake.exists(table):
        lake.create(table)
    rows = lake.read(table).where(F.col("entity") == entity.name).withColumn("landed_at", F.col("first_seen"))
    stored = lake.read(entity.table).select(
        F.col(entity.table.keys[0]).alias("key"), order_of().alias("stored_order"), "source"
    )
    joined = rows.alias("q").join(
        stored.alias("s").select("key", "stored_order", F.col("source").alias("stored_source")), "key", how="left"
    )
    same_table_row = F.lit(True) if len(entity.table.keys) == 1 else F.col("stored_source") == F.col("source")
    later = F.col("stored_order") > order_of()
    if of_same_time:
        later = later & F.col("stored_order.version_time").eqNullSafe(F.col("version_time"))
    overtaken = F.coalesce(same_table_row & later, F.lit(False))
    return (
        joined.groupBy("record_id", "source", "key", "content_hash")
        .agg(F.max(overtaken).alias("overtaken"))
        .where("NOT overtaken")
    )
