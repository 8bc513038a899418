"""Gold follows silver between micro-batches, and another run's lock does not hold up the input."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from saleslake.errors import LockTimeout
from saleslake.lake import Lake
from saleslake.pipeline import Batch
from saleslake.silver import step
from saleslake.stream.follower import GoldFollower
from saleslake.stream.health import Health
from saleslake.stream.intake import Intake
from tests.stream_support import CONFIG, order, put, rows

FACT = "select count(*) from gold.fact_sales"


def _land(lake: Lake, name: str, *events: str) -> None:
    put(lake.settings.root / "events", name, *events)
    Intake(lake).land_files([lake.settings.root / "events" / name])
    for source in ("events_orders", "events_transactions"):
        step.catch_up(lake, source)


def test_anothers_lock_is_left_for_later(
    make_stream_lake: Callable[[str], Lake], monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, other = make_stream_lake(CONFIG), make_stream_lake(CONFIG)
    gold = GoldFollower(Batch(lake), Health(lake, "files"))
    gold.start()
    assert not gold.is_due, "there is nothing yet"
    _land(lake, "1.jsonl", order("O1"))
    gold.tell(is_behind=False)
    with other.lock("gold"):
        gold.follow()
        assert not gold.is_due, "it asks again, but not at once"
    monkeypatch.setattr(gold, "_locked_until", 0.0)
    assert gold.is_due
    gold.follow()
    assert not gold.is_due
    assert rows(lake, FACT) == [(1,)]

    _land(lake, "2.jsonl", order("O2"))
    gold.tell(is_behind=True)
    assert not gold.is_due, "the input is behind, and gold has had its turn"
    gold.tell(is_behind=False)
    assert gold.is_due
    gold.finish()
    assert rows(lake, FACT) == [(2,)]


def test_a_lock_that_is_held_too_long_ends_the_stream_and_names_its_holder(
    make_stream_lake: Callable[[str], Lake],
) -> None:
    lake, other = (make_stream_lake("[run]\nlock_timeout_seconds = 0\n" + CONFIG) for _ in range(2))
    gold = GoldFollower(Batch(lake), Health(lake, "files"))
    gold.tell(is_behind=False)
    with other.lock("gold", 5), pytest.raises(LockTimeout, match=f"gold.lock: held by run {other.run_id}"):
        gold.follow()
