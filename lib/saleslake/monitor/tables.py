"""The tables as Prometheus metrics: size, freshness, open quarantine, watermarks, proof; read without a JVM."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import duckdb
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from saleslake import bronze
from saleslake.lake import Lake
from saleslake.monitor import verified
from saleslake.not_landed import lost_offsets, shown
from saleslake.serve.duck import connect, tables
from saleslake.status import last_windows, table_figures


def registry(lake: Lake) -> CollectorRegistry:
    """Metrics of the tables as they are now; none of a lakehouse that has no table yet."""
    made = CollectorRegistry()
    families = list(_families(lake))
    made.register(_Fixed(families))
    return made


class _Fixed:
    """Families that were read already."""

    def __init__(self, families: list[Metric]):
        self.families = [family for family in families if family.samples]

    def collect(self) -> Iterator[Metric]:
        yield from self.families


def _families(lake: Lake) -> Iterator[Metric]:
    there = tables(lake)
    if not there:
        return
    yield from _sizes(lake, there)
    yield from _proof(lake)
    yield from _sources(lake, there)
    yield from _fetches(lake)
    yield _not_landed(lake)
    with connect(lake) as connection:
        yield from _records(connection, there)


def _gauge(name: str, help_: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"saleslake_{name}", help_, labels=labels)


def _sizes(lake: Lake, there: dict[str, str]) -> Iterator[Metric]:
    rows = _gauge("table_rows", "Rows of the table.", "table")
    files = _gauge("table_files", "Data files of the table's newest version.", "table")
    size = _gauge("table_size_bytes", "Bytes of these files.", "table")
    version = _gauge("table_version", "Newest version of the table.", "table")
    commit = _gauge("table_last_commit_timestamp_seconds", "When the table was last written to.", "table")
    since = _gauge(
        "table_unverified_since_timestamp_seconds",
        "Since when nobody has proven the table: its last sound verify, or when it was made.",
        "table",
    )
    proven, provable = verified.read(lake).tables, verified.provable(lake)
    for name, path in there.items():
        found = table_figures(lake, name, path)
        for family, figure in ((rows, "rows"), (files, "files"), (size, "bytes"), (version, "version")):
            family.add_metric([name], found[figure])
        table = lake.open_table(path)
        commit.add_metric([name], table.history(limit=1)[0]["timestamp"] / 1000)
        if name in provable:
            made = (table.metadata().created_time or 0) / 1000
            since.add_metric([name], max(proven[name].timestamp(), made) if name in proven else made)
    yield from (rows, files, size, version, commit, since)


def _proof(lake: Lake) -> Iterator[Metric]:
    found = verified.read(lake)
    if found.at:
        yield _single(
            "verify_last_run_timestamp_seconds", "When saleslake verify last ran to its end.", found.at.timestamp()
        )
        yield _single("verify_success", "Whether the latest saleslake verify found every record: 1 or 0.", found.holds)
    if found.held_at:
        help_ = "When saleslake verify last found every record."
        yield _single("verify_last_success_timestamp_seconds", help_, found.held_at.timestamp())


def _single(name: str, help_: str, value: float) -> Metric:
    family = _gauge(name, help_)
    family.add_metric([], value)
    return family


def _sources(lake: Lake, there: dict[str, str]) -> Iterator[Metric]:
    landed = _gauge("source_last_landed_timestamp_seconds", "When a record of the source last landed.", "source")
    expected = _gauge(
        "source_expected_interval_seconds", "Within how long something new should land; none: whenever.", "source"
    )
    mark = _gauge("source_watermark_timestamp_seconds", "Greatest version time fetched whole from the API.", "source")
    newest = _newest(lake, there)
    for name, source in lake.settings.sources.items():
        if name in newest:
            landed.add_metric([name], newest[name])
        hours = lake.settings.expect_new_hours(name)
        if hours:
            expected.add_metric([name], hours * 3600)
        reached = bronze.watermark(bronze.controls(lake, name)) if source.is_incremental else None
        if reached:
            mark.add_metric([name], _moment(reached[0]).timestamp())
    yield from (landed, expected, mark)


_FETCH = {
    "pages": "Pages of the latest window that the API was asked for.",
    "records": "Records on these pages, repeated ones among them.",
    "distinct_ids": "Distinct keys among these records.",
    "overlaps": "Records whose key had come on an earlier page.",
    "stated_total": "What the API said there is; none: it does not say.",
    "refetches": "How often the window was begun anew.",
}


def _fetches(lake: Lake) -> Iterator[Metric]:
    complete = _gauge("source_last_fetch_complete", "Whether the latest window came whole: 1 or 0.", "source")
    at = _gauge("source_last_fetch_timestamp_seconds", "When the API was last asked for a window.", "source")
    figures = {name: _gauge(f"source_last_fetch_{name}", help_, "source") for name, help_ in _FETCH.items()}
    for source, window in last_windows(lake).items():
        complete.add_metric([source], window["complete"])
        at.add_metric([source], _moment(window["fetched_at"]).timestamp())
        for name, family in figures.items():
            if window[name] is not None:
                family.add_metric([source], window[name])
    yield from (complete, at, *figures.values())


def _not_landed(lake: Lake) -> Metric:
    family = _gauge(
        "not_landed_offsets", "Offsets of Kafka that were gone before they landed.", "partition", "acknowledged"
    )
    counts: Counter[tuple[str, str]] = Counter()
    for lost in lost_offsets(lake):
        counts[shown(lost.file), str(lost.acknowledged).lower()] += lost.end - lost.first
    for labels, count in sorted(counts.items()):
        family.add_metric(labels, count)
    return family


def _newest(lake: Lake, there: dict[str, str]) -> dict[str, float]:
    """Per source the Unix time at which its newest record landed."""
    found: dict[str, float] = {}
    for name, path in there.items():
        if name.startswith("bronze."):
            with duckdb.connect() as connection:
                connection.register("t", lake.rows_at(path))
                rows = connection.execute(
                    "select source, epoch_us(max(landed_at)) from t where kind = 'record' group by source"
                ).fetchall()
            found |= {source: micros / 1e6 for source, micros in rows}
    return found


def _records(connection: duckdb.DuckDBPyConnection, there: dict[str, str]) -> Iterator[Metric]:
    if "silver.quarantine" in there:
        records = _gauge(
            "quarantine_open_records",
            "Rejected records that no rule discards and no later version has replaced.",
            "source",
        )
        for source, count in connection.execute(
            "select source, count(*) filter (status = 'open') from silver.quarantine_status group by source order by 1"
        ).fetchall():
            records.add_metric([source], count)
        reasons = _gauge(
            "quarantine_open_reasons", "The same by reason; a record may have several.", "source", "reason"
        )
        for source, reason, count in connection.execute(
            "select source, reason, count(*) from (select source, unnest(reasons) as reason from silver.quarantine_status "
            "where status = 'open') group by all order by all"
        ).fetchall():
            reasons.add_metric([source, reason], count)
        yield from (records, reasons)
    if "gold.dim_order" in there:
        mismatch = _gauge(
            "revenue_mismatch_orders", "Orders whose amount is missing or differs from their lines.", "currency", "kind"
        )
        for currency, *counts in connection.execute(
            "select currency, count(*) filter (list_contains(warnings, 'amount_missing')), "
            "count(*) filter (list_contains(warnings, 'amount_mismatch')) from gold.dim_order group by currency order by 1"
        ).fetchall():
            for kind, count in zip(("amount_missing", "amount_mismatch"), counts, strict=True):
                mismatch.add_metric([currency, kind], count)
        yield mismatch


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
