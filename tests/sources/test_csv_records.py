"""CSV files to records: quoted line breaks, escapes, what is skipped, and quotes that are never closed."""

from __future__ import annotations

import csv
import gzip
import io
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saleslake.config import Source
from saleslake.sources import files
from saleslake.sources.csv_records import Told, batches
from saleslake.sources.dialect import Dialect, splitter
from saleslake.sources.files import check_header, has_records, split_lines
from saleslake.sources.headers import names

CSV = Source(entity="users", format="csv", path=["x"])
RFC = Dialect(",", '"', "")
MYSQL = Dialect(",", '"', "\\")
Record = tuple[int, str, str | None]


def of(**changes: object) -> Source:
    return CSV.model_copy(update=changes)


def split(folder: Path, body: bytes | str, source: Source = CSV, told: Told | None = None) -> list[Record]:
    """(ordinal, raw, defect) of each record."""
    path = folder / "file"
    path.write_bytes(body.encode() if isinstance(body, str) else body)
    rows = [row for batch in split_lines(path, source, told) for row in batch.to_pylist()]
    assert {row["header"] for row in rows} <= {files.read_header(path, source)}
    return [(row["ordinal"], row["raw"], row["defect"]) for row in rows]


def records(text: str | bytes, dialect: Dialect = RFC, size: int = 10**6, encoding: str = "utf-8") -> list[Record]:
    """The same of a text that comes in chunks of so many lines; no header is taken off."""
    line_break = "\n" if isinstance(text, str) else b"\n"
    lines = text.removesuffix(line_break).split(line_break)  # type: ignore[arg-type]
    chunks = [(first + 1, line_break.join(lines[first : first + size])) for first in range(0, len(lines), size)]  # type: ignore[arg-type]
    found = batches(chunks, encoding, dialect, 10**9, Told())  # type: ignore[arg-type]
    return [(row["ordinal"], row["raw"], row["defect"]) for batch in found for row in batch.to_pylist()]


# --- quoted line breaks ----------------------------------------------------------------------------


def test_quoted_cells_hold_line_breaks_and_what_looks_like_rows(tmp_path: Path) -> None:
    body = 'id,note\r\n1,"a\r\n\r\nb"\r\n2,"say ""x\n"""\r\n3,5" pipe\r\n4,"\n5,fake\n6,fake\n"\n7,c\r\n'
    assert split(tmp_path, body) == [
        (2, '1,"a\r\n\r\nb"', None),
        (5, '2,"say ""x\n"""', None),
        (7, '3,5" pipe', None),
        (8, '4,"\n5,fake\n6,fake\n"', None),
        (12, "7,c", None),
    ]


def test_a_header_may_hold_line_breaks_as_well(tmp_path: Path) -> None:
    body = 'id,"the\nnote"\n1,a\n'
    assert split(tmp_path, body) == [(3, "1,a", None)]
    assert check_header(tmp_path / "file", "f", CSV, {"user_id": "id"}) == ["id", "the\nnote"]


def test_a_record_whose_quoting_is_broken_swallows_no_row_and_gives_none_of_its_cells_as_rows(tmp_path: Path) -> None:
    body = 'id,a,b\n1,"x"y,z\n2,"x"y,"open\n3,fake,row\n"\n4,a,b\n'
    assert split(tmp_path, body) == [
        (2, '1,"x"y,z', None),
        (3, '2,"x"y,"open\n3,fake,row\n"', None),
        (6, "4,a,b", None),
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ('1,"x\ny",z\n2,a\n', None),
        ('1,"x"y,z\n2,a\n', None),
        ('1,a\n2,"x\n3,"y"\n4,b\n', (2, "broken_quoting")),
        ('1,a\n2,"x\n3,"y"\n4,b\n5,"x\n6,"y"\n7,c\n', (5, "broken_quoting")),
        ('1,a\n2,"x\n3,y\n', (2, "unclosed_quote")),
    ],
)
def test_a_record_of_several_lines_with_broken_quoting_is_told_by_its_line(
    text: str, broken: tuple[int, str] | None, size: int
) -> None:
    told, lines = Told(), text.removesuffix("\n").split("\n")
    chunks = [(first + 1, "\n".join(lines[first : first + size])) for first in range(0, len(lines), size)]
    assert list(batches(chunks, "utf-8", RFC, 10**9, told))
    assert told.broken == broken


def test_without_a_quote_a_quote_is_a_letter_and_each_line_a_record(tmp_path: Path) -> None:
    body = 'id,note\n1,"a\n2,b"\n'
    assert split(tmp_path, body, of(quote="")) == [(2, '1,"a', None), (3, '2,b"', None)]
    assert splitter(Dialect(",", "", ""))('1,"a",""') == ["1", '"a"', '""']


def test_quoted_line_breaks_are_read_in_every_encoding_and_packed(tmp_path: Path) -> None:
    text = 'id,näme\n1,"Zoë\nß"\n2,x\n'
    expected = [(2, '1,"Zoë\nß"', None), (4, "2,x", None)]
    for encoding in ("utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-32", "utf-16-le"):
        body = text.encode(encoding)
        assert split(tmp_path, body, of(encoding=encoding)) == expected, encoding
        assert split(tmp_path, gzip.compress(body), of(encoding=encoding)) == expected, encoding
        assert has_records(tmp_path / "file", of(encoding=encoding))


def test_a_byte_that_looks_like_a_delimiter_or_escape_in_a_letter_is_none(tmp_path: Path) -> None:
    letters = "表示|ソ"  # in Shift-JIS the first and last end in the byte of a backslash
    body = f'id|note\n1|"{letters}"\n2|{letters}\n'.encode("shift_jis")
    source = of(encoding="shift_jis", delimiter="|", escape="\\")
    assert split(tmp_path, body, source) == [(2, f'1|"{letters}"', None), (3, f"2|{letters}", None)]


def test_bytes_that_are_no_text_cost_the_record_they_are_in(tmp_path: Path) -> None:
    found = split(tmp_path, b'id,n\n1,"a\n\xff"\n2,"b\nc"\n3,d\n')
    assert found == [(2, '1,"a\n\\xff"', "undecodable"), (4, '2,"b\nc"', None), (6, "3,d", None)]


# --- quotes that are never closed ------------------------------------------------------------------


def test_a_quote_that_is_never_closed_makes_one_record_of_the_rest(tmp_path: Path) -> None:
    told = Told()
    found = split(tmp_path, 'id,note\n1,"a\nb"\n\n2,"open\n3,x\n\n4,fine\n5,x\n', CSV, told)
    assert found == [(2, '1,"a\nb"', None), (5, '2,"open\n3,x\n\n4,fine\n5,x', "unclosed_quote")]
    assert told.broken == (5, "unclosed_quote")
    assert split(tmp_path, 'id\n1\n"') == [(2, "1", None), (3, '"', "unclosed_quote")]


def test_of_a_long_rest_the_beginning_is_kept_and_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_CHUNK_BYTES", 40)
    told = Told()
    found = split(tmp_path, 'id,note\n1,a\n2,"open\n' + "3,x\n" * 100, CSV, told)
    assert found == [
        (2, "1,a", None),
        (3, '2,"open\n' + "3,x\n" * 8, "unclosed_quote: cut after 40 characters, the landed file has all of it"),
    ]
    assert told.broken == (3, "unclosed_quote")
    found = split(tmp_path, 'id,note\n1,a\n2,"open\n' + "3,x\n" * 100 + '"\n4,d\n', CSV, told := Told())
    assert [(row[0], row[2]) for row in found] == [
        (2, None),
        (3, "record_too_long: cut after 40 characters, the landed file has all of it"),
        (105, None),
    ]
    assert told.broken == (3, "record_too_long")


# --- what a file says of itself, and what is skipped -----------------------------------------------


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_first_line_that_names_the_delimiter_is_no_record_and_goes_with_the_header(
    first: str, encoding: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(f"{first}\r\nid;name\r\n1;a,b\r\n".encode(encoding))
    (batch,) = split_lines(path, CSV)
    assert batch.to_pylist() == [{"ordinal": 3, "raw": "1;a,b", "header": "sep=;\nid;name", "defect": None}]
    assert check_header(path, "f", CSV, {"user_id": "id"}) == ["id", "name"]
    assert names("sep=;\nid;name", CSV) == ["id", "name"]


def test_a_column_called_sep_is_a_column(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"sep=,id\nx,1\n")
    assert check_header(path, "f", CSV, {"user_id": "id"}) == ["sep=", "id"]
    path.write_bytes(b'"sep=;\n",id\nx,1\n')
    assert check_header(path, "f", CSV, {"user_id": "id"}) == ["sep=;", "id"]


def test_lines_before_the_header_and_records_at_the_end_are_skipped_and_counted(tmp_path: Path) -> None:
    body = 'Report "of\n\n2024\nid,n\n1,a\n2,"b\nc"\n\nTotal,3\n\n'
    told = Told()
    assert split(tmp_path, body, of(skip_lines=3, skip_last=1), told) == [(5, "1,a", None), (6, '2,"b\nc"', None)]
    assert told.skipped == 4
    assert split(tmp_path, "sep=;\nReport\nid;n\n1;a\n", of(skip_lines=2), told := Told()) == [(4, "1;a", None)]
    assert told.skipped == 1
    assert split(tmp_path, "id,n\n1,a\n", of(skip_last=5), told := Told()) == []
    assert split(tmp_path, "a\nb", of(skip_lines=5), told := Told()) == []
    assert told.skipped == 2


@pytest.mark.parametrize("size", [3, 7, 1000])
def test_what_is_skipped_does_not_hang_on_chunks(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_CHUNK_BYTES", size)
    monkeypatch.setattr(files, "_HEADER_BYTES", size)
    body = "x\ny\nid\n" + "".join(f"{n}\n" for n in range(50))
    told = Told()
    found = split(tmp_path, body, of(skip_lines=2, skip_last=9), told)
    assert found == [(n + 4, str(n), None) for n in range(41)]
    assert told.skipped == 11


def test_where_a_quote_is_never_closed_nothing_is_skipped_at_the_end(tmp_path: Path) -> None:
    found = split(tmp_path, 'id\n1\n2\n"3\nTotal\n', of(skip_last=1), told := Told())
    assert (found, told.skipped) == ([(2, "1", None), (3, "2", None), (4, '"3\nTotal', "unclosed_quote")], 0)


# --- escapes ---------------------------------------------------------------------------------------

ESCAPED = {
    r'1,"a\"b"': ["1", 'a"b'],
    r"1,a\,b": ["1", "a,b"],
    r"1,\"a": ["1", '"a'],
    r"1,\\": ["1", "\\"],
    r'"1\\",x': ["1\\", "x"],
    r"1,\N": ["1", r"\N"],
    r'1,"\N"': ["1", r"\N"],
    r"1,C:\temp": ["1", r"C:\temp"],
    '1,"a""b"': ["1", 'a"b'],
    '1,"a\\\nb"': ["1", "a\nb"],
    "1,a\\\nb,c": ["1", "a\nb", "c"],
    "1,a\\\r\nb": ["1", "a\r\nb"],
    "1,a\\": ["1", "a\\"],
    "1,\\": ["1", "\\"],
    "\\": ["\\"],
    r"1,\\\,x": ["1", r"\,x"],
    r'1,"a\"': None,
    r'1,"a\\"x': None,
    r'1,"a\\\\"': ["1", r"a\\"],
}


@pytest.mark.parametrize("record", ESCAPED)
def test_an_escaped_quote_delimiter_line_break_or_escape_is_that_character(record: str) -> None:
    assert splitter(MYSQL)(record) == ESCAPED[record]


def test_an_escaped_line_break_ends_no_record_in_quotes_or_out_of_them(tmp_path: Path) -> None:
    body = 'id,n\n1,a\\\n2,fake\n2,"x\\"\n3,fake"\r\n3,\\\\\n4,d\\\r\ne\n5,\\'
    assert split(tmp_path, body, of(escape="\\")) == [
        (2, "1,a\\\n2,fake", None),
        (4, '2,"x\\"\n3,fake"', None),
        (6, "3,\\\\", None),
        (7, "4,d\\\r\ne", None),
        (9, "5,\\", None),
    ]


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.lists(st.lists(st.text('ab,"\\\n\r'), min_size=1, max_size=4), min_size=1, max_size=6), st.integers(1, 4))
def test_what_was_written_with_escapes_is_read_as_it_was(rows: list[list[str]], size: int) -> None:
    def escaped(cell: str, n: int) -> str:
        """Quoted or not by turns."""
        for special in '\\,"\n':
            cell = cell.replace(special, f"\\{special}")
        return f'"{cell}"' if n % 2 else cell.replace("\r", "")

    rows = [
        [f"k{n}", *(cell if n % 2 else cell.replace("\r", "") for n, cell in enumerate(row, 1))]
        for n, row in enumerate(rows)
    ]
    written = [",".join(escaped(cell, n) for n, cell in enumerate(row)) for row in rows]
    found = records("".join(f"{line}\n" for line in written), MYSQL, size)
    assert [splitter(MYSQL)(raw) for _, raw, _ in found] == rows


# --- as Python's csv -------------------------------------------------------------------------------


@settings(derandomize=True, deadline=None, max_examples=500)
@given(
    st.lists(st.lists(st.text('ab,;"\n\r é\u2028'), min_size=1, max_size=4), min_size=1, max_size=8),
    st.sampled_from([(",", '"'), (";", "'"), ("\t", '"'), ("|", "a"), ("^", "]"), ("§", "“")]),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(1, 5),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_well_formed_csv_is_read_as_it_was_written(
    rows: list[list[str]], marks: tuple[str, str], end: str, size: int, quoting: int
) -> None:
    written = io.StringIO(newline="")
    # Python leaves a carriage return at the end of a line bare where lines end in LF.
    rows = [["k", *(cell if quoting == csv.QUOTE_ALL else cell.replace("\r", "") for cell in row)] for row in rows]
    csv.writer(written, delimiter=marks[0], quotechar=marks[1], lineterminator=end, quoting=quoting).writerows(rows)
    dialect = Dialect(*marks, "")
    for body, encoding in ((written.getvalue(), "utf-8"), (written.getvalue().encode(), "utf-8")):
        found = records(body, dialect, size, encoding)
        assert [splitter(dialect)(raw) for _, raw, _ in found] == rows
        assert {defect for _, _, defect in found} == {None}


@settings(derandomize=True, deadline=None, max_examples=1000)
@given(st.text('a,"\n', max_size=60), st.integers(1, 4))
def test_any_text_is_split_where_python_would_split_it(text: str, size: int) -> None:
    lines = io.StringIO(text, newline="").readlines()
    reader, expected, before = csv.reader(lines), [], 0
    for _ in reader:
        expected.append((before + 1, "".join(lines[before : reader.line_num]).removesuffix("\n")))
        before = reader.line_num
    found = records(text, RFC, size)
    assert [(ordinal, raw) for ordinal, raw, _ in found] == [(n, raw) for n, raw in expected if raw]
    strictly_open = False
    try:
        list(csv.reader([raw + "\n" for _, raw in expected[-1:]], strict=True))
    except csv.Error as e:
        strictly_open = "unexpected end of data" in str(e)
    assert not strictly_open or found[-1][2] == "unclosed_quote"


@settings(
    derandomize=True, deadline=None, max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text('a,"\\\n\r', max_size=80), st.sampled_from([RFC, MYSQL, Dialect(",", "", ""), Dialect(",", "", "\\")]))
def test_every_line_of_a_file_is_in_one_record_or_blank(tmp_path: Path, text: str, dialect: Dialect) -> None:
    lines = text.removesuffix("\n").split("\n")
    for size in (1, 2, 100):
        covered: dict[int, str] = {}
        found = records(text, dialect, size)
        for ordinal, raw, _ in found:
            count = raw.count("\n") + 1
            there = "\n".join(lines[ordinal - 1 : ordinal - 1 + count])
            assert raw in (there, there.removesuffix("\r"))
            covered |= {ordinal + n: raw for n in range(count)}
        assert sum(raw.count("\n") + 1 for _, raw, _ in found) == len(covered)
        assert all(lines[n - 1].removesuffix("\r") == "" for n in range(1, len(lines) + 1) if n not in covered)


# --- time ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '1,"x"' + "," * 1_000_000,
        '1,"x' + "," * 1_000_000,
        '1,"' + '""' * 500_000,
        '"a"x' * 300_000,
        '"a",' * 300_000,
        '""\n"' * 300_000,
        '"a\n' * 300_000,
        "1,\\" * 300_000,
        '\\"' * 500_000,
    ],
    ids=range(9),
)
def test_the_time_grows_with_the_length_and_no_faster(text: str) -> None:
    def seconds(text: str) -> float:
        began = time.process_time()
        for dialect in (RFC, MYSQL):
            for _, raw, _ in records(text, dialect, 1000):
                splitter(dialect)(raw)
        return time.process_time() - began

    # Eight times the text takes some eight times as long; were it quadratic, it would be sixty-four times.
    short = max(seconds(text[: len(text) // 8]), 0.01)
    assert seconds(text) < 24 * short
