"""CSV files on their way to bronze: quotes never closed, columns that a mapping names, what is skipped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from saleslake import bronze
from saleslake.cli import render
from saleslake.config import Settings
from saleslake.ingest.commit import commit
from saleslake.ingest.files import extract
from saleslake.ingest.report import Landed
from saleslake.lake import Lake
from saleslake.summary import Summary

Make = Callable[[str], Settings]
CSV = '[sources.s]\nentity = "users"\nformat = "csv"\npath = "in"\n'


class Shop:
    """One source over a folder `in`."""

    def __init__(self, make: Make, folder: Path):
        self._make, self._folder = make, folder / "in"
        self._folder.mkdir()

    def run(self, text: str = CSV, **files: str) -> Landed:
        """Put these files (`a="…"` is a.csv) and land what is new."""
        for name, content in files.items():
            (self._folder / f"{name}.csv").write_text(content, newline="")
        self.lake, report = Lake(self._make(text)), Landed("s")
        units = extract(self.lake, "s", bronze.controls(self.lake, "s"), report, refetch=False)
        commit(self.lake, "s", units, report)
        return report

    def rows(self) -> list[dict[str, Any]]:
        """What bronze holds, control rows left out."""
        found = self.lake.query(
            "select file, ordinal, raw, defect from t where kind = 'record' order by landed_at, file, ordinal",
            t=bronze.table_of("s"),
        )
        return [dict(zip(("file", "ordinal", "raw", "defect"), row, strict=True)) for row in found.fetchall()]


@pytest.fixture
def shop(make_settings: Make, tmp_path: Path) -> Shop:
    return Shop(make_settings, tmp_path)


# --- quotes that are never closed ------------------------------------------------------------------

OPEN = 'user_id,email\n1,a\n2,"b\n3,c\n'


def complaint(name: str, body: str, line: int) -> str:
    return (
        f"in/{name}.csv: line {line}: the record that begins there has a quote that is never closed; put it right, or check "
        "quote and escape. From that line on the file is quarantined as one record (source s), and read again at every run "
        "until it or the setting is put right, or the file is given up: "
        f'sources.s.dismiss = ["{hashlib.sha256(body.encode()).hexdigest()[:12]}"]'
    )


def test_a_quote_never_closed_fails_every_run_by_file_and_line_and_costs_no_other_file(shop: Shop) -> None:
    for _ in range(2):
        assert shop.run(a=OPEN, b="user_id,email\n9,z\n").failed == [complaint("a", OPEN, 3)]
        assert [(row["file"], row["ordinal"], row["raw"], row["defect"]) for row in shop.rows()] == [
            ("in/a.csv", 2, "1,a", None),
            ("in/a.csv", 3, '2,"b\n3,c', "unclosed_quote"),
            ("in/b.csv", 2, "9,z", None),
        ]
    report = shop.run(a=OPEN.replace('"', ""))
    assert (report.failed, report.records) == ([], 3)
    assert (shop.run().failed, shop.run().records) == ([], 0)


STRAY = 'user_id,email\n1,a\n2,"b\n3,c\n4,"d"\n5,e\n'


def test_a_quote_closed_by_that_of_another_record_fails_every_run_by_file_and_line(shop: Shop) -> None:
    complaint = (
        "in/a.csv: line 3: the record that begins there goes over several lines and has text behind a closing quote; look "
        "for a quote too many in it. Those lines are quarantined as one record (source s), and read again"
    )
    for _ in range(2):
        (failed,) = shop.run(a=STRAY).failed
        assert failed.startswith(complaint)
        assert [(row["ordinal"], row["raw"]) for row in shop.rows()] == [
            (2, "1,a"),
            (3, '2,"b\n3,c\n4,"d"'),
            (6, "5,e"),
        ]
    report = shop.run(a=STRAY.replace('2,"b', "2,b"))
    assert (report.failed, report.records) == ([], 5)


def test_a_file_that_a_setting_made_unreadable_lands_as_soon_as_the_setting_is_right(shop: Shop) -> None:
    assert shop.run(a=OPEN).records == 2
    report = shop.run(CSV + 'quote = ""\n')
    assert (report.failed, report.records) == ([], 3)
    assert [row["raw"] for row in shop.rows()][2:] == ["1,a", '2,"b', "3,c"]
    assert shop.run(CSV + 'quote = ""\n').records == 0


def test_a_file_whose_quote_is_never_closed_can_be_given_up(shop: Shop) -> None:
    (line,) = shop.run(a=OPEN).failed
    given_up = CSV + line.partition("sources.s.")[2] + "\n"
    for _ in range(2):
        report = shop.run(given_up)
        assert (report.failed, report.records) == ([], 0)


# --- columns that a mapping names ------------------------------------------------------------------

MAPPED = CSV + '[sources.s.mapping]\nuser_id = "Nr"\nemail = "Mail"\n'


def test_a_mapped_column_that_no_file_ever_had_refuses_the_file(shop: Shop) -> None:
    report = shop.run(MAPPED, a="Nr,E-Mail\n1,x\n")
    assert report.failed == [
        "in/a.csv: refused: mapped column Mail (our email) not found; columns found: Nr, E-Mail. "
        "Correct [sources.….mapping], or check delimiter and encoding"
    ]
    assert (report.records, report.lost_fields) == (0, [])


def test_a_mapped_column_that_vanishes_is_said_once_and_once_more_after_it_came_back(shop: Shop) -> None:
    found = []
    for n, header in enumerate(["Nr,mail", "Nr", "Nr", "Nr,Mail", "Nr"]):
        report = shop.run(MAPPED, **{f"f{n}": f"{header}\n{n}\n"})
        assert (report.failed, report.records, report.new_fields) == ([], 1, []), header
        found.append(report.lost_fields)
    assert found == [[], ["Mail"], [], [], ["Mail"]]


@pytest.mark.parametrize(("first", "second"), [("Nr,Mail", "Nr"), ("Nr", "Nr,Mail")])
def test_a_mapped_column_in_another_file_of_the_run_is_enough_whichever_comes_first(
    first: str, second: str, shop: Shop
) -> None:
    report = shop.run(MAPPED, a=f"{first}\n1\n", b=f"{second}\n2\n", c="")
    assert (report.failed, report.records, report.lost_fields) == ([], 2, [])


def test_a_default_makes_no_mapping_right(shop: Shop) -> None:
    report = shop.run(MAPPED + '[sources.s.defaults]\nemail = "none"\n', a="Nr,E-Mail\n1,x\n")
    assert len(report.failed) == 1


# --- what is skipped, and what the file says of itself ---------------------------------------------


def test_what_is_skipped_is_in_the_summary_and_lines_keep_their_numbers(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    report = shop.run(
        CSV + "skip_lines = 2\nskip_last = 1\n",
        a="sep=;\nReport\nuser_id;email\n1;a\nTotal;1\n",
        b="Report\n\nuser_id,email\n2,b\n3,c\n\nTotal,2\n\n",
    )
    assert (report.failed, report.skipped, report.new_fields) == ([], 5, [])
    assert [(row["ordinal"], row["raw"]) for row in shop.rows()] == [(4, "1;a"), (4, "2,b"), (5, "3,c")]
    render.summary(shop.lake, Summary(landed=[report]), 1.0)
    assert "s skipped by skip_lines and skip_last: 5 lines" in capsys.readouterr().out


def test_columns_that_differ_in_case_are_no_new_fields(shop: Shop) -> None:
    report = shop.run(a="USER_ID,E-Mail,Country \n1,x,DE\n")
    assert (report.failed, report.new_fields) == ([], ["E-Mail"])


def test_a_path_of_json_that_vanishes_is_said_once_and_only_of_many_records(shop: Shop) -> None:
    text = (
        '[sources.s]\nentity = "users"\nformat = "jsonl"\npath = "in"\n'
        '[sources.s.mapping]\nemail = "contact.mail"\ncountry = "land"\n'
    )

    def users(first: int, count: int, **more: Any) -> str:
        return "\n".join(json.dumps({"user_id": n, "land": "DE"} | more) for n in range(first, first + count))

    assert shop.run(text, a=users(0, 20, contact={"mail": "a"})).lost_fields == []
    assert shop.run(text, b=users(20, 19)).lost_fields == []
    assert shop.run(text, c=users(40, 20, contact={"mail": None})).lost_fields == []
    assert shop.run(text, d=users(60, 20)).lost_fields == ["contact.mail"]
    assert shop.run(text, e=users(80, 20)).lost_fields == []
