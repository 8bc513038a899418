"""Splitting bodies into records: exact texts, hostile documents, JSON lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from saleslake.sources.documents import (
    Document,
    InvalidDocument,
    detect_format,
    split_document,
    split_json,
    split_json_lines,
)
from tests.shared_data import shared_folder


def suite(pattern: str) -> list[Path]:
    found = sorted(shared_folder("data/corpora/json_test_suite/test_parsing").glob(pattern))
    assert found, f"no {pattern} in the JSON test suite"
    return found


def test_each_element_keeps_its_exact_text() -> None:
    texts = ['{ "a" : 1.50,\n "a":2 }', "1e2", '"\\u00e9 é 😀"', "null", "[ ]", "-0.0", '"a]},b"']
    body = (" [\r\n" + " ,\t".join(texts) + "\n] ").encode()
    assert split_json(body, "") == Document(texts, {})


def test_the_envelope_is_the_rest_of_the_object_around_a_dotted_path() -> None:
    body = b'{"n": 2, "data": {"total": 1.5, "items": [ {"id":1} , 7 ], "more": false}, "next": null}'
    document = split_json(body, "data.items")
    assert document.records == ['{"id":1}', "7"]
    assert document.envelope == {"n": 2, "data": {"total": 1.5, "more": False}, "next": None}


def test_an_empty_array_has_no_records() -> None:
    assert split_json(b"[ ]", "").records == []
    assert split_json(b'{"data":[]}', "data") == Document([], {})


def test_a_name_that_repeats_outside_the_path_is_not_mistaken_for_the_records() -> None:
    body = b'{"meta": {"items": [1]}, "items": [2], "data": {"meta": {"items": [3]}}}'
    assert split_json(body, "items").records == ["2"]
    assert split_json(body, "data.meta.items").records == ["3"]


@pytest.mark.parametrize(
    ("body", "path", "says"),
    [
        (b'{"data": [], "next": null}', "", "records_path is empty but the body is an object with fields data, next"),
        (b'{"rows": [], "next": null}', "data", "no 'data'.*fields rows, next"),
        (b'{"data": {"rows": []}}', "data.items", "'data.items': no 'items' in 'data' .fields rows"),
        (b'{"data": 3}', "data.items", "'data' is no object"),
        (b'{"data": {"a": 1}, "x": 1}', "data", "'data' leads to no array but dict.*fields data, x"),
        (b'{"data": null}', "data", "leads to no array but NoneType"),
        (b"[1]", "data", "no 'data'; the body is an array"),
        (b"7", "", "a single value"),
        (b'{"data": [1], "data": [2]}', "data", "occurs twice"),
        (b"\xef\xbb\xbf[1]", "", "not JSON at line 1 column 1"),
        (b"[1] x", "", "Extra data"),
        (b"[NaN]", "", "NaN is not JSON"),
        (b'{"a": -Infinity, "data": []}', "data", "-Infinity is not JSON"),
        (b'["\xff"]', "", "not UTF-8 at byte 2"),
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
        split_json(body, path)


def test_an_integer_of_any_length_costs_no_neighbour() -> None:
    digits = b"9" * 5000
    assert split_json(b"[1," + digits + b"]", "").records == ["1", digits.decode()]
    assert split_json(b'{"n":' + digits + b',"data":[1]}', "data").records == ["1"]


def test_every_valid_array_of_the_suite_splits_into_its_texts() -> None:
    for path in suite("y_*.json"):
        body = path.read_bytes()
        whole = json.loads(body)
        if isinstance(whole, list):
            assert [json.loads(text) for text in split_json(body, "").records] == whole, path.name
        else:
            with pytest.raises(InvalidDocument):
                split_json(body, "")
        wrapped = b'{"a": {"b": [' + body + b"]}}"
        assert split_json(wrapped, "a.b").records == [body.decode().strip(" \t\r\n")], path.name


def test_every_invalid_document_of_the_suite_is_refused() -> None:
    for path in suite("n_*.json"):
        for records_path in ("", "data"):
            with pytest.raises(InvalidDocument):
                split_json(path.read_bytes(), records_path)


def test_no_document_of_the_suite_crashes_or_loads_in_part() -> None:
    for path in suite("*.json"):
        body = path.read_bytes()
        try:
            document = split_document(body, "")
        except InvalidDocument:
            continue
        for text in document.records:
            assert text.encode() in body, path.name


def test_every_naughty_string_comes_out_byte_for_byte() -> None:
    corpus = next(shared_folder("data/corpora/naughty_strings").glob("*.json"))
    strings = json.loads(corpus.read_bytes())
    texts = [json.dumps({"s": s}, ensure_ascii=i % 2 == 0) for i, s in enumerate(strings)]
    assert split_json(("[" + ",".join(texts) + "]").encode(), "").records == texts
    assert split_json_lines("\r\n".join(texts).encode()) == texts


def test_json_lines_are_kept_verbatim_and_a_bad_line_costs_no_neighbour() -> None:
    body = b'{"a": 1}\r\n\n  \n{"a": \n{"b":"\xe2\x80\xa8\xc2\x85"}\n\xff\x00\xe9\n 5 '
    expected = ['{"a": 1}', '{"a": ', '{"b":"\u2028\u0085"}', "\\xff\x00\\xe9", " 5 "]
    assert split_json_lines(body) == expected
    assert split_document(body, "").records == expected


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
    ],
)
def test_the_form_of_a_body_is_found(body: bytes, path: str, content_type: str, form: str) -> None:
    assert detect_format(body, path, content_type) == form
