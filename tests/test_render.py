"""What records hold is shown as it is, whatever a terminal's library would make of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from saleslake.accounting import Proof, SourceProof
from saleslake.cli import render
from saleslake.config import Settings
from saleslake.lake import Lake
from saleslake.publish import Outcome
from saleslake.summary import Summary

TEXTS = ["[/red]", "[red]x[/red]", "[link=x]", ":smile:", "a[0]"]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_that_looks_like_markup_is_shown(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    render.rows(["key"], [(text,)], "table")
    assert text in capsys.readouterr().out
    render.proof(Proof(sources=[SourceProof("s", landed=1, wrong={"missing": [text]})], gold={"gold.x": [text]}))
    assert capsys.readouterr().out.count(text) == 2


def test_what_a_rule_discards_is_told_apart_from_what_waits_in_quarantine(
    capsys: pytest.CaptureFixture[str], make_settings: Callable[[str], Settings]
) -> None:
    lake = Lake(make_settings('[sources.tills]\nentity = "users"\nformat = "csv"\npath = "x"\n'))
    outcome = Outcome(records=9, applied=2, warnings=Counter(short_fields=1))
    outcome.count(["key_missing", "unreadable"], [], 1)
    outcome.count(["key_missing", "user_missing"], ["user_missing"], 1500)
    render.summary(lake, Summary(outcomes={"tills": outcome}), 1.0)
    said = capsys.readouterr().out.splitlines()
    assert "  tills quarantined: key_missing 1, unreadable 1" in said
    assert "  tills discarded, 1,500 of the quarantined: user_missing 1,500" in said
    assert "  tills kept with warnings: short_fields 1" in said
    account = SourceProof("tills", landed=1509, applied=8, quarantined=1501, discarded=1500)
    assert account.adds_up
    render.proof(Proof(sources=[account]))
    assert "tills: 1,500 of the quarantined are discarded" in capsys.readouterr().out.splitlines()
