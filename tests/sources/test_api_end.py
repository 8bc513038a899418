"""How a fetch knows its end: empty pages, totals, last pages that come for ever, and what it does where it does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from saleslake.config import Api
from saleslake.errors import SourceError
from saleslake.mock_api import MockApi, parse_faults
from saleslake.sources.fetched import Fetched
from tests.api_support import Reply, answering, make_client, scripted

Answer = Callable[[dict[str, str]], Reply]


def body(records: Sequence[object], **more: object) -> Reply:
    return Reply(json.dumps({"data": list(records), **more}).encode())


def fetch(answer: Answer, **api: Any) -> tuple[list[list[str]], Fetched, list[str]]:
    """(records of each page that was handed over, what the fetch came to, the queries it asked)."""
    with answering(answer) as server:
        client = make_client(server.url, **api)
        pages = [page.records for page in client.pages()]
    return pages, client.fetched, [seen["path"].partition("?")[2] for seen in server.seen]


def refusal(answer: Answer, **api: Any) -> tuple[str, Fetched]:
    """(why the fetch failed, what it had come to)."""
    with answering(answer) as server:
        client = make_client(server.url, **api)
        with pytest.raises(SourceError) as caught:
            list(client.pages())
    return str(caught.value), client.fetched


def by_page(pages: Sequence[Sequence[object]], **more: object) -> Answer:
    """A server of these pages, and of empty ones after them."""

    def answer(query: dict[str, str]) -> Reply:
        number = int(query["page"])
        return body(pages[number - 1] if number <= len(pages) else [], current_page=number, **more)

    return answer


def by_offset(records: list[Any], longest: int = 1000, **more: object) -> Answer:
    def answer(query: dict[str, str]) -> Reply:
        start = int(query["offset"])
        return body(records[start : start + min(int(query["limit"]), longest)], at=start, **more)

    return answer


def came(pages: list[list[str]]) -> list[int]:
    return list(dict.fromkeys(int(text) for page in pages for text in page))


def test_a_short_page_in_the_middle_is_not_the_end_by_page() -> None:
    pages, fetched, asked = fetch(by_page([[1, 2], [3], [4, 5]]), pagination="page")
    assert came(pages) == [1, 2, 3, 4, 5]
    assert (fetched.end, fetched.complete, fetched.distinct_ids, fetched.refetches) == ("empty page", True, 5, 0)
    assert asked == [f"limit=2&page={number}" for number in (1, 2, 3, 4)]


def test_a_short_page_in_the_middle_is_not_the_end_by_offset() -> None:
    """The server takes two records and then leaves the hidden one out, so that pages come short anywhere."""
    shelf = [1, 2, None, 3, 4, 5]

    def answer(query: dict[str, str]) -> Reply:
        start = int(query["offset"])
        return body([n for n in shelf[start : start + 2] if n])

    pages, fetched, _ = fetch(answer, pagination="offset")
    assert came(pages) == [1, 2, 3, 4, 5]
    assert (fetched.end, fetched.complete, fetched.distinct_ids) == ("empty page", True, 5)


def test_a_server_that_knows_only_its_own_offsets_is_read_to_the_end() -> None:
    pages_at = {"0": [1, 2], "2": [3], "3": [4, 5]}
    pages, fetched, _ = fetch(lambda query: body(pages_at.get(query["offset"], [])), pagination="offset")
    assert came(pages) == [1, 2, 3, 4, 5]
    assert (fetched.complete, fetched.refetches) == (True, 0)


def test_an_api_of_a_thousand_orders_whose_first_pages_are_short_comes_whole() -> None:
    orders = list(range(1000))
    pages = [orders[:100], orders[100:150], *(orders[at : at + 100] for at in range(150, 1000, 100))]
    assert came(fetch(by_page(pages), pagination="page", page_size=100)[0]) == orders


def test_what_the_proof_by_offset_costs_in_requests() -> None:
    _, fetched, asked = fetch(by_offset(list(range(25))), pagination="offset", page_size=10)
    assert asked == [f"limit=10&offset={offset}" for offset in (0, 9, 18, 25, 18)]
    assert (fetched.pages, fetched.distinct_ids, fetched.overlaps, fetched.end) == (4, 25, 0, "empty page")
    _, _, asked = fetch(by_offset(list(range(25)), total=25), pagination="offset", page_size=10, total_path="total")
    assert asked == [f"limit=10&offset={offset}" for offset in (0, 9, 18)]
    _, _, asked = fetch(by_offset(list(range(25))), pagination="offset", page_size=10, offset_overlap=False)
    assert asked == [f"limit=10&offset={offset}" for offset in (0, 10, 20, 25)]


def test_a_server_that_rounds_offsets_down_to_whole_pages_is_read_to_the_end() -> None:
    def answer(query: dict[str, str]) -> Reply:
        start = int(query["offset"]) // 2 * 2
        return body([1, 2, 3, 4, 5][start : start + 2])

    pages, fetched, _ = fetch(answer, pagination="offset")
    assert came(pages) == [1, 2, 3, 4, 5]
    assert (fetched.complete, fetched.refetches) == (True, 0)


def test_a_server_that_limits_offset_and_size_together_is_read_as_far_as_it_goes() -> None:
    records = list(range(98))

    def answer(query: dict[str, str]) -> Reply:
        if int(query["offset"]) + int(query["limit"]) > 100:
            return Reply(b'{"message": "Result window is too large"}', status=400)
        return by_offset(records, total=98)(query)

    pages, fetched, _ = fetch(answer, pagination="offset", page_size=10, total_path="total")
    assert came(pages) == records
    assert (fetched.end, fetched.complete) == ("stated total reached", True)


@pytest.mark.parametrize("ids", [True, False])
def test_a_last_page_that_comes_for_ever_ends_the_fetch(ids: bool) -> None:
    """Magento: the page number is echoed, so that bodies differ; `ids`: and so is something in each record."""
    pages_of = [[1, 2], [3, 4], [5]]

    def answer(query: dict[str, str]) -> Reply:
        number = int(query["page"])
        records = [{"id": n, "asked": number if ids else 0} for n in pages_of[min(number, 3) - 1]]
        return body(records, search_criteria={"current_page": number})

    client: dict[str, Any] = {"identify": lambda text: str(json.loads(text)["id"])} if ids else {}
    pages, fetched, asked = fetch(answer, pagination="page", **client)
    assert list(dict.fromkeys(json.loads(text)["id"] for page in pages for text in page)) == [1, 2, 3, 4, 5]
    assert (fetched.end, fetched.complete, fetched.refetches) == ("last page came again", True, 0)
    assert len(asked) == 5


def test_a_last_page_with_the_very_same_body_for_ever_ends_the_fetch_and_lands_once() -> None:
    pages, fetched, _ = fetch(lambda q: body([[1, 2], [3]][min(int(q["page"]), 2) - 1]), pagination="page")
    assert pages == [["1", "2"], ["3"]]
    assert fetched.complete


def test_the_mock_api_repeats_its_last_page_like_magento() -> None:
    orders = [{"order_id": f"o{n}", "created_at": f"2025-05-0{n}T00:00:00Z"} for n in range(1, 6)]
    with MockApi(orders, faults=parse_faults("last-again@orders x*".replace(" ", ""))) as api:
        client = make_client(f"{api.url}/orders", pagination="page")
        assert [len(page.records) for page in client.pages()] == [2, 2, 1]
    assert client.fetched.end == "last page came again"


def test_one_repeat_may_be_new_records_that_shifted_the_pages() -> None:
    catalogue = [1, 2, 3, 4, 5]

    def answer(query: dict[str, str]) -> Reply:
        number = int(query["page"])
        if number == 3 and len(catalogue) == 5:
            catalogue[:0] = [8, 9]
        return body(catalogue[number * 2 - 2 : number * 2])

    pages, fetched, _ = fetch(answer, pagination="page")
    assert sorted(came(pages)) == [1, 2, 3, 4, 5, 8, 9]
    assert (fetched.complete, fetched.refetches) == (True, 1)


def test_one_repeat_that_is_a_wrong_page_from_a_cache_costs_a_second_round_and_no_record() -> None:
    answers = 0

    def answer(query: dict[str, str]) -> Reply:
        nonlocal answers
        answers += 1
        number = 2 if answers == 3 else int(query["page"])
        return body([[1, 2], [3, 4], [5, 6]][number - 1] if number < 4 else [])

    pages, fetched, _ = fetch(answer, pagination="page")
    assert came(pages) == [1, 2, 3, 4, 5, 6]
    assert (fetched.complete, fetched.refetches) == (True, 1)
    pages, fetched, _ = fetch(by_page([[1], [2], [2], [3]]), pagination="page")  # that is how its pages are
    assert (came(pages), fetched.complete, fetched.refetches) == ([1, 2, 3], True, 1)


@pytest.mark.parametrize(("style", "names"), [("page", "page_param = 'page'"), ("offset", "offset_param = 'offset'")])
def test_a_second_page_equal_to_the_first_names_the_parameter_that_is_ignored(style: str, names: str) -> None:
    asked: list[int] = []
    said, fetched = refusal(lambda _: body([1, 2], echo=asked.append(0) or len(asked)), pagination=style)
    assert names in said
    assert "the server does not seem to know" in said
    assert "total_path" in said
    assert not fetched.complete


def test_a_single_page_that_comes_for_ever_is_the_end_where_the_total_says_so() -> None:
    pages, fetched, _ = fetch(lambda q: body([1, 2], total=2, echo=q["page"]), pagination="page", total_path="total")
    assert pages == [["1", "2"]]
    assert (fetched.end, fetched.stated_total, fetched.complete) == ("stated total reached", 2, True)


@pytest.mark.parametrize("style", ["next", "cursor"])
def test_links_that_lead_to_the_same_records_again_and_again_are_found_out(style: str) -> None:
    asked: list[int] = []

    def answer(_: dict[str, str]) -> Reply:
        asked.append(0)
        return body([1, 2], next=f"?p={len(asked)}", next_cursor=len(asked))

    said, _ = refusal(answer, pagination=style)
    assert "the same records came three times in a row: check" in said
    assert len(asked) == 3


def test_a_total_ends_paging_only_where_it_cannot_be_the_count_of_one_page() -> None:
    pages, fetched, asked = fetch(by_page([[1, 2], [3], [4, 5]], total=5), pagination="page", total_path="total")
    assert (came(pages), fetched.end, len(asked)) == ([1, 2, 3, 4, 5], "stated total reached", 3)

    def of_one_page(query: dict[str, str]) -> Reply:
        records = [[1, 2], [3, 4], [5], []][int(query["page"]) - 1]
        return body(records, total=len(records))

    said, _ = refusal(of_one_page, pagination="page", total_path="total")
    assert "total_path 'total' fell from 2 to 1 between two pages" in said
    assert "of one page only" in said


@pytest.mark.parametrize("style", ["next", "cursor", "page", "offset", "none"])
def test_a_total_that_is_missed_costs_one_refetch_and_then_names_both_figures(style: str) -> None:
    asked: list[str] = []

    def answer(query: dict[str, str]) -> Reply:
        asked.append("")
        at = int(query.get("page", 1)) * 2 - 2 if style == "page" else int(query.get("offset", 0))
        return body([1, 2][at : at + 2], total="3")

    said, fetched = refusal(answer, pagination=style, total_path="total")
    assert said.startswith("source shop: total_path 'total' says 3, and 2 different records came")
    assert "fetching the window again did not mend it" in said
    assert (fetched.complete, fetched.refetches, fetched.stated_total, fetched.distinct_ids) == (False, 1, 3, 2)


def test_pages_that_came_already_are_not_handed_over_by_the_second_round() -> None:
    rounds = [[1, 2], [], [1, 2], [3, 4], []]
    numbers: list[int] = []
    with scripted(*(body(records, count=4) for records in rounds)) as server:
        client = make_client(server.url, pagination="page", total_path="count")
        pages = list(client.pages())
        numbers = [page.number for page in pages]
    assert [page.records for page in pages] == [["1", "2"], [], ["3", "4"]]
    assert numbers == [1, 2, 3]
    assert (client.fetched.refetches, client.fetched.complete, client.fetched.distinct_ids) == (1, True, 4)


def test_the_total_of_the_whole_catalogue_is_recorded_and_not_held_against_a_window() -> None:
    pages, fetched, _ = fetch(
        by_page([[1, 2]], total=9000), pagination="page", total_path="total", total_of="catalogue"
    )
    assert (came(pages), fetched.stated_total, fetched.complete) == ([1, 2], 9000, True)


@pytest.mark.parametrize(
    ("headers", "setting"), [({"X-WP-Total": "3"}, "X-WP-Total"), ({"Content-Range": "items 0-1/3"}, "Content-Range")]
)
def test_a_total_may_stand_in_a_header(headers: dict[str, str], setting: str) -> None:
    reply = Reply(b"[1, 2]", status=206, headers=headers)
    said, fetched = refusal(lambda _: reply, pagination="none", records_path="", total_header=setting)
    assert f"total_header {setting!r} says 3, and 2 different" in said
    assert fetched.stated_total == 3


def test_a_total_that_is_nowhere_or_no_number_names_the_setting_and_what_there_is() -> None:
    said, _ = refusal(lambda _: body([1], count=1), pagination="none", total_path="total")
    assert said == "source shop: no page has a number at total_path 'total'; the body has: count"
    said, _ = refusal(lambda _: body([1], total={"value": 1}), pagination="none", total_path="total")
    assert said == "source shop: total_path 'total' holds no number of records but dict"
    assert fetch(lambda _: body([]), pagination="none", total_path="total")[1].complete


@pytest.mark.parametrize("stated", ["at each page", "nowhere"])
def test_a_record_that_a_deletion_moved_past_an_offset_page_is_found(stated: str) -> None:
    catalogue = list(range(10))

    def answer(query: dict[str, str]) -> Reply:
        if query["offset"] != "0" and 1 in catalogue:
            catalogue.remove(1)
        more = {"total": len(catalogue)} if stated == "at each page" else {}
        return by_offset(catalogue, **more)(query)

    api = {"total_path": "total"} if stated == "at each page" else {}
    pages, fetched, _ = fetch(answer, pagination="offset", page_size=5, **api)
    assert set(came(pages)) == set(range(10))
    assert (fetched.complete, fetched.refetches) == (True, 1)


def test_a_record_that_a_deletion_moved_past_a_numbered_page_is_found_by_the_total_that_fell() -> None:
    catalogue = list(range(10))

    def answer(query: dict[str, str]) -> Reply:
        if query["page"] == "2" and 1 in catalogue:
            catalogue.remove(1)
        at = int(query["page"]) * 5
        return body(catalogue[at - 5 : at], total=len(catalogue))

    pages, fetched, _ = fetch(answer, pagination="page", page_size=5, total_path="total")
    assert set(came(pages)) == set(range(10))
    assert (fetched.complete, fetched.refetches, fetched.stated_total) == (True, 1, 9)


def test_records_that_never_stop_moving_fail_the_fetch() -> None:
    catalogue = list(range(1000))

    def answer(query: dict[str, str]) -> Reply:
        del catalogue[0]
        return by_offset(catalogue)(query)

    said, fetched = refusal(answer, pagination="offset", page_size=5)
    assert "records moved while the pages came: offset 0 no longer answers with the same ones" in said
    assert (fetched.complete, fetched.end) == (False, "")


def test_records_that_came_on_an_earlier_page_are_counted() -> None:
    _, fetched, _ = fetch(by_page([[1, 2], [2, 3], [3, 1]]), pagination="page")
    assert (fetched.records, fetched.distinct_ids, fetched.overlaps) == (6, 3, 3)


def test_records_without_an_id_count_each_on_its_page_and_once_where_they_come_again() -> None:
    numbered: dict[str, Any] = {"identify": lambda text: text if text.isdigit() else None}
    _, fetched, _ = fetch(by_page([[None, None], [1, {}], [{}]]), pagination="page", **numbered)
    assert (fetched.records, fetched.distinct_ids, fetched.overlaps) == (4, 4, 1)


def test_a_file_is_complete_as_it_is(tmp_path: Any) -> None:
    (tmp_path / "o.json").write_text('{"data": [1, 2], "total": 2}')
    client = make_client(str(tmp_path / "o.json"), total_path="total")
    assert [page.records for page in client.pages()] == [["1", "2"]]
    assert client.fetched == Fetched(1, 2, 2, 0, 2, 0, "one file", True)


def by_last_record(records: Sequence[dict[str, object]], size: int = 2, flag: str = "more") -> Answer:
    """A server of lists that go on after the record that `after` names, as payment providers have them."""

    def answer(query: dict[str, str]) -> Reply:
        ids = [str(record["id"]) for record in records]
        start = ids.index(query["after"]) + 1 if "after" in query else 0
        found = records[start : start + size]
        return Reply(json.dumps({"data": found, flag: start + size < len(records)}).encode())

    return answer


LAST_RECORD = {"pagination": "cursor", "cursor_of": "record", "cursor_path": "id", "cursor_param": "after"}


@pytest.mark.parametrize(
    ("settings", "end", "last"),
    [({}, "empty page", "limit=2&after=5"), ({"more_path": "more"}, "more is false", "limit=2&after=4")],
)
def test_a_list_goes_on_after_its_last_record(settings: dict[str, str], end: str, last: str) -> None:
    served = by_last_record([{"id": number} for number in (1, 2, 3, 4, 5)])
    pages, fetched, asked = fetch(served, **LAST_RECORD, **settings)
    assert [json.loads(text)["id"] for page in pages for text in page] == [1, 2, 3, 4, 5]
    assert (fetched.end, fetched.complete, asked[-1]) == (end, True, last)
    assert asked[:2] == ["limit=2", "limit=2&after=2"]


def test_more_path_ends_a_cursor_that_is_handed_out_for_ever() -> None:
    def answer(query: dict[str, str]) -> Reply:
        number = int(query.get("cursor", "1"))
        return body([number], next_cursor=number + 1, has_more=number < 3)

    pages, fetched, _ = fetch(answer, pagination="cursor", more_path="has_more")
    assert (came(pages), fetched.end, fetched.complete) == ([1, 2, 3], "has_more is false", True)


@pytest.mark.parametrize(
    ("page", "settings", "message"),
    [
        (b'{"data": [{"x": 1}], "more": true}', {}, "the last record has nothing at cursor_path 'id'"),
        (b'{"data": [7], "more": true}', {}, "the last record has nothing at cursor_path 'id'"),
        (b'{"data": [], "more": true}', {"more_path": "more"}, "more is true, and the page has no record to go on from"),
        (b'{"data": [{"id": 1}], "mor": 1}', {"more_path": "more"}, "more_path 'more' is neither true nor false; the body has: mor"),
        (b'{"data": [{"id": 1}], "more": "no"}', {"more_path": "more"}, "more_path 'more' is neither true nor false"),
    ],
)  # fmt: skip
def test_a_list_that_does_not_say_how_it_goes_on_is_no_whole_window(
    page: bytes, settings: dict[str, str], message: str
) -> None:
    why, fetched = refusal(lambda _query: Reply(page), **LAST_RECORD, **settings)
    assert message in why
    assert not fetched.complete


@pytest.mark.parametrize("settings", [{"more_path": "more"}, {"cursor_of": "record"}])
def test_settings_of_cursors_are_refused_of_other_paginations(settings: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="cursor_of and more_path are for pagination = 'cursor'"):
        Api(url="https://shop.example/orders", pagination="page", **settings)  # type: ignore[arg-type]
