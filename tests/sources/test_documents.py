"""Splitting bodies into records: exact texts, hostile documents, JSON lines."""

from __future__ import annotations

import bz2
import codecs
import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from saleslake.charsets import decode
from saleslake.sources.documents import (
    Document,
    InvalidDocument,
    detect_format,
    split_document,
)
from tests.shared_data import shared_folder


def suite(pattern: str) -> list[Path]:
    found = sorted(shared_folder("data/corpora/json_test_suite/test_parsing").glob(pattern))
    assert found, f"no {pattern} in the JSON test suite"
    return found


def test_each_element_keeps_its_exact_text() -> None:
    texts = ['{ "a" : 1.50,\n "a":2 }', "1e2", '"\\u00e9 é 😀"', "null", "[ ]", "-0.0", '"a]},b"']
    body = (" [\r\n" + " ,\t".join(texts) + "\n] ").encode()
    assert split_document(body, "") == Document(texts, {})


def test_the_envelope_is_the_rest_of_the_object_around_a_dotted_path() -> None:
    body = b'{"n": 2, "data": {"total": 1.5, "items": [ {"id":1} , 7 ], "more": false}, "next": null}'
    document = split_document(body, "data.items")
    assert document.records == ['{"id":1}', "7"]
    assert document.envelope == {"n": 2, "data": {"total": 1.5, "more": False}, "next": None}


def test_an_empty_array_has_no_records() -> None:
    assert split_document(b"[ ]", "").records == []
    assert split_document(b'{"data":[]}', "data") == Document([], {})


def test_a_name_that_repeats_outside_the_path_is_not_mistaken_for_the_records() -> None:
    body = b'{"meta": {"items": [1]}, "items": [2], "data": {"meta": {"items": [3]}}}'
    assert split_document(body, "items").records == ["2"]
    assert split_document(body, "data.meta.items").records == ["3"]


@pytest.mark.parametrize(
    ("body", "path", "says"),
    [
        (b'{"orders": []}', "order", "^no array at `order`; the document has: orders$"),
        (b'{"data": [], "next": null}', "", "^no array, and records_path names none; the document has: data, next$"),
        (b'{"rows": [], "next": null}', "data", "^no array at `data`; the document has: rows, next$"),
        (b'{"data": {"rows": []}}', "data.items", "^no array at `data.items`; `data` has: rows$"),
        (b'{"data": 3}', "data.items", "^no array at `data.items`: `data` is a number; the document has: data$"),
        (b'{"data": "x", "x": 1}', "data", "^no array at `data` but a text; the document has: data, x$"),
        (b'{"data": {"n": true}}', "data.n", "^no array at `data.n` but true; `data` has: n$"),
        (b'{"a\\nb\\u001b": 1}', "data", r"the document has: a\\nb\\x1b$"),
        (b"[1]", "data", "^no array at `data`; the document is an array: leave records_path out$"),
        (b"7", "", "^no array; the document is a single value$"),
        (b'{"data": [1], "data": [2]}', "data", "occurs twice"),
        (b'{"data": null, "data": [2]}', "data", "occurs twice"),
        (b'{"data": {"a": 1}, "data": [2]}', "data", "occurs twice"),
        (b"\xef\xbb\xbf", "", "not JSON at line 1 column 1"),
        (b"[1] x", "", "Extra data"),
        (b"[nan]", "", "Expecting value"),
        (b"[+Infinity]", "", "Expecting value"),
        (b'["\xff"]', "", "^not UTF-8 at byte 2$"),
        ('[{"a": "ü"}]'.encode("utf-16-le"), "", 'look like UTF-16-LE: set encoding = "utf-16-le"'),
        ('[{"a": "ü"}]'.encode("utf-16-be"), "", 'look like UTF-16-BE: set encoding = "utf-16-be"'),
        (b"PK\x03\x04\x14\x00\x00\x00\x08\x00", "", "^not JSON but a zip archive$"),
        (b"PK\x03\x04" + b"\x00" * 26 + b"[Content_Types].xml", "", "an Excel workbook"),
        (bz2.compress(b"[1]"), "", "^not JSON but bzip2 data$"),
        (b"[1,]", "", "line 1 column 4"),
        (b"[1\n,\n2", "", "line 3 column 2"),
        (b"", "", "line 1 column 1"),
        (b"[\xc2\xa01]", "", "Expecting value"),
        (b"[" * 200_000, "", "nested too deeply"),
        (b'{"data":' * 200_000, "x", "nested too deeply"),
    ],
)
def test_a_body_without_records_is_refused_with_the_place_or_the_fields(body: bytes, path: str, says: str) -> None:
    with pytest.raises(InvalidDocument, match=says):
        split_document(body, path)


def test_an_integer_of_any_length_costs_no_neighbour() -> None:
    digits = b"9" * 5000
    assert split_document(b"[1," + digits + b"]", "").records == ["1", digits.decode()]
    assert split_document(b'{"n":' + digits + b',"data":[1]}', "data").records == ["1"]


def test_every_valid_array_of_the_suite_splits_into_its_texts() -> None:
    for path in suite("y_*.json"):
        body = path.read_bytes()
        whole = json.loads(body)
        if isinstance(whole, list):
            assert [json.loads(text) for text in split_document(body, "").records] == whole, path.name
        elif whole in (None, {}):
            assert split_document(body, "").records == [], path.name
        else:
            with pytest.raises(InvalidDocument):
                split_document(body, "")
        wrapped = b'{"a": {"b": [' + body + b"]}}"
        assert split_document(wrapped, "a.b").records == [body.decode().strip(" \t\r\n")], path.name


NO_NUMBERS = ("n_number_NaN.json", "n_number_infinity.json", "n_number_minus_infinity.json")
"""Arrays with one element that is no JSON; it costs itself."""


def test_every_invalid_document_of_the_suite_is_refused() -> None:
    for path in suite("n_*.json"):
        for records_path in ("", "data"):
            if path.name in NO_NUMBERS and not records_path:
                assert split_document(path.read_bytes(), "").records == [path.read_text().strip("[]")], path.name
                continue
            with pytest.raises(InvalidDocument):
                split_document(path.read_bytes(), records_path)


def test_no_document_of_the_suite_crashes_or_loads_in_part() -> None:
    for path in suite("*.json"):
        body = path.read_bytes()
        try:
            document = split_document(body, "")
        except InvalidDocument:
            continue
        for at, text in enumerate(document.records):
            if at not in document.undecodable:
                assert text in decode(body).text, path.name


def test_every_naughty_string_comes_out_byte_for_byte() -> None:
    corpus = next(shared_folder("data/corpora/naughty_strings").glob("*.json"))
    strings = json.loads(corpus.read_bytes())
    texts = [json.dumps({"s": s}, ensure_ascii=i % 2 == 0) for i, s in enumerate(strings)]
    assert split_document(("[" + ",".join(texts) + "]").encode(), "").records == texts
    assert split_document("\r\n".join(texts).encode(), "", "jsonl").records == texts


def test_json_lines_are_kept_verbatim_and_a_bad_line_costs_no_neighbour() -> None:
    body = b'{"a": 1}\r\n\n  \n{"a": \n{"b":"\xe2\x80\xa8\xc2\x85"}\n\xff\x00\xe9\n 5 \n\xc2\xa0\n\x0c'
    expected = ['{"a": 1}', '{"a": ', '{"b":"\u2028\u0085"}', "\\xff\x00\\xe9", " 5 ", "\xa0", "\x0c"]
    document = split_document(body, "")
    assert (document.records, document.undecodable) == (expected, {3})
    assert split_document(body, "", "jsonl") == document


def test_a_byte_that_is_no_text_does_not_become_an_escape_that_reads_as_one() -> None:
    document = split_document(b'{"a":1}\n{"a":"\\\xff"}\n', "")
    assert (document.records[1], document.undecodable) == ('{"a":"\\\\xff"}', {1})
    assert json.loads(document.records[1]) == {"a": "\\xff"}  # so its text alone does not tell that it is broken


@pytest.mark.parametrize(
    ("body", "path", "content_type", "form"),
    [
        (b'{"a":1}\n{"a":2}', "", "", "jsonl"),
        (b'\n {"a":1}\nrubbish', "", "", "jsonl"),
        (b'{"a":1}\n', "", "", "json"),
        (b'{\n"a":1}\n', "", "", "json"),
        (b'[{"a":1}\n,2]', "", "", "json"),
        (b'{"data":[]}\n{"data":[]}', "data", "", "json"),
        (b'{"a":1}', "", "application/x-ndjson; charset=utf-8", "jsonl"),
        (b'{"a":1}', "data", "application/jsonl", "jsonl"),
        (b'{"a":1}{"b":2}\n{"c":3}', "", "application/json", "json"),
        (b'{"a":NaN}\n{"c":3}', "", "application/json", "jsonl"),
    ],
)
def test_the_form_of_a_body_is_found(body: bytes, path: str, content_type: str, form: str) -> None:
    assert detect_format(body.decode(), path, content_type) == form


# --- what costs its element, and what is none ------------------------------------------------------


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("path", ["", "data", "a.b"])
def test_a_number_that_json_has_not_costs_its_element_wherever_it_stands(number: str, path: str) -> None:
    texts = ['{"a":1}', number, f'{{"x": [ {{"y":{number}}} ], "z":1}}', f"[{number}, 1]", '{"a":2}']
    whole = "[" + ", ".join(texts) + "]"
    for name in reversed(path.split(".") if path else []):
        whole = f'{{"before": {number}, "{name}": {whole}, "after": 1}}'
    document = split_document(whole.encode(), path)
    assert document.records == texts
    assert document.envelope == ({} if not path else document.envelope | {"before": None, "after": 1})


@pytest.mark.parametrize(
    ("body", "path", "records"),
    [
        (b"{}", "orders", []),
        (b" {} ", "", []),
        (b"null", "", []),
        (b"null", "orders", []),
        (b'{"orders": null, "next": ""}', "orders", []),
        (b'{"orders": {}}', "orders", []),
        (b'{"data": {}}', "data.orders", []),
        (b'{"data": null}', "data.orders", []),
        (b'{"order": { "id":1.50 }, "x": 2}', "order", ['{ "id":1.50 }']),
        (b'{"data": {"order": {"id": NaN}}}', "data.order", ['{"id": NaN}']),
    ],
)
def test_nothing_in_the_arrays_place_is_no_record_and_one_object_is_one(
    body: bytes, path: str, records: list[str]
) -> None:
    assert split_document(body, path).records == records


def test_a_body_that_holds_no_records_still_shows_what_it_holds() -> None:
    with pytest.raises(InvalidDocument) as told:
        split_document(b'{"errors": [{"message": "Throttled"}], "total": NaN}', "orders")
    assert told.value.envelope == {"errors": [{"message": "Throttled"}], "total": None}
    for body in (b"[1", b"7"):
        with pytest.raises(InvalidDocument) as told:
            split_document(body, "orders")
        assert told.value.envelope is None


# --- encodings -------------------------------------------------------------------------------------

MARKED = {"utf-8": codecs.BOM_UTF8, "utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE,
          "utf-32-le": codecs.BOM_UTF32_LE}  # fmt: skip


@pytest.mark.parametrize("encoding", MARKED)
@pytest.mark.parametrize("said", ["utf-8", "latin-1", "utf-16"])
def test_a_byte_order_mark_tells_the_encoding_whatever_is_said(encoding: str, said: str) -> None:
    mark, texts = MARKED[encoding], ['{"a":"Zoë \u2028€"}', '{"b":2}']
    array, lines = "[" + ",".join(texts) + "]", "\n".join(texts)
    assert split_document(mark + array.encode(encoding), "", encoding=said) == Document(texts)
    assert split_document(mark + lines.encode(encoding), "", encoding=said) == Document(texts, form="jsonl")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-be", "utf-8-sig", "shift_jis", "gb18030"])
def test_the_encoding_that_is_set_is_the_encoding(encoding: str) -> None:
    texts = ['{"a":"ß é"}', '{"b":2}'] if encoding not in ("shift_jis", "gb18030") else ['{"a":"東京"}', "1"]
    assert split_document(f"[{','.join(texts)}]".encode(encoding), "", encoding=encoding).records == texts
    assert split_document("\n".join(texts).encode(encoding), "", "jsonl", encoding).records == texts


def test_a_charset_of_the_header_is_used_where_the_bytes_are_not_utf_8_and_told_for_the_next_time() -> None:
    body = '[{"a":"Zoë"}]'.encode("latin-1")
    with pytest.raises(InvalidDocument, match=r"^not UTF-8 at byte 9$"):
        split_document(body, "", "application/json")
    document = split_document(body, "", 'application/json; charset="ISO-8859-1"')
    assert (document.records, document.form) == (['{"a":"Zoë"}'], "json; charset=iso8859-1")
    assert split_document(body, "", document.form) == document
    lines = '{"a":"Zoë"}\n'.encode("cp1252")
    document = split_document(lines, "", "application/x-ndjson; charset=windows-1252")
    assert (document.records, document.form) == (['{"a":"Zoë"}'], "jsonl; charset=cp1252")
    assert split_document(lines, "", document.form) == document
    wide = '[{"a":"Zoë"}]'.encode("utf-16-be")
    assert split_document(wide, "", "application/json; charset=utf-16be").records == ['{"a":"Zoë"}']


@pytest.mark.parametrize("charset", ["iso-8859-1", "utf-16", "gbk", "binary", "base64", "unicode_escape", "", '"'])
def test_a_header_whose_charset_lies_or_is_none_costs_nothing(charset: str) -> None:
    body = '[{"a":"Zoë 東京"}]'.encode()
    assert split_document(body, "", f"application/json; charset={charset}") == Document(['{"a":"Zoë 東京"}'])


@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "cp1252", "utf-16-le", "gbk", "shift_jis"])
def test_bytes_that_are_no_text_cost_their_line(encoding: str) -> None:
    bad = {"utf-16-le": b"\x00\xdc"}.get(encoding, b"\x81")
    one, two = '{"a":1}'.encode(encoding), '{"a":2}'.encode(encoding)
    end = "\n".encode(encoding)
    document = split_document(one + end + b'{"x":'.decode().encode(encoding) + bad + end + two, "", "jsonl", encoding)
    assert (document.records[0], document.records[2]) == ('{"a":1}', '{"a":2}')
    assert (len(document.records), document.undecodable) == (3, {1})


# --- joined and split ------------------------------------------------------------------------------

_SPACE = st.text(" \t\r\n", max_size=3)
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_LEAVES = _TEXTS | st.integers() | st.floats() | st.none() | st.booleans()  # NaN and Infinity among the floats
_VALUES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3), max_leaves=6
)


@st.composite
def _elements(draw: st.DrawFn) -> list[str]:
    """Texts of JSON values, written in one of the ways a value may be written."""
    values = draw(st.lists(_VALUES, max_size=5))
    return [
        json.dumps(value, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1]))) for value in values
    ]


@given(
    _elements(),
    st.data(),
    st.sampled_from(["", "orders", "data.the orders.é"]),
    st.sampled_from(["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "gb18030"]),
    st.booleans(),
)
@example(["NaN", '{"a":-Infinity}', '"\u2028\x85\xa0"'], None, "orders", "utf-16-be", True)
def test_elements_that_are_joined_come_apart_as_they_were(
    texts: list[str], data: st.DataObject | None, path: str, encoding: str, marked: bool
) -> None:
    def space() -> str:
        return data.draw(_SPACE) if data else " "

    whole = f"{space()}[{','.join(space() + text + space() for text in texts) or space()}]{space()}"
    for name in reversed(path.split(".") if path else []):
        whole = f'{space()}{{{space()}"é{name}":[NaN, 1],{json.dumps(name)}:{whole},"x":{{}} }}{space()}'
    mark = MARKED.get(encoding, b"") if marked else b""
    document = split_document(mark + whole.encode(encoding), path, "", "utf-8" if mark else encoding)
    assert (document.records, document.form) == (texts, "json")
