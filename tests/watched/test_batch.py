"""A good batch, watched: what Prometheus holds of it, what the dashboards show, what the command tells, what is proven."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from deltalake import DeltaTable
from prometheus_client.parser import text_string_to_metric_families

from saleslake import bronze
from saleslake.monitor import verified
from saleslake.serve.duck import connect, tables
from saleslake.status import status
from tests.monitor.dashboards import load, queries, values_of
from tests.watched.scene import Watched


def _the_run(watched: Watched) -> dict[str, Any]:
    """The run as `ops.runs` has it."""
    with connect(watched.lake_after_batch()) as connection:
        result = connection.execute("select * from ops.runs")
        (row,) = result.fetchall()
        return dict(zip([column[0] for column in result.description or []], row, strict=True))


def test_prometheus_holds_what_ops_runs_says(watched: Watched) -> None:
    run, at = _the_run(watched), watched.pushed_at
    only = '{job="saleslake", command="run"}'
    assert watched.value(f"saleslake_run_success{only}", at) == 1
    assert watched.value(f"saleslake_run_duration_seconds{only}", at) == pytest.approx(run["execution_time_seconds"])
    assert watched.value(f"saleslake_run_last_start_timestamp_seconds{only}", at) == run["started_at"].timestamp()
    assert watched.value(f"saleslake_run_last_success_timestamp_seconds{only}", at) == pytest.approx(
        run["ended_at"].timestamp(), abs=0.01
    )
    assert watched.value(f"sum(saleslake_run_records{only})", at) == run["records_processed_count"] > 1000
    dropped = 'sum(saleslake_run_records{command="run", outcome="quarantined"})'
    assert watched.value(dropped, at) == run["records_dropped_count"] == 44
    assert watched.value(f"sum(saleslake_run_retries{only})", at) == run["retry_attempts"]
    steps = watched.by(f"saleslake_run_step_duration_seconds{only}", at, "step")
    assert 0 < sum(steps.values()) < run["execution_time_seconds"]
    checks = watched.by(f"saleslake_check_findings{only}", at, "check")
    assert (checks["revenue_mismatch"], checks["revenue_equals_fact"]) == (2, 0)


def test_prometheus_holds_what_the_tables_are(watched: Watched) -> None:
    lake, at = watched.lake_after_batch(), watched.pushed_at
    rows, files, size = (watched.by(f"saleslake_table_{what}", at, "table") for what in ("rows", "files", "size_bytes"))
    there = tables(lake)
    assert set(rows) == set(there)
    with connect(lake) as connection:
        for name, path in there.items():
            counted = connection.execute(f"select count(*) from {name}").fetchone()
            assert (rows[name],) == counted, name
            held = [Path(uri.removeprefix("file://")) for uri in DeltaTable(path).file_uris()]
            assert (files[name], size[name]) == (len(held), sum(file.stat().st_size for file in held)), name
    assert rows["ops.runs"] == 1


def test_prometheus_holds_freshness_watermark_and_quarantine(watched: Watched) -> None:
    lake, at = watched.lake_after_batch(), watched.pushed_at
    landed = watched.by("saleslake_source_last_landed_timestamp_seconds", at)
    with connect(lake) as connection:
        for source in ("users", "orders_api"):
            newest = connection.execute(
                f"select epoch_us(max(landed_at)) from bronze.{source} where kind = 'record'"
            ).fetchone()
            assert newest == (round(landed[source] * 1e6),)
    assert watched.by("saleslake_source_expected_interval_seconds", at) == {"orders_api": 86400}
    mark = bronze.watermark(bronze.controls(lake, "orders_api"))
    assert mark and mark[0] == "2024-03-01T22:46:26.000000Z"
    assert watched.by("saleslake_source_watermark_timestamp_seconds", at) == {"orders_api": 1709333186}
    reasons = watched.ask("saleslake_quarantine_open_reasons", at)
    assert {(labels["source"], labels["reason"], value) for labels, value in reasons} == {
        (row["source"], row["reason"], row["open"]) for row in status(lake)["quarantine"] if row["open"]
    }
    assert watched.value("sum(saleslake_revenue_mismatch_orders)", at) == 2
    unproven = watched.by("saleslake_table_unverified_since_timestamp_seconds", at, "table")
    assert set(unproven) == verified.provable(lake) & set(tables(lake))


def test_a_good_run_fires_nothing(watched: Watched) -> None:
    """Its usual time is not known yet: NaN, which is over nothing."""
    firing = watched.ask('ALERTS{alertname!~".*(Stream|Pushgateway).*"}', watched.pushed_at)
    assert firing == []
    assert watched.value(
        "saleslake_run_usual_duration_seconds != saleslake_run_usual_duration_seconds", watched.pushed_at
    )


def test_the_command_tells_the_same_as_the_gateway(watched: Watched) -> None:
    assert watched.codes["metrics"] == 0, watched.outputs["metrics"]
    told = {
        (sample.name, *sorted(sample.labels.items()))
        for family in text_string_to_metric_families(watched.outputs["metrics"])
        for sample in family.samples
    }
    ours = '{__name__=~"saleslake_.*", __name__!~"saleslake_stream_.*"}'
    held = {
        (name, *sorted(labels.items()))
        for labels, _ in watched.ask(ours, watched.pushed_at)
        if (name := labels.pop("__name__")) and labels.pop("job") and labels.pop("instance", "-")
    }
    assert told == held
    assert len(told) > 200


def test_every_panel_of_the_pipeline_shows_something(watched: Watched) -> None:
    at = watched.pushed_at
    empty = watched.empty_panels("pipeline", at)
    assert empty == {("Run time and what is usual", "B")}, "what is usual is known after three runs"
    for variable in load("pipeline")["templating"]["list"]:
        assert watched.ask(values_of(variable["definition"]), at), variable["name"]
    for annotation in load("pipeline")["annotations"]["list"]:
        watched.ask(annotation["expr"], at)


def test_every_panel_of_the_business_shows_something(watched: Watched) -> None:
    with psycopg.connect(watched.on.database.dsn) as connection:
        for query in queries("business"):
            rows = connection.execute(query.text.encode()).fetchall()
            assert rows and any(value is not None for row in rows for value in row), query
        net = {q.panel: q.text for q in queries("business")}["Net revenue"]
        shown = connection.execute(net.encode()).fetchall()
        currency = load("business")["templating"]["list"][0]["query"]
        assert connection.execute(currency.encode()).fetchone() == ("EUR",)
    with connect(watched.lake_after_batch()) as duck:
        wanted = duck.execute(
            "select sum(line_amount) from gold.fact_sales where currency = 'EUR' and date between '2024-01-15' and '2024-03-15'"
        ).fetchall()
    assert shown == wanted


def test_a_proof_is_told_table_by_table(watched: Watched) -> None:
    """Of what the stream brought, too; but not of its figures by the minute, which nothing else can tell."""
    assert watched.codes["verify"] == 0, watched.outputs["verify"]
    at = watched.proven_at
    assert watched.value("saleslake_verify_success", at) == 1
    assert watched.value("saleslake_verify_last_success_timestamp_seconds", at) > watched.alerted_at
    since = watched.by("saleslake_table_unverified_since_timestamp_seconds", at, "table")
    assert min(since.values()) > watched.alerted_at
    assert set(since) == set(tables(watched.lake())) - {"ops.runs", "gold.sales_by_minute"}
