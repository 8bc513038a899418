"""CSV to named texts: RFC 4180, cells found by header name, no line that crashes or costs a neighbour."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saleslake.config import Settings
from saleslake.silver.judge.reading import splitter
from tests.silver.judge.support import Fields, read, typed
from tests.silver_support import Record, judge

Make = Callable[[str], Settings]
USERS = '[sources.s]\nentity = "users"\nformat = "csv"\npath = "x"\n'
ORDERS = '[sources.s]\nentity = "orders"\nformat = "csv"\npath = "x"\n'
SPLIT = splitter(",", '"')


def under(settings: Settings, header: str | None, *texts: str) -> list[Fields]:
    """The lines of a file with this header, as read."""
    return read(settings, [Record(text, header) for text in texts])


def test_csv_cells_are_found_by_header_name_in_every_order_within_one_batch(make_settings: Make) -> None:
    records = [
        Record("u1,a@x,DE", "user_id,email,country"),
        Record("FR,u2,b@x", "country,user_id,email"),
        Record("u3", " user_id "),
        Record("c@x,u4", '"email","user_id"'),
    ]
    found = read(make_settings(USERS), records)
    assert [(*map(each.values.get, ("user_id", "email", "country")), each.short_fields) for each in found] == [
        ("u1", "a@x", "DE", False),
        ("u2", "b@x", "FR", False),
        ("u3", None, None, False),
        ("u4", "c@x", None, False),
    ]


QUOTED = {
    'u1,"a,b"': ("u1", "a,b"),
    'u1,"say ""hi"""': ("u1", 'say "hi"'),
    'u1,5" pipe': ("u1", '5" pipe'),
    'u1,a"b"c': ("u1", 'a"b"c'),
    'u1,""': ("u1", ""),
    "u1,": ("u1", ""),
    ",": ("", ""),
    'u1,""""': ("u1", '"'),
    '"u1","a"",""b"': ("u1", 'a","b'),
    'u1, "x"': ("u1", ' "x"'),
    'u1,"a\nb"': ("u1", "a\nb"),
    '"u\r\n\r\n1","a\rb"': ("u\r\n\r\n1", "a\rb"),
    'u1,a\rb"': ("u1", 'a\rb"'),
    'u1\n,"a"': ("u1\n", "a"),
    '"u1",a\r': ("u1", "a\r"),
    '"u1",\n': ("u1", "\n"),
    '"u1",a\u2028\x85\x00b': ("u1", "a\u2028\x85\x00b"),
    'u1,"open': None,
    'u1,"a"b': None,
    'u1,"a" ': None,
    'u1,"a""': None,
    '"u1,a': None,
    '"': None,
    'u1,"a"\r': None,
    'u1,"a"\n': None,
    '"u1"\n,"a"': None,
    '"a"x,b,"c"': None,
}


def test_quotes_are_read_as_rfc_4180_has_them_or_the_line_is_malformed(make_settings: Make) -> None:
    for raw, found in zip(QUOTED, under(make_settings(USERS), "user_id,email", *QUOTED), strict=True):
        if cells := QUOTED[raw]:
            assert (found.unreadable, found.values["user_id"], found.values["email"]) == (None, *cells), raw
        else:
            assert (found.unreadable, set(found.values.values())) == ("csv_malformed", {None}), raw
            assert not found.extra_fields and not found.short_fields, raw


def test_a_malformed_line_is_quarantined_for_that_alone(make_settings: Make) -> None:
    malformed = [Record(raw, "user_id,email") for raw, cells in QUOTED.items() if not cells]
    for row in judge(make_settings(USERS), malformed).to_pylist():
        assert (row["reasons"], row["details"]) == (["unreadable"], ["record: csv_malformed"]), row["raw"]


def test_lines_longer_or_shorter_than_their_header_are_told(make_settings: Make) -> None:
    found = under(make_settings(USERS), "user_id,email", "u1,a,b", "u1", "u1,a", "u1,a,", 'u1,"a,b"')
    assert [(each.extra_fields, each.short_fields, each.values["email"]) for each in found] == [
        (True, False, "a"),
        (False, True, None),
        (False, False, "a"),
        (True, False, "a"),
        (False, False, "a,b"),
    ]


OTHERS = [(";", "'"), ("\t", '"'), ("|", "~"), ("\\", '"'), (".", "*"), ("^", "-"), ("-", "^"), ("]", "["), ("[", "\\")]


@pytest.mark.parametrize(("delimiter", "quote"), OTHERS)
def test_other_delimiters_and_quotes(delimiter: str, quote: str, make_settings: Make) -> None:
    settings = make_settings(USERS + f"delimiter = {json.dumps(delimiter)}\nquote = {json.dumps(quote)}\n")
    (found,) = under(settings, f"user_id{delimiter}email", f"u1{delimiter}{quote}a{delimiter}{quote}{quote}b{quote}")
    assert (found.values["user_id"], found.values["email"]) == ("u1", f"a{delimiter}{quote}b")
    assert found.unreadable is None


def test_a_cell_of_a_hundred_thousand_characters_with_thousands_of_quotes_and_delimiters(make_settings: Make) -> None:
    cell = ('say ""hi"", ' * 8400)[:100_000]
    whole, cut = under(make_settings(USERS), "user_id,email", f'u1,"{cell}"', f'u1,"{cell}')
    assert (whole.unreadable, whole.values["email"]) == (None, cell.replace('""', '"'))
    assert cut.unreadable == "csv_malformed"


def test_a_cell_of_a_megabyte_is_split_in_one_pass() -> None:
    cell = ("x" * 12 + ",") * 80_000
    assert SPLIT(f'u1,"{cell}",end') == ["u1", cell, "end"]
    assert SPLIT(f'u1,"{cell}') is None
    assert SPLIT(f'u1,"{cell}"x') is None
    assert SPLIT(f'5",{cell}') == ['5"', *["x" * 12] * 80_000, ""]
    quotes = '""' * 500_000
    assert SPLIT(f'"{quotes}"') == ['"' * 500_000]
    assert SPLIT(f'"{quotes}') is None
    assert SPLIT(f'"{quotes}"x') is None
    assert SPLIT('"a"x' * 250_000) is None
    assert SPLIT('"a",' * 250_000) == ["a"] * 250_000 + [""]


@settings(derandomize=True, deadline=None)
@given(st.lists(st.text() | st.text('a,"\r\n '), min_size=1), st.sampled_from([(",", '"'), *OTHERS]))
def test_what_was_written_quoted_is_read_as_it_was(cells: list[str], marks: tuple[str, str]) -> None:
    delimiter, quote = marks
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=delimiter, quotechar=quote, quoting=csv.QUOTE_ALL, lineterminator="").writerow(cells)
    assert splitter(delimiter, quote)(written.getvalue()) == cells


@settings(derandomize=True, deadline=None, max_examples=500)
@given(st.text('ab,"'))
def test_a_line_without_line_breaks_is_read_as_by_python(line: str) -> None:
    try:
        expected = next(csv.reader([line], strict=True)) if line else [""]
    except csv.Error:
        expected = None
    assert SPLIT(line) == expected


def test_orders_as_csv_carry_their_lines_as_json(make_settings: Make) -> None:
    items = '"[{""sku"":""A"",""qty"":2,""price"":12345678901234.5678}, {""sku"":""B"",""qty"":0.5,""price"":""x""}]"'
    header = "order_id,amount,items"
    one, two = typed(make_settings(ORDERS), [Record(f"o1,1.5,{items}", header), Record("o2,x,", header)])
    assert (one.order_id, one.amount, one.amount_problem) == ("o1", 15_000, None)
    assert one.items == [(1, "A", 2_000, 123_456_789_012_345_678), (2, "B", 500, None)]
    assert one.unreadable_prices == [2]
    assert (two.order_id, two.amount, two.amount_problem) == ("o2", None, "unreadable")
    assert (two.has_lines, two.items) == (False, [])


@pytest.mark.parametrize("cell", ["NaN", "[NaN]", "[1", '"[{}]x"', "[" * 200 + "]" * 200, "{", "[1] [2]"])
def test_a_cell_that_holds_no_json_holds_no_lines(cell: str, make_settings: Make) -> None:
    (order,) = typed(make_settings(ORDERS), [Record(f"o1,{cell}", "order_id,items")])
    assert (order.order_id, order.unreadable, order.has_lines) == ("o1", None, False)


def test_of_columns_of_one_name_the_first_counts(make_settings: Make) -> None:
    (found,) = under(make_settings(USERS), "email,user_id,email, user_id", "a,u1,b,u2")
    assert (found.values["user_id"], found.values["email"], found.unreadable) == ("u1", "a", None)
    assert not found.extra_fields and not found.short_fields


@pytest.mark.parametrize("header", [None, "", "\n", "a\rb,user_id", '"user_id"x,\r"', "x" * 200_000])
def test_without_a_header_that_can_be_read_no_cell_is_found(header: str | None, make_settings: Make) -> None:
    (row,) = judge(make_settings(USERS), [Record("u1,a", header)]).to_pylist()
    assert (row["user_id"], row["email"]) == (None, None)
    assert "key_missing" in row["reasons"]
