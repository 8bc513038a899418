"""Landing of files: what cannot be read is one line, is said again until it is put right, and costs no neighbour."""

from __future__ import annotations

import bz2
import codecs
import gzip
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from saleslake import bronze
from saleslake.cli import app
from saleslake.config import Settings
from saleslake.ingest import files
from saleslake.ingest.paths import missing
from saleslake.ingest.records import batches
from saleslake.ingest.report import Landed
from saleslake.lake import Lake
from saleslake.landing import Unit, file_sha256, now
from tests.sources.test_paths import as_nobody, make, open_folder

__all__ = ["open_folder"]
Make = Callable[[str], Settings]
JSON = '[sources.s]\nentity = "orders"\nformat = "json"\nrecords_path = "orders"\npath = "in"\n'
JSONL = '[sources.s]\nentity = "orders"\nformat = "jsonl"\npath = "in"\n'
CSV = '[sources.s]\nentity = "users"\nformat = "csv"\npath = "in"\n'
GOOD = b'{"orders": [{"order_id": 1}, {"order_id": 2}]}'


@dataclass
class Shop:
    """One source over a folder `in`, and what bronze's control rows would know of it."""

    make_settings: Make
    folder: Path
    control: list[bronze.Control] = field(default_factory=list)

    def put(self, name: str, content: bytes) -> None:
        (self.folder / "in").mkdir(exist_ok=True)
        (self.folder / "in" / name).write_bytes(content)

    def run(self, text: str, *, refetch: bool = False) -> tuple[list[Unit], Landed]:
        """Land, and note in control rows what a commit would."""
        lake, report = Lake(self.make_settings(text)), Landed("s")
        units = files.extract(lake, "s", self.control, report, refetch=refetch)
        counted = []
        for unit in units:
            records = [
                row for batch in batches(lake.landing, unit, lake.settings.sources["s"]) for row in batch.to_pylist()
            ]
            assert not unit.defect or [row["defect"] for row in records] == [unit.defect]
            counted.append(replace(unit, records=len(records)))
        if counted:
            self.control.append(bronze.Control(now(), [unit.control() for unit in counted]))
        return counted, report


@pytest.fixture
def shop(make_settings: Make, tmp_path: Path) -> Shop:
    return Shop(make_settings, tmp_path)


def landed(units: list[Unit]) -> dict[str, tuple[int, str | None]]:
    return {unit.file: (unit.records, unit.defect) for unit in units}


BROKEN = [
    (b'{"orders": [{"order_id": 1},', "not JSON at line 1 column 29: Expecting value"),
    ('{"orders": ["ü"]}'.encode("latin-1"), "not UTF-8 at byte 13"),
    (b"PK\x03\x04" + b"\0" * 40, "not JSON but a zip archive"),
    (bz2.compress(GOOD), "not JSON but bzip2 data"),
    (b'{"order": [1]}', "no array at `orders`; the document has: order"),
    (b"", "not JSON at line 1 column 1: Expecting value"),
]


@pytest.mark.parametrize(("body", "why"), BROKEN)
def test_a_document_that_cannot_be_read_lands_once_and_is_said_at_every_run(body: bytes, why: str, shop: Shop) -> None:
    shop.put("bad.json", body)
    shop.put("good.json", GOOD)
    line = (
        f"in/bad.json: {why}. The document is quarantined as a whole (source s), "
        "and read again at every run until it or the setting is put right, or the document is given up: "
        f'sources.s.dismiss = ["{hashlib.sha256(body).hexdigest()[:12]}"]'
    )
    units, report = shop.run(JSON)
    assert landed(units) == {"in/bad.json": (1, "document_invalid"), "in/good.json": (2, None)}
    assert report.failed == [line]
    for _ in range(2):
        units, report = shop.run(JSON)
        assert (units, report.failed, report.left_out_units) == ([], [line], 2)
    shop.put("bad.json", GOOD)
    units, report = shop.run(JSON)
    assert (landed(units), report.failed) == ({"in/bad.json": (2, None)}, [])
    assert shop.run(JSON)[1].failed == []


def test_a_document_that_a_setting_made_unreadable_lands_as_soon_as_the_setting_is_right(shop: Shop) -> None:
    shop.put("a.json", GOOD)
    shop.put("b.json", '{"orders": ["ü"]}'.encode("latin-1"))
    units, report = shop.run(JSON.replace('"orders"\npath', '"order"\npath'))
    assert (len(units), len(report.failed)) == (2, 2)
    assert "in/a.json: no array at `order`; the document has: orders." in report.failed[0]
    units, report = shop.run(JSON)
    assert (landed(units), len(report.failed)) == ({"in/a.json": (2, None)}, 1)
    units, report = shop.run(JSON + 'encoding = "latin-1"\n')
    assert (landed(units), report.failed) == ({"in/b.json": (1, None)}, [])
    units, report = shop.run(JSON + 'encoding = "latin-1"\n')
    assert (units, report.failed) == ([], [])


def test_good_orders_that_an_earlier_version_could_not_read_land_at_the_next_run(shop: Shop) -> None:
    shop.put("a.json", codecs.BOM_UTF8 + GOOD)
    shop.put("b.json", b'{"orders": [NaN]}')
    shop.put("one.json", b'{"orders": [7]}')
    shop.run(JSON)
    for unit in shop.control[0].units:
        unit["records"] = 1  # as it was, when a mark and NaN cost the document
    units, report = shop.run(JSON)
    assert (landed(units), report.failed) == ({"in/a.json": (2, None)}, [])


def test_a_document_that_was_dismissed_is_left_out_without_a_word(shop: Shop) -> None:
    shop.put("bad.json", b"[1")
    shop.run(JSON)
    digits = file_sha256(shop.folder / "in/bad.json")[:12]
    (failure,) = shop.run(JSON)[1].failed
    setting = f'sources.s.dismiss = ["{digits}"]'
    assert failure.endswith(setting), "the run says how to give it up"
    assert shop.run(JSON + setting.removeprefix("sources.s."))[1].failed == []
    shop.put("bad.json", b"[2")
    assert len(shop.run(JSON + setting.removeprefix("sources.s."))[1].failed) == 1, "another document"
    assert len(shop.run(JSON)[1].failed) == 1


def test_a_document_is_split_once_and_its_records_are_those_of_its_bytes(shop: Shop) -> None:
    shop.put("a.json", GOOD)
    lake, report = Lake(shop.make_settings(JSON)), Landed("s")
    [unit] = files.extract(lake, "s", [], report, refetch=False)
    source = lake.settings.sources["s"]
    landed_bytes = lake.landing.path(unit.unit)
    again = Lake(shop.make_settings(JSON)).landing
    assert [b.to_pylist() for b in batches(again, unit, source)] == [
        b.to_pylist() for b in batches(lake.landing, unit, source)
    ]
    assert landed_bytes.read_bytes() == GOOD
    assert lake.landing.release(unit) is None


@pytest.mark.parametrize("text", [CSV, JSONL])
def test_files_that_cannot_be_read_are_a_line_each_and_the_others_land(
    text: str, make_settings: Make, open_folder: Path
) -> None:
    good = b"user_id\n1\n" if text == CSV else b'{"order_id":1}\n'
    make(open_folder, "in/a.csv")
    long_name = "ü" * 123 + ".csv"
    files_in = {
        "a.csv": good,
        long_name: good,
        "x.xlsx": b"PK\x03\x04" + b"\0" * 26 + b"xl/a",
        "cut.gz": gzip.compress(good * 99)[:-9],
    }
    files_in |= {"b.bz2": bz2.compress(good), "secret.csv": good, "z.csv": good, "odd\u2028\n.csv": good}
    for name, content in files_in.items():
        (open_folder / "in" / name).write_bytes(content)
    Path(os.fsdecode(os.fsencode(open_folder) + b"/in/caf\xe9.csv")).write_bytes(good)
    (open_folder / "in/secret.csv").chmod(0)
    config = open_folder / "saleslake.toml"
    config.write_text('[paths]\nroot = "."\ndata = "data"\n' + text)
    from saleslake.config import load

    report = Landed("s")
    with as_nobody():
        units = files.extract(Lake(load(config)), "s", [], report, refetch=False)
    assert sorted(unit.file for unit in units) == sorted(
        f"in/{n}" for n in ("a.csv", "z.csv", long_name, "odd\u2028\n.csv")
    )
    form = "csv" if text == CSV else "jsonl"
    assert sorted(report.failed) == [
        f"in/b.bz2: refused: it is bzip2 data, not {form}; unpack it, or export it as {form}",
        "in/caf\\xe9.csv: refused: its name is not UTF-8; rename it",
        "in/cut.gz: refused: damaged gzip data (Compressed file ended before the end-of-stream marker was reached); "
        "fetch the file again",
        "in/secret.csv: cannot be read: Permission denied",
        f"in/x.xlsx: refused: it is an Excel workbook (xlsx) or other Office file, not {form}; unpack it, or export it as {form}",
    ]


def test_a_file_that_two_paths_or_links_lead_to_lands_once(shop: Shop) -> None:
    shop.put("a.jsonl", b"{}\n")
    (shop.folder / "in/b.jsonl").symlink_to(shop.folder / "in/a.jsonl")
    (shop.folder / "link").symlink_to(shop.folder / "in")
    units, report = shop.run(JSONL.replace('"in"', '["in", "in/*.jsonl", "link"]'))
    assert (landed(units), report.failed) == ({"in/a.jsonl": (1, None)}, [])


@pytest.mark.parametrize(
    ("text", "full", "empty", "what"),
    [
        (CSV, b"user_id\n1\n2\n", b"", "0 bytes"),
        (CSV, b"user_id\n1\n2\n", b"user_id\n\n", "a header alone"),
        (CSV, b"user_id\n1\n2\n", gzip.compress(b"user_id\r\n", mtime=0), "a header alone"),
        (JSONL, b"{}\n{}\n", b"\n \n", "no record in it"),
        (JSON, GOOD, b'{"orders": []}', "no record in it"),
        (JSON, GOOD, b"{}", "no record in it"),
    ],
)
def test_an_export_that_became_empty_is_said_once(text: str, full: bytes, empty: bytes, what: str, shop: Shop) -> None:
    shop.put("a", full)
    assert shop.run(text)[1].notes == []
    shop.put("a", empty)
    with capture_logs() as logs:
        units, report = shop.run(text)
    note = (
        f"in/a: is empty now ({what}), and had 2 records when it landed before; if that is not meant, export it again"
    )
    assert (landed(units), report.notes, report.failed) == ({"in/a": (0, None)}, [note], [])
    assert [e["note"] for e in logs if e["log_level"] == "warning"] == [note]
    assert shop.run(text)[1].notes == []


def test_an_empty_file_that_never_had_rows_needs_no_word(shop: Shop) -> None:
    shop.put("a.csv", b"")
    units, report = shop.run(CSV)
    assert (len(units), report.notes, report.failed) == (1, [], [])


# --- paths without files ---------------------------------------------------------------------------


def test_a_source_that_finds_no_file_says_so_and_fails_where_it_had_files(shop: Shop) -> None:
    (shop.folder / "in").mkdir()
    line = f"sources.s.path: no file to read in {shop.folder}/in"
    _, report = shop.run(JSONL)
    assert (report.notes, report.failed) == ([line], [])
    shop.put("a.jsonl", b"{}\n")
    shop.run(JSONL)
    (shop.folder / "in/a.jsonl").unlink()
    shop.put("_a.jsonl", b"{}\n")
    _, report = shop.run(JSONL)
    line += " (names left alone, because hidden or temporary: 1), and 1 landed from there before"
    assert report.notes == []
    assert report.failed == [
        line + '; put them back, or set sources.s.no_files = "say" if files are taken away once they are loaded'
    ]
    _, report = shop.run(JSONL + 'no_files = "say"\n')
    assert (report.notes, report.failed) == ([line], [])


def test_of_several_paths_the_empty_one_is_said_and_the_others_are_read(shop: Shop) -> None:
    shop.put("a.jsonl", b"{}\n")
    (shop.folder / "disk").mkdir()
    text = JSONL.replace('"in"', '["in", "disk", "gone", "old/*.jsonl"]')
    units, report = shop.run(text)
    assert landed(units) == {"in/a.jsonl": (1, None)}
    assert report.notes == [f"sources.s.path: no file to read in {shop.folder}/disk"]
    assert [line.split(";")[0] for line in report.failed] == [
        f"sources.s.path: nothing at {shop.folder}/{path}" for path in ("gone", "old/*.jsonl")
    ]
    assert shop.run(text + 'no_files = "say"\n')[1].failed == []
    (shop.folder / "disk/b.jsonl").write_bytes(b"{}\n")
    shop.run(text)
    (shop.folder / "disk/b.jsonl").unlink()
    assert f"in {shop.folder}/disk, and 1 landed from there before" in shop.run(text)[1].failed[0]


def test_names_left_alone_are_one_line_of_the_log(shop: Shop) -> None:
    shop.put("a.jsonl", b"{}\n")
    make(shop.folder, *(f"in/_temporary/{n}/x.jsonl" for n in range(3)), "in/.ipynb_checkpoints/y.jsonl")
    with capture_logs() as logs:
        units, _ = shop.run(JSONL)
    assert landed(units) == {"in/a.jsonl": (1, None)}
    [line] = [e for e in logs if e["event"] == "names_left_alone"]
    assert (line["source"], line["names"]) == ("s", 2)
    assert [Path(name).name for name in line["first"]] == [".ipynb_checkpoints", "_temporary"]


def test_a_path_that_names_nothing_is_told_before_spark_starts(
    make_settings: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path, "in/a.jsonl")
    settings = make_settings(JSONL.replace('"in"', '["in", "gone.jsonl", "in/*.csv"]'))
    assert [line.split(";")[0] for line in missing(settings, settings.sources)] == [
        f"sources.s.path: nothing at {tmp_path}/{path}" for path in ("gone.jsonl", "in/*.csv")
    ]
    app._before_run(settings)
    said = capsys.readouterr().err.split("\n")
    assert [line.split(";")[0] for line in said[:-1]] == [
        f"warning: sources.s.path: nothing at {tmp_path}/{path}" for path in ("gone.jsonl", "in/*.csv")
    ]


# --- manifests -------------------------------------------------------------------------------------


def test_a_page_in_the_charset_of_its_header_splits_the_same_way_from_landing(make_settings: Make) -> None:
    from tests.api_support import Reply, make_client, scripted

    for body, kind in (('[{"a":"ß"}]', "application/json"), ('{"a":"ß"}\n', "application/x-ndjson")):
        encoded = body.encode("latin-1")
        with scripted(Reply(encoded, headers={"Content-Type": f"{kind}; charset=iso-8859-1"})) as api:
            [page] = make_client(api.url, records_path="", pagination="none").pages()
        assert (page.records, page.body) == (['{"a":"ß"}'], encoded)
        lake = Lake(make_settings('[sources.s]\nentity = "orders"\nformat = "api"\napi.url = "http://127.0.0.1/"\n'))
        unit = Unit("s/r/page-1.json", "s", "f", "o", "r", now(), "", 0, "fetched", form=page.form)
        lake.landing.add_bytes(unit, encoded)
        [again] = lake.landing.units("s")
        [batch] = batches(lake.landing, again, lake.settings.sources["s"])
        assert batch.column("raw").to_pylist() == page.records


def test_settings_of_files_are_checked_at_the_start(make_settings: Make) -> None:
    from saleslake.errors import ConfigError

    for bad in ("martian", "utf-7", "unicode_escape", "base64", "idna"):
        with pytest.raises(ConfigError, match=f"unknown encoding '{bad}'; use a name like utf-8"):
            make_settings(CSV + f'encoding = "{bad}"\n')
    with pytest.raises(ConfigError, match=r"no_files: .*'fail' or 'say'"):
        make_settings(CSV + 'no_files = "ignore"\n')
    assert (
        json.loads(make_settings(CSV + 'encoding = "UTF-16"\n').sources["s"].model_dump_json())["encoding"] == "UTF-16"
    )
