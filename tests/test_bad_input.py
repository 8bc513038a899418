"""Bad input through the whole job, in one run judged file by file: nothing crashes, nothing is lost, nothing half-loaded."""

from __future__ import annotations

import gzip
import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from saleslake.accounting import verify
from saleslake.ingest.window import Window
from saleslake.lake import Lake
from saleslake.pipeline import Batch, Summary
from tests.shared_data import shared_folder
from tests.sources.test_documents import NO_NUMBERS

GOOD_ORDER = '{"order_id":"G%s","user_id":"u","amount":2,"currency":"EUR","created_at":"2024-01-01","items":[{"sku":"s","qty":1,"price":2}]}'


def run(lake: Lake) -> Summary:
    return Batch(lake).run(Window())


def rows(lake: Lake, sql: str) -> list[tuple[object, ...]]:
    from saleslake.serve.duck import connect

    with connect(lake) as connection:
        return connection.execute(sql).fetchall()


def test_every_body_of_the_json_test_suite_lands_whole_or_as_one_quarantined_document(
    tmp_path: Path, make_lake: Callable[[str], Lake]
) -> None:
    suite = shared_folder("data/corpora/json_test_suite/test_parsing")
    lake = make_lake(f"[sources.bodies]\nentity = 'orders'\nformat = 'json'\npath = '{suite}'")
    run(lake)
    found: dict[str, list[tuple[object, ...]]] = {}
    for name, defect, raw in rows(
        lake, "select parse_filename(file), defect, raw from bronze.bodies where kind = 'record'"
    ):
        found.setdefault(str(name), []).append((defect, raw))
    for file in sorted(suite.iterdir()):
        landed = found.get(file.name, [])
        if file.name in NO_NUMBERS:
            assert landed == [(None, file.read_text().strip("[]"))], file.name
        elif file.name.startswith("n_"):
            assert [d for d, _ in landed] == ["document_invalid"], file.name
        elif file.name.startswith("y_"):
            body = json.loads(file.read_bytes())
            whole = len(body) if isinstance(body, list) else int(body not in (None, {}))
            assert len(landed) == whole, file.name
            if isinstance(body, list):
                assert [json.loads(str(raw)) for _, raw in landed] == body, file.name
        else:
            assert len({d for d, _ in landed}) <= 1, f"{file.name}: half-loaded"
    assert rows(lake, "select count(*) from silver.orders") == [(0,)]
    assert verify(lake).holds


def test_every_file_of_csv_spectrum_gives_the_records_its_json_lists(make_lake: Callable[[str], Lake]) -> None:
    spectrum = shared_folder("data/corpora/csv_spectrum")
    lake = make_lake(f"""
        [sources.spectrum]
        entity = "transactions"
        format = "csv"
        path = "{spectrum}/csvs"
        key = "line"
        defaults = {{ sale_date = "2024-01-01", quantity = "1", total_price = "1", currency = "EUR" }}
        """)
    run(lake)
    counts = dict(rows(lake, "select parse_filename(file, true), count(*) from silver.transactions group by 1"))  # type: ignore[arg-type]
    for file in sorted((spectrum / "csvs").iterdir()):
        expected = json.loads((spectrum / "json" / f"{file.stem}.json").read_text(encoding="utf-8", errors="replace"))
        assert counts.get(file.stem, 0) == (len(expected) if isinstance(expected, list) else 1), file.name
    assert verify(lake).holds


INVISIBLE = ("Zs", "Zl", "Zp", "Cc", "Cf")
"""Unicode's categories of blanks, line ends, controls and marks …"""
SEEN = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f"
"""… some of which are seen."""


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_naughty_strings_come_out_byte_for_byte(form: str, tmp_path: Path, make_lake: Callable[[str], Lake]) -> None:
    strings = json.loads((shared_folder("data/corpora/naughty_strings") / "blns.json").read_text(encoding="utf-8"))
    if form == "jsonl":
        lines = [json.dumps({"sku": f"n{i}", "name": s}, ensure_ascii=bool(i % 2)) for i, s in enumerate(strings)]
        (tmp_path / "p.jsonl").write_text("\n".join(lines), encoding="utf-8", newline="")
    else:
        quoted = [f'n{i},"{s.replace(chr(34), chr(34) * 2)}"' for i, s in enumerate(strings)]
        (tmp_path / "p.csv").write_text("\r\n".join(["sku,name", *quoted]), encoding="utf-8", newline="")
    lake = make_lake(f"[sources.p]\nentity = 'products'\nformat = '{form}'\npath = 'p.{form}'")
    run(lake)
    stored = dict(rows(lake, "select sku, name from gold.dim_product"))  # type: ignore[arg-type]
    # A text of nothing that anyone could see is none.
    said = [None if all(unicodedata.category(c) in INVISIBLE and c not in SEEN for c in s) else s for s in strings]
    wrong = [i for i, s in enumerate(said) if stored[f"n{i}"] != s]
    assert wrong == []
    assert said.count(None) == 6
    assert verify(lake).holds


def test_a_document_that_cannot_be_read_fails_every_run_and_one_bad_number_costs_one_order(
    tmp_path: Path, make_lake: Callable[[str], Lake]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    many = ",".join(GOOD_ORDER % f"n{i}" for i in range(1000))
    nan = '{"order_id":"bad","user_id":"u","items":[{"sku":"s","qty":1,"price":NaN}]}'
    files: dict[str, bytes] = {
        "mark.json": b"\xef\xbb\xbf" + f'{{"orders":[{GOOD_ORDER % "m1"},{GOOD_ORDER % "m2"}]}}'.encode(),
        "wide.json": f'{{"orders":[{GOOD_ORDER % "w1"}]}}'.encode("utf-16"),
        "nan.json": f'{{"total":NaN,"orders":[{many},{nan}]}}'.encode(),
        "one.json": f'{{"orders":{GOOD_ORDER % "o1"}}}'.encode(),
        "cut.json": b'{"orders":[{"order_id":',
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    text = """
        [sources.o]
        entity = "orders"
        format = "json"
        path = "in"
        records_path = "orders"
        [sources.wrong]
        entity = "orders"
        format = "json"
        path = "in/mark.json"
        records_path = "order"
        """
    lines = [
        "in/cut.json: not JSON at line 1 column 24: Expecting value.",
        "in/mark.json: no array at `order`; the document has: orders.",
    ]
    found = "select count(*) from bronze.{} where kind = 'record'"
    for _ in range(2):
        lake = make_lake(text)
        assert [line.split(" The document")[0] for line in sorted(run(lake).failures)] == lines
        assert rows(lake, found.format("o")) == [(2 + 1 + 1001 + 1 + 1,)]
        assert rows(lake, found.format("wrong")) == [(1,)]
    assert rows(lake, "select count(*) from silver.orders") == [(1004,)]
    quarantined = rows(
        lake, "select source, parse_filename(file), raw from silver.quarantine where file not like '%mark%'"
    )
    assert sorted(quarantined) == [("o", "cut.json", files["cut.json"].decode()), ("o", "nan.json", nan)]
    assert verify(lake).holds
    (folder / "cut.json").write_bytes(f'{{"orders":[{GOOD_ORDER % "c1"}]}}'.encode())
    lake = make_lake(text.replace('"order"', '"orders"'))
    assert run(lake).failures == []
    assert rows(lake, "select count(*) from silver.orders") == [(1005,)]
    assert verify(lake).holds


def test_bad_files_cost_themselves_and_no_neighbour(tmp_path: Path, make_lake: Callable[[str], Lake]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    truncated = gzip.compress(("\n".join(GOOD_ORDER % f"z{i}" for i in range(5000))).encode())[:-200]
    files: dict[str, bytes] = {
        "a_good.jsonl": f"{GOOD_ORDER % 1}\n{GOOD_ORDER % 2}\n".encode(),
        "b_empty.jsonl": b"",
        "c_blank.jsonl": b"\n \n\r\n",
        "d_binary.jsonl": bytes(range(256)) * 4,
        "e_mixed.jsonl": (GOOD_ORDER % 3).encode() + b"\n\xff\xfe broken\n" + (GOOD_ORDER % 4).encode(),
        "f_no_final_newline.jsonl.gz": gzip.compress((GOOD_ORDER % 5).encode()),
        "g_truncated.jsonl.gz": truncated,
        "h_long.jsonl": b'{"order_id":"' + b"x" * 3_000_000 + b'"}\n' + (GOOD_ORDER % 6).encode(),
        "i_deep.jsonl": b"[" * 20_000 + b"\n" + (GOOD_ORDER % 7).encode(),
        ".hidden.jsonl": b"never read",
        "half-written.jsonl.tmp": b"never read",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    lake = make_lake("[sources.o]\nentity = 'orders'\nformat = 'jsonl'\npath = 'in'")
    summary = run(lake)
    assert [f for f in summary.failures if "g_truncated" in f and "gzip" in f] == summary.failures
    applied = {r[0] for r in rows(lake, "select order_id from silver.orders")}
    assert applied == {f"G{i}" for i in range(1, 8)}
    by_file = dict(rows(lake, "select parse_filename(file), count(*) from silver.quarantine group by 1"))  # type: ignore[arg-type]
    assert by_file.keys() == {"d_binary.jsonl", "e_mixed.jsonl", "h_long.jsonl", "i_deep.jsonl"}
    assert by_file["e_mixed.jsonl"] == by_file["h_long.jsonl"] == by_file["i_deep.jsonl"] == 1
    assert verify(lake).holds


def test_a_csv_without_a_required_column_is_refused_by_name_and_the_others_finish(
    tmp_path: Path, make_lake: Callable[[str], Lake]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_text("user_id,email\n1,a@x\n")
    (folder / "b.csv").write_text("id;email\n1;a@x\n")
    (folder / "c.csv").write_text("email,user_id,user_id\na@x,1,2\n")
    (folder / "d.csv").write_text("email,user_id\nb@x,2\n")
    (folder / "e.csv").write_bytes(b"")
    lake = make_lake("[sources.u]\nentity = 'users'\nformat = 'csv'\npath = 'in'")
    summary = run(lake)
    assert len(summary.failures) == 2
    assert "in/b.csv" in summary.failures[0] and "user_id" in summary.failures[0] and "id;email" in summary.failures[0]
    assert "in/c.csv" in summary.failures[1] and "more than once" in summary.failures[1]
    assert sorted(rows(lake, "select user_id, email from silver.users")) == [("1", "a@x"), ("2", "b@x")]
