"""Keys, enumerations, currencies and channels: what surrounds a value is no part of it, and nothing raises."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saleslake.silver.judge import texts
from saleslake.silver.judge.numbers import Number

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
        ("\u00a0a", "\u00a0a"),
        ("a\u00a0", "a\u00a0"),
        ("\u200ba\u200b", "\u200ba\u200b"),
        ("\u00a0", "\u00a0"),
        ("\u200b", "\u200b"),
        ("\ufeffa", "\ufeffa"),
        ("\x0ba\f", "\x0ba\f"),
        (" \u00a0 ", "\u00a0"),
        (7, "7"),
        (True, "true"),
        (False, "false"),
        ({"a": [1, None]}, '{"a":[1,null]}'),
    ],
)
def test_only_space_tab_cr_and_lf_are_trimmed_and_the_empty_text_is_none(value: Any, bare: str | None) -> None:
    assert texts.trimmed(value) == bare
    assert texts.is_blank(value) is (bare is None)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (" 7 ", "7"),
        (7, "7"),
        (Number("7.50"), "7.50"),
        (True, "true"),
        ({"id": 1}, None),
        ({}, None),
        ([1], None),
        ([], None),
        ("a[1]", "a[1]"),
        ("-", "-"),
        (" \n", None),
        (None, None),
        ("\u200b7", "\u200b7"),
    ],
)
def test_a_key_is_trimmed_and_an_object_or_array_is_none(value: Any, key: str | None) -> None:
    assert texts.identifier(value) == key


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (" a ", " a "),
        (10**30, "1" + "0" * 30),
        (Number("12345678901234567890.10"), "12345678901234567890.10"),
        (True, "true"),
        ([], "[]"),
        ({}, "{}"),
        (
            {"a": [1, Number("1.50"), "x", None, False], "é\n": {"b": '"'}},
            '{"a":[1,1.50,"x",null,false],"é\\n":{"b":"\\""}}',
        ),
    ],
)
def test_a_value_as_text_keeps_its_digits_and_an_object_is_json_without_blanks(value: Any, text: str | None) -> None:
    assert texts.text_of(value) == text


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (" eur ", "EUR"),
        ("USD", "USD"),
        ("uSd", "USD"),
        ("EUR\n", "EUR"),
        ("\r\n\teur", "EUR"),
        *[
            (value, None)
            for value in (
                *("€", "EURO", "EU", "E1R", "E R", "EUR,USD", "ÄÖÜ", "", " ", None),
                *("ß", "ßa", "eß", "ßßß", "ı", "ıab", "abı", "ſek", "\u212aRW"),  # upper case makes ASCII of some
                *("EUR\u00a0", "\u00a0EUR", "\u200bEUR", "EUR\x0b", "EUR\u2028", "EU\nR", "ＥＵＲ", "ﬃ"),
                *(978, True, ["EUR"], {"code": "EUR"}),
            )
        ],
    ],
)
def test_a_currency_is_three_letters_of_ascii(value: Any, code: str | None) -> None:
    assert texts.currency(value) == code
    assert texts.currency(value) == code, "and the second time, when it is remembered"


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
        ("web\u00a0", "web\u00a0", "web\u00a0"),
        ("\u200bweb", "\u200bweb", "\u200bweb"),
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
    for read in (texts.text_of, texts.trimmed, texts.is_blank, texts.identifier, texts.currency, channel):
        read(value)
