"""Events are what they are said to be: every count, key and sum is taken from the lines again, by other means."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from saleslake.errors import ConfigError
from saleslake.simulator.events import LATE_HOURS, LONGEST_DELAY, Event, prefixes, simulated
from saleslake.simulator.malformed import KINDS
from saleslake.simulator.spec import Spec, parse_start
from saleslake.simulator.truth import Truth
from tests.simulator.reading import Invalid, Version, read

N, SEED = 8000, 17
START = parse_start("2024-05-31T23:59:50Z")
SPEC = Spec(N, SEED, START)


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return list(simulated(SPEC))


@pytest.fixture(scope="module")
def truth(events: list[Event], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return written_truth(events, tmp_path_factory.mktemp("truth"))


def written_truth(events: Iterable[Event], folder: Path) -> dict[str, Any]:
    truth = Truth(SEED, START)
    for event in events:
        truth.add(event)
    truth.write(folder / "truth.json", complete=True)
    found: dict[str, Any] = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    return found


def good(events: Iterable[Event]) -> list[Version]:
    return [read(event.line) for event in events if event.kind != "malformed"]


def winners(versions: Iterable[Version]) -> dict[tuple[str, str], Version]:
    """The greatest version of every key, by a plain loop."""
    best: dict[tuple[str, str], Version] = {}
    for version in versions:
        place = version.table, version.key
        if place not in best or version.version > best[place].version:
            best[place] = version
    return best


def test_the_same_seed_and_start_give_the_same_events(events: list[Event]) -> None:
    assert list(simulated(SPEC)) == events
    assert [e.line for e in simulated(Spec(N, SEED + 1, START))] != [e.line for e in events]


def test_exactly_as_many_lines_as_asked_for_are_sent_and_of_each_kind_its_share(events: list[Event]) -> None:
    assert len(events) == N
    roles = Counter(event.role for event in events)
    assert roles["duplicate"] == N * 0.03
    assert roles["correction"] == N * 0.05
    assert roles["malformed"] == N * 0.02
    assert sum(event.late for event in events) == N * 0.02
    assert sum(event.delayed for event in events) == N * 0.05
    orders = sum(event.kind == "order" for event in events) / (N * 0.98)
    assert 0.67 < orders < 0.73


@pytest.mark.parametrize("count", [1, 2, 7, 50, 333])
def test_small_numbers_of_events_are_exact_too(count: int) -> None:
    found = list(simulated(Spec(count, 3, START, malformed=0.1 if count > 9 else 0)))
    assert len(found) == count
    assert sum(event.role == "malformed" for event in found) == (round(count * 0.1) if count > 9 else 0)


def test_all_shares_may_be_zero() -> None:
    plain = list(simulated(Spec(500, 3, START, 0, 0, 0, 0, 0, 0)))
    assert {event.role for event in plain} == {"original"}
    assert len(winners(good(plain))) == 500
    assert [event.fact.at for event in plain if event.fact] == [START + slot // 500 for slot in range(500)]


def test_no_line_has_a_break_and_every_partition_key_is_of_this_seed(events: list[Event]) -> None:
    assert not [event for event in events if "\n" in event.line or "\r" in event.line or not event.line.strip()]
    assert all(event.key.startswith(tuple(prefixes(SEED))) for event in events)


def test_orders_come_with_and_without_a_type_and_transactions_as_json_and_csv(events: list[Event]) -> None:
    originals = [event for event in events if event.role == "original"]
    orders = [event.line for event in originals if event.kind == "order"]
    sales = [event.line for event in originals if event.kind == "transaction"]
    assert 0.8 < sum(line.startswith('{"type":"order",') for line in orders) / len(orders) < 0.9
    assert all(line.startswith(('{"type":"order",', '{"order_id":')) for line in orders)
    assert 0.15 < sum(not line.startswith('{"type":"transaction",') for line in sales) / len(sales) < 0.25


def test_an_original_transaction_has_the_date_of_the_sale_as_its_version(events: list[Event]) -> None:
    sales = [event for event in events if event.role == "original" and event.kind == "transaction"]
    assert sales
    assert all(event.fact is not None and event.fact.version == event.fact.at for event in sales)


def test_a_duplicate_is_the_same_bytes_as_another_event(events: list[Event]) -> None:
    others = {event.line for event in events if event.role != "duplicate"}
    assert all(event.line in others for event in events if event.role == "duplicate")


def test_late_events_are_hours_to_days_behind_those_around_them(events: list[Event]) -> None:
    last = SPEC.time(N)
    for event in events:
        if event.late:
            assert event.fact is not None
            assert LATE_HOURS[0] * 3600 <= last - event.fact.at <= LATE_HOURS[1] * 3600 + last - START


def test_delayed_events_come_after_later_ones_and_the_others_in_their_order(events: list[Event]) -> None:
    slots = [int(event.key.rsplit("-", 1)[1]) for event in events]
    ordinary = [
        slot for slot, event in zip(slots, events, strict=True) if event.role == "original" and not event.delayed
    ]
    assert ordinary == sorted(ordinary)
    overtaken = 0
    for place, (slot, event) in enumerate(zip(slots, events, strict=True)):
        if event.delayed and event.role == "original":
            assert place - slot > -LONGEST_DELAY  # at most as far back as others were put off
            overtaken += max(slots[:place], default=0) > slot
    delayed = sum(event.delayed and event.role == "original" for event in events)
    assert overtaken > 0.95 * delayed


def test_some_corrections_arrive_before_their_original(events: list[Event]) -> None:
    seen: set[str] = set()
    early = 0
    for event in events:
        early += event.role == "correction" and event.key not in seen
        seen.add(event.key)
    assert early >= 5


def test_corrections_move_dates_and_shrink_and_grow_orders_and_go_there_and_back(events: list[Event]) -> None:
    history: dict[str, list[Event]] = {}
    for event in events:
        if event.fact is not None and event.role != "duplicate":
            history.setdefault(event.key, []).append(event)
    found: Counter[str] = Counter()
    for versions in history.values():
        versions.sort(key=lambda event: event.fact.version if event.fact else 0)
        facts = [event.fact for event in versions if event.fact]
        for before, after in pairwise(facts):
            found["moved"] += abs(after.at - before.at) == 86_400
            found["shrunk"] += after.lines < before.lines
            found["grown"] += after.lines > before.lines
        for a, b, c in zip(facts, facts[1:], facts[2:], strict=False):
            found["back"] += a._replace(version=0) == c._replace(version=0) != b._replace(version=0)
    assert min(found[kind] for kind in ("moved", "shrunk", "grown", "back")) >= 5


def test_two_contents_of_a_key_never_have_the_same_version(events: list[Event]) -> None:
    contents: dict[tuple[str, str, str], set[str]] = {}
    for version in good(events):
        contents.setdefault((version.table, version.key, version.version), set()).add(version.content)
    assert {len(lines) for lines in contents.values()} == {1}


def test_every_malformed_kind_occurs_and_is_invalid_under_a_key_no_good_event_has() -> None:
    many = list(simulated(Spec(4000, 5, START, malformed=0.1)))
    broken = [event for event in many if event.kind == "malformed"]
    assert {event.detail for event in broken} == set(KINDS)
    for event in broken:
        with pytest.raises(Invalid):
            read(event.line)
    assert len({event.line for event in broken}) == len(broken)
    keys = {version.key for version in good(many)}
    assert not [event for event in broken if event.key in keys or any(key in event.line for key in keys)]


def test_the_truth_is_what_a_plain_loop_over_the_lines_finds(events: list[Event], truth: dict[str, Any]) -> None:
    best = winners(good(events))
    told = {(table, key): said for table, keys in truth["keys"].items() for key, said in keys.items()}
    assert told.keys() == best.keys()
    for place, said in told.items():
        assert said["version"] == best[place].version
        numbers = {"units": Decimal(said["units"]), "net": Decimal(said["net"])}
        assert said | numbers == {"version": best[place].version, **best[place].said}


def test_the_truths_totals_and_counts_are_those_of_the_lines(events: list[Event], truth: dict[str, Any]) -> None:
    totals: dict[str, list[Decimal]] = {}
    for version in winners(good(events)).values():
        sums = totals.setdefault(version.said["currency"], [Decimal(0)] * 3)
        totals[version.said["currency"]] = [sums[i] + version.said[n] for i, n in enumerate(("net", "lines", "units"))]
    assert {c: [Decimal(t[n]) for n in ("net", "lines", "units")] for c, t in truth["totals"].items()} == totals
    assert truth["landed"] == truth["events"] == N
    assert truth["quarantined"] == truth["counts"]["malformed"] == N * 0.02
    assert sum(truth["counts"][kind] for kind in ("orders", "transactions", "malformed")) == N
    assert sum(truth["counts"][role] for role in ("originals", "duplicates", "corrections", "malformed")) == N
    assert sum(truth["counts"]["malformed_by_kind"].values()) == truth["quarantined"]
    assert truth["seed"] == SEED and truth["start"] == "2024-05-31T23:59:50Z" and truth["complete"] is True


def test_the_winners_do_not_depend_on_the_order_of_arrival(
    events: list[Event], truth: dict[str, Any], tmp_path: Path
) -> None:
    shuffled = list(events)
    random.Random(1).shuffle(shuffled)
    again = written_truth(shuffled, tmp_path)
    assert again == truth


def test_event_times_lie_as_far_apart_as_the_rate_says() -> None:
    assert Spec(10, 1, START, rate=2).time(9) == START + 4
    assert Spec(10, 1, START, rate=0).time(1500) == START + 3


@pytest.mark.parametrize(
    ("wrong", "option"),
    [
        ({"events": 0}, "--events 0"),
        ({"rate": -1}, "--rate -1"),
        ({"rate": float("nan")}, "--rate nan"),
        ({"late": 1.5}, "--late 1.5"),
        ({"out_of_order": -0.1}, "--out-of-order -0.1"),
        ({"malformed": 0.5, "corrected": 0.5}, "--malformed"),
        ({"events": 1, "malformed": 0.7}, "--events 1"),
        ({"rate": 1e-12}, "--rate"),
    ],
)
def test_a_number_out_of_range_is_an_error_that_names_the_option(wrong: dict[str, Any], option: str) -> None:
    with pytest.raises(ConfigError, match=option):
        next(simulated(Spec(**{"events": 100, "seed": 1, "start": START} | wrong)))


def test_a_start_is_read_with_or_without_a_zone_and_anything_else_is_an_error() -> None:
    assert parse_start("2024-05-31T23:59:50") == parse_start("2024-06-01T01:59:50+02:00") == START
    with pytest.raises(ConfigError, match="--start 'soon'"):
        parse_start("soon")
