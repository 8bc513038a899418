"""Pushing to a real Pushgateway, to none, and to one that never answers."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import requests
from deltalake import write_deltalake
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from saleslake.accounting import Proof, SourceProof
from saleslake.config import Settings
from saleslake.entry import summary_dict
from saleslake.errors import ConfigError
from saleslake.lake import Lake
from saleslake.monitor import push, tables, verified
from saleslake.summary import Summary
from tools.processes import free_port
from tools.prometheus_stack import Pushgateway

Make = Callable[[str], Settings]
SOURCES = '[sources.users]\nentity = "users"\nformat = "csv"\npath = "u.csv"\n'
BEGAN = datetime(2024, 5, 1, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def gateway(prometheus_programs: Callable[[str], Path]) -> Iterator[str]:
    with Pushgateway() as running:
        yield running.url


def _lake(make_settings: Make, url: str, more: str = "") -> Lake:
    return Lake(make_settings(f'[monitoring]\npushgateway = "{url}"\n{more}\n{SOURCES}'))


def _held(url: str) -> dict[str, float]:
    """Samples of the gateway without labels or by their labels' values, its own left out."""
    text = requests.get(f"{url}/metrics", timeout=10).text
    return {
        f"{sample.name.removeprefix('saleslake_')}{sorted(value for value in sample.labels.values() if value)}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("saleslake_")
    }


def _after_run(lake: Lake, *, failed: bool, command: str = "run") -> None:
    push.after_run(lake, command, BEGAN, summary_dict(Summary()), failed=failed)


def test_a_failed_run_does_not_erase_the_last_success(make_settings: Make, gateway: str) -> None:
    lake = _lake(make_settings, gateway, 'job = "kept"')
    _after_run(lake, failed=False)
    before = _held(gateway)
    _after_run(lake, failed=True)
    after = _held(gateway)
    success = "run_last_success_timestamp_seconds['kept', 'run']"
    assert after[success] == before[success] > BEGAN.timestamp()
    assert (before["run_success['kept', 'run']"], after["run_success['kept', 'run']"]) == (1, 0)


def test_the_stream_pushes_no_run(make_settings: Make, gateway: str) -> None:
    _after_run(_lake(make_settings, gateway, 'job = "streamed"'), failed=False, command="stream")
    assert not [name for name in _held(gateway) if "streamed" in name]


def test_without_a_gateway_nothing_is_computed(make_settings: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "registry", lambda _: pytest.fail("computed"))
    monkeypatch.setattr(push, "_push_run", lambda *_: pytest.fail("computed"))
    _after_run(_lake(make_settings, ""), failed=False)


def test_a_gateway_that_is_not_there_is_one_warning(make_settings: Make) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with capture_logs() as logs:
        _after_run(_lake(make_settings, url), failed=False)
    assert [(line["event"], line["log_level"], line["pushgateway"]) for line in logs] == [
        ("metrics_not_pushed", "warning", url)
    ]
    assert "Connection refused" in logs[0]["reason"]


def test_a_gateway_that_never_answers_is_waited_for_no_longer_than_told(make_settings: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, capture_logs() as logs:
        began = time.monotonic()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        _after_run(_lake(make_settings, url, "push_timeout_seconds = 0.5"), failed=False)
        assert time.monotonic() - began < 5
    assert [line["event"] for line in logs] == ["metrics_not_pushed"]


@pytest.mark.parametrize("url", ["pushgateway:9091", "ftp://gateway", "http://user:secret@gateway:9091", "http://a b"])
def test_an_address_that_cannot_be_or_holds_a_password_is_refused(url: str, make_settings: Make) -> None:
    with pytest.raises(ConfigError, match=r"monitoring\.pushgateway"):
        _lake(make_settings, url)


def test_what_is_expected_is_expected_of_a_source_that_exists(make_settings: Make) -> None:
    with pytest.raises(ConfigError, match=r"monitoring\.expect_new_hours\.tills: no such source; there are: users"):
        _lake(make_settings, "", "expect_new_hours = { tills = 4 }")
    settings = _lake(make_settings, "", "expect_new_hours = { users = 4 }").settings
    assert settings.expect_new_hours("users") == 4


def _table(lake: Lake, name: str) -> None:
    path = Path(lake.folder("tables", *name.split(".")))
    columns = {"source": ["users"], "kind": ["record"], "landed_at": [BEGAN]}
    write_deltalake(str(path), pa.table(columns))


def test_a_proof_is_remembered_for_the_tables_it_found_sound(make_settings: Make, gateway: str) -> None:
    lake = _lake(make_settings, gateway, 'job = "proven"')
    for name in ("bronze.users", "gold.dim_user", "gold.dim_product"):
        _table(lake, name)
    since = "table_unverified_since_timestamp_seconds['{}', 'proven']"
    began = datetime.now(UTC).timestamp()

    push.after_verify(lake, Proof([SourceProof("users")], {"gold.dim_user": [], "gold.dim_product": ["insert {}"]}))
    first = _held(gateway)
    assert first["verify_success['proven']"] == 0
    assert "verify_last_success_timestamp_seconds['proven']" not in first
    assert first[since.format("bronze.users")] >= began
    assert first[since.format("gold.dim_user")] >= began
    assert first[since.format("gold.dim_product")] < began, "not proven: since the table was made"

    wrong = SourceProof("users", landed=1, wrong={"landed, but judged by no rule": ["r1"]})
    push.after_verify(lake, Proof([wrong], {"gold.dim_user": [], "gold.dim_product": []}))
    second = _held(gateway)
    assert second[since.format("bronze.users")] == first[since.format("bronze.users")], "kept from the proof before"
    assert second[since.format("gold.dim_product")] > first[since.format("gold.dim_user")]

    push.after_verify(lake, Proof([SourceProof("users")], {"gold.dim_user": [], "gold.dim_product": []}))
    third = _held(gateway)
    assert third["verify_success['proven']"] == 1
    assert third["verify_last_success_timestamp_seconds['proven']"] > second[since.format("gold.dim_user")]


def test_a_source_at_fault_casts_doubt_on_its_tables_only(make_settings: Make) -> None:
    lake = _lake(make_settings, "")
    wrong = SourceProof("users", landed=1, wrong={"should be applied, is not": ["r1"]})
    sound = verified.sound_tables(lake, Proof([wrong], {"gold.dim_user": []}))
    assert {"bronze.users", "silver.users", "silver.quarantine"} & sound == set()
    assert {"silver.orders", "gold.dim_user"} <= sound
    assert "gold.fact_sales" not in sound, "nobody proved it"


def test_a_table_made_anew_is_unproven_again(make_settings: Make) -> None:
    lake = _lake(make_settings, "")
    proof = Proof([], {})
    verified.note(lake, proof)
    assert verified.read(lake).tables["bronze.users"] < datetime.now(UTC)
    time.sleep(0.01)
    _table(lake, "bronze.users")
    found = {
        s.labels["table"]: s.value for f in tables.registry(lake).collect() for s in f.samples if "unverified" in s.name
    }
    assert found["bronze.users"] > verified.read(lake).tables["bronze.users"].timestamp()


def test_a_table_that_is_gone_goes_from_the_gateway(make_settings: Make, gateway: str) -> None:
    import shutil

    lake = _lake(make_settings, gateway, 'job = "gone"')
    for name in ("bronze.users", "gold.dim_user"):
        _table(lake, name)
    _after_run(lake, failed=False)
    assert _held(gateway)["table_rows['gold.dim_user', 'gone']"] == 1
    assert _held(gateway)["source_last_landed_timestamp_seconds['gone', 'users']"] == BEGAN.timestamp()
    shutil.rmtree(lake.folder("tables", "gold", "dim_user"))
    _after_run(lake, failed=False)
    assert "table_rows['gold.dim_user', 'gone']" not in _held(gateway)
    assert timedelta(seconds=_held(gateway)["table_rows['bronze.users', 'gone']"]) == timedelta(seconds=1)
