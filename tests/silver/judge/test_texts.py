"""Texts and channels: what surrounds a value is no part of it, and nothing raises."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saleslake.silver.judge import texts
from tests.silver.judge.support import number

ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("value", "bare"),
    [
        (" a b ", "a b"),
        ("\t\r\na", "a"),
        ("a\n", "a"),
        ("", None),
        (" \t", None),
        (None, None),
        ("\u00a0a", "a"),
        ("a\u00a0", "a"),
        ("a\u00a0b", "a\u00a0b"),
        ("\u200ba\u200b", "a"),
        ("x\u200by", "x\u200by"),
        ("\ufeffa", "a"),
        ("\x0ba\f\0", "a"),
        ("\u00ada\u2028", "a"),
        ("\u00a0", None),
        ("\u200b", None),
        (" \u00a0 ", None),
        ("\u0301", "\u0301"),
        (7, "7"),
        (True, "true"),
        (False, "false"),
        ({"a": [1, None]}, '{"a":[1,null]}'),
    ],
)
def test_what_nobody_sees_around_a_text_is_trimmed_and_the_empty_text_is_none(value: Any, bare: str | None) -> None:
    assert texts.trimmed(value) == bare
    assert texts.is_blank(value) is (bare is None)


@pytest.mark.parametrize(
    ("value", "kept"), [(" a\u00a0", " a\u00a0"), (" \u200b", None), ("", None), (None, None), (5, "5"), ([], "[]")]
)
def test_a_text_that_people_wrote_is_kept_as_it_is_unless_nothing_stands_there(value: Any, kept: str | None) -> None:
    assert texts.verbatim(value) == kept


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (" a ", " a "),
        (10**30, "1" + "0" * 30),
        (number("12345678901234567890.10"), "12345678901234567890.10"),
        (True, "true"),
        ([], "[]"),
        ({}, "{}"),
        (
            {"a": [1, number("1.50"), "x", None, False], "é\n": {"b": '"'}},
            '{"a":[1,1.50,"x",null,false],"é\\n":{"b":"\\""}}',
        ),
    ],
)
def test_a_value_as_text_keeps_its_digits_and_an_object_is_json_without_blanks(value: Any, text: str | None) -> None:
    assert texts.text_of(value) == text


@pytest.mark.parametrize(
    ("value", "named", "bare"),
    [
        ("In-store", "store", "In-store"),
        (" in store ", "store", "in store"),
        ("IN_STORE", "store", "IN_STORE"),
        ("in\x0bstore", "store", "in\x0bstore"),
        ("Web", "online", "Web"),
        ("web\n", "online", "web"),
        (" Fax ", "Fax", "Fax"),
        ("web\u00a0", "online", "web"),
        ("\u200bweb", "online", "web"),
        ("\u00a0", "unknown", "unknown"),
        ("-", "-", "-"),
        ("", "unknown", "unknown"),
        (" \t", "unknown", "unknown"),
        (None, "unknown", "unknown"),
        (7, "7", "7"),
        (["web"], '["web"]', '["web"]'),
    ],
)
def test_channels_are_looked_up_by_their_bare_spelling(value: Any, named: str, bare: str) -> None:
    assert texts.channels({"In-Store": "store", "web": "online"})(value) == named
    assert texts.channels({})(value) == bare


def test_what_is_remembered_is_read_once_and_does_not_grow_without_end() -> None:
    asked: list[str] = []

    def read(text: str) -> str:
        asked.append(text)
        return text.upper()

    known = texts.Remembered(read, most=2)
    assert [known[text] for text in ("a", "a", "b", "a")] == ["A", "A", "B", "A"]
    assert asked == ["a", "b"]
    assert (known["c"], len(known)) == ("C", 1)


@given(ANY_VALUE)
@settings(derandomize=True, deadline=None)
def test_nothing_raises_whatever_the_value(value: Any) -> None:
    channel = texts.channels({"web": "online"})
    for read in (texts.text_of, texts.trimmed, texts.verbatim, texts.is_blank, channel):
        read(value)
