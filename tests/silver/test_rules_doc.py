"""docs/rules.md is what the rules say."""

from __future__ import annotations

from tools.rules_doc import DOC, text


def test_the_page_of_rules_is_written_from_the_rules() -> None:
    assert DOC.read_text(encoding="utf-8") == text(), "python -m tools.rules_doc writes it anew"
