"""A real run and a real stream, watched by real servers: what Prometheus holds, what dashboards show, what is sent when it fails."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from deltalake import DeltaTable
from prometheus_client.parser import text_string_to_metric_families

from saleslake import bronze
from saleslake.monitor import verified
from saleslake.serve import postgres
from saleslake.serve.duck import connect, tables
from saleslake.status import status
from tests.monitor.dashboards import load, queries, values_of
from tests.monitor.scene import PASSWORD, TOKEN, Scene, scene, until
from tests.stream_support import order, put
from tools.postgres_server import PostgresServer
from tools.processes import HOST, free_port

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The sample's lakehouse after `saleslake run --demo`, as soon as Prometheus holds what the run pushed."""
    with scene(tmp_path_factory.mktemp("scene")) as it:
        code, said = it.run("run", "--demo")
        assert code == 0, said
        until(lambda: it.ask("saleslake_table_rows"))
        it.pushed_at = time.time()
        yield it


def _last_run(watched: Scene) -> dict[str, Any]:
    """The first run as `ops.runs` has it."""
    with connect(watched.lake()) as connection:
        result = connection.execute("select * from ops.runs order by started_at limit 1")
        row = result.fetchone()
        assert row
        return dict(zip([column[0] for column in result.description or []], row, strict=True))


def _by(watched: Scene, query: str, label: str) -> dict[str, float]:
    return {labels[label]: value for labels, value in watched.ask(query, watched.pushed_at)}


def test_prometheus_holds_what_ops_runs_says(watched: Scene) -> None:
    run, at = _last_run(watched), watched.pushed_at
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
    assert (
        sum(_by(watched, f"saleslake_run_step_duration_seconds{only}", "step").values()) < run["execution_time_seconds"]
    )
    checks = _by(watched, f"saleslake_check_findings{only}", "check")
    assert (checks["revenue_mismatch"], checks["revenue_equals_fact"]) == (2, 0)


def test_prometheus_holds_what_the_tables_are(watched: Scene) -> None:
    rows = _by(watched, "saleslake_table_rows", "table")
    files, size = (_by(watched, f"saleslake_table_{what}", "table") for what in ("files", "size_bytes"))
    there = tables(watched.lake())
    assert set(rows) == set(there)
    with connect(watched.lake()) as connection:
        for name, path in there.items():
            if name == "ops.runs":  # the one that grows with each run of this module
                continue
            counted = connection.execute(f"select count(*) from {name}").fetchone()
            assert (rows[name],) == counted, name
            held = [Path(uri.removeprefix("file://")) for uri in DeltaTable(path).file_uris()]
            assert (files[name], size[name]) == (len(held), sum(file.stat().st_size for file in held)), name
    assert rows["ops.runs"] == 1


def test_prometheus_holds_freshness_watermark_and_quarantine(watched: Scene) -> None:
    found = status(watched.lake())
    landed = _by(watched, "saleslake_source_last_landed_timestamp_seconds", "source")
    with connect(watched.lake()) as connection:
        for source in ("users", "orders_api"):
            newest = connection.execute(
                f"select epoch_us(max(landed_at)) from bronze.{source} where kind = 'record'"
            ).fetchone()
            assert newest == (round(landed[source] * 1e6),)
    assert _by(watched, "saleslake_source_expected_interval_seconds", "source") == {"orders_api": 86400}
    mark = bronze.watermark(bronze.controls(watched.lake(), "orders_api"))
    assert mark and mark[0] == "2024-03-01T22:46:26.000000Z"
    assert _by(watched, "saleslake_source_watermark_timestamp_seconds", "source") == {"orders_api": 1709333186}
    reasons = watched.ask("saleslake_quarantine_open_reasons", watched.pushed_at)
    assert {(labels["source"], labels["reason"], value) for labels, value in reasons} == {
        (row["source"], row["reason"], row["open"]) for row in found["quarantine"] if row["open"]
    }
    assert watched.value("sum(saleslake_revenue_mismatch_orders)", watched.pushed_at) == 2
    unproven = _by(watched, "saleslake_table_unverified_since_timestamp_seconds", "table")
    assert set(unproven) == verified.provable(watched.lake()) & set(tables(watched.lake()))


def test_a_good_run_fires_nothing(watched: Scene) -> None:
    """Its usual time is not known yet: NaN, which is over nothing."""
    firing = watched.ask('ALERTS{alertname!~".*(Stream|Pushgateway).*"}', watched.pushed_at)
    assert firing == []
    assert watched.value(
        "saleslake_run_usual_duration_seconds != saleslake_run_usual_duration_seconds", watched.pushed_at
    )


def test_the_command_tells_the_same_as_the_gateway(watched: Scene) -> None:
    code, said = watched.run("metrics")
    assert code == 0, said
    told = {
        (sample.name, *sorted(sample.labels.items()))
        for family in text_string_to_metric_families(said)
        for sample in family.samples
    }
    held = {
        (name, *sorted(labels.items()))
        for labels, _ in watched.ask('{__name__=~"saleslake_.*", __name__!~"saleslake_stream_.*"}')
        if (name := labels.pop("__name__")) and labels.pop("job") and labels.pop("instance", "-")
    }
    assert told == held
    assert len(told) > 200


def test_every_panel_of_the_pipeline_shows_something(watched: Scene) -> None:
    empty = {
        (query.panel, query.ref) for query in queries("pipeline") if not watched.ask(query.text, watched.pushed_at)
    }
    assert empty == {("Run time and what is usual", "B")}, "what is usual is known after three runs"
    for variable in load("pipeline")["templating"]["list"]:
        assert watched.ask(values_of(variable["definition"]), watched.pushed_at), variable["name"]
    for annotation in load("pipeline")["annotations"]["list"]:
        watched.ask(annotation["expr"])


def test_every_panel_of_the_business_shows_something(watched: Scene) -> None:
    with PostgresServer() as server:
        postgres.publish(watched.lake(), server.dsn, "gold")
        with psycopg.connect(server.dsn) as connection:
            for query in queries("business"):
                result = connection.execute(query.text.encode())
                rows = result.fetchall()
                assert rows and any(value is not None for row in rows for value in row), query
            net = {q.panel: q.text for q in queries("business")}["Net revenue"]
            shown = connection.execute(net.encode()).fetchall()
            currency = load("business")["templating"]["list"][0]["query"]
            chosen = connection.execute(currency.encode()).fetchone()
            assert chosen == ("EUR",)
    with connect(watched.lake()) as duck:
        wanted = duck.execute(
            "select sum(line_amount) from gold.fact_sales where currency = 'EUR' and date between '2024-01-15' and '2024-03-15'"
        ).fetchall()
    assert shown == wanted


def test_a_proof_is_told_table_by_table(watched: Scene) -> None:
    began = time.time()
    code, said = watched.run("verify")
    assert code == 0, said
    until(lambda: watched.ask("saleslake_verify_success == 1"))
    assert watched.value("saleslake_verify_last_success_timestamp_seconds") > began
    since = _now(watched, "saleslake_table_unverified_since_timestamp_seconds", "table")
    assert min(since.values()) > began
    assert set(since) == set(tables(watched.lake())) - {"ops.runs"}


def test_a_real_stream_is_scraped_and_shown(watched: Scene) -> None:
    """Ours and Spark's endpoints, through Prometheus; a fifth of the events is bad."""
    events = Path(watched.environment["SALESLAKE__STREAM__FILES__PATH"])
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    good = [order(f"S{n}", now) for n in range(40)]
    put(events, "1.jsonl", *good, *[order(f"B{n}", now, currency="?") for n in range(10)])
    stream = watched.start("stream", "--trigger", "1 second")
    try:
        until(lambda: stream.poll() is not None or watched.ask('saleslake_stream_state{state="running"} == 1'), 900)
        until(lambda: stream.poll() is not None or watched.ask("saleslake_stream_landed_records_total == 50"), 900)
        put(events, "2.jsonl", *[order(f"T{n}", now) for n in range(20)])
        until(lambda: stream.poll() is not None or watched.ask("saleslake_stream_landed_records_total == 70"), 900)
        until(lambda: stream.poll() is not None or watched.ask("saleslake_stream_watermark_timestamp_seconds"), 900)
        assert stream.poll() is None, stream.communicate()[0]
        assert watched.value("saleslake_stream_quarantined_records_total") == 10
        assert time.time() - watched.value("saleslake_stream_last_landed_timestamp_seconds") < 900
        assert _empty_stream_panels(watched) == set()
        for variable in load("stream")["templating"]["list"]:
            assert watched.ask(values_of(variable["definition"])), variable["name"]
        assert {labels["job"] for labels, up in watched.ask('up{job=~"stream|spark_.*"} == 1')} == {
            "stream",
            "spark_driver",
            "spark_executors",
        }
        _is_for_this_machine_only(watched.spark_port)
        _is_for_this_machine_only(watched.stream_port)
    finally:
        if stream.poll() is None:
            stream.send_signal(signal.SIGTERM)
        said, _ = stream.communicate(timeout=900)
    assert stream.returncode == 0, said
    until(lambda: watched.ask('up{job="stream"} == 0'))


def _empty_stream_panels(watched: Scene) -> set[tuple[str, str]]:
    """Rates need two scrapes, so panels get some seconds to show something."""
    asked = list(queries("stream"))

    def empty() -> set[tuple[str, str]]:
        return {(query.panel, query.ref) for query in asked if not watched.ask(query.text)}

    deadline = time.monotonic() + 30
    while (found := empty()) and time.monotonic() < deadline:
        time.sleep(1)
    return found


def _is_for_this_machine_only(port: int) -> None:
    """By another of the machine's addresses, where it has one, nobody answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing; says by which address it would
            own = probe.getsockname()[0]
        except OSError:
            return
    if own != HOST:
        with pytest.raises(OSError, match=r"refused|timed out"):
            socket.create_connection((own, port), timeout=3)


def test_when_the_api_is_gone_the_alert_comes_by_mail_and_webhook(watched: Scene) -> None:
    """And the run before it is not forgotten: the time of the last success stays."""
    success = 'saleslake_run_last_success_timestamp_seconds{command="run"}'
    before = watched.value(success)
    nowhere = f"http://{HOST}:{free_port()}"
    urls = {f"SALESLAKE__SOURCES__{name}_API__API__URL": f"{nowhere}/{name.lower()}" for name in ("ORDERS", "PRODUCTS")}
    code, said = watched.run("run", **urls)
    assert code == 1, said
    assert "gave up after 4 tries" in said

    until(lambda: watched.ask('saleslake_run_success{command="run"} == 0'))
    assert watched.value(success) == before
    assert _now(watched, "saleslake_run_retries") == {"orders_api": 3, "products_api": 3, "users": 0} | dict.fromkeys(
        ("products_csv", "transactions", "stock"), 0
    )
    until(lambda: watched.ask('ALERTS{alertname="SaleslakeApiRetriesExhausted", alertstate="firing"}'))

    mail = until(lambda: next((m for m in watched.received.mails if "RetriesExhausted" in m["Subject"]), None))
    assert (mail["To"], mail["From"]) == ("on-call@example.com", "saleslake@example.com")
    assert watched.received.logins == {("saleslake", PASSWORD)}
    text = _text(mail)
    for source in ("orders_api", "products_api"):
        assert f"run: the API of {source} failed at every try" in text, "one mail for both"
    authorization, body = until(
        lambda: next(
            (c for c in watched.received.calls if c[1]["groupLabels"]["alertname"].endswith("Exhausted")), None
        )
    )
    assert authorization == f"Bearer {TOKEN}"
    assert {alert["labels"]["source"] for alert in body["alerts"]} == {"orders_api", "products_api"}
    until(lambda: watched.ask('ALERTS{alertname="SaleslakeRunFailed", alertstate="firing"}'))
    until(lambda: _states(watched).get("SaleslakeRunFailed"))
    assert _states(watched)["SaleslakeRunFailed"] == "suppressed", "its cause speaks for it"
    assert not [m for m in watched.received.mails if "RunFailed" in m["Subject"]]


def _states(watched: Scene) -> dict[str, str]:
    """Alerts as Alertmanager has them: active or suppressed."""
    found = requests.get(f"{watched.alertmanager}/api/v2/alerts", params={"inhibited": "true"}, timeout=10).json()
    return {alert["labels"]["alertname"]: alert["status"]["state"] for alert in found}


def _now(watched: Scene, metric: str, label: str = "source") -> dict[str, float]:
    return {labels[label]: value for labels, value in watched.ask(metric)}


def _text(mail: EmailMessage) -> str:
    part = mail.get_body(("plain", "html"))
    assert part is not None
    return str(part.get_content())
