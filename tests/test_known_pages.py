"""API windows over a real socket: which pages land, where the watermark stands, and that nothing lands twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from saleslake import accounting, bronze
from saleslake.entry import open_settings
from saleslake.ingest.land import land
from saleslake.ingest.report import Landed
from saleslake.ingest.window import Window, parse_window
from saleslake.lake import Lake
from saleslake.mock_api import Fault, MockApi
from saleslake.pipeline import Batch
from saleslake.silver import orders, products, quarantine, step
from tests.comparing import pins, stored
from tests.conftest import write_config

SILVER = (orders.TABLE, quarantine.TABLE)


def order(key: str, updated: str | None = "2024-03-01T10:00:00Z", price: object = 10, **fields: Any) -> dict[str, Any]:
    """A good order, but for what `fields` makes of it; `updated` None leaves it undated."""
    dates = {} if updated is None else {"created_at": "2024-03-01T00:00:00Z", "updated_at": updated}
    items = [{"sku": "s1", "qty": 1, "price": price}]
    return {"order_id": key, **dates, "user_id": "u1", "currency": "EUR", "amount": 10, "items": items} | fields


def day(number: int, hour: int = 10) -> str:
    return f"2024-03-{number:02d}T{hour:02d}:00:00Z"


class Shop:
    """A mock API and a lakehouse that takes its orders in."""

    def __init__(
        self,
        folder: Path,
        served: list[Any],
        *,
        page_size: int = 2,
        lag: int = 3600,
        more: str = "",
        catalogue: list[Any] | None = None,
    ):
        self.api = MockApi(served, catalogue or [], page_size=page_size)
        self.api.start()
        self.folder, self.page_size, self.lag, self.more = folder, page_size, lag, more
        self._configure()

    def _configure(self) -> None:
        api = f'pagination = "next"\npage_size = {self.page_size}\nretries = 0\nbackoff_seconds = 0\n'
        self.settings = open_settings(
            str(
                write_config(
                    self.folder,
                    f"""
[run]
watermark_lag_seconds = {self.lag}
[sources.shop]
entity = "orders"
format = "api"
records_path = "data"
[sources.shop.api]
url = "{self.api.url}/orders"
{api}
{self.more.replace("API", self.api.url)}
""",
                )
            )
        )

    def serve(self, served: list[Any]) -> None:
        """Serve these orders and no others from now on."""
        self.api.stop()
        self.api = MockApi(served, page_size=self.page_size)
        self.api.start()
        self._configure()

    def lake(self) -> Lake:
        return Lake(self.settings)

    def run(self, window: Window | None = None, *, refetch: bool = False) -> Landed:
        """Land the window and bring it to silver, as a run does. Returns the report of landing."""
        lake = self.lake()
        for table in SILVER:
            lake.create(table)
        step.catch_up(lake, "shop")
        report = land(lake, "shop", window or Window(), refetch=refetch)
        step.catch_up(lake, "shop")
        return report

    def run_batch(self) -> Landed:
        """The same by the batch, which makes every table there is: slower."""
        batch = Batch(self.lake())
        batch.land(["shop"], Window())
        batch.silver(["shop"])
        return batch.summary.landed[0]

    @property
    def landed(self) -> list[str]:
        """Raw texts of bronze's records, in landing order."""
        rows = [r for r in stored(self.lake(), bronze.table_of("shop")) if r["kind"] == "record"]
        return [r["raw"] for r in sorted(rows, key=lambda r: (r["landed_at"], r["file"], r["ordinal"]))]

    @property
    def prices(self) -> dict[str, float]:
        return {r["order_id"]: float(r["items"][0]["unit_price"]) for r in stored(self.lake(), orders.TABLE)}

    @property
    def watermark(self) -> str | None:
        mark = bronze.watermark(bronze.controls(self.lake(), "shop"))
        return mark[0][:19] + "Z" if mark else None

    def lands_nothing(self, window: Window | None = None) -> Landed:
        """Run once more: nothing may land, and no silver table gets a new version."""
        before, count = pins(self.lake(), SILVER), len(self.landed)
        report = self.run(window)
        assert (report.records, report.failed) == (0, [])
        assert len(self.landed) == count
        assert pins(self.lake(), SILVER) == before
        return report

    def manifests(self, state: str) -> list[dict[str, Any]]:
        found = [
            json.loads(p.read_text()) for p in Path(self.lake().folder("landing", "shop")).glob("*/*.manifest.json")
        ]
        return [m for m in found if m["state"] == state]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    opened: list[Shop] = []

    def open_(served: list[Any], **settings: Any) -> Shop:
        opened.append(Shop(tmp_path, served, **settings))
        return opened[-1]

    yield open_
    for one in opened:
        one.api.stop()


def asked(shop: Shop) -> str:
    """The query of the last window's first request."""
    return next(r["query"] for r in reversed(shop.api.requests) if "cursor" not in r["query"])


# --- pages -----------------------------------------------------------------------------------------


def test_pages_without_news_are_left_out_and_named_and_a_page_with_one_lands_whole(shop: Callable[..., Shop]) -> None:
    s = shop([order(f"o{n}", day(1, n)) for n in range(1, 7)], lag=86400)
    assert s.run_batch().records == 6
    report = s.lands_nothing()
    assert (report.left_out_units, report.left_out) == (3, 6)
    assert sum(len(m["left_out"]) for m in s.manifests("left_out")) == 6

    s.api.add_orders([order("o3b", day(1, 3), price=7)])
    report = s.run()
    # Pages are now [o1 o2] [o3 o3b] [o4 o5] [o6]: only the second has news, and it takes o3 along.
    assert (report.records, report.left_out_units) == (2, 3)
    assert sorted(s.prices) == ["o1", "o2", "o3", "o3b", "o4", "o5", "o6"]
    s.lands_nothing()
    assert accounting.verify(s.lake()).sources[0].adds_up


def test_a_price_that_goes_there_and_back_over_runs_ends_where_it_was(shop: Callable[..., Shop]) -> None:
    s = shop([order("o1", price=10)])
    s.run()
    for price in (12, 10):
        s.serve([order("o1", price=price)])
        assert s.run().records == 1
        assert s.prices == {"o1": price}
        s.lands_nothing()


def test_an_older_version_on_the_first_page_brings_the_winner_of_the_second_along(shop: Callable[..., Shop]) -> None:
    old, winner = order("o1", price=10), order("o1", price=12)
    s = shop([winner], page_size=1)
    s.run()
    # Same version time: landing order decides, so the old one must not land after the winner.
    s.serve([old, winner])
    s.run()
    assert s.prices == {"o1": 12}
    s.lands_nothing()
    assert s.prices == {"o1": 12}


def test_a_late_old_version_lands_once_and_changes_nothing(shop: Callable[..., Shop]) -> None:
    old, new = order("o1", day(1), price=10), order("o1", day(2), price=12)
    s = shop([new], page_size=1, lag=10 * 86400)
    s.run()
    s.serve([old, new])
    s.run()
    assert s.prices == {"o1": 12}
    s.lands_nothing()


BAD = {
    "of a key of its own": [order("alone", items=[])],
    "newer than the good order": [order("newer", day(1)), order("newer", day(2), items=[])],
    "older than the good order": [order("older", day(1), items=[]), order("older", day(2))],
    "as old as the good order, before it": [order("before", items=[]), order("before")],
    "as old as the good order, after it": [order("after"), order("after", items=[])],
    "undated beside a good order": [order("undated", None), order("undated")],
    "undated, and without a key": [{"x": 1}, 42],
}


@pytest.mark.parametrize("page_size", [1, 100])
def test_bad_records_are_known_by_quarantine_and_land_once(page_size: int, shop: Callable[..., Shop]) -> None:
    served = [record for case in BAD.values() for record in case]
    s = shop(served, page_size=page_size, lag=30 * 86400)
    s.run()
    assert len(s.landed) == len(served)
    assert sorted(s.prices) == ["after", "before", "newer", "older", "undated"]
    s.run()
    again = [text for text in set(s.landed) if s.landed.count(text) > 1]
    assert not again, "landed twice:\n" + "\n".join(again)
    s.lands_nothing()


def test_a_bad_record_served_again_after_its_good_one_at_the_same_time_is_news(shop: Callable[..., Shop]) -> None:
    bad, good = order("o1", items=[]), order("o1")
    s = shop([bad])
    s.run()
    s.serve([good])
    s.run()
    s.serve([bad])
    assert s.run().records == 1, "the source says the bad one last, so it is what is open now"
    s.lands_nothing()
    assert s.prices == {"o1": 10}


def test_products_of_two_apis_that_say_the_same_are_two_rows(shop: Callable[..., Shop]) -> None:
    api = '[sources.{0}]\nentity = "products"\nformat = "api"\nrecords_path = "data"\n[sources.{0}.api]\nurl = "API/products"\npage_size = 10\n'
    cup, jug = {"sku": "s1", "name": "Cup", "price": 1}, {"sku": "s2", "name": "Jug", "price": 2}
    s = shop([order("o1")], more=api.format("left") + api.format("right"), catalogue=[cup])

    def run(*names: str) -> None:
        for name in names:
            lake = s.lake()
            step.catch_up(lake, name)
            land(lake, name, Window())
            step.catch_up(lake, name)

    run("left", "right")
    s.api.add_products([jug])
    run("left")
    run("right")
    assert sorted((r["sku"], r["source"]) for r in stored(s.lake(), products.TABLE)) == [
        ("s1", "left"),
        ("s1", "right"),
        ("s2", "left"),
        ("s2", "right"),
    ]


# --- the watermark ---------------------------------------------------------------------------------


def test_the_next_window_starts_the_lag_before_the_watermark(shop: Callable[..., Shop]) -> None:
    s = shop([order("o1", day(1)), order("o2", day(3))], lag=7200)
    s.run()
    assert s.watermark == day(3)
    assert "since" not in asked(s)
    s.api.add_orders([order("late", day(3, 9)), order("too_late", day(2))])
    report = s.run()
    assert report.since == "2024-03-03T08:00:00.000000Z"
    assert sorted(s.prices) == ["late", "o1", "o2"]
    assert s.watermark == day(3)


def test_the_year_9999_and_undated_records_land_and_move_nothing(shop: Callable[..., Shop]) -> None:
    s = shop([order("o1", day(1)), order("far", "9999-12-31T23:59:59Z"), order("undated", None)])
    s.run()
    assert s.watermark == day(1)
    assert sorted(s.prices) == ["far", "o1"]
    assert [r["key"] for r in stored(s.lake(), quarantine.TABLE)] == ["undated"]
    s.lands_nothing()
    s.api.add_orders([order("o2", day(2))])
    s.run()
    assert s.watermark == day(2)
    assert sorted(s.prices) == ["far", "o1", "o2"]


def test_a_bad_record_does_not_move_the_watermark(shop: Callable[..., Shop]) -> None:
    s = shop([order("o1", day(1)), order("o2", day(5), items=[])])
    s.run()
    assert s.watermark == day(1)


def test_an_age_old_order_alone_gives_a_watermark_that_can_be_read_again(shop: Callable[..., Shop]) -> None:
    s = shop([order("o1", "0001-01-01T00:10:00Z", created_at="0001-01-01")])
    s.run()
    assert s.watermark == "0001-01-01T00:10:00Z"
    s.lands_nothing()


def test_a_window_by_hand_moves_the_watermark_only_where_it_joins_on(shop: Callable[..., Shop]) -> None:
    s = shop([order(f"o{n}", day(n)) for n in range(1, 10)])
    s.run(parse_window(None, day(3)))
    assert (sorted(s.prices), s.watermark) == (["o1", "o2", "o3"], day(3))
    s.run(parse_window(day(6), day(8)))
    assert (sorted(s.prices)[3:], s.watermark) == (["o7", "o8"], day(3)), "it leaves a gap"
    s.run(parse_window(day(1), day(2)))
    assert s.watermark == day(3), "never back"
    s.run(parse_window(day(3), day(7)))
    assert (sorted(s.prices)[3:6], s.watermark) == (["o4", "o5", "o6"], day(7))
    s.run()
    assert (len(s.prices), s.watermark) == (9, day(9))
    texts = s.landed
    assert set(range(1, 10)) == {int(json.loads(t)["order_id"][1:]) for t in texts}
    s.lands_nothing()


def test_a_first_window_with_a_beginning_leaves_no_watermark(shop: Callable[..., Shop]) -> None:
    s = shop([order(f"o{n}", day(n)) for n in range(1, 5)])
    s.run(parse_window(day(2), None))
    assert (sorted(s.prices), s.watermark) == (["o3", "o4"], None)
    s.run()
    assert (len(s.prices), s.watermark) == (4, day(4))


@pytest.mark.parametrize("kind", ["500", "invalid-json", "reset"])
def test_a_window_that_fails_in_the_middle_keeps_the_watermark_and_nothing_lands_twice(
    kind: str, shop: Callable[..., Shop]
) -> None:
    s = shop([order(f"o{n}", day(n)) for n in range(1, 3)], lag=0)
    s.run()
    s.api.add_orders([order(f"o{n}", day(n)) for n in range(3, 9)])
    s.api.add_faults(Fault(kind, "orders", page=2))
    report = s.run()
    assert len(report.failed) == 1
    assert s.watermark == day(2)
    assert sorted(s.prices) == ["o1", "o2", "o3", "o4"], "the page before the failure is there"
    report = s.run()
    assert (report.failed, report.records) == ([], 4)
    assert s.watermark == day(8)
    good = [text for text in s.landed if text.startswith('{"order_id"')]
    assert len(good) == len(set(good)) == 8
    assert len(s.landed) == 8 + (kind == "invalid-json")
    assert len(stored(s.lake(), quarantine.TABLE)) == (kind == "invalid-json")
    s.lands_nothing()
    assert all(proof.adds_up for proof in accounting.verify(s.lake()).sources)


def test_a_page_that_stays_broken_is_quarantined_once(shop: Callable[..., Shop]) -> None:
    s = shop([order(f"o{n}", day(n)) for n in range(1, 5)])
    s.api.add_faults(Fault("invalid-json", "orders", page=2, times=0))
    for _ in range(2):
        assert len(s.run().failed) == 1
        assert s.watermark is None
        assert len(stored(s.lake(), quarantine.TABLE)) == 1
        assert len(s.landed) == 3
    s.api.clear_faults()
    s.run()
    assert (len(s.prices), s.watermark) == (4, day(4))


def test_what_a_dead_run_fetched_is_taken_up_once(shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch) -> None:
    s = shop([order(f"o{n}", day(n)) for n in range(1, 5)])

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for module, name in (("saleslake.ingest.api", "decide"), ("saleslake.bronze", "append")):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(f"{module}.{name}", die)
            s.run()
        assert not s.lake().exists(bronze.table_of("shop"))
    s.run()
    assert sorted(s.prices) == ["o1", "o2", "o3", "o4"]
    s.lands_nothing()
    assert s.watermark == day(4)
    assert accounting.verify(s.lake()).sources[0].adds_up


def test_a_refetch_lands_everything_again_as_duplicates(shop: Callable[..., Shop]) -> None:
    s = shop([order(f"o{n}", day(n)) for n in range(1, 4)])
    s.run()
    assert s.run(refetch=True).records == 3
    proof = accounting.verify(s.lake()).sources[0]
    assert (proof.applied, proof.duplicate, proof.adds_up) == (3, 3, True)
    assert datetime.fromisoformat(s.watermark.replace("Z", "+00:00")) < datetime.now(UTC) - timedelta(days=1)  # type: ignore[union-attr]
