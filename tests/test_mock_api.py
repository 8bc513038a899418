"""The mock API over a real socket: pages, windows, forms, credentials, every fault, control, clean ends."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from saleslake.errors import ConfigError
from saleslake.mock_api import Fault, MockApi, parse_fault, parse_faults
from tests.processes import Processes


def order(number: int, **fields: Any) -> dict[str, Any]:
    return {"order_id": f"o{number}", "created_at": f"2025-05-{number:02d}T00:00:00Z"} | fields


ORDERS = [order(number) for number in range(1, 6)]


@pytest.fixture
def web() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def ids(response: requests.Response) -> list[Any]:
    return [o["order_id"] if isinstance(o, dict) else o for o in response.json()["data"]]


@pytest.mark.parametrize("start", ["", "?page=1&limit=2", "?offset=0&limit=2", "?cursor=&limit=2"])
def test_every_style_is_followed_by_its_next_link_to_the_end(web: requests.Session, start: str) -> None:
    with MockApi(ORDERS, page_size=2) as api:
        url, found = f"{api.url}/orders{start}", []
        while url:
            response = web.get(url, timeout=5)
            found.append(ids(response))
            url = response.json()["next"]
            assert response.links.get("next", {}).get("url") == url
    assert found == [["o1", "o2"], ["o3", "o4"], ["o5"]]


def test_a_page_past_the_end_is_empty(web: requests.Session) -> None:
    with MockApi(ORDERS) as api:
        for query in ("page=9", "offset=5"):
            assert web.get(f"{api.url}/orders?{query}", timeout=5).json()["data"] == []


def test_a_window_excludes_since_includes_until_and_always_holds_the_undated(web: requests.Session) -> None:
    undated = [order(6, created_at="yesterday"), {"order_id": "o7"}, "not an object", order(8, updated_at="31/12/2025")]
    moved = order(1, updated_at="2025-05-09T02:00:00+02:00")
    with MockApi([moved, *ORDERS[1:], *undated]) as api:
        query = {"since": "2025-05-03T00:00:00Z", "until": "2025-05-09T00:00:00Z"}
        found = ids(web.get(f"{api.url}/orders", params=query, timeout=5))
    assert sorted(found) == ["not an object", "o1", "o4", "o5", "o6", "o7", "o8"]
    assert [i for i in found if i in ("o4", "o5", "o1")] == ["o4", "o5", "o1"]


def test_orders_are_sorted_by_version_time_and_then_id_and_keep_their_exact_text(
    web: requests.Session, tmp_path: Path
) -> None:
    lines = [
        '{"order_id":"b", "created_at": "2025-05-02T00:00:00Z", "amount": 1.50}',
        '{"order_id":"a","created_at":"2025-05-02T00:00:00Z","amount":1e2 , "n": "\\u00e9 é"}',
        "[1,  2]",
    ]
    path = tmp_path / "orders.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    products = tmp_path / "products.json"
    products.write_text('[ {"sku":"S2", "price": 1.10},\n{"sku":"S1"} ]')
    with MockApi(path, products) as api:
        text = web.get(f"{api.url}/orders?form=jsonl", timeout=5).content.decode()
        array = web.get(f"{api.url}/products?form=array", timeout=5).text
    assert text.splitlines() == [lines[2], lines[1], lines[0]]
    assert array == '[{"sku":"S2", "price": 1.10},\n{"sku":"S1"}]'


def test_a_file_that_is_missing_or_no_json_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"order_id": "a"}\n{"order_id"\n')
    with pytest.raises(ConfigError, match=r"bad\.jsonl: record 2 is no JSON value"):
        MockApi(bad)
    with pytest.raises(ConfigError, match=r"cannot read .*gone\.json"):
        MockApi(products=tmp_path / "gone.json")


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "page=-1", "cursor=zzz", "since=now", "form=xml", "offset=²"])
def test_a_wrong_query_is_answered_with_400_and_why(web: requests.Session, query: str) -> None:
    with MockApi(ORDERS) as api:
        response = web.get(f"{api.url}/orders?{query}", timeout=5)
    assert response.status_code == 400
    assert query.split("=")[0] in response.json()["error"]


def test_the_token_opens_by_three_ways_and_is_not_in_the_request_log(web: requests.Session) -> None:
    with MockApi(ORDERS, token="t0ken") as api:
        url = f"{api.url}/orders"
        codes = [
            web.get(url, timeout=5).status_code,
            web.get(url, headers={"Authorization": "Bearer wrong"}, timeout=5).status_code,
            web.get(url, headers={"Authorization": "Bearer t0ken"}, timeout=5).status_code,
            web.get(url, headers={"X-API-Key": "t0ken"}, timeout=5).status_code,
            web.get(url, auth=("anyone", "t0ken"), timeout=5).status_code,
            web.post(f"{api.url}/_orders", data=b"[1]", timeout=5).status_code,
            web.get(f"{api.url}/health", timeout=5).status_code,
        ]
        log = web.get(f"{api.url}/_requests", timeout=5).text
    assert codes == [401, 401, 200, 200, 200, 401, 200]
    assert "t0ken" not in log
    assert [entry["auth"] for entry in json.loads(log)][:5] == ["none", "bearer", "bearer", "header", "basic"]


def test_bodies_are_zipped_only_where_asked(web: requests.Session) -> None:
    with MockApi(ORDERS) as api:
        zipped = web.get(f"{api.url}/orders", headers={"Accept-Encoding": "gzip"}, timeout=5)
        plain = web.get(f"{api.url}/orders", headers={"Accept-Encoding": "identity"}, timeout=5)
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert zipped.content == plain.content


@pytest.mark.parametrize("status", ["500", "503", "408", "404"])
def test_a_status_fault_strikes_its_page_as_often_as_told(web: requests.Session, status: str) -> None:
    with MockApi(ORDERS, page_size=2, faults=parse_fault(f"{status}@orders:2x2")) as api:
        codes = [web.get(f"{api.url}/orders?page={page}", timeout=5).status_code for page in (1, 2, 2, 2, 1)]
        web.get(f"{api.url}/products", timeout=5)
        assert [r["faults"] for r in api.requests] == [[], [status], [status], [], [], []]
    assert codes == [200, int(status), int(status), 200, 200]


def test_the_body_faults_do_what_they_say(web: requests.Session) -> None:
    faults = parse_faults(
        "429=7@orders#1, invalid-json@orders#2, malformed@orders#3, "
        "loop@orders#4, other-host@orders#5, redirect=/x@orders#6"
    )
    with MockApi(ORDERS, faults=faults) as api:
        url = f"{api.url}/orders"
        answers = [web.get(url, timeout=5, allow_redirects=False) for _ in range(7)]
    busy, broken, malformed, loop, elsewhere, moved, well = answers
    assert (busy.status_code, busy.headers["Retry-After"]) == (429, "7")
    with pytest.raises(requests.JSONDecodeError):
        broken.json()
    assert malformed.json()["data"] == [ORDERS[0], 42, None, "not a record", [], {}, *ORDERS[1:]]
    assert loop.json()["next"] == url
    assert elsewhere.json()["next"].startswith("http://elsewhere.invalid/orders")
    assert (moved.status_code, moved.headers["Location"]) == (302, "/x")
    assert ids(well) == [f"o{n}" for n in range(1, 6)]


@pytest.mark.parametrize("kind", ["truncated", "cut", "reset"])
def test_a_connection_fault_breaks_the_answer_once(web: requests.Session, kind: str) -> None:
    with MockApi(ORDERS, faults=Fault(kind, "orders")) as api:
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            web.get(f"{api.url}/orders", timeout=5)
        assert len(ids(web.get(f"{api.url}/orders", timeout=5))) == 5


def test_a_duplicate_page_is_the_last_body_again(web: requests.Session) -> None:
    with MockApi(ORDERS, page_size=2, faults=Fault("duplicate", "orders", page=2)) as api:
        first, again, second = (web.get(f"{api.url}/orders?page={n}", timeout=5).content for n in (1, 2, 2))
    assert again == first
    assert second != first


def test_an_error_inside_a_200_html_and_a_last_page_that_comes_again(web: requests.Session) -> None:
    faults = parse_faults("error=Busy@orders#1, html@orders#2, last-again@orders#3x2")
    with MockApi(ORDERS, page_size=2, faults=faults) as api:
        error, html, last, beyond, empty = (web.get(f"{api.url}/orders?page={n}", timeout=5) for n in (1, 1, 3, 9, 9))
    assert (error.status_code, error.json()) == (200, {"errors": [{"message": "Busy"}], "data": []})
    assert (html.status_code, html.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert (ids(last), ids(beyond), ids(empty)) == (["o5"], ["o5"], [])


def test_a_slow_answer_comes_late_and_does_not_hold_up_the_end(web: requests.Session) -> None:
    with MockApi(
        ORDERS, faults=[Fault("slow", "orders", value="0.2"), Fault("slow", "orders", nth=2, value="60")]
    ) as api:
        assert web.get(f"{api.url}/orders", timeout=5).elapsed.total_seconds() >= 0.2
        with pytest.raises(requests.ReadTimeout):
            web.get(f"{api.url}/orders", timeout=0.1)


def test_faults_and_orders_are_set_at_runtime(web: requests.Session) -> None:
    with MockApi(ORDERS) as api:
        url = f"{api.url}/orders"
        faults = ["500@orders", {"kind": "429", "endpoint": "orders", "times": 0}]
        assert web.post(f"{api.url}/_faults", json=faults, timeout=5).status_code == 200
        codes = [web.get(url, timeout=5).status_code for _ in range(3)]
        assert web.delete(f"{api.url}/_faults", timeout=5).status_code == 200
        web.post(f"{api.url}/_orders", data='[{"order_id":  "new"}, 7]', timeout=5)
        api.add_orders([order(6)])
        assert web.get(url, timeout=5).text.count('{"order_id":  "new"}') == 1
        assert len(ids(web.get(url, timeout=5))) == 8
        wrong = web.post(f"{api.url}/_faults", json={"kind": "500", "page": "2"}, timeout=5)
    assert codes == [500, 429, 429]
    assert (wrong.status_code, "page" in wrong.json()["error"]) == (400, True)


def test_the_fault_grammar_is_read_in_full() -> None:
    assert parse_fault("500@orders:2x1") == Fault("500", "orders", page=2, times=1)
    assert parse_fault("slow=1.5@products#3x*") == Fault("slow", "products", nth=3, times=0, value="1.5")
    assert parse_faults("429=7@*x2, reset@orders:1#2,") == [
        Fault("429", times=2, value="7"),
        Fault("reset", "orders", page=1, nth=2),
    ]


@pytest.mark.parametrize(
    "spec",
    ["500", "500@users", "boom@orders", "200@orders", "500@orders:0", "500@orders#0", "slow=x@orders", "@orders"],
)
def test_a_wrong_fault_is_quoted(spec: str) -> None:
    with pytest.raises(ConfigError, match="fault"):
        parse_fault(spec)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serving_ends_cleanly_on_a_signal(tmp_path: Path, processes: Processes, number: signal.Signals) -> None:
    (tmp_path / "o.jsonl").write_text('{"order_id": "a"}\n')
    (tmp_path / "p.json").write_text("[]")
    code = "from saleslake.mock_api import serve; serve('127.0.0.1', 0, 'o.jsonl', 'p.json', 'MOCK_TOKEN')"
    server = processes.start("python", "-c", code, cwd=tmp_path, MOCK_TOKEN="t0ken", PYTHONUNBUFFERED="1")
    assert server.stdout is not None
    assert "mock_api_started" in server.stdout.readline()
    server.send_signal(number)
    out, err = server.communicate(timeout=60)
    assert (server.returncode, err) == (0, "")
    assert "mock_api_stopped" in out


def test_a_port_that_is_taken_is_named() -> None:
    with MockApi() as first, pytest.raises(ConfigError, match="cannot listen on 127"):
        MockApi(port=int(first.url.rsplit(":", 1)[1])).start()
