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
from saleslake.sources.dialect import Dialect, splitter
from tests.silver.judge.support import Fields, read, typed
from tests.silver_support import Record, judge

Make = Callable[[str], Settings]
USERS = '[sources.s]\nentity = "users"\nformat = "csv"\npath = "x"\n'
ORDERS = '[sources.s]\nentity = "orders"\nformat = "csv"\npath = "x"\n'
SPLIT = splitter(Dialect(",", '"', ""))


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
    found = under(make_settings(USERS), "user_id,email", "u1,a,b", "u1", "u1,a", 'u1,"a,b"')
    assert [(each.extra_fields, each.short_fields, each.values["email"]) for each in found] == [
        (True, False, "a"),
        (False, True, None),
        (False, False, "a"),
        (False, False, "a,b"),
    ]


def test_a_delimiter_at_the_end_of_a_line_begins_no_cell(make_settings: Make) -> None:
    lines = ["u1,a", "u1,a,", 'u1,a,""', "u1,a,,", "u1,a,b,", "u1,"]
    for header, extra, short in (
        ("user_id,email", [False, False, False, True, True, False], [False] * 6),
        ("user_id,email,", [False, False, False, False, False, False], [False] * 6),
        ("user_id,email,country", [False] * 5 + [False], [True, False, False, False, False, True]),
    ):
        found = under(make_settings(USERS), header, *lines)
        assert [each.extra_fields for each in found] == extra, header
        assert [each.short_fields for each in found] == short, header
        assert [each.values["email"] for each in found] == ["a"] * 5 + [""], header


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
    assert splitter(Dialect(delimiter, quote, ""))(written.getvalue()) == cells


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
    assert one.items == [
        (1, "A", 2_000, 123_456_789_012_345_678, 246_913_578_024_691_356, None),
        (2, "B", 500, None, None, None),
    ]
    assert one.notes == {"price_unreadable": ["line 2: has a price or total that is no number"]}
    assert (two.order_id, two.amount, two.amount_problem) == ("o2", None, "unreadable")
    assert (two.has_lines, two.items) == (False, [])


@pytest.mark.parametrize("cell", ["NaN", "[NaN]", "[1", '"[{}]x"', "[" * 200 + "]" * 200, "{", "[1] [2]"])
def test_a_cell_that_holds_no_json_holds_no_lines(cell: str, make_settings: Make) -> None:
    (order,) = typed(make_settings(ORDERS), [Record(f"o1,{cell}", "order_id,items")])
    assert (order.order_id, order.unreadable, order.has_lines) == ("o1", None, False)


def test_a_column_is_found_by_its_exact_name_first_and_else_in_any_case(make_settings: Make) -> None:
    found = [
        *under(make_settings(USERS), "User_ID,EMAIL ,email", "u1,a,b"),
        *under(make_settings(USERS), "user_id, E-MAIL,Email", "u1,a,b"),
        *under(make_settings(USERS), "user_id,EMAIL,Email", "u1,a,b"),
        *under(make_settings(USERS + 'mapping = { email = " e-mail" }\n'), "USER_ID,E-Mail", "u1,a"),
    ]
    assert [(each.values["user_id"], each.values["email"]) for each in found] == [
        ("u1", "b"),
        ("u1", "b"),
        ("u1", None),
        ("u1", "a"),
    ]


def test_the_delimiter_that_a_file_names_is_read_beside_each_record(make_settings: Make) -> None:
    settings = make_settings(USERS)
    records = [
        Record('u1;"a;b"', "sep=;\nuser_id;email"),
        Record('u2,"a,b"', "user_id,email"),
        Record("u3\tc", "sep=\t\nuser_id\temail"),
        Record("u4;d", "sep=;"),
    ]
    found = read(settings, records)
    assert [(each.values["user_id"], each.values["email"]) for each in found] == [
        ("u1", "a;b"),
        ("u2", "a,b"),
        ("u3", "c"),
        (None, None),
    ]


def test_escaped_characters_and_none_quoted(make_settings: Make) -> None:
    (mysql,) = under(make_settings(USERS + "escape = '\\'\n"), "user_id,email,country", r'u\,1,"a\"b",\N')
    assert [mysql.values[name] for name in ("user_id", "email", "country")] == ["u,1", 'a"b', None]
    (bare,) = under(make_settings(USERS + "quote = ''\n"), "user_id,email", '"u1",5" x')
    assert (bare.values["user_id"], bare.values["email"]) == ('"u1"', '5" x')


@pytest.mark.parametrize("column", ["email", "created_at", "country"])
def test_an_empty_text_of_json_is_missing_where_an_empty_cell_is(column: str, make_settings: Make) -> None:
    for default in ("", f'[sources.s.defaults]\n{column} = "2024-01-01"\n'):
        (cell,) = judge(make_settings(USERS + default), [Record("u1,", f"user_id,{column}")]).to_pylist()
        text = USERS.replace("csv", "jsonl") + default
        (empty,) = judge(make_settings(text), [f'{{"user_id": "u1", "{column}": ""}}']).to_pylist()
        of_record = {"raw", "header", "content_hash"}
        assert {k: v for k, v in cell.items() if k not in of_record} == {
            k: v for k, v in empty.items() if k not in of_record
        }
        assert default == "" or "2024-01-01" in str(empty[column])


def test_of_columns_of_one_name_the_first_counts(make_settings: Make) -> None:
    (found,) = under(make_settings(USERS), "email,user_id,email, user_id", "a,u1,b,u2")
    assert (found.values["user_id"], found.values["email"], found.unreadable) == ("u1", "a", None)
    assert not found.extra_fields and not found.short_fields


@pytest.mark.parametrize("header", [None, "", "\n", "a\rb,user_id", '"user_id"x,\r"', "x" * 200_000])
def test_without_a_header_that_can_be_read_no_cell_is_found(header: str | None, make_settings: Make) -> None:
    (row,) = judge(make_settings(USERS), [Record("u1,a", header)]).to_pylist()
    assert (row["user_id"], row["email"]) == (None, None)
    assert "key_missing" in row["reasons"]
