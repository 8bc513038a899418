"""publish for few records: the same decisions as `saleslake.publish`, taken in DuckDB instead of Spark.

Held to that by `tests/test_publish_few.py`, which publishes the same batches both ways.
"""

from __future__ import annotations

from collections import Counter
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from saleslake import few, kill_points
from saleslake.lake import Lake
from saleslake.publish import Outcome, one_at_a_time, turn
from saleslake.silver import quarantine
from saleslake.silver.contract import ORDER, Entity
from saleslake.table import Table

_SMALLEST = "-9223372036854775808"


def publish_few(lake: Lake, entity: Entity, judged: pa.Table) -> Outcome:
    """Bring a batch of judged records to silver and quarantine. Safe to repeat with the same or older records.

    Grain in: record. For sources that have row keys; lines of files, whose former content goes as a whole, are `publish`'s.
    """
    outcome = _counted(judged)
    is_bad = pc.greater(pc.list_value_length(judged.column("reasons")), 0)
    with lake.lock("silver"), turn(lake, entity.table):
        if outcome.quarantined:
            _insert_rejected(lake, quarantine.rejected_rows(judged.filter(is_bad), entity.name))
            kill_points.reached("after_quarantine")
        if outcome.records > outcome.quarantined:
            valid = judged.filter(pc.invert(is_bad))
            _publish_valid(lake, entity.table, valid, outcome)
            outcome.reused_keys = _reused_keys(valid, entity.table) if outcome.superseded else 0
            kill_points.reached("after_silver_write")
    return outcome


def _counted(judged: pa.Table) -> Outcome:
    outcome = Outcome()
    with Lake.duck(rows=judged) as connection:
        counts = connection.execute("select reasons, discarded_by, count(*) from rows group by all").fetchall()
    for reasons, discarded_by, n in counts:
        outcome.count(reasons, discarded_by, n)
    return outcome


def _reused_keys(valid: pa.Table, table: Table) -> int:
    """As `publish.reused_keys`, of all sources together."""
    keys = ", ".join(table.keys)
    narrow = valid.select([*dict.fromkeys((*table.keys, "file", "landed_at", "content_hash", "version_time"))])
    with Lake.duck(valid=narrow) as connection:
        sql = f"""select coalesce(sum(n - 1), 0) from (select count(distinct content_hash) as n from valid
            where version_time is null group by {keys}, file, landed_at)"""
        return int(connection.execute(sql).fetchall()[0][0])


def _insert_rejected(lake: Lake, rows: pa.Table) -> None:
    """Append the rejected records that quarantine does not hold yet."""
    table = quarantine.TABLE
    lake.create(table)
    with one_at_a_time:
        ids = rows.column("record_id")
        sql = "select record_id from t where record_id in (select unnest($ids))"
        known = lake.query(sql, {"ids": ids.to_pylist()}, t=table).fetchall()
        held = pa.array([row[0] for row in known], pa.string())
        few.append(lake, table, rows.filter(pc.invert(pc.is_in(ids, held))))


def _publish_valid(lake: Lake, table: Table, valid: pa.Table, outcome: Outcome) -> None:
    lake.create(table)
    decided = _decided(lake, table, valid)
    counts = Counter(row[1] for row in decided)
    outcome.duplicate += counts["duplicate"]
    outcome.superseded += counts["superseded"]
    # A replayed record is the stored row itself: applied, and nothing to write.
    applied = (row[0] for row in decided if row[1] in ("insert", "update", "replayed"))
    for warnings in few.picked(valid.select(["warnings"]), applied).column("warnings").to_pylist():
        outcome.apply(warnings, 1)
    winners = [row for row in decided if row[1] in ("insert", "update")]
    if not winners:
        return
    dates = {day for row in winners for day in (row[2], row[3]) if day is not None}
    outcome.dates |= dates
    inserts, updates = (
        few.picked(valid, (row[0] for row in winners if row[1] == kind)) for kind in ("insert", "update")
    )
    few.upsert(lake, table, inserts, updates, few.empty(table), dates)


def _decided(lake: Lake, table: Table, valid: pa.Table) -> list[tuple[int, str, date | None, date | None]]:
    """(row of `valid`, what becomes of it, its date, the date of the stored row it replaces), one a record."""
    keys = ", ".join(table.keys)
    day = "date" if "date" in table.partition_by else "null::date as date"
    newest_first = ", ".join(f"{name} desc nulls last" for name in ORDER)
    order = (
        f"(coalesce(epoch_us({{0}}.version_time), {_SMALLEST}), epoch_us({{0}}.landed_at), {{0}}.file, {{0}}.ordinal)"
    )
    compared = list(dict.fromkeys((*table.keys, "content_hash", *ORDER)))
    names = ", ".join(compared)
    batch = few.numbered(valid.select([*compared, *(["date"] if day == "date" else [])]))
    with lake.duck(batch=batch, stored=lake.rows(table)) as connection:
        connection.execute(f"""
            create temp table ranked as select *,
                row_number() over (partition by {keys} order by {newest_first}) as place,
                row_number() over (partition by {keys}, content_hash order by {newest_first}) as same
            from (select {names}, _row, {day} from batch)""")
        connection.execute(f"""
            create temp table held as select {names}, {day}
            from stored semi join ranked using ({keys})""")
        new, old = order.format("g"), order.format("h")
        return connection.execute(f"""
            select _row, case when same > 1 then 'duplicate' else 'superseded' end, null, null from ranked where place > 1
            union all
            select g._row, case
                when h.record_order is null then 'insert' when g.record_order > h.record_order then 'update'
                when g.record_order = h.record_order then 'replayed'
                when g.content_hash = h.content_hash then 'duplicate' else 'superseded' end, g.date, h.date
            from (select *, {new} as record_order from ranked g where place = 1) g
            left join (select *, {old} as record_order from held h) h using ({keys})""").fetchall()
