"""Any number in any dialect is read back exactly; no text raises, none costs more than its length."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from saleslake.config import NumberDialect
from saleslake.silver.judge import currencies, moments, texts
from saleslake.silver.judge.currencies import SIGNS
from saleslake.silver.judge.numbers import Amounts, reader
from saleslake.silver.judge.texts import AROUND
from tests.silver.judge.nasty import near_values
from tests.silver.judge.test_dialects import COMMA, ENGLISH, FRENCH, GERMAN, POINT, REFUSED, SPACED, SWISS, USUAL

WRITERS = [USUAL, POINT, ENGLISH, COMMA, GERMAN, FRENCH, SPACED, SWISS]
SIGNED = ("-{}", "{}-", "({})", "\u2212{}", "- {}", "{} -")
BESIDE = [
    ("", ""),
    *((f"{sign}{gap}", "") for sign in SIGNS for gap in ("", "\u00a0")),
    *(("", f" {s}") for s in SIGNS),
]


def written(units: int, dialect: NumberDialect, *, grouped: bool) -> str:
    """A number of 1/10,000 as somebody of this dialect writes it, without its sign."""
    whole, part = divmod(abs(units), 10_000)
    digits = str(whole)
    if grouped and dialect.thousands:
        digits = f"{whole:,}".replace(",", dialect.thousands)
    return digits + (f"{dialect.decimal or '.'}{part:04d}" if part else "")


@given(
    st.integers(1 - 10**18, 10**18 - 1) | st.integers(-(10**9), 10**9),
    st.sampled_from(WRITERS),
    st.booleans(),
    st.sampled_from(SIGNED),
    st.sampled_from(BESIDE),
    st.booleans(),
)
@settings(derandomize=True, deadline=None, max_examples=1_000)
@example(-12_345_678, GERMAN, True, "({})", ("€", ""), False)
def test_any_number_written_in_a_dialect_is_read_back_exactly(
    units: int, dialect: NumberDialect, grouped: bool, signed: str, sign: tuple[str, str], outside: bool
) -> None:
    bare = written(units, dialect, grouped=grouped)
    before, after = sign
    if units < 0:
        text = signed.format(f"{before}{bare}{after}") if outside else f"{before}{signed.format(bare)}{after}"
    else:
        text = f"{before}{bare}{after}"
    meant = SIGNS.get((before or after).strip(AROUND)) if before or after else None
    assert reader(dialect, 4, is_money=True).of(f" {text}\u00a0") == (units, None, meant)


@given(st.integers(0, 10**12), st.sampled_from([(d, o) for d in WRITERS for o in WRITERS if d != o]))
@settings(derandomize=True, deadline=None, max_examples=500)
def test_a_number_of_another_dialect_is_refused_or_it_is_the_same_or_both_could_be_meant(
    units: int, dialects: tuple[NumberDialect, NumberDialect]
) -> None:
    of_writer, of_reader = dialects
    bare = written(units, of_writer, grouped=True)
    whole, problem, _ = reader(of_reader, 4, is_money=True).of(bare)
    if whole is None:
        assert problem == "other_dialect"
    elif whole != units:
        marks = {".", ","} & set(bare)
        assert len(marks) == 1
        assert len(bare.rpartition(marks.pop())[2]) == 3, (
            "a group of three digits that could be decimals, or vice versa"
        )


@given(near_values() | st.text("0123456789.,' \u00a0\u202f-+()€$eEURkr", max_size=20))
@settings(derandomize=True, deadline=None, max_examples=500)
@example("1.234" * 50)
def test_whatever_the_text_and_the_dialect_nothing_raises_and_minor_units_stay_in_proportion(text: str) -> None:
    for dialect in WRITERS:
        whole, problem, _ = reader(dialect, 4, is_money=True).of(text)
        assert (whole is None) == (problem in REFUSED or not text.strip(AROUND))
        of_cents = Amounts(dialect.model_copy(update={"minor_units": True}), 4).of("EUR").of(text)[0]
        if whole is not None and problem is None and whole % 100 == 0:
            assert of_cents == whole // 100


ENDLESS = [
    *(
        "(",
        ")",
        "€",
        "$",
        "kr",
        "-",
        "+",
        "\u2212",
        "+-",
        "()",
        "1",
        "9",
        "0",
        ".",
        ",",
        "'",
        " 1",
        "1.",
        "1,",
        "1e",
        "a",
    ),
    *("1.111", ".111", "1 111", '="', "1:", "T1", "=", "\\", "\u200b", "-(", "E+1", "1.0", "Z"),
]


@pytest.mark.parametrize("end", ["", "x", "€", "1", ".0", ")", " "])
def test_eighty_thousand_characters_of_anything_are_read_at_once(end: str) -> None:
    of_time = moments.reader(["iso", "epoch_s", "dd.MM.yyyy HH:mm", "d MMM yyyy"], "Europe/Berlin")
    readers: list[Callable[[Any], object]] = [
        reader(dialect, 4, is_money=True).of for dialect in (USUAL, GERMAN, FRENCH, ENGLISH)
    ]
    readers += [currencies.reader([]), texts.identifiers(512), of_time, currencies.stated, texts.channels({})]
    for piece in ENDLESS:
        text = piece * (80_000 // len(piece)) + end
        for read in readers:
            begun = time.process_time()
            read(text)
            assert time.process_time() - begun < 1, (piece, read)
