"""Which version of a key wins, and what becomes of every record: the order of versions, written once, as SQL of both engines.

`applied` = the greatest `(version_time, landed_at, file, ordinal)` of its key among valid records, NULL smallest. Any other valid
record is `duplicate` if a later one in that order has the same key and content, else `superseded`.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import DataFrame

from saleslake.engine.sql import on_spark
from saleslake.silver.contract import ORDER
from saleslake.table import Table

NEWEST_FIRST = ", ".join(f"{name} DESC NULLS LAST" for name in ORDER)


def is_newer(one: str, other: str) -> str:
    """The condition that the version `one` (an alias) is greater than `other`. Column by column, for engines order structs differently."""
    newer = "false"
    for name in reversed(ORDER):
        mine, theirs = f"{one}.{name}", f"{other}.{name}"
        greater = f"COALESCE({mine} > {theirs}, {mine} IS NOT NULL AND {theirs} IS NULL)"
        newer = f"({greater} OR ({mine} IS NOT DISTINCT FROM {theirs} AND {newer}))"
    return newer


def ranked(keys: Iterable[str]) -> str:
    """Takes `versions` (keys, content_hash, ORDER). Adds `place`: `greatest` of its key, `duplicate` or `superseded`. Grain unchanged."""
    by = ", ".join(keys)
    return f"""SELECT *,
            CASE WHEN ROW_NUMBER() OVER (PARTITION BY {by} ORDER BY {NEWEST_FIRST}) = 1 THEN 'greatest'
                 WHEN ROW_NUMBER() OVER (PARTITION BY {by}, content_hash ORDER BY {NEWEST_FIRST}) > 1 THEN 'duplicate'
                 ELSE 'superseded' END AS place
        FROM versions"""


def decisions(table: Table) -> str:
    """What becomes of each record of a batch. Grain: record, and stored row that goes.

    Takes `judged` (`Entity.judged`), `stored` (the table), `held` (record_id, of quarantine) and `current_files` (source, file,
    current_landed_at: of sources keyed by line, when the latest content of each file of the batch landed; its former content,
    in the batch and stored, goes as a whole).

    Columns: record_id, source, the keys, date and stored_date (NULL where the table has no dates), warnings, reasons, discarded_by,
    `action`: `insert`, `update`, `replayed` (the stored row itself), `duplicate`, `superseded`, `quarantined`, `held` (in quarantine
    already) or `delete` (a stored row, whose record_id is NULL).
    """
    narrow = _names(["record_id", "source", *table.keys, "content_hash", *ORDER])
    date = "date" if "date" in table.partition_by else "CAST(NULL AS DATE)"
    same_key = " AND ".join(f"r.{key} = s.{key}" for key in table.keys)
    shown = _names(["record_id", "source", *table.keys])
    former = "COALESCE(v.landed_at < c.current_landed_at, false)"
    of_file = "v.source = c.source AND v.file = c.file"
    return f"""
    WITH valid AS (
        SELECT {narrow}, {date} AS date, warnings FROM judged WHERE tag_count(reasons) = 0
    ), by_content AS (
        SELECT v.*, {former} AS is_former FROM valid v LEFT JOIN current_files c ON {of_file}
    ), versions AS (
        SELECT * FROM by_content WHERE NOT is_former
    ), ranked AS (
        {ranked(table.keys)}
    ), of_stored AS (
        SELECT {narrow}, {date} AS date FROM stored
    ), gone AS (
        SELECT v.* FROM of_stored v INNER JOIN current_files c ON {of_file} WHERE v.landed_at < c.current_landed_at
    )
    SELECT {_names(["record_id", "source", *table.keys], "r.")}, r.date, s.date AS stored_date,
        r.warnings, no_tags() AS reasons, no_tags() AS discarded_by,
        CASE WHEN r.place <> 'greatest' THEN r.place
             WHEN s.record_id IS NULL THEN 'insert'
             WHEN {is_newer("r", "s")} THEN 'update'
             WHEN NOT {is_newer("s", "r")} THEN 'replayed'
             WHEN r.content_hash = s.content_hash THEN 'duplicate'
             ELSE 'superseded' END AS action
    FROM ranked r LEFT JOIN of_stored s ON r.place = 'greatest' AND {same_key}
    UNION ALL
    SELECT {shown}, date, CAST(NULL AS DATE), warnings, no_tags(), no_tags(), 'superseded' FROM by_content WHERE is_former
    UNION ALL
    SELECT {_names(["record_id", "source", *table.keys], "j.")}, CAST(NULL AS DATE), CAST(NULL AS DATE), no_tags(), j.reasons,
        COALESCE(j.discarded_by, no_tags()), CASE WHEN h.record_id IS NULL THEN 'quarantined' ELSE 'held' END
    FROM judged j LEFT JOIN held h ON j.record_id = h.record_id
    WHERE tag_count(j.reasons) > 0
    UNION ALL
    SELECT CAST(NULL AS STRING), {_names(["source", *table.keys], "g.")}, CAST(NULL AS DATE), g.date, no_tags(), no_tags(), no_tags(), 'delete'
    FROM gone g ANTI JOIN versions r ON {" AND ".join(f"r.{key} = g.{key}" for key in table.keys)}
    """


def reused_keys(table: Table) -> str:
    """By source: records that share their key with another of their file's landing, differ from it, and have no version time.

    Takes `judged`. Columns: source, reused. Derived from all the records there are, and stored nowhere: it depends on a record's
    neighbours.
    """
    of_key = _names(["source", *table.keys, "file", "landed_at"])
    return f"""SELECT source, CAST(SUM(n - 1) AS BIGINT) AS reused FROM (
            SELECT source, COUNT(DISTINCT content_hash) AS n FROM judged
            WHERE tag_count(reasons) = 0 AND version_time IS NULL GROUP BY {of_key}
        ) WHERE n > 1 GROUP BY source"""


def _names(names: Iterable[str], prefix: str = "") -> str:
    return ", ".join(f"{prefix}{name}" for name in dict.fromkeys(names))


def ranked_versions(versions: DataFrame, keys: Iterable[str]) -> DataFrame:
    """`ranked` as Spark's users know a transform: the window over a frame of versions."""
    return on_spark(ranked(keys), {"versions": versions})
