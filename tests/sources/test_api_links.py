"""Next links as servers behind proxies write them, and cursors that expire."""

from __future__ import annotations

import json

import pytest

from saleslake.errors import SourceError
from saleslake.sources.urls import canonical, kept_at_home
from tests.api_support import Reply, answering, make_client, scripted

HOME = "https://shop.example:8443/v2/orders?page=1"


@pytest.mark.parametrize(
    ("link", "home", "followed"),
    [
        ("http://shop.example/v2/orders?page=2", "https://shop.example/a", "https://shop.example/v2/orders?page=2"),
        ("http://shop.example:80/o?page=2", "https://shop.example/a", "https://shop.example/o?page=2"),
        ("http://SHOP.example:443/o?page=2", "https://shop.example/a", "https://shop.example/o?page=2"),
        ("http://shop.example/o?page=2", HOME, "https://shop.example:8443/o?page=2"),
        ("https://shop.example/o?page=2", HOME, "https://shop.example:8443/o?page=2"),
        ("http://shop.example:8443/o?page=2", HOME, "https://shop.example:8443/o?page=2"),
        ("//shop.example/o?page=2", HOME, "https://shop.example:8443/o?page=2"),
        ("http://shop.example/o?page=2", "http://shop.example:8000/o", "http://shop.example:8000/o?page=2"),
        ("http://me:pw@shop.example/o", HOME, "https://shop.example:8443/o"),
        ("http://[::1]/o", "http://[::1]:8000/", "http://[::1]:8000/o"),
        ("?page=2", HOME, "https://shop.example:8443/v2/orders?page=2"),
        ("/orders?page=2", HOME, "https://shop.example:8443/orders?page=2"),
        ("items?page=2", HOME, "https://shop.example:8443/v2/items?page=2"),
    ],
)
def test_a_link_of_the_same_host_keeps_the_scheme_and_port_of_the_request(link: str, home: str, followed: str) -> None:
    assert kept_at_home(canonical(link, base=home), canonical(home)) == followed


@pytest.mark.parametrize(
    ("link", "home", "says"),
    [
        (
            "https://shop.example/o",
            "http://shop.example/o",
            "https://shop.example:443 and not to http://shop.example:80",
        ),
        ("http://shop.example:9000/o", HOME, "http://shop.example:9000 and not to https://shop.example:8443"),
        ("https://www.shop.example/o", HOME, "https://www.shop.example:443 and not to https://shop.example:8443"),
        ("http://shop.example.evil.test/o", HOME, "http://shop.example.evil.test:80 and not to"),
        ("http://shop.example@evil.test/o", HOME, "http://evil.test:80 and not to"),
        ("http://[::1]:9/o", "http://[::1]:8/", "http://[::1]:9 and not to http://[::1]:8"),
    ],
)
def test_what_is_refused_is_named_by_scheme_host_and_port(link: str, home: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"^leads to .*, where the request went: refused$") as caught:
        kept_at_home(canonical(link, base=home), canonical(home))
    assert says in str(caught.value)


@pytest.mark.parametrize("by", ["next", "header", "redirect"])
def test_a_link_that_dropped_its_port_is_followed_on_the_port_of_the_request(by: str) -> None:
    target = "http://127.0.0.1/orders?page=2"
    first = {
        "next": Reply(json.dumps({"data": [1], "next": target}).encode()),
        "header": Reply(b'{"data": [1]}', headers={"Link": f'<{target}>; rel="next"'}),
        "redirect": Reply(status=301, headers={"Location": target}),
    }
    with scripted(first[by], Reply(b'{"data": [2]}')) as server:
        client = make_client(f"{server.url}/orders", secret="t", auth={"kind": "bearer", "token_env": "T"})
        records = [text for page in client.pages() for text in page.records]
        assert [seen["authorization"] for seen in server.seen] == ["Bearer t"] * 2
    assert records == (["2"] if by == "redirect" else ["1", "2"])
    assert client.fetched.complete


@pytest.mark.parametrize("status", [400, 404, 410])
@pytest.mark.parametrize("style", ["next", "cursor"])
def test_a_cursor_that_expired_restarts_the_window_once(style: str, status: int) -> None:
    first = Reply(json.dumps({"data": [1], "next": "?cursor=a", "next_cursor": "a"}).encode())
    expired = Reply(b'{"message": "cursor expired"}', status)
    with scripted(first, expired, first, Reply(b'{"data": [2]}')) as server:
        client = make_client(server.url, pagination=style)
        pages = list(client.pages())
    assert [(page.number, page.records) for page in pages] == [(1, ["1"]), (2, ["2"])]
    assert (client.fetched.refetches, client.fetched.complete, client.retries) == (1, True, 0)
    with scripted(first, expired, first, expired) as server:
        client = make_client(server.url, pagination=style)
        with pytest.raises(SourceError, match=f"HTTP {status}: .*cursor expired"):
            list(client.pages())
        assert len(server.seen) == 4
    assert not client.fetched.complete


@pytest.mark.parametrize("status", [401, 403, 422])
def test_other_refusals_of_a_cursor_are_not_taken_for_its_end_of_life(status: int) -> None:
    first = Reply(b'{"data": [1], "next_cursor": "a"}')
    with scripted(first, Reply(status=status)) as server:
        with pytest.raises(SourceError, match=f"HTTP {status}"):
            list(make_client(server.url, pagination="cursor").pages())
        assert len(server.seen) == 2


def test_a_window_whose_beginning_is_refused_is_not_asked_for_again() -> None:
    with answering(lambda _: Reply(status=404)) as server:
        with pytest.raises(SourceError, match="HTTP 404"):
            list(make_client(server.url, pagination="cursor").pages())
        assert len(server.seen) == 1
