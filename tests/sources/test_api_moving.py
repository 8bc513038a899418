"""Catalogues that change while they are fetched: every record that stayed came, or the fetch says it is not complete."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saleslake.errors import SourceError
from tests.api_support import Reply, Script, answering, make_client

Change = tuple[str, int]
"""(insert or delete, a number that tells where)."""


@dataclass
class Shop:
    """A catalogue that one change strikes before each request; ids are never used twice."""

    ids: list[int] = field(default_factory=list)
    changes: list[list[Change]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    """How many records the next answers hold at most; beyond them as many as asked for."""
    made: int = 0

    def answer(self, query: dict[str, str]) -> Reply:
        for kind, where in self.changes.pop(0) if self.changes else []:
            if kind == "delete" and self.ids:
                del self.ids[where % len(self.ids)]
            elif kind == "insert":
                self.made += 1
                self.ids.insert(where % (len(self.ids) + 1), self.made)
        limit = int(query["limit"])
        size = min(limit, self.sizes.pop(0)) if self.sizes else limit
        if "offset" in query:
            start = int(query["offset"])
        elif "page" in query:
            start = (int(query["page"]) - 1) * limit
        else:
            start = 0
        found = self.ids[start : start + size]
        return Reply(json.dumps({"data": found, "total": len(self.ids)}).encode())

    def begin(self, count: int, changes: list[list[Change]], sizes: list[int]) -> None:
        self.ids, self.made = list(range(count)), count
        self.changes, self.sizes = [[], *changes], list(sizes)


SHOP = Shop()
CHANGES = st.lists(
    st.lists(st.tuples(st.sampled_from(["insert", "delete"]), st.integers(0, 40)), max_size=3), max_size=12
)
SIZES = st.lists(st.integers(1, 4), max_size=10)
SETTINGS = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def server() -> Iterator[Script]:
    with answering(SHOP.answer) as script:
        yield script


def fetch(server: Script, **api: object) -> tuple[set[int], bool]:
    """(ids that came, whether the fetch says that it is complete)."""
    client = make_client(server.url, **api)
    got: set[int] = set()
    try:
        for page in client.pages():
            got |= {int(text) for text in page.records}
    except SourceError:
        assert not client.fetched.complete
        return got, False
    assert client.fetched.complete
    assert client.fetched.end
    return got, True


@SETTINGS
@given(st.integers(0, 14), st.integers(1, 5), CHANGES, SIZES, st.booleans())
def test_by_offset_whatever_is_deleted_and_inserted_and_however_short_pages_are(
    server: Script, count: int, size: int, changes: list[list[Change]], sizes: list[int], total: bool
) -> None:
    SHOP.begin(count, changes, sizes)
    api = {"total_path": "total"} if total else {}
    got, complete = fetch(server, pagination="offset", page_size=size, **api)
    stayed = set(range(count)) & set(SHOP.ids)
    assert stayed <= got or not complete


@SETTINGS
@given(st.integers(0, 14), st.integers(1, 5), CHANGES, st.sampled_from(["insert", "delete"]))
def test_by_page_with_a_stated_total_where_records_are_only_deleted_or_only_inserted(
    server: Script, count: int, size: int, changes: list[list[Change]], kind: str
) -> None:
    """Both at once leave no trace in a total; the README says so."""
    SHOP.begin(count, [[change for change in at if change[0] == kind] for at in changes], [])
    got, complete = fetch(server, pagination="page", page_size=size, total_path="total")
    stayed = set(range(count)) & set(SHOP.ids)
    assert stayed <= got or not complete


@SETTINGS
@given(st.integers(0, 14), st.integers(1, 5), st.sampled_from(["offset", "page"]), st.booleans())
def test_a_catalogue_that_stands_still_comes_whole_in_one_round(
    server: Script, count: int, size: int, style: str, total: bool
) -> None:
    SHOP.begin(count, [], [])
    api = {"total_path": "total"} if total else {}
    client = make_client(server.url, pagination=style, page_size=size, **api)
    got = {int(text) for page in client.pages() for text in page.records}
    assert got == set(range(count))
    assert (client.fetched.complete, client.fetched.refetches, client.fetched.distinct_ids) == (True, 0, count)


@SETTINGS
@given(st.integers(1, 14), st.integers(1, 5), SIZES)
def test_short_pages_by_offset_cost_no_record(server: Script, count: int, size: int, sizes: list[int]) -> None:
    SHOP.begin(count, [], sizes)
    got, complete = fetch(server, pagination="offset", page_size=size)
    assert got == set(range(count)) or not complete
