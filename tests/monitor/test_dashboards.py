"""Dashboards as files: what Grafana, and whoever looks at them, needs to find in them."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from saleslake.config import PROJECT_ROOT
from tests.monitor.dashboards import NAMES, load, panels, queries

PROVISIONING = PROJECT_ROOT / "conf" / "grafana" / "provisioning"


def _provisioned() -> dict[str, str]:
    found = yaml.safe_load((PROVISIONING / "datasources" / "saleslake.yml").read_text(encoding="utf-8"))
    return {source["uid"]: source["type"] for source in found["datasources"]}


def test_every_data_source_that_is_asked_is_provisioned() -> None:
    there = _provisioned()
    for name in NAMES:
        board = load(name)
        asked = [panel["datasource"] for panel in panels(name)]
        asked += [target["datasource"] for panel in panels(name) for target in panel["targets"]]
        asked += [variable["datasource"] for variable in board["templating"]["list"]]
        asked += [annotation["datasource"] for annotation in board["annotations"]["list"]]
        assert {(source["uid"], source["type"]) for source in asked} <= set(there.items()), name


def test_dashboards_are_told_apart_and_lead_to_one_another() -> None:
    boards = {name: load(name) for name in NAMES}
    assert {board["uid"] for board in boards.values()} == {f"saleslake-{name}" for name in NAMES}
    for name, board in boards.items():
        led_to = {link["url"] for link in board["links"]}
        assert {f"/d/saleslake-{other}" for other in NAMES if other != name} <= led_to


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_says_what_it_shows_and_in_which_unit(name: str) -> None:
    for panel in panels(name):
        assert panel["title"] and panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs), panel["title"]
    titles = [panel["title"] for panel in panels(name)]
    assert len(set(titles)) == len(titles)
    ids = [panel["id"] for panel in load(name)["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", NAMES)
def test_no_panel_lies_on_another(name: str) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in load(name)["panels"]:
        place: dict[str, Any] = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"], (panel["title"], taken[x, y])


def test_money_is_shown_one_currency_at_a_time() -> None:
    """Of the tables with money, each query names the currency; the rest of gold may be asked without."""
    money = ("line_amount", "net", "gross", "returns", "average_order_value", "stock_value")
    asked = [query for query in queries("business") if any(word in query.text for word in money)]
    assert len(asked) >= 8
    for query in asked:
        assert "currency = 'EUR'" in query.text, query


@pytest.mark.parametrize("name", NAMES)
def test_the_tests_know_every_variable_and_macro(name: str) -> None:
    left = [query for query in queries(name) if "$" in query.text.replace('"$1"', "")]
    assert left == []
