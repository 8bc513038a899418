"""What a lakehouse holds and where it stands; read without a JVM."""

from __future__ import annotations

from typing import Any

import pyarrow.dataset as ds

from saleslake import bronze, runlog
from saleslake.lake import Lake
from saleslake.not_landed import lost_offsets
from saleslake.serve.duck import connect, tables
from saleslake.stream import figures


def status(lake: Lake) -> dict[str, Any]:
    """Tables with rows, files, bytes and versions; last run; watermark and last window per API; quarantine by reason."""
    return {
        "data": lake.settings.data,
        "config": str(lake.settings.config_file),
        "tables": [_held(lake, name, path) for name, path in tables(lake).items()],
        "last_run": _last_run(lake),
        "watermarks": _watermarks(lake),
        "windows": last_windows(lake),
        "quarantine": _quarantine(lake),
        "not_landed": [
            {
                "what": lost.text,
                "noticed_at": lost.noticed_at,
                "acknowledged": lost.acknowledged,
                "because": lost.because,
            }
            for lost in lost_offsets(lake)
        ],
        "stream": figures.read(lake),
    }


def _held(lake: Lake, name: str, path: str) -> dict[str, Any]:
    """`table_figures` with the records of a bronze table as its rows: its control rows are none."""
    figures = table_figures(lake, name, path)
    if name.startswith("bronze."):
        figures["rows"] = lake.rows_at(path, figures["version"]).count_rows(filter=ds.field("kind") == "record")
    return figures


def table_figures(lake: Lake, name: str, path: str) -> dict[str, Any]:
    """Rows, version, files and bytes of one Delta table, from its log."""
    table = lake.open_table(path)
    sizes = [int(size) for size in table.get_add_actions(flatten=True).column("size_bytes").to_pylist()]
    return {"table": name, "rows": table.count(), "version": table.version(), "files": len(sizes), "bytes": sum(sizes)}


def _last_run(lake: Lake) -> dict[str, Any] | None:
    if not lake.is_table(runlog.path(lake)):
        return None
    with connect(lake) as connection:
        result = connection.execute("select * exclude (summary) from ops.runs order by started_at desc limit 1")
        columns = [column[0] for column in result.description or []]
        row = result.fetchone()
        return dict(zip(columns, row, strict=True)) if row else None


def _watermarks(lake: Lake) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name, source in lake.settings.sources.items():
        if source.is_incremental:
            mark = bronze.watermark(bronze.controls(lake, name))
            found[name] = mark[0] if mark else None
    return found


def last_windows(lake: Lake) -> dict[str, dict[str, Any]]:
    """By API, the last window it was asked for and what the fetch came to; of those that were asked already."""
    found = {}
    for name, source in lake.settings.sources.items():
        window = lake.landing.last_window(name) if source.format == "api" else None
        if window:
            found[name] = window
    return found


def _quarantine(lake: Lake) -> list[dict[str, Any]]:
    if "silver.quarantine" not in tables(lake):
        return []
    with connect(lake) as connection:
        rows = connection.execute(
            """select source, reason, count(*) as records, count(*) filter (status = 'open') as open,
                      count(*) filter (status = 'discarded') as discarded
               from (select source, unnest(reasons) as reason, status from silver.quarantine_status)
               group by all order by all"""
        ).fetchall()
    return [dict(zip(("source", "reason", "records", "open", "discarded"), row, strict=True)) for row in rows]
