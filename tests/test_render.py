"""What records hold is shown as it is, whatever a terminal's library would make of it."""

from __future__ import annotations

import pytest

from saleslake.accounting import Proof, SourceProof
from saleslake.cli import render

TEXTS = ["[/red]", "[red]x[/red]", "[link=x]", ":smile:", "a[0]"]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_that_looks_like_markup_is_shown(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    render.rows(["key"], [(text,)], "table")
    assert text in capsys.readouterr().out
    render.proof(Proof(sources=[SourceProof("s", landed=1, wrong={"missing": [text]})], gold={"gold.x": [text]}))
    assert capsys.readouterr().out.count(text) == 2
