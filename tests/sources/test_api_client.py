"""The API client over a real socket: pagination, retries, broken bodies."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from saleslake.errors import SourceError
from saleslake.mock_api import Fault, MockApi, parse_faults
from saleslake.sources.api_client import BrokenBody, Page
from tests.api_support import NOW, Reply, make_client, scripted

STYLES = ["next", "cursor", "page", "offset"]


def order(number: int) -> dict[str, Any]:
    return {"order_id": f"o{number}", "created_at": f"2025-05-{number:02d}T00:00:00Z", "amount": f"{number}.50"}


ORDERS = [order(number) for number in range(1, 6)]
TEXTS = [json.dumps(o) for o in ORDERS]


def once(pages: list[Page]) -> list[str]:
    """The records as they came, without those that the next page by offset begins with once more."""
    return list(dict.fromkeys(text for page in pages for text in page.records))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("count", [0, 1, 2, 4, 5])
def test_each_pagination_style_brings_every_record_once(style: str, count: int) -> None:
    with MockApi(ORDERS[:count]) as api:
        pages = list(make_client(f"{api.url}/orders", pagination=style).pages())
    assert once(pages) == TEXTS[:count]
    assert [page.number for page in pages] == list(range(1, len(pages) + 1))


@pytest.mark.parametrize("style", STYLES)
def test_a_server_that_caps_the_page_size_loses_no_records(style: str) -> None:
    with MockApi(ORDERS, max_page_size=2) as api:
        pages = list(make_client(f"{api.url}/orders", pagination=style, page_size=500).pages())
    assert once(pages) == TEXTS


def test_no_pagination_asks_once_and_for_no_page_size() -> None:
    with MockApi(ORDERS) as api:
        pages = list(make_client(f"{api.url}/orders", pagination="none").pages())
        assert [r["query"] for r in api.requests] == [""]
    assert [page.records for page in pages] == [TEXTS]


def test_the_next_link_is_taken_from_the_header_for_arrays_and_json_lines() -> None:
    for form in ("array", "jsonl"):
        with MockApi(ORDERS) as api:
            pages = list(make_client(f"{api.url}/orders", records_path="", params={"form": form}).pages())
        assert [text for page in pages for text in page.records] == TEXTS


def test_a_relative_next_link_and_a_dotted_field_name_are_followed() -> None:
    first = Reply(b'{"value": [1], "@odata.nextLink": "more?p=2"}')
    with scripted(first, Reply(b'{"value": [2]}')) as server:
        client = make_client(f"{server.url}/api/orders", "value", next_path="@odata.nextLink")
        assert [page.records for page in client.pages()] == [["1"], ["2"]]
        assert server.seen[1]["path"] == "/api/more?p=2"


def test_an_endless_tail_cursor_on_an_empty_page_ends() -> None:
    replies = Reply(b'{"data": [1], "next_cursor": 7}'), Reply(b'{"data": [], "next_cursor": 7}')
    with scripted(*replies) as server:
        assert [p.records for p in make_client(server.url, pagination="cursor").pages()] == [["1"], []]


def test_the_window_is_passed_only_where_given_and_a_later_run_resumes_after_it() -> None:
    with MockApi(ORDERS) as api:
        url = f"{api.url}/orders"
        since, until = "2025-05-02T00:00:00+00:00", "2025-05-04T00:00:00+00:00"
        window = [text for page in make_client(url).pages(since, until) for text in page.records]
        api.add_orders([order(6)])
        rest = [text for page in make_client(url).pages(since=until) for text in page.records]
        assert "since=2025-05-02T00%3A00%3A00%2B00%3A00" in api.requests[0]["query"]
        assert "until" not in api.requests[-1]["query"]
    assert window == TEXTS[2:4]
    assert rest == [TEXTS[4], json.dumps(order(6))]


def test_a_page_holds_the_exact_body_its_hash_and_when_it_was_fetched() -> None:
    body = b'{"data" : [ {"a": 1.50} ],\r\n "next":null}'
    for reply in (Reply(body), Reply(gzip.compress(body), headers={"Content-Encoding": "gzip"})):
        with scripted(reply) as server:
            (page,) = make_client(f"{server.url}/orders", params={"api_key": "k1"}).pages()
        assert (page.body, page.records, page.status) == (body, ['{"a": 1.50}'], 200)
        assert page.sha256 == hashlib.sha256(body).hexdigest()
        assert page.fetched_at == NOW
        assert page.url == f"{server.url}/orders?api_key=***&limit=2"


@pytest.mark.parametrize(
    "spec",
    [
        "500@orders:2x3",
        "503@orders:2",
        "408@orders:1",
        "429=0@orders:3x2",
        "truncated@orders:2x3",
        "cut@orders:2x2",
        "invalid-json@orders:2x3",
        "error@orders:2x3",
        "html@orders:2x3",
        "reset@orders:1x3",
        "reset@orders#2",
        "500@orders:1, cut@orders:2, reset@orders:3",
    ],
)
def test_a_passing_fault_costs_retries_but_no_record(spec: str) -> None:
    faults = parse_faults(spec)
    with MockApi(ORDERS, faults=faults) as api:
        client = make_client(f"{api.url}/orders")
        pages = list(client.pages())
    assert [text for page in pages for text in page.records] == TEXTS
    assert client.retries == sum(fault.times for fault in faults)
    assert client.attempts == 3 + client.retries


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault("500", "orders", page=2, times=0), r"HTTP 500 \(gave up after 4 tries\)"),
        (Fault("reset", "orders", page=2, times=0), r"connection failed: ConnectionResetError.*4 tries"),
        (Fault("truncated", "orders", page=2, times=0), r"(IncompleteRead|truncated).*4 tries"),
        (Fault("cut", "orders", page=2, times=0), r"broken body.*4 tries"),
        (Fault("slow", "orders", page=2, times=0, value="1"), r"no answer within read_timeout_seconds = 0.1.*4 tries"),
    ],
)
def test_a_lasting_fault_ends_after_the_tries_with_its_reason(fault: Fault, says: str) -> None:
    with MockApi(ORDERS, faults=fault) as api:
        client = make_client(f"{api.url}/orders", read_timeout_seconds=0.1 if fault.kind == "slow" else 2)
        pages = client.pages()
        assert next(pages).records == TEXTS[:2]
        with pytest.raises(SourceError, match=says) as caught:
            next(pages)
        api.clear_faults()
        assert [text for page in make_client(f"{api.url}/orders").pages() for text in page.records] == TEXTS
    assert not isinstance(caught.value, BrokenBody)
    assert (client.attempts, client.retries) == (5, 3)


def test_a_server_that_is_not_there_is_tried_again_and_named() -> None:
    with MockApi() as api:
        url = api.url
    with pytest.raises(SourceError, match=r"source shop: GET http://127.*Connection refused.*2 tries"):
        list(make_client(url, retries=1).pages())


@pytest.mark.parametrize("status", ["400", "401", "403", "404", "410", "422"])
def test_other_client_errors_are_not_retried_and_quote_the_answer(status: str) -> None:
    with MockApi(ORDERS, faults=Fault(status, "orders", page=2, times=0)) as api:
        client = make_client(f"{api.url}/orders")
        with pytest.raises(SourceError, match=rf"orders\?limit=2&cursor=\S+: HTTP {status}: .*fault {status}"):
            list(client.pages())
    assert client.retries == 0


def test_only_the_start_of_a_long_error_is_quoted() -> None:
    with scripted(Reply(b"x" * 5000, status=404)) as server, pytest.raises(SourceError) as caught:
        list(make_client(server.url).pages())
    assert "x" * 200 in str(caught.value)
    assert "x" * 201 not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7", 7.0),
        ("9999", 60.0),
        (format_datetime(NOW + timedelta(seconds=30), usegmt=True), 30 - 0.123456),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0.0),
    ],
)
def test_retry_after_is_honoured_up_to_the_cap(value: str, expected: float) -> None:
    waits: list[float] = []
    with MockApi(ORDERS, faults=Fault("429", "orders", value=value)) as api:
        list(make_client(f"{api.url}/orders", sleep=waits.append).pages())
    assert sum(waits) == pytest.approx(expected)
    assert max(waits, default=0) <= 5  # in pieces, so that it can be said how long it still lasts


def test_waits_grow_exponentially_with_jitter_up_to_the_cap() -> None:
    waits: list[float] = []
    api: dict[str, Any] = {"backoff_seconds": 1.0, "backoff_max_seconds": 3.0, "retries": 4}
    with scripted(Reply(status=500, headers={"Retry-After": "soon"})) as server, pytest.raises(SourceError):
        list(make_client(server.url, sleep=waits.append, **api).pages())
    for wait, longest in zip(waits, [1, 2, 3, 3], strict=True):
        assert longest / 2 <= wait <= longest


def test_a_body_that_stays_broken_is_handed_over_for_quarantine() -> None:
    with MockApi(ORDERS, faults=Fault("invalid-json", "orders", page=2, times=0)) as api:
        client = make_client(f"{api.url}/orders", retries=1)
        with pytest.raises(BrokenBody, match=r"invalid body: not JSON at line .*2 tries") as caught:
            list(client.pages())
    page = caught.value.page
    assert page.body.endswith(b"<!-- upstream error -->")
    assert (page.number, page.status, page.records, page.fetched_at) == (2, 200, [], NOW)
    assert page.sha256 == hashlib.sha256(page.body).hexdigest()
    assert client.attempts == 3


def test_a_cut_gzip_stream_of_json_lines_is_not_taken_for_a_whole_one() -> None:
    zipped = gzip.compress(b'{"a": 1}\n' * 5000 + os.urandom(4000).hex().encode())
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/x-ndjson"}
    with scripted(Reply(zipped[:-1000], headers=headers)) as server, pytest.raises(SourceError, match="data end early"):
        list(make_client(server.url, records_path="", retries=0).pages())


def test_elements_that_are_no_objects_arrive_as_records() -> None:
    with MockApi(ORDERS, faults=Fault("malformed", "orders", page=1)) as api:
        first = next(make_client(f"{api.url}/orders").pages())
    assert first.records == [TEXTS[0], "42", "null", '"not a record"', "[]", "{}", TEXTS[1]]
