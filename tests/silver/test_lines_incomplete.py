"""An order that says that more of its lines or refunds are on another page is quarantined."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from saleslake.config import Settings
from saleslake.config_source import LINES_INCOMPLETE, Source
from saleslake.errors import ConfigError
from saleslake.fingerprint import rules_fingerprint
from tests.silver_support import Given, Record, judge

Make = Callable[[str], Settings]
SOURCE = '[sources.s]\nentity = "orders"\nformat = "jsonl"\npath = "o.jsonl"\n'
GRAPHQL = (
    SOURCE + 'mapping = { items = "lineItems.edges", "items.sku" = "node.sku", "items.qty" = "node.quantity", '
    '"items.price" = "node.price" }\n'
)
STRIPE = SOURCE + 'mapping = { items = "lines.data" }\n'
CSV = SOURCE.replace("jsonl", "csv")
HEADER_ONLY = '[rules.orders]\nitems_empty = "warn"\n'
LINE = {"sku": "A", "qty": 2, "price": 5}
NODE = {"node": {"sku": "A", "quantity": 2, "price": 5}}
MORE, NO_MORE = {"pageInfo": {"hasNextPage": True}}, {"pageInfo": {"hasNextPage": False}}


def order(**fields: Any) -> str:
    content = {
        "order_id": "o1",
        "user_id": "u1",
        "amount": 10,
        "currency": "EUR",
        "created_at": "2025-01-31T10:00:00Z",
        "items": [LINE],
    } | fields
    return json.dumps({name: value for name, value in content.items() if value is not ...})


def judged(settings: Settings, records: Sequence[Given]) -> list[dict[str, Any]]:
    """The judged rows of the records, in their order; one row a record."""
    rows: list[dict[str, Any]] = judge(settings, records).to_pylist()
    assert len(rows) == len(records)
    return rows


def nested(path: str, value: Any) -> dict[str, Any]:
    first, _, rest = path.partition(".")
    return {first: nested(rest, value) if rest else value}


MARKED = [
    *[(order(**nested(path, True)), f"{path} = true") for path in LINES_INCOMPLETE],
    *[(order(refunds=nested(path, True)), f"refunds.{path} = true") for path in LINES_INCOMPLETE],
    (order(next="https://shop.example/orders/1/lines?page=2"), "next = https://shop.example/orders/1/lines?page=2"),
    (order(next=2), "next = 2"),
    (order(next={"page": 2}), 'next = {"page":2}'),
    (order(next=[0]), "next = [0]"),
    (order(has_more=True, next="x"), "has_more = true"),
    (order(has_more=True).replace('"has_more":', '"has_more" \t:'), "has_more = true"),
    (order(has_more=True).replace("has_more", "has_mor\\u0065"), "has_more = true"),
]
"""Records that have one readable line and say that there are more; and which mark they show."""
NO_MARKS: list[Any] = [False, 0, "", " ", None, [], {}, "false"]
SOUND = [
    *[order(has_more=nothing) for nothing in NO_MARKS],
    order(
        has_more=..., next=None, pageInfo={"hasNextPage": False}, paging={}, links=None, _links={"next": {"href": None}}
    ),
    order(refunds=[{"has_more": True}]),
    order(refunds="has_more"),
    order(items=[LINE | {"next": "B", "has_more": True}]),
    order(note='"has_more": true', metadata={"next": "x", "source": "web"}),
    order(has_more_stock=True, nextDelivery="2025-02-01"),
]
OBJECTS = [
    ({"edges": [NODE], **MORE}, "more lines or refunds are on another page: items.pageInfo.hasNextPage = true"),
    ({"edges": [NODE], **NO_MORE}, "items: an object of edges, pageInfo, no array: map items to the array in it"),
    ({"data": [LINE], "has_more": False}, "items: an object of data, has_more, no array: map items to the array in it"),
    ({"nodes": [LINE]}, "items: an object of nodes, no array: map items to the array in it"),
    ({"17": LINE, "18": LINE}, "items: an object of 17, 18, no array: map items to the array in it"),
]
"""What may stand where the array of lines should."""


def test_every_usual_mark_quarantines_the_order_and_is_named(make_settings: Make) -> None:
    rows = judged(make_settings(SOURCE), [raw for raw, _ in MARKED])
    for row, (raw, mark) in zip(rows, MARKED, strict=True):
        assert row["reasons"] == ["lines_incomplete"], raw
        assert row["details"] == [f"more lines or refunds are on another page: {mark}"], raw


def test_an_order_that_says_there_is_no_more_is_kept_with_its_lines(make_settings: Make) -> None:
    for row in judged(make_settings(SOURCE), SOUND):
        assert (row["reasons"], len(row["items"])) == ([], 1), row["raw"]


@pytest.mark.parametrize("rules", ["", HEADER_ONLY], ids=["usual", "headers kept"])
def test_orders_that_may_be_incomplete_are_told_from_whole_ones_beside_them(rules: str, make_settings: Make) -> None:
    objects = [order(items=value) for value, _ in OBJECTS]
    raws = [*(raw for raw, _ in MARKED), *SOUND, *objects, order()]
    incomplete = [n for n, row in enumerate(judged(make_settings(SOURCE + rules), raws), 1) if row["reasons"]]
    assert len(raws) not in incomplete
    marked, sound = len(MARKED), len(MARKED) + len(SOUND)
    assert incomplete == [*range(1, marked + 1), *range(sound + 1, len(raws))]


@pytest.mark.parametrize("rules", ["", HEADER_ONLY], ids=["usual", "headers kept"])
def test_an_object_in_place_of_the_lines_is_never_an_order_with_fewer(rules: str, make_settings: Make) -> None:
    rows = judged(make_settings(SOURCE + rules), [order(items=value) for value, _ in OBJECTS])
    for row, (value, detail) in zip(rows, OBJECTS, strict=True):
        assert "lines_incomplete" in row["reasons"], value
        assert detail in row["details"], row["details"]
    (empty,) = judged(make_settings(SOURCE + rules), [order(items={}, amount=0)])
    assert "lines_incomplete" not in empty["reasons"]


def test_an_object_in_a_csv_cell_is_none_either(make_settings: Make) -> None:
    cell = json.dumps({"edges": [NODE]}).replace('"', '""')
    header = "order_id,user_id,amount,currency,created_at,items"
    (row,) = judged(make_settings(CSV + HEADER_ONLY), [Record(f'o1,u1,10,EUR,2025-01-31,"{cell}"', header)])
    assert row["reasons"] == ["lines_incomplete"]
    assert row["details"] == ["items: an object of edges, no array: map items to the array in it"]


def test_edges_and_nodes_are_read_by_the_mapping_and_their_page_is_looked_at(make_settings: Make) -> None:
    whole, cut = (order(items=..., lineItems={"edges": [NODE, NODE], **page}, amount=20) for page in (NO_MORE, MORE))
    (kept, lost, bare) = judged(make_settings(GRAPHQL), [whole, cut, order()])
    assert (kept["reasons"], kept["warnings"], [line["sku"] for line in kept["items"]]) == ([], [], ["A", "A"])
    assert lost["details"] == ["more lines or refunds are on another page: lineItems.pageInfo.hasNextPage = true"]
    assert bare["reasons"] == ["items_empty"]


def test_a_list_object_with_data_is_read_by_the_mapping_and_its_has_more_is_looked_at(make_settings: Make) -> None:
    raws = [order(items=..., lines={"object": "list", "data": [LINE], "has_more": more}) for more in (False, True)]
    (kept, lost) = judged(make_settings(STRIPE), raws)
    assert (kept["reasons"], len(kept["items"])) == ([], 1)
    assert lost["details"] == ["more lines or refunds are on another page: lines.has_more = true"]


def test_paths_of_ones_own_take_the_place_of_the_usual_ones(make_settings: Make) -> None:
    own = SOURCE + 'lines_incomplete_paths = ["lines.left", "cut"]\n'
    raws = [order(lines={"left": 2}), order(refunds={"cut": True}), order(has_more=True)]
    assert [row["reasons"] for row in judged(make_settings(own), raws)] == [
        ["lines_incomplete"],
        ["lines_incomplete"],
        [],
    ]
    off = SOURCE + "lines_incomplete_paths = []\n"
    assert [row["reasons"] for row in judged(make_settings(off), raws)] == [[], [], []]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("[1]", "string"),
        ('[""]', "'' is no dotted path of names, such as pageInfo.hasNextPage"),
        ('["a..b"]', "'a..b' is no dotted path of names"),
    ],
)
def test_paths_that_are_none_are_refused_at_start(value: str, said: str, make_settings: Make) -> None:
    with pytest.raises(ConfigError) as refused:
        make_settings(SOURCE + f"lines_incomplete_paths = {value}\n")
    assert said in str(refused.value)
    assert "lines_incomplete_paths" in str(refused.value)


def test_the_setting_is_of_orders_alone() -> None:
    with pytest.raises(ValidationError, match="lines_incomplete_paths is for orders, and this source feeds 'users'"):
        Source.model_validate({"entity": "users", "format": "csv", "path": "u.csv", "lines_incomplete_paths": ["x"]})


def test_rules_with_other_paths_are_other_rules(make_settings: Make) -> None:
    one, other = (make_settings(SOURCE + more) for more in ("", 'lines_incomplete_paths = ["x"]\n'))
    assert rules_fingerprint(one) != rules_fingerprint(other)
