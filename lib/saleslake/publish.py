"""publish: judged records to one silver table, the same for batch, stream, replay and full refresh.

clean → split off the rejected → greatest version per key → under the silver lock: look up what is stored
for these keys, drop what does not win, stop if nothing is left, MERGE with the literal old and new dates.
Filtering before the write is what makes a replay write nothing.
"""

from __future__ import annotations

import copy
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import reduce

import structlog
from delta import exceptions as conflicts
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from saleslake import kill_points
from saleslake.errors import SaleslakeError, first_line
from saleslake.lake import Lake
from saleslake.silver import quarantine
from saleslake.silver.contract import ORDER, Entity
from saleslake.table import Table, date_literals

_MOST_LITERAL_DATES = 1000
_FEW = 500_000
"""Record ids that fit in every task's memory."""
_MOST_LOOKED_UP = 20_000
_CONFLICTS = (
    conflicts.DeltaConcurrentModificationException,
    conflicts.ConcurrentAppendException,
    conflicts.ConcurrentDeleteReadException,
    conflicts.ConcurrentDeleteDeleteException,
    conflicts.ConcurrentTransactionException,
    conflicts.ConcurrentWriteException,
    conflicts.MetadataChangedException,
)
"""Delta's classes of conflict have no common base in Python."""
one_at_a_time = threading.Lock()
"""Quarantine is one table for all entities, whose threads publish side by side."""
_turns: dict[str, threading.Lock] = {}
"""By table: threads of one run share the silver lock, and two of them may bring sources of one entity."""


@dataclass
class Outcome:
    """What became of one batch of records, and what was written."""

    records: int = 0
    applied: int = 0
    duplicate: int = 0
    superseded: int = 0
    quarantined: int = 0
    discarded: int = 0
    """Those of the quarantined that a rule of severity discard closed."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Of the quarantined records that are not discarded."""
    discards: Counter[str] = field(default_factory=Counter)
    """Rules that discarded records."""
    warnings: Counter[str] = field(default_factory=Counter)
    """Of the records that applied."""
    reused_keys: int = 0
    """Records beyond the first of a key that one file, or page, holds with different contents and no version time."""
    deleted: int = 0
    dates: set[date] = field(default_factory=set)

    @property
    def wanted(self) -> int:
        """Records that nobody leaves out on purpose."""
        return self.records - self.discarded

    @property
    def open(self) -> int:
        """Those of them that were quarantined: they wait for a person."""
        return self.quarantined - self.discarded

    def count(self, reasons: list[str], discarded_by: list[str], records: int) -> None:
        """Count so many records with these reasons, of which these discard."""
        self.records += records
        if reasons:
            self.quarantined += records
        if discarded_by:
            self.discarded += records
            self.discards.update(dict.fromkeys(discarded_by, records))
        else:
            self.reasons.update(dict.fromkeys(reasons, records))

    def apply(self, warnings: list[str], records: int) -> None:
        """Count so many records that applied with these warnings."""
        self.applied += records
        self.warnings.update(dict.fromkeys(warnings, records))

    def add(self, other: Outcome) -> None:
        names = ("records", "applied", "duplicate", "superseded", "quarantined", "discarded", "reused_keys", "deleted")
        for name in names:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.reasons += other.reasons
        self.discards += other.discards
        self.warnings += other.warnings
        self.dates |= other.dates


def turn(lake: Lake, table: Table) -> threading.Lock:
    """To be held while the table is looked up and written, within the lock of silver."""
    return _turns.setdefault(lake.path(table), threading.Lock())


def order_of(prefix: str = "") -> Column:
    """What versions of a key are ordered by; comparing these structs compares NULL version times as smallest."""
    return F.struct(*[F.col(f"{prefix}{name}") for name in ORDER])


def publish(lake: Lake, entity: Entity, judged: DataFrame, current_files: DataFrame | None = None) -> Outcome:
    """Bring a batch of judged records to silver and quarantine. Safe to repeat with the same or older records.

    `judged` is read several times, so it should be persisted.

    `current_files` (file, current_landed_at) names, for sources keyed by line, the files this batch touches
    and when their latest content landed: rows of former content are superseded as a whole.
    """
    outcome = _counted(judged)
    if lake.settings.silver_writers == "conflict":
        return _publish_at_once(lake, entity, judged, outcome, current_files)
    # The turn is inside the lock, or a thread could wait for the lock with the turn in hand.
    with lake.lock("silver"), turn(lake, entity.table):
        return _publish_counted(lake, entity, judged, outcome, current_files)


def _publish_counted(
    lake: Lake, entity: Entity, judged: DataFrame, outcome: Outcome, current_files: DataFrame | None
) -> Outcome:
    if outcome.quarantined:
        insert_rejected(lake, entity, judged)
        kill_points.reached("after_quarantine")
    if outcome.records > outcome.quarantined or current_files is not None:
        valid = judged.where(F.size("reasons") == 0)
        _publish_valid(lake, entity.table, valid, outcome, current_files)
        if outcome.superseded and current_files is None:
            outcome.reused_keys = sum(reused_keys(valid, entity.table.keys).values())
        kill_points.reached("after_silver_write")
    return outcome


def _publish_at_once(
    lake: Lake, entity: Entity, judged: DataFrame, counted: Outcome, current_files: DataFrame | None
) -> Outcome:
    """Without a lock: each attempt reads what is stored anew, and Delta lets only one of two that overlap commit.

    Raises SaleslakeError when `run.conflict_retries` attempts more have all lost.
    """
    run = lake.settings.run
    retrying = Retrying(
        retry=retry_if_exception_type(_CONFLICTS),
        stop=stop_after_attempt(run.conflict_retries + 1),
        wait=wait_random_exponential(multiplier=0.5, max=20),
        before_sleep=lambda state: structlog.get_logger().info(
            "write_conflict", table=entity.table.full_name, attempt=state.attempt_number
        ),
    )
    try:
        return retrying(lambda: _publish_counted(lake, entity, judged, copy.deepcopy(counted), current_files))
    except RetryError as e:
        raise SaleslakeError(
            f"{entity.table.full_name}: other writers were quicker {run.conflict_retries + 1} times in a row "
            f"({first_line(e.last_attempt.exception() or e)}): run again, or raise run.conflict_retries"
        ) from None


def _counted(judged: DataFrame) -> Outcome:
    """Counts of the batch, in one pass; this is also what fills the cache."""
    outcome = Outcome()
    for row in judged.groupBy("reasons", "discarded_by").count().collect():
        outcome.count(row["reasons"], row["discarded_by"], row["count"])
    return outcome


def reused_keys(valid: DataFrame, keys: Sequence[str]) -> dict[str, int]:
    """By source: records that share their key with another of their file's landing, differ from it, and have no version time.

    Derived from all the records there are, and stored nowhere: it depends on a record's neighbours.
    """
    unversioned = valid.where(F.col("version_time").isNull())
    of_key = unversioned.groupBy(*dict.fromkeys(("source", *keys, "file", "landed_at")))
    contents = of_key.agg(F.count_distinct("content_hash").alias("n")).where("n > 1")
    return {row[0]: row[1] for row in contents.groupBy("source").agg(F.sum(F.col("n") - 1)).collect()}


def insert_rejected(lake: Lake, entity: Entity, judged: DataFrame) -> None:
    """Append the rejected records that quarantine does not hold yet. The caller holds the silver lock, if writers lock."""
    table = quarantine.TABLE
    rows = quarantine.rejected(judged, entity.name)
    lake.create(table)
    if lake.settings.silver_writers == "conflict":
        # Reading all ids in the same transaction is what makes Delta see another's insert of one of them.
        # Threads of this process need not find out by losing.
        with one_at_a_time:
            merge = lake.delta(table).alias("t").merge(rows.coalesce(1).alias("s"), "t.record_id = s.record_id")
            merge.whenNotMatchedInsertAll().execute()
        return
    with one_at_a_time:
        unknown = _unknown(lake, table, rows)
        if unknown is not None:
            lake.append(table, unknown.coalesce(1))


def _unknown(lake: Lake, table: Table, rows: DataFrame) -> DataFrame | None:
    """Those of `rows` whose record_id the table does not hold; None if it holds them all. Few are looked up without Spark."""
    if lake.snapshot(table).count() == 0:
        return rows
    ids = [row["record_id"] for row in rows.select("record_id").limit(_MOST_LOOKED_UP + 1).collect()]
    if len(ids) > _MOST_LOOKED_UP:
        new = rows.join(lake.read(table).select("record_id"), "record_id", how="left_anti").select(*table.select())
        return None if new.isEmpty() else new
    found = lake.query("select record_id from t where record_id in (select unnest($ids))", {"ids": ids}, t=table)
    known = {row[0] for row in found.fetchall()}
    if not known:
        return rows
    if known.issuperset(ids):
        return None
    held = lake.spark.createDataFrame([(name,) for name in known], "record_id string")
    return rows.join(F.broadcast(held), "record_id", how="left_anti").select(*table.select())


def replace(lake: Lake, entity: Entity, frames: list[DataFrame], line_files: list[DataFrame]) -> Outcome:
    """Overwrite an entity's silver table and its quarantine with what all its records, `frames`, amount to.

    Reads neither table, and the frames several times. `line_files` are the current files of its sources keyed by line. The caller holds the silver lock.
    """
    table = entity.table
    if not frames:
        lake.recreate(table)
        _replace_rejected(lake, entity, None)
        return Outcome()
    judged = reduce(DataFrame.unionByName, frames)
    # Records that cannot be judged are found out here, while the table still is what it was.
    outcome = _counted(judged)
    lake.recreate(table)
    _replace_rejected(lake, entity, judged)
    valid = judged.where(F.size("reasons") == 0)
    if line_files:
        valid = _without_former_content(valid, reduce(DataFrame.unionByName, line_files))
    _publish_valid(lake, table, valid, outcome, None)
    if outcome.superseded:
        # Lines of files have keys of their own, and their former contents are gone from `valid`.
        outcome.reused_keys = sum(reused_keys(valid, table.keys).values())
    return outcome


def _without_former_content(valid: DataFrame, current_files: DataFrame) -> DataFrame:
    joined = valid.join(F.broadcast(current_files), "file", how="left")
    is_current = F.col("current_landed_at").isNull() | (F.col("landed_at") == F.col("current_landed_at"))
    return joined.where(is_current).drop("current_landed_at")


def _replace_rejected(lake: Lake, entity: Entity, judged: DataFrame | None) -> None:
    table = quarantine.TABLE
    lake.create(table)
    if judged is None:
        lake.delta(table).delete(F.col("entity") == entity.name)
        return
    rows = quarantine.rejected(judged, entity.name).coalesce(1)
    lake.may_write()
    rows.write.format("delta").mode("overwrite").option("replaceWhere", f"entity = '{entity.name}'").save(
        lake.path(table)
    )


# --- valid records ---------------------------------------------------------------------------------


def _publish_valid(
    lake: Lake, table: Table, valid: DataFrame, outcome: Outcome, current_files: DataFrame | None
) -> None:
    lake.create(table)
    date_column = F.col("date") if "date" in table.partition_by else F.lit(None).cast("date")
    narrow = valid.select(*table.keys, "record_id", "content_hash", *ORDER, date_column.alias("date"), "warnings")
    if current_files is not None:
        narrow = _of_current_content(narrow, current_files)
    ranked = ranked_versions(narrow, table.keys).persist()
    try:
        figures = F.count("*").alias("n"), F.collect_set("date").alias("dates")
        counts = ranked.groupBy("place", "warnings").agg(*figures).collect()
        greatest = [row for row in counts if row["place"] == "greatest"]
        by_place: Counter[str] = Counter()
        for row in counts:
            by_place[row["place"]] += row["n"]
        outcome.duplicate += by_place["duplicate"]
        outcome.superseded += by_place["superseded"]
        former = outcome.records - outcome.quarantined - sum(by_place.values())
        outcome.superseded += former  # lines of a file's former content
        if lake.snapshot(table).count() == 0 and lake.settings.silver_writers == "lock":
            for row in greatest:
                outcome.apply(row["warnings"], row["n"])
            dates = {d for row in greatest for d in row["dates"]}
            decided = _Decided(rows=None, count=by_place["greatest"], dates=dates)
        else:
            decided = _against_stored(lake, table, ranked.where("place = 'greatest'"), outcome, current_files)
        outcome.dates |= decided.dates
        losing = former + by_place["duplicate"] + by_place["superseded"]
        losers = _losers(valid, ranked, former).select("record_id") if losing else None
        # Few lose, mostly: told so, Spark need not shuffle every record to find them.
        _write(lake, table, valid, decided, F.broadcast(losers) if losers is not None and losing <= _FEW else losers)
        if decided.rows is not None:
            decided.rows.unpersist()
    finally:
        ranked.unpersist()


def _losers(valid: DataFrame, ranked: DataFrame, former: int) -> DataFrame:
    """record_id of the valid records that are not the greatest of their key."""
    if former:
        return valid.join(ranked.where("place = 'greatest'").select("record_id"), "record_id", how="left_anti")
    return ranked.where("place <> 'greatest'")


def _of_current_content(narrow: DataFrame, current_files: DataFrame) -> DataFrame:
    current = F.broadcast(current_files)
    return (
        narrow.join(current, "file", how="inner")
        .where(F.col("landed_at") == F.col("current_landed_at"))
        .drop("current_landed_at")
    )


def ranked_versions(narrow: DataFrame, keys: tuple[str, ...]) -> DataFrame:
    """Adds `place`: `greatest` of its key; else `duplicate` if a later version of the key has the same content; else `superseded`."""
    newest_first = [F.col(name).desc_nulls_last() for name in ORDER]
    of_key = Window.partitionBy(*keys).orderBy(*newest_first)
    of_content = Window.partitionBy(*keys, "content_hash").orderBy(*newest_first)
    ranked = narrow.select("*", F.row_number().over(of_key).alias("_n"), F.row_number().over(of_content).alias("_same"))
    place = F.when(F.col("_n") == 1, "greatest").when(F.col("_same") > 1, "duplicate").otherwise("superseded")
    return ranked.withColumn("place", place).drop("_n", "_same")


@dataclass
class _Decided:
    """The records to write, and what they replace."""

    rows: DataFrame | None
    """(keys, record_id, action), persisted; NULL frame means every valid record, onto an empty table."""
    count: int = 0
    replaces: bool = False
    deletes: int = 0
    dates: set[date] = field(default_factory=set)


def _against_stored(
    lake: Lake, table: Table, greatest: DataFrame, outcome: Outcome, current_files: DataFrame | None
) -> _Decided:
    """Which of the batch's greatest versions beat what is stored."""
    stored_date = F.col("date") if "date" in table.partition_by else F.lit(None).cast("date")
    stored = lake.read(table).select(
        *table.keys,
        order_of().alias("stored_order"),
        F.col("content_hash").alias("stored_hash"),
        stored_date.alias("stored_date"),
        *(["file", "landed_at"] if current_files is not None else []),
    )
    mine = greatest.select(*table.keys, "record_id", "content_hash", order_of().alias("new_order"), "date", "warnings")
    joined = mine.join(stored.drop("file", "landed_at"), list(table.keys), how="left")
    action = F.when(F.col("stored_order").isNull(), "insert").when(F.col("new_order") > F.col("stored_order"), "update")
    same = F.when(F.col("content_hash") == F.col("stored_hash"), "duplicate").otherwise("superseded")
    known = F.when(F.col("new_order") == F.col("stored_order"), "replayed")
    decided = joined.select(
        *table.keys, "record_id", "date", "stored_date", F.coalesce(action, known, same).alias("action"), "warnings"
    )
    if current_files is not None:
        decided = decided.unionByName(_of_former_content(table, stored, mine, current_files))
    decided = decided.persist()
    figures = F.count("*").alias("n"), F.collect_set("date").alias("new"), F.collect_set("stored_date").alias("old")
    tally: Counter[str] = Counter()
    dates: set[date] = set()
    for row in decided.groupBy("action", "warnings").agg(*figures).collect():
        tally[row["action"]] += row["n"]
        # A replayed record is the stored row itself: applied, and nothing to write.
        if row["action"] in ("insert", "update", "replayed"):
            outcome.apply(row["warnings"], row["n"])
        if row["action"] in ("insert", "update", "delete"):
            dates.update(row["new"], row["old"])
    outcome.duplicate += tally["duplicate"]
    outcome.superseded += tally["superseded"]
    outcome.deleted += tally["delete"]
    replacing = tally["update"] + tally["delete"]
    return _Decided(decided, tally["insert"] + replacing, replacing > 0, tally["delete"], dates)


def _of_former_content(table: Table, stored: DataFrame, mine: DataFrame, current_files: DataFrame) -> DataFrame:
    """Stored rows of a file whose content was replaced, where the new content has no valid row in their place."""
    former = stored.join(F.broadcast(current_files), "file", how="inner").where(
        F.col("landed_at") < F.col("current_landed_at")
    )
    gone = former.join(mine.select(*table.keys), list(table.keys), how="left_anti")
    nothing = F.lit(None).cast("string")
    return gone.select(
        *table.keys,
        nothing.alias("record_id"),
        F.lit(None).cast("date").alias("date"),
        "stored_date",
        F.lit("delete").alias("action"),
        F.array().cast("array<string>").alias("warnings"),
    )


def _write(lake: Lake, table: Table, valid: DataFrame, decided: _Decided, losers: DataFrame | None) -> None:
    """Append where nothing stored is replaced, else MERGE: an append is one job, a MERGE three."""
    if decided.count == 0:
        return
    if decided.rows is None:
        rows = valid if losers is None else valid.join(losers, "record_id", how="left_anti")
    else:
        upserts = decided.rows.where("action IN ('insert', 'update')").select("record_id")
        rows = valid.join(F.broadcast(upserts) if decided.count <= _FEW else upserts, "record_id", how="left_semi")
    rows = rows.select(*table.select())
    if decided.replaces or lake.settings.silver_writers == "conflict":
        _merge(lake, table, rows, decided)
    else:
        lake.append(table, table.laid_out(rows))


def _merge(lake: Lake, table: Table, rows: DataFrame, decided: _Decided) -> None:
    source = rows.withColumn("_delete", F.lit(False))
    if decided.deletes and decided.rows is not None:
        nulls = [F.lit(None).cast(c.type).alias(c.name) for c in table.columns if c.name not in table.keys]
        gone = decided.rows.where(F.col("action") == "delete").select(*table.keys, *nulls, F.lit(True).alias("_delete"))
        source = source.unionByName(gone)
    condition = table.same_key
    alone = lake.settings.silver_writers == "lock"
    if alone and table.partition_by and len(decided.dates) <= _MOST_LITERAL_DATES:
        # Old and new dates: pruned to the new ones only, a key whose date moved would stand twice.
        condition = f"t.date IN ({date_literals(decided.dates)}) AND {condition}"
    values: dict[str, str | Column] = {name: f"s.{name}" for name in table.column_names}
    merge = lake.delta(table).alias("t").merge(source.alias("s"), condition)
    if decided.deletes:
        merge = merge.whenMatchedDelete("s._delete")
    # Not alone, what is stored may be newer than when it was looked up.
    newer = None if alone else _is_newer("s.", "t.")
    merge.whenMatchedUpdate(newer, values).whenNotMatchedInsert(values=values).execute()


def _is_newer(mine: str, theirs: str) -> Column:
    """`order_of(mine) > order_of(theirs)`, column by column: MERGE would cast one struct to the other's NOT NULLs."""
    newer = F.lit(False)
    for name in reversed(ORDER):
        one, other = F.col(f"{mine}{name}"), F.col(f"{theirs}{name}")
        greater = F.coalesce(one > other, one.isNotNull() & other.isNull())
        newer = greater | (one.eqNullSafe(other) & newer)
    return newer
