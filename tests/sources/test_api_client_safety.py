"""The API client against servers that misbehave: other hosts, loops, floods; and where secrets may not go."""

from __future__ import annotations

import base64
import gzip
import json
import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import structlog

from saleslake.errors import ConfigError, SourceError
from saleslake.mock_api import Fault, MockApi, parse_faults
from tests.api_support import Reply, make_client, scripted

TOKEN = "s3cr3t/tok+en=="
ORDERS = [{"order_id": str(number), "created_at": "2025-05-01T00:00:00Z"} for number in range(5)]
BEARER = {"kind": "bearer", "token_env": "T"}


@pytest.mark.parametrize(
    "auth", [BEARER, {"kind": "header", "token_env": "T"}, {"kind": "basic", "username_env": "U", "password_env": "P"}]
)
def test_each_kind_of_credential_is_accepted_and_a_wrong_one_is_not(auth: dict[str, str]) -> None:
    with MockApi(ORDERS, token=TOKEN) as api:
        pages = list(make_client(f"{api.url}/orders", secret=TOKEN, auth=auth).pages())
        assert {r["auth"] for r in api.requests} == {auth["kind"]}
        with pytest.raises(SourceError, match="HTTP 401"):
            list(make_client(f"{api.url}/orders", secret="other", auth=auth).pages())
    assert sum(len(page.records) for page in pages) == 5


def test_netrc_neither_replaces_nor_adds_a_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with scripted(Reply()) as server:
        list(make_client(server.url).pages())
        list(make_client(server.url, secret=TOKEN, auth=BEARER).pages())
    assert [seen.get("authorization") for seen in server.seen] == [None, f"Bearer {TOKEN}"]


def test_the_credential_setting_is_named_when_its_variable_is_asked_for() -> None:
    def missing(variable: str, setting: str) -> Any:
        raise ConfigError(f"{setting} names {variable}")

    client = make_client("http://127.0.0.1:1", auth=BEARER)
    client._secrets = missing
    with pytest.raises(ConfigError, match=r"sources\.shop\.api\.auth\.token_env names T"):
        list(client.pages())


def test_a_credential_no_header_can_hold_is_refused_without_being_quoted() -> None:
    with pytest.raises(ConfigError, match="token_env: the value of T has characters") as caught:
        list(make_client("http://127.0.0.1:1", secret="se\ncret", auth=BEARER).pages())
    assert "cret" not in str(caught.value)


def test_a_url_with_a_password_is_refused_without_being_quoted() -> None:
    with pytest.raises(ConfigError, match=r"https://shop\.example/ must hold no user name") as caught:
        list(make_client("https://me:hunter2@shop.example/").pages())
    assert "hunter2" not in str(caught.value)


def _echo(where: str, credential: str) -> Reply:
    words = f"{credential} {quote(credential, safe='')}"
    echoes = {
        "status": Reply(words.encode(), status=403),
        "shape": Reply(json.dumps({words: 1}).encode()),
        "next": Reply(
            json.dumps({"data": [], "next": f"http://elsewhere.invalid/?token={credential}&x={credential}"}).encode()
        ),
        "user info": Reply(json.dumps({"data": [], "next": f"http://me:{credential}@elsewhere.invalid/"}).encode()),
        "location": Reply(status=302, headers={"Location": f"http://elsewhere.invalid/{credential}"}),
        "own": Reply(json.dumps({"data": [1], "next": f"?access_token={credential}&page=2"}).encode()),
        "encoding": Reply(headers={"Content-Encoding": credential}),
        "error": Reply(json.dumps({"errors": [f"{'x' * 180} {words}"]}).encode()),
        "html": Reply(f"<html><title>{'x' * 190} {credential}</title>".encode()),
    }
    return echoes[where]


@pytest.mark.parametrize(
    "where", ["status", "shape", "next", "user info", "location", "own", "encoding", "error", "html"]
)
@pytest.mark.parametrize("auth", [BEARER, {"kind": "basic", "username_env": "U", "password_env": "P"}])
def test_a_secret_that_the_server_echoes_reaches_no_log_error_or_url(
    where: str, auth: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    credential = TOKEN if auth is BEARER else base64.b64encode(f"{TOKEN}:{TOKEN}".encode()).decode()
    client = make_client("", secret=TOKEN, auth=auth, retries=1)
    urls: list[str] = []
    with scripted(_echo(where, credential)) as server, structlog.testing.capture_logs() as logs:
        client._api = client._api.model_copy(update={"url": f"{server.url}/orders?api_key=k3y"})
        with pytest.raises(SourceError) as caught:
            urls += [page.url for page in client.pages()]
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value.args) + repr(urls)
    written = shown + json.dumps(logs) + repr(client._api)
    assert "s3cr3t" not in written
    assert credential not in written
    assert "k3y" not in shown + json.dumps(logs)
    assert "s3cr3t" not in caplog.text


def test_a_key_that_the_server_repeats_in_its_links_is_not_in_the_page_that_lands_and_the_link_is_followed() -> None:
    """Landing keeps bodies byte for byte; only what the URL itself holds as a secret, behind its name, is left out."""
    key = "demo+key/7"
    first = {
        "data": [{"order_id": "demo", "note": key, "self": f"/o/1?api_key={quote(key, safe='')}"}],
        "next": f"/?API_KEY={quote(key, safe='')}&page=2&other=1",
        "request": {"api_key": key, "api_key_hint": "demo", "page": 1},
    }
    with scripted(Reply(json.dumps(first).encode()), Reply()) as server:
        pages = list(make_client(server.url, params={"api_key": key}).pages())
    landed = pages[0].body.decode()
    assert json.loads(landed) == {
        "data": [{"order_id": "demo", "note": key, "self": "/o/1?api_key=***"}],
        "next": "/?API_KEY=***&page=2&other=1",
        "request": {"api_key": "***", "api_key_hint": "demo", "page": 1},
    }
    assert len(pages) == 2
    assert quote(key, safe="") in server.seen[1]["path"]


def test_each_failed_attempt_is_logged_with_its_reason_and_wait() -> None:
    faults = parse_faults("503@orders:1x2,429=99@orders:2")
    with MockApi(ORDERS, faults=faults) as api, structlog.testing.capture_logs() as logs:
        list(make_client(f"{api.url}/orders").pages())
    failed = [(e["attempt"], e["tries"], e["reason"]) for e in logs if e["event"] == "api_attempt_failed"]
    assert failed == [(1, 4, "HTTP 503"), (2, 4, "HTTP 503"), (1, 4, "HTTP 429")]
    assert [e["wait_seconds"] for e in logs if e["event"] == "api_retry"][-1] == 60.0
    assert [e["asked_seconds"] for e in logs if e["event"] == "api_retry_after_capped"] == [99.0]


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda url: url.replace("127.0.0.1", "localhost"), "localhost"),
        (lambda url: url.rsplit(":", 1)[0] + ":1", ":1/"),
        (lambda url: url.replace("http://", "https://"), "https://"),
        (lambda url: url.replace("http:", ""), None),
        (lambda url: "http://elsewhere.invalid", "elsewhere.invalid"),
    ],
)
@pytest.mark.parametrize("by", ["next", "header", "redirect"])
def test_no_link_or_redirect_is_followed_to_another_origin(
    by: str, change: Callable[[str], str], names: str | None
) -> None:
    with scripted(Reply()) as probe:
        target = f"{change(probe.url)}/orders"
    replies = {
        "next": Reply(json.dumps({"data": [1], "next": target}).encode()),
        "header": Reply(b'{"data": [1]}', headers={"Link": f'<{target}>; rel="next"'}),
        "redirect": Reply(status=307, headers={"Location": target}),
    }
    with scripted(replies[by]) as server:
        with pytest.raises(
            SourceError, match=r"leads to https?://\S+:\d+ and not to http://127\.0\.0\.1:\d+, where"
        ) as caught:
            list(make_client(f"{server.url}/orders", secret=TOKEN, auth=BEARER).pages())
        assert len(server.seen) == 1
    assert names is None or names in str(caught.value)


def test_a_redirect_on_the_same_host_is_followed_with_the_credential() -> None:
    moved = Reply(status=301, headers={"Location": "/v2/orders"})
    with scripted(moved, Reply(b'{"data": [1]}')) as server:
        pages = list(make_client(f"{server.url}/orders", secret=TOKEN, auth=BEARER).pages())
    assert [page.url for page in pages] == [f"{server.url}/v2/orders"]
    assert [seen["authorization"] for seen in server.seen] == [f"Bearer {TOKEN}"] * 2


def test_redirects_without_end_are_an_error() -> None:
    again = Reply(status=302, headers={"Location": "/again"})
    with scripted(again) as server, pytest.raises(SourceError, match="more than 5 redirects"):
        list(make_client(server.url).pages())
    assert len(server.seen) == 6


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault("loop", "orders", page=2), r"next link loops: \S+cursor=\S+ was already fetched"),
        (
            Fault("duplicate", "orders", page=2),
            r"this page repeats the body of the page before: check next_path = 'next'",
        ),
        (
            Fault("other-host", "orders", page=2),
            r"next link 'http://elsewhere\.invalid/orders\S+ leads to http://elsewhere.invalid:80 and not",
        ),
        (
            Fault("redirect", "orders", page=2),
            r"redirect 'http://elsewhere\.invalid/' leads to http://elsewhere.invalid:80 and not",
        ),
    ],
)
def test_a_page_that_leads_astray_is_an_error_that_names_it(fault: Fault, says: str) -> None:
    with MockApi(ORDERS, faults=fault) as api, pytest.raises(SourceError, match=says):
        list(make_client(f"{api.url}/orders").pages())


def test_a_cursor_that_comes_again_is_an_error_that_names_it() -> None:
    replies = [Reply(json.dumps({"data": [n], "next_cursor": c}).encode()) for n, c in enumerate("aba")]
    with scripted(*replies) as server, pytest.raises(SourceError, match="cursor loops: 'a' was already sent"):
        list(make_client(server.url, pagination="cursor").pages())
    assert [seen["path"] for seen in server.seen] == ["/?limit=2", "/?limit=2&cursor=a", "/?limit=2&cursor=b"]


@pytest.mark.parametrize(("field", "style"), [("next", "next"), ("next_cursor", "cursor")])
@pytest.mark.parametrize("value", [True, ["x"], {"a": 1}, "http://[", "\ud800"])
def test_a_link_or_cursor_that_is_none_is_an_error_or_harmless(field: str, style: str, value: object) -> None:
    replies = Reply(json.dumps({"data": [1], field: value}).encode()), Reply()
    with scripted(*replies) as server:
        if (style, value) in [("cursor", "http://["), ("next", "\ud800")]:  # requests sends the latter as bytes
            assert len(list(make_client(server.url, pagination=style).pages())) == 2
        else:
            with pytest.raises(SourceError):
                list(make_client(server.url, pagination=style).pages())


@pytest.mark.parametrize(
    ("reply", "api", "says"),
    [
        (Reply(b"[" + b"1," * 600 + b"1]"), {"max_body_bytes": 1000}, "max_body_bytes = 1000"),
        (
            Reply(gzip.compress(b" " * 50_000_000), headers={"Content-Encoding": "gzip"}),
            {"max_body_bytes": 1_000_000},
            "max_body_bytes = 1000000",
        ),
        (Reply(b"[1]", headers={"Link": '<?n={host}>; rel="next"'}), {"max_total_bytes": 2}, "max_total_bytes = 2"),
    ],
)
def test_a_flood_is_cut_off_at_the_cap_that_is_named(reply: Reply, api: dict[str, Any], says: str) -> None:
    with scripted(reply) as server:
        client = make_client(server.url, records_path="", **api)
        with pytest.raises(SourceError, match=says):
            list(client.pages())
    assert client.retries == 0


def test_pages_and_bytes_are_capped_over_the_whole_run() -> None:
    with MockApi(ORDERS) as api:
        with pytest.raises(SourceError, match="more pages than max_pages = 2"):
            list(make_client(f"{api.url}/orders", max_pages=2).pages())
        sizes = [len(page.body) for page in make_client(f"{api.url}/orders", max_pages=3).pages()]
        with pytest.raises(SourceError, match=f"max_total_bytes = {sum(sizes) - 1}"):
            list(make_client(f"{api.url}/orders", max_total_bytes=sum(sizes) - 1).pages())
        assert len(list(make_client(f"{api.url}/orders", max_total_bytes=sum(sizes)).pages())) == 3
