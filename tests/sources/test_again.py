"""A page that landed splits the same way again; this machine is reached without a proxy; plain http is told of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from saleslake.config import Api, Source
from saleslake.errors import SourceError
from saleslake.ingest.records import batches
from saleslake.landing import LandingZone, Unit, now
from saleslake.sources.urls import is_loopback
from tests.api_support import Reply, make_client, scripted

TOKEN = "t"
ONE_LINE = b'{"order_id": "A"}\n'


def test_one_json_line_told_by_its_content_type_alone_splits_the_same_way_from_landing(tmp_path: Path) -> None:
    with scripted(Reply(ONE_LINE, headers={"Content-Type": "application/x-ndjson"})) as api:
        [page] = make_client(api.url, records_path="", pagination="none").pages()
    assert (page.form, page.records) == ("jsonl", ['{"order_id": "A"}'])
    unit = Unit("s/r/page-1.json", "s", "f", "o", "r", now(), "", 0, "fetched", form=page.form)
    landing = LandingZone(tmp_path, tmp_path)
    landing.add_bytes(unit, ONE_LINE)
    [again] = landing.units("s")
    [batch] = batches(landing, again, Source(entity="orders", format="api", api=Api(url="http://127.0.0.1/")))
    assert (batch.column("raw").to_pylist(), batch.column("defect").to_pylist()) == (page.records, [None])


def test_a_manifest_from_before_there_was_a_form_is_read(tmp_path: Path) -> None:
    landing = LandingZone(tmp_path, tmp_path)
    landing.add_bytes(Unit("s/r/page-1.json", "s", "f", "o", "r", now(), "", 0, "landed"), b"[]")
    [manifest] = tmp_path.rglob("*.manifest.json")
    content = json.loads(manifest.read_text())
    del content["form"]
    manifest.write_text(json.dumps(content))
    assert landing.units("s")[0].form is None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "LOCALHOST", "api.localhost", "[::1]"])
def test_this_machine_is_known_by_its_names(host: str) -> None:
    assert is_loopback(f"http://{host}:8088/x")


@pytest.mark.parametrize("host", ["example.com", "10.0.0.1", "localhost.example.com", "127.0.0.1.example.com"])
def test_other_machines_are_not_taken_for_this_one(host: str) -> None:
    assert not is_loopback(f"https://{host}/x")


def test_this_machine_is_asked_directly_whatever_proxy_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with scripted(Reply(b"[]")) as api:
        [page] = make_client(api.url, records_path="", pagination="none").pages()
    assert page.records == []


def test_credentials_over_plain_http_are_told_of_once_and_only_where_they_leave_this_machine() -> None:
    auth = {"kind": "bearer", "token_env": "T"}
    with capture_logs() as logs, pytest.raises(SourceError):
        list(make_client("http://shop.invalid/orders", secret=TOKEN, auth=auth, retries=1).pages())
    assert [e["source"] for e in logs if e["event"] == "credentials_sent_unencrypted"] == ["shop"]
    with capture_logs() as logs, scripted(Reply(b'{"data": []}')) as api:
        list(make_client(api.url, secret=TOKEN, auth=auth).pages())
    assert not [e for e in logs if e["event"] == "credentials_sent_unencrypted"]
