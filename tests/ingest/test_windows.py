"""Which windows of an API were complete, by the control rows that bronze keeps of them, and what a watermark may not pass."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from saleslake import windows
from saleslake.accounting import Proof, SourceProof
from saleslake.bronze import Control
from saleslake.cli import render
from saleslake.ingest.report import Landed, told
from saleslake.landing import iso
from saleslake.sources.fetched import Fetched
from saleslake.summary import Summary


def day(number: int) -> str:
    return iso(datetime(2024, 3, number, tzinfo=UTC))


def fetch(complete: bool, failure: str | None = None, **more: Any) -> dict[str, Any]:
    end = "empty page" if complete else ""
    return Fetched(pages=2, records=3, distinct_ids=3, end=end, complete=complete, **more).facts() | {
        "failure": failure
    }


def row(n: int, fetched: dict[str, Any] | None, since: str | None = None, mark: str | None = None) -> Control:
    landed_at = datetime(2024, 4, n, tzinfo=UTC)
    return Control(landed_at=landed_at, units=[], since=since, watermark=mark, watermark_key="o", fetch=fetched)


def test_a_window_that_is_not_complete_and_moved_nothing_is_told_and_passed_by_none() -> None:
    found = windows.of([row(1, fetch(False, "gave up")), row(2, fetch(True), mark=day(9))])
    assert [(w.state, w.why) for w in found.not_complete] == [("not complete", "gave up")]
    assert (found.count("complete"), found.count("not complete")) == (1, 1)
    assert windows.passed("shop", found) == []


def test_a_watermark_that_passed_a_window_that_is_not_complete_is_named_until_a_later_one_covers_it() -> None:
    wrong = row(1, fetch(False, "stated 5, came 3"), since=day(2), mark=day(9))
    (line,) = windows.passed("shop", windows.of([wrong, row(2, fetch(True), since=day(8), mark=day(10))]))
    for part in ("shop", day(9), day(2), "stated 5, came 3", "--refetch"):
        assert part in line
    assert windows.passed("shop", windows.of([wrong, row(2, fetch(True), since=day(2))])) == []
    assert windows.passed("shop", windows.of([wrong, row(2, fetch(True))])) == [], "everything was asked for again"
    assert len(windows.passed("shop", windows.of([wrong, row(2, fetch(False))]))) == 1
    assert len(windows.passed("shop", windows.of([row(0 + 1, fetch(True)), wrong]))) == 1, (
        "an earlier one covers nothing"
    )


def test_what_was_asked_before_it_was_kept_is_unknown_and_fails_nothing() -> None:
    old = json.loads(row(1, None, mark=day(3)).json())
    del old["fetch"]
    found = windows.of([Control(landed_at=datetime(2024, 4, 1, tzinfo=UTC), **old)])
    assert (found.count("unknown"), windows.passed("shop", found)) == (1, [])


def test_a_proof_does_not_hold_while_something_is_not_landed() -> None:
    assert Proof().holds
    assert not Proof(not_landed=["events: topic/0 [120, 130)"]).holds


def test_the_proof_says_of_each_api_which_windows_were_complete_and_which_source_never_landed() -> None:
    found = windows.of([row(1, fetch(False, "gave up")), row(2, fetch(True)), row(3, None)])
    found.last = fetch(True, stated_total=3) | {"fetched_at": day(5)}
    proof = Proof([SourceProof("shop"), SourceProof("till", never_landed=True)], windows={"shop": found})
    proof.not_landed = ["events: topic/0 [120, 130)"]
    with render.out.capture() as said:
        render.proof(proof)
    text = " ".join(said.get().split())
    assert "till · · · · · never landed" in text
    assert "shop: windows with records: 1 complete, 1 not complete, 1 unknown (asked before" in text
    assert "was not complete: gave up" in text
    assert f"last asked at {day(5)}: complete (empty page): 2 pages, 3 records, 3 ids, 3 stated" in text
    assert "not landed: events: topic/0 [120, 130)" in text
    assert text.endswith("the accounts do NOT hold")


def test_a_fetch_is_told_with_every_figure_that_matters() -> None:
    whole = fetch(False, overlaps=2, stated_total=5, refetches=1)
    assert told(whole) == "NOT COMPLETE: 2 pages, 3 records, 3 ids, 2 records twice, 5 stated, begun anew 1 times"


def test_the_trouble_of_a_source_ends_a_run_with_one_line() -> None:
    summary = Summary(landed=[Landed("a", failed=["a: refused"])], troubles={"b": ["source b: cannot be judged"]})
    assert summary.failures == ["a: refused", "source b: cannot be judged"]
