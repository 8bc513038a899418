"""What an answer says though its status is 200: an error, a page for people, nothing; and in which bytes."""

from __future__ import annotations

import gzip
import json
import threading
from typing import Any

import pytest
from structlog.testing import capture_logs

from saleslake.errors import ConfigError, SourceError
from saleslake.mock_api import MockApi, parse_faults
from saleslake.sources import attempts
from saleslake.sources.api_client import BrokenBody, Page
from saleslake.sources.documents import split_document
from tests.api_support import Reply, answering, make_client, scripted

ORDERS = [{"order_id": f"o{n}", "created_at": f"2025-05-0{n}T00:00:00Z"} for n in range(1, 6)]
THROTTLED: dict[str, Any] = {"errors": [{"message": "Throttled"}]}
STYLES = ["next", "cursor", "page", "offset", "none"]


def reply(value: object, status: int = 200, **headers: str) -> Reply:
    return Reply(json.dumps(value).encode(), status, {k.replace("_", "-"): v for k, v in headers.items()})


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("rest", [{"data": []}, {}, {"data": None}])
def test_an_error_inside_a_200_is_retried_and_then_fails_the_fetch(style: str, rest: dict[str, Any]) -> None:
    with scripted(reply(THROTTLED | rest)) as server:
        client = make_client(server.url, pagination=style)
        with pytest.raises(
            SourceError, match=r"HTTP 200 with an error in its body, 'errors': .*Throttled.*4 tries"
        ) as c:
            list(client.pages())
    assert not isinstance(c.value, BrokenBody)  # it is no document to be quarantined
    assert (client.attempts, client.fetched.complete, client.gave_up) == (4, False, True)


@pytest.mark.parametrize("style", STYLES[:4])
def test_an_error_inside_a_200_that_passes_costs_retries_and_no_record(style: str) -> None:
    with MockApi(ORDERS, faults=parse_faults("error@orders:2x2")) as api:
        client = make_client(f"{api.url}/orders", pagination=style)
        texts = {text for page in client.pages() for text in page.records}
    assert texts == {json.dumps(order) for order in ORDERS}
    assert (client.retries, client.fetched.complete) == (2, True)


@pytest.mark.parametrize("nothing", [None, False, 0, 0.0, "", [], {}])
@pytest.mark.parametrize("field", ["error", "errors"])
def test_an_error_field_that_says_nothing_is_no_error(field: str, nothing: object) -> None:
    with scripted(reply({"data": [1], field: nothing})) as server:
        assert [page.records for page in make_client(server.url).pages()] == [["1"]]


def test_where_errors_stand_is_a_setting_that_the_message_names() -> None:
    fine = reply({"data": [1], "error": {"code": 0, "text": "fine"}, "status": {"fault": "no such shop"}})
    with scripted(fine) as server:
        with pytest.raises(SourceError, match=r"'error': .*leave 'error' out of api\.error_paths"):
            list(make_client(server.url, retries=0).pages())
        assert len(list(make_client(server.url, error_paths=[]).pages())) == 1
        with pytest.raises(SourceError, match=r"'status\.fault': \"no such shop\""):
            list(make_client(server.url, retries=0, error_paths=["status.fault"]).pages())


def test_an_error_in_place_of_a_bare_array_is_no_record() -> None:
    with scripted(reply({"error": "Throttled"})) as server, pytest.raises(SourceError, match="'error': \"Throttled\""):
        list(make_client(server.url, records_path="", retries=0).pages())


def test_html_with_200_is_called_html_by_its_title() -> None:
    says = r"invalid body: it is HTML, not JSON: 'Back soon' \(gave up after 4"
    with MockApi(ORDERS, faults=parse_faults("html@orders:2x9")) as api, pytest.raises(BrokenBody, match=says) as c:
        list(make_client(f"{api.url}/orders").pages())
    assert c.value.page.body.startswith(b"<!DOCTYPE html>")
    with scripted(Reply(b"\xef\xbb\xbf <html>busy")) as server, pytest.raises(BrokenBody, match=r"it is HTML.*busy"):
        list(make_client(server.url, retries=0).pages())
    with scripted(Reply(b"<?xml version='1.0'?><orders/>")) as server, pytest.raises(BrokenBody, match="it is XML"):
        list(make_client(server.url, retries=0).pages())


INVALID_PAGE = reply({"detail": "Invalid page."}, 404)
WORDPRESS = reply({"code": "rest_post_invalid_page_number", "message": "…", "data": {"status": 400}}, 400)


@pytest.mark.parametrize(
    "last", [INVALID_PAGE, WORDPRESS, Reply(status=204), reply({}), reply({"data": None}), reply(None)]
)
@pytest.mark.parametrize("style", ["page", "offset"])
def test_the_known_ways_to_say_no_more_end_a_fetch(style: str, last: Reply) -> None:
    first = reply({"data": [1, 2]})
    with answering(lambda q: first if q.get("page") == "1" or q.get("offset") == "0" else last) as server:
        client = make_client(server.url, pagination=style)
        assert [t for page in client.pages() for t in page.records] == ["1", "2"]
    assert client.fetched.complete
    assert client.fetched.end in ("empty page", "HTTP 404: no such page", "HTTP 400: no such page")


@pytest.mark.parametrize("nothing", [Reply(status=204), reply({}), reply({"data": None}), reply({"data": []})])
@pytest.mark.parametrize("style", STYLES)
def test_the_known_ways_to_say_nothing_are_an_empty_window(style: str, nothing: Reply) -> None:
    with scripted(nothing) as server:
        client = make_client(server.url, pagination=style)
        pages = list(client.pages())
    assert sum(len(page.records) for page in pages) == 0
    assert (client.fetched.complete, client.fetched.distinct_ids, client.retries) == (True, 0, 0)
    for page in pages:  # what lands is split again later, by these alone
        assert split_document(page.body, "data", page.form).records == []


@pytest.mark.parametrize("style", ["page", "offset"])
@pytest.mark.parametrize("other", [Reply(b"<h1>nginx</h1>", 404), reply({"detail": "Not found."}, 404), reply({}, 404)])
def test_any_other_404_is_a_failed_fetch_unless_a_setting_says_that_it_is_the_end(style: str, other: Reply) -> None:
    first = reply({"data": [1, 2]})
    with answering(lambda q: first if q.get("page") == "1" or q.get("offset") == "0" else other) as server:
        with pytest.raises(SourceError, match="HTTP 404"):
            list(make_client(server.url, pagination=style).pages())
        client = make_client(server.url, pagination=style, end_statuses=[404])
        assert [t for page in client.pages() for t in page.records] == ["1", "2"]
    assert client.fetched.complete


def test_a_404_for_the_first_page_is_an_empty_window_only_by_the_setting() -> None:
    with scripted(INVALID_PAGE) as server:
        with pytest.raises(SourceError, match="HTTP 404"):
            list(make_client(server.url, pagination="page").pages())
        client = make_client(server.url, pagination="page", end_statuses=[404, 410])
        assert list(client.pages()) == []
    assert (client.fetched.end, client.fetched.complete) == ("HTTP 404", True)


@pytest.mark.parametrize("status", [200, 401, 403, 429, 500])
def test_a_status_that_cannot_mean_the_end_is_refused_at_start(status: int) -> None:
    with pytest.raises(ValueError, match=f"{status} cannot mean that there are no more records"):
        make_client("http://x", end_statuses=[status])


def test_an_object_without_the_field_holds_no_records_only_by_the_setting() -> None:
    with scripted(reply({"kind": "shop#orders", "total": 0})) as server:
        with pytest.raises(BrokenBody, match="no array at `data`; the document has: kind, total"):
            list(make_client(server.url, retries=0).pages())
        client = make_client(server.url, missing_is_empty=True)
        assert list(client.pages()) == []  # nothing that could be split again: it does not land
    assert client.fetched.complete


def test_206_is_a_page_and_a_part_of_a_body_is_not() -> None:
    with scripted(reply({"data": [1]}, 206)) as server:
        [page] = make_client(server.url).pages()
    assert (page.records, page.status) == (["1"], 206)
    cut = reply({"data": [1]}, 206, Content_Range="bytes 0-13/90")
    with scripted(cut) as server, pytest.raises(SourceError, match=r"HTTP 206 with a part of the body.*bytes 0-13/90"):
        list(make_client(server.url, retries=1).pages())


@pytest.mark.parametrize("charset", ["iso-8859-1", "windows-1252", "utf-16-le", "utf-8", "UTF-8"])
def test_a_body_is_read_in_the_charset_that_its_header_names_and_lands_as_it_came(charset: str) -> None:
    body = '{"data": ["Zürich £"]}'.encode(charset)
    with scripted(Reply(body, headers={"Content-Type": f'application/json; charset="{charset}"'})) as server:
        [page] = make_client(server.url).pages()
    assert (page.records, page.body) == (['"Zürich £"'], body)
    assert split_document(page.body, "data", page.form).records == page.records


@pytest.mark.parametrize("header", ["iso-8859-1", "no-such-charset", "utf-8"])
def test_a_charset_that_lies_about_utf_8_changes_nothing(header: str) -> None:
    body = '{"data": ["Zürich"]}'.encode()
    with scripted(Reply(body, headers={"Content-Type": f"application/json; charset={header}"})) as server:
        [page] = make_client(server.url).pages()
    assert page.records == ['"Zürich"']


def test_a_body_that_is_not_in_the_charset_it_names_is_broken_and_not_guessed_at() -> None:
    lying = Reply('{"data": ["Zürich"]}'.encode("latin-1"), headers={"Content-Type": "application/json; charset=utf-8"})
    with scripted(lying) as server, pytest.raises(BrokenBody, match="UTF-8 at byte"):
        list(make_client(server.url, retries=1).pages())


def test_gzip_whose_header_lies_is_a_failed_attempt_and_no_broken_document() -> None:
    plain = Reply(b'{"data": [1]}', headers={"Content-Encoding": "gzip"})
    hidden = Reply(gzip.compress(b'{"data": [1]}'))
    with scripted(plain) as server, pytest.raises(SourceError, match=r"broken body: .*incorrect header.*2 tries") as c:
        list(make_client(server.url, retries=1).pages())
    assert not isinstance(c.value, BrokenBody)
    with scripted(hidden) as server, pytest.raises(BrokenBody):
        list(make_client(server.url, retries=1).pages())


def test_a_wait_is_shown_while_it_lasts_with_its_reason() -> None:
    said: list[str] = []
    busy = Reply(status=503, headers={"Retry-After": "12"})
    with scripted(busy, reply({"data": [1]})) as server:
        list(make_client(server.url, say=said.append).pages())
    assert said == [f"waiting {left} s: HTTP 503, Retry-After" for left in (12, 7, 2)]
    said.clear()
    with scripted(reply(THROTTLED), reply({"data": [1]})) as server:
        list(make_client(server.url, say=said.append, backoff_seconds=2.0).pages())
    assert said[0].startswith("waiting 2 s: HTTP 200 with an error in its body, 'errors'")


def test_a_second_round_is_said_with_its_reason() -> None:
    said: list[str] = []
    with scripted(reply({"data": [], "n": 1}), reply({"data": [1], "n": 1})) as server, capture_logs() as logs:
        list(make_client(server.url, say=said.append, total_path="n").pages())
    assert said == [
        "fetching the window again: total_path 'n' says 1, and 0 different records came "
        '(if that counts more than the window, set total_of = "catalogue")'
    ]
    assert [e["source"] for e in logs if e["event"] == "api_window_fetched_again"] == ["shop"]


def test_a_server_that_takes_its_time_is_waited_for_aloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_SHOWN_EVERY", 0.05)
    heard = threading.Event()

    def say(what: str) -> None:
        assert what.startswith("waiting for an answer, ")
        heard.set()

    def slowly(_: dict[str, str]) -> Reply:
        assert heard.wait(10)
        return reply({"data": [1]})

    with answering(slowly) as server:
        pages: list[Page] = list(make_client(server.url, say=say, read_timeout_seconds=10.0).pages())
    assert pages[0].records == ["1"]


@pytest.mark.parametrize(
    ("api", "says"),
    [
        ({"total_of": "window"}, None),
        ({"total_of": "shop", "total_path": "n"}, "'window' or 'catalogue'"),
        ({"total_of": "catalogue"}, "it needs total_path or total_header"),
        ({"total_path": "n", "total_header": "N"}, "total_path or total_header, not both"),
        ({"error_paths": [""]}, "at least 1 character"),
    ],
)
def test_settings_that_make_no_sense_are_refused_at_start(api: dict[str, Any], says: str | None) -> None:
    if says is None:
        make_client("http://x", **api)
    else:
        with pytest.raises((ValueError, ConfigError), match=says):
            make_client("http://x", **api)
