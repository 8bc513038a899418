"""Lineage: the events of real runs, taken by a real HTTP server and read back with OpenLineage's own classes."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    error_message_run,
    job_type_job,
    parent_run,
    processing_engine_run,
    schema_dataset,
    symlinks_dataset,
)
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from saleslake import logs
from saleslake.cli.app import app
from saleslake.config import Settings
from saleslake.errors import ConfigError, Interrupted
from saleslake.ingest.report import Landed
from saleslake.lake import Lake
from saleslake.lineage.datasets import place, read_and_written
from saleslake.lineage.emit import Emitter
from saleslake.lineage.events import run_uuid
from saleslake.publish import Outcome
from saleslake.summary import Summary
from tests.conftest import write_config
from tests.processes import Processes
from tests.receivers import Posts, http_receiver, silent_server
from tools.processes import free_port

Make = Callable[[str], Settings]
ORDERS = """[
{"order_id": "o1", "user_id": "u1", "amount": 20, "currency": "EUR", "created_at": "2024-03-01T10:00:00Z",
 "items": [{"sku": "A", "qty": 2, "price": 10}]},
{"order_id": "o2", "created_at": "2024-03-01", "currency": "EUR", "items": []}
]"""
SHOP = '[sources.shop]\nentity = "orders"\nformat = "json"\npath = "orders.json"\n'
FACETS = {
    "schema": schema_dataset.SchemaDatasetFacet,
    "symlinks": symlinks_dataset.SymlinksDatasetFacet,
    "errorMessage": error_message_run.ErrorMessageRunFacet,
    "parent": parent_run.ParentRunFacet,
    "processing_engine": processing_engine_run.ProcessingEngineRunFacet,
    "jobType": job_type_job.JobTypeJobFacet,
}


def receiver(url: str, more: str = "") -> str:
    return f'[lineage]\nurl = "{url}"\nnamespace = "shop"\ntimeout_seconds = 2\n{more}\n'


def read(body: str) -> RunEvent:
    """The event, if it has all that OpenLineage requires and nothing that it does not know."""
    found = json.loads(body)
    schema = found.pop("schemaURL")
    assert schema.endswith("/OpenLineage.json#/$defs/RunEvent")
    assert found["producer"].startswith("urn:saleslake:")
    found |= {"eventType": RunState(found["eventType"]), "run": Run(**found["run"]), "job": Job(**found["job"])}
    found["inputs"] = [InputDataset(**one) for one in found["inputs"]]
    found["outputs"] = [OutputDataset(**one) for one in found["outputs"]]
    event = RunEvent(**found)
    for holder in (event.run, event.job, *(event.inputs or []), *(event.outputs or [])):
        for name, facet in (holder.facets or {}).items():
            values: dict[str, Any] = dict(facet)  # type: ignore[call-overload]
            assert values.pop("_producer") == event.producer
            assert values.pop("_schemaURL").startswith("https://openlineage.io/spec/")
            if name in FACETS:
                FACETS[name](**values)
    return event


def events(posts: Posts) -> list[RunEvent]:
    return [read(body) for body in posts.bodies]


def run(folder: Path, text: str, command: str = "run") -> tuple[int, str, str]:
    """(exit code, run id, stderr) of the command in this process."""
    done = CliRunner().invoke(app, [command, "--json", "--config", str(write_config(folder, text))])
    return done.exit_code, json.loads(done.stdout)["run_id"], done.stderr


def test_a_run_tells_what_it_read_and_what_it_wrote(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "orders.json").write_text(ORDERS)
    parent = "airflow/daily.run/01890a5d-ac96-774b-bcce-b302099a8057"
    monkeypatch.setenv("OPENLINEAGE_PARENT_ID", parent)
    monkeypatch.setenv("TEST_KEY", "key-1")
    with http_receiver() as posts:
        code, run_id, _ = run(tmp_path, receiver(posts.url + "/base", 'api_key_env = "TEST_KEY"') + SHOP)
    assert code == 0
    start, end = events(posts)
    assert posts.paths == ["/base/api/v1/lineage"] * 2
    assert {headers["authorization"] for headers in posts.headers} == {"Bearer key-1"}
    assert (start.eventType, end.eventType) == (RunState.START, RunState.COMPLETE)
    assert start.eventTime < end.eventTime
    assert start.run.runId == end.run.runId == run_uuid("shop", run_id)
    assert (end.job.namespace, end.job.name) == ("shop", "saleslake.run")
    facets: Any = end.run.facets
    assert (facets["saleslake"]["runId"], facets["saleslake"]["command"]) == (run_id, "run")
    assert facets["parent"]["job"]["name"] == "daily.run"
    assert "errorMessage" not in facets

    tables = tmp_path / "data" / "tables"
    assert end.inputs
    assert end.outputs
    assert (end.inputs[0].namespace, end.inputs[0].name) == ("file", str(tmp_path / "orders.json"))
    assert end.inputs[0].inputFacets["inputStatistics"]["rowCount"] == 2  # type: ignore[index]
    written = {one.name.removeprefix(f"{tables}/"): one for one in end.outputs}
    rows = {name: one.outputFacets["outputStatistics"]["rowCount"] for name, one in written.items()}  # type: ignore[index]
    expected = {"bronze/shop": 2, "silver/orders": 1, "silver/quarantine": 1, "gold/fact_sales": 1, "gold/dim_order": 1}
    assert rows.items() >= expected.items()
    fact: Any = written["gold/fact_sales"].facets
    assert fact["symlinks"]["identifiers"] == [{"namespace": "shop", "name": "gold.fact_sales", "type": "TABLE"}]
    columns = {field["name"]: field for field in fact["schema"]["fields"]}
    assert columns["quantity"]["type"] == "decimal(18,3)"
    assert columns["quantity"]["description"]
    assert int(fact["version"]["datasetVersion"]) >= 1
    assert not {one.name for one in end.inputs} & {one.name for one in end.outputs}


def test_a_job_that_fails_says_why_without_its_secrets(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "jobs"))
    land_api = importlib.import_module("land_api")
    monkeypatch.setenv("TEST_KEY", "key-1")
    nobody = f"http://127.0.0.1:{free_port()}/orders?api_key=canary-1"
    api = f'[sources.shop]\nentity = "orders"\nformat = "api"\n[sources.shop.api]\nurl = "{nobody}"\nretries = 0\n'
    with http_receiver() as posts:
        assert land_api.main(["--config", str(write_config(tmp_path, receiver(posts.url) + api))]) == 1
    start, end = events(posts)
    assert (start.eventType, end.eventType) == (RunState.START, RunState.FAIL)
    assert end.job.name == "saleslake.land_api"
    facets: Any = end.run.facets
    assert "gave up after 1 tries" in facets["errorMessage"]["message"]
    assert end.inputs
    assert (end.inputs[0].namespace + end.inputs[0].name) == nobody.partition("?")[0]
    assert not end.outputs
    assert "canary" not in "".join(posts.bodies)


@pytest.mark.parametrize("trouble", ["away", "hangs", "refuses", "no key"])
def test_a_receiver_in_trouble_costs_one_warning_and_its_time_and_nothing_else(
    trouble: str, make_settings: Make, spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEST_KEY", raising=False)
    key = 'api_key_env = "TEST_KEY"' if trouble == "no key" else ""
    logs.configure(str(tmp_path / "logs"), "R1", quiet=True)
    with http_receiver() as posts, silent_server() as silent:
        posts.statuses = [403, 403]
        port = {"away": free_port(), "hangs": silent}.get(trouble)
        url = f"http://127.0.0.1:{port}" if port else posts.url
        lake = Lake(make_settings(receiver(url, key) + SHOP))
        emitter = Emitter(lake, "run")
        at = time.time()
        emitter.started(datetime.now(UTC))
        emitter.ended(Summary(), None, datetime.now(UTC))
        assert time.time() - at < 4
    (line,) = (tmp_path / "logs" / "R1.jsonl").read_text().splitlines()
    warning = json.loads(line)
    assert (warning["event"], warning["level"]) == ("lineage_not_sent", "warning")
    said = {
        "away": "ConnectionError",
        "hangs": "no answer within lineage.timeout_seconds = 2|ReadTimeout",
        "refuses": "HTTP 403",
    }
    expected = said.get(trouble, "lineage.api_key_env names the environment variable TEST_KEY, which is not set")
    assert any(part in warning["reason"] for part in expected.split("|"))


def test_without_an_address_a_run_does_not_even_import_openlineage(processes: Processes) -> None:
    code = "import sys, saleslake.entry; print([name for name in sys.modules if name.startswith('openlineage')])"
    done = processes.run("python", "-c", code)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/data/tables/x", ("file", "/data/tables/x")),
        ("s3a://bucket/lake/x", ("s3://bucket", "lake/x")),
        ("https://me:secret@shop.example:444/v2/orders?token=x", ("https://shop.example:444", "/v2/orders")),
    ],
)
def test_places_are_named_as_openlineage_names_them(path: str, found: tuple[str, str]) -> None:
    assert place(path) == found


def test_a_single_step_reads_the_tables_before_it(make_settings: Make) -> None:
    lake = Lake(make_settings(SHOP))
    silver = Summary(outcomes={"shop": Outcome(records=5, applied=4, quarantined=1)}, decided=True)
    inputs, outputs = read_and_written(lake, silver)
    assert [one.table.full_name for one in inputs if one.table] == ["bronze.shop"]
    assert {(one.table.full_name, one.rows) for one in outputs if one.table} == {
        ("silver.orders", 4),
        ("silver.quarantine", 1),
    }
    refreshed = Summary(outcomes={"orders (all of bronze)": Outcome(records=5, applied=5)}, decided=True)
    assert [one.table.full_name for one in read_and_written(lake, refreshed)[0] if one.table] == ["bronze.shop"]


def test_a_stream_reads_its_input_and_writes_bronze_events(make_settings: Make) -> None:
    text = '[sources.events_orders]\nentity = "orders"\nformat = "events"\n[stream.kafka]\ntopics = "a, b"\n'
    lake = Lake(make_settings(text))
    summary = Summary(outcomes={"events: orders": Outcome(records=5, applied=5)}, stream_input="kafka")
    inputs, outputs = read_and_written(lake, summary)
    assert [(one.namespace, one.name) for one in inputs] == [
        ("kafka://127.0.0.1:9092", "a"),
        ("kafka://127.0.0.1:9092", "b"),
    ]
    assert [one.table.full_name for one in outputs if one.table] == ["bronze.events", "silver.orders"]


def test_a_stream_tells_its_tables_while_it_runs_but_not_with_every_micro_batch(make_settings: Make) -> None:
    text = '[sources.events_orders]\nentity = "orders"\nformat = "events"\n'
    summary = Summary(outcomes={"events: orders": Outcome(records=5, applied=5)}, stream_input="files")
    now = datetime.now(UTC)
    with http_receiver() as posts:
        emitter = Emitter(Lake(make_settings(receiver(posts.url) + text)), "stream")
        emitter.started(now)
        emitter.running(Summary(stream_input="files"))
        for _ in range(3):
            emitter.running(summary)
        emitter.ended(summary, None, now)
    told = {event.eventType: event for event in events(posts)}
    assert sorted(event.eventType.value for event in events(posts) if event.eventType) == [
        "COMPLETE",
        "RUNNING",
        "START",
    ]
    names = [one.name.rpartition("/")[2] for one in told[RunState.RUNNING].outputs or []]
    assert names == ["events", "orders"]
    facets: Any = told[RunState.RUNNING].job.facets
    assert facets["jobType"]["processingType"] == "STREAMING"


@pytest.mark.parametrize(
    ("error", "state", "said"),
    [
        (None, RunState.COMPLETE, None),
        (Interrupted("interrupted"), RunState.ABORT, "interrupted"),
        (ValueError("first\nsecond"), RunState.FAIL, "ValueError: first"),
    ],
)
def test_the_last_event_says_how_it_ended(
    error: Exception | None, state: RunState, said: str | None, make_settings: Make
) -> None:
    with http_receiver() as posts:
        emitter = Emitter(Lake(make_settings(receiver(posts.url) + SHOP)), "run")
        emitter.ended(Summary(), error, datetime.now(UTC))
    (end,) = events(posts)
    facets: Any = end.run.facets
    assert (end.eventType, facets.get("errorMessage", {}).get("message")) == (state, said)


def test_a_source_that_was_left_out_is_read_and_nothing_is_written(make_settings: Make) -> None:
    inputs, outputs = read_and_written(Lake(make_settings(SHOP)), Summary(landed=[Landed("shop", left_out=3)]))
    assert [(one.namespace, one.rows) for one in inputs] == [("file", 3)]
    assert outputs == []


@pytest.mark.parametrize("url", ["shop.example", "http://me:secret@host", "https://host/?token=x"])
def test_an_address_that_holds_a_secret_or_is_none_is_refused_and_not_repeated(url: str, make_settings: Make) -> None:
    with pytest.raises(ConfigError) as refused:
        make_settings(receiver(url) + SHOP)
    assert "lineage.url" in str(refused.value)
    assert "secret" not in str(refused.value).replace("no user", "")
