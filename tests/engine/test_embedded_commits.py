"""The embedded engine's commits: whole, ours, after the version they were decided on; and what is told of them afterwards."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from saleslake import heal
from saleslake.engine.interface import Overtaken
from saleslake.engine.log import Snapshot
from saleslake.engine_choice import choose
from saleslake.errors import TableError
from saleslake.lake import Lake
from saleslake.maintenance import maintain
from saleslake.silver import users
from tests.engine.embedded_support import (
    FIRST,
    LINES,
    SECOND,
    Write,
    changed,
    commit,
    data_files,
    engine_of,
    lake_in,
    line,
    lines,
    of_kind,
    put_commit,
    row_of,
    stored,
    version,
)  # fmt: skip

DAY = 24 * 3600


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    """LINES holds a and b, in a commit and file each, on one day."""
    lake = lake_in(tmp_path)
    lake.engine.append(LINES, lines(lake, ("a", 1)))
    lake.engine.append(LINES, lines(lake, ("b", 1)))
    yield lake
    lake.close()


# --- upserts ---------------------------------------------------------------------------------------


def test_an_upsert_is_one_commit_of_new_files_and_readers_of_the_old_version_go_on(lake: Lake) -> None:
    before, old = data_files(lake), stored(lake)
    gone = lake.engine.sql("SELECT name, moment FROM r", r=lines(lake, ("b", 1)))
    lake.engine.upsert(LINES, lines(lake, ("a", 2), ("c", 1)), gone, [date.fromisoformat(FIRST)])
    assert version(lake) == 3
    found = commit(lake, 3)
    assert (len(of_kind(found, "add")), len(of_kind(found, "remove"))) == (1, 2)
    assert all(action["dataChange"] for kind in ("add", "remove") for action in of_kind(found, kind))
    assert set(before) < set(data_files(lake)), "the former files lie where they lay"
    assert stored(lake) == [("a", 2, FIRST), ("c", 1, FIRST)]
    assert stored(lake, version=2) == old


def test_files_without_a_row_that_goes_stay(lake: Lake) -> None:
    lake.engine.upsert(LINES, lines(lake, ("a", 2)), None, None)
    (removed,) = of_kind(commit(lake, 3), "remove")
    (first,) = of_kind(commit(lake, 1), "add")
    assert removed["path"] == first["path"]


def test_a_row_whose_date_moves_stands_once(lake: Lake) -> None:
    moved = lines(lake, ("a", 1), date=SECOND)
    lake.engine.upsert(LINES, moved, None, [date.fromisoformat(day) for day in (FIRST, SECOND)])
    assert stored(lake) == [("a", 1, SECOND), ("b", 1, FIRST)]
    assert changed(lake, 3) == [("delete", "a", 1, FIRST), ("insert", "a", 1, SECOND)]


def test_a_partition_may_go_with_its_last_row(lake: Lake) -> None:
    none = lines(lake, ("z", 1))
    nobody = lake.engine.sql("SELECT * FROM r WHERE false", r=none)
    everybody = lake.engine.sql("SELECT name, moment FROM r", r=lines(lake, ("a", 1), ("b", 1)))
    lake.engine.upsert(LINES, nobody, everybody, None)
    assert stored(lake) == [] and version(lake) == 3
    assert of_kind(commit(lake, 3), "add") == []


def test_no_rows_make_no_version(lake: Lake) -> None:
    nobody = lake.engine.sql("SELECT * FROM r WHERE false", r=lines(lake, ("z", 1)))
    unheard_of = lake.engine.sql("SELECT name, moment FROM r", r=lines(lake, ("z", 1)))
    before = data_files(lake)
    lake.engine.append(LINES, nobody)
    lake.engine.upsert(LINES, nobody, None, None)
    lake.engine.upsert(LINES, nobody, unheard_of, None)
    lake.engine.overwrite(LINES, None, ("date", SECOND))
    lake.engine.overwrite(LINES, nobody, ("date", SECOND))
    assert (version(lake), data_files(lake)) == (2, before)


def test_each_attempt_has_names_of_its_own(lake: Lake) -> None:
    engine, snapshot = engine_of(lake), Snapshot(lake.snapshot(LINES), lake.path(LINES))
    added = [a.path for _ in range(3) for a in engine._written(LINES, snapshot, lines(lake, ("a", 1)))]
    assert len(set(added)) == 3 and len(data_files(lake)) == 5


def test_one_write_to_many_days_is_a_file_a_day(lake: Lake) -> None:
    many = lake.engine.sql(
        f"""SELECT 'k' || i AS name, TIMESTAMPTZ '{FIRST} 10:00:00+00' AS moment, 1 AS amount, 1 AS n, 'x' AS note,
            DATE '2020-01-01' + CAST(i % 150 AS INTEGER) AS date FROM range(60000) r(i)"""
    )
    lake.engine.append(LINES, many)
    assert len(of_kind(commit(lake, 3), "add")) == 150
    assert len(stored(lake)) == 60_002


# --- two writers -----------------------------------------------------------------------------------

WRITES: dict[str, Write] = {
    "adds": lambda lake: lake.engine.append(LINES, lines(lake, ("c", 1))),
    "adds and removes": lambda lake: lake.engine.upsert(LINES, lines(lake, ("a", 2)), None, None),
    "removes": lambda lake: lake.engine.overwrite(LINES, None, ("date", FIRST)),
    "compaction": lambda lake: lake.engine.compact(LINES),
    "replacement": lambda lake: lake.recreate(LINES),
}


@pytest.mark.parametrize("second", [name for name in WRITES if name != "replacement"])
@pytest.mark.parametrize("first", WRITES)
def test_a_writer_that_decided_on_an_older_version_is_overtaken(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, second: str
) -> None:
    stale = lake_in(tmp_path)
    old = Snapshot(stale.snapshot(LINES), stale.path(LINES))
    WRITES[first](lake)
    left, at = stored(lake), version(lake)
    assert at == 3
    monkeypatch.setattr(engine_of(stale), "_snapshot", lambda *_: old)
    with pytest.raises(Overtaken, match=r"gold\.lines: another writer committed after version 2"):
        WRITES[second](stale)
    assert (version(lake), stored(lake)) == (at, left)
    monkeypatch.undo()
    WRITES[second](stale)  # reading anew, it may
    stale.close()


def test_a_replacement_after_another_writer_is_refused(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    old = lake.snapshot(LINES)
    WRITES["adds"](lake)
    monkeypatch.setattr(lake, "snapshot", lambda *_: old)
    with pytest.raises(TableError, match=r"gold\.lines: another writer committed version 3 first: run again"):
        lake.recreate(LINES)


def test_a_compaction_that_is_overtaken_does_not_undo_the_write_before_it(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(*_: object, **__: object) -> None:
        raise Overtaken("another was quicker")

    monkeypatch.setattr(engine_of(lake), "_compact", overtaken)
    WRITES["adds"](lake)
    assert version(lake) == 3 and ("c", 1, FIRST) in stored(lake)


# --- what changed ----------------------------------------------------------------------------------


def test_changes_are_the_rows_that_differ_and_no_others(lake: Lake) -> None:
    assert changed(lake, 1, 2) == [("insert", "a", 1, FIRST), ("insert", "b", 1, FIRST)]
    lake.engine.compact(LINES)
    assert version(lake) == 3 and changed(lake, 3) == [], "compaction changes nothing"
    lake.engine.upsert(LINES, lines(lake, ("a", 2)), None, None)
    assert changed(lake, 4) == [("delete", "a", 1, FIRST), ("insert", "a", 2, FIRST)], "b was written anew as it was"
    lake.engine.overwrite(LINES, lines(lake, ("a", 2), ("c", 1)), ("date", FIRST))
    assert changed(lake, 5) == [("delete", "b", 1, FIRST), ("insert", "c", 1, FIRST)]
    lake.engine.overwrite(LINES, None, ("date", FIRST))
    assert changed(lake, 6) == [("delete", "a", 2, FIRST), ("delete", "c", 1, FIRST)]
    assert len(changed(lake, 1, 6) or ()) == 8


def test_equal_rows_cancel_as_often_as_they_are_there(lake: Lake) -> None:
    lake.engine.append(LINES, lines(lake, ("e", 1), ("e", 1), ("e", 1)))
    lake.engine.overwrite(LINES, lines(lake, ("a", 1), ("b", 1), ("e", 1)), ("date", FIRST))
    assert changed(lake, 4) == [("delete", "e", 1, FIRST)] * 2


@pytest.mark.parametrize("what", ["log", "removed file", "added file"])
def test_changes_that_cannot_be_read_are_not_guessed(lake: Lake, what: str) -> None:
    WRITES["adds and removes"](lake)
    if what == "log":
        (Path(lake.path(LINES)) / f"_delta_log/{3:020d}.json").unlink()
    else:
        (action,) = of_kind(commit(lake, 3), "remove" if what == "removed file" else "add")
        (Path(lake.path(LINES)) / action["path"]).unlink()
    assert changed(lake, 3) is None
    assert changed(lake, 2) is not None


def test_a_table_described_anew_has_changed_in_every_row(lake: Lake) -> None:
    lake.recreate(LINES)
    assert changed(lake, 1, 3) is None


# --- protocol --------------------------------------------------------------------------------------

OURS = ["appendOnly", "invariants", "checkConstraints", "changeDataFeed"]
PROTOCOLS: dict[str, tuple[dict[str, Any], bool]] = {
    "deletionVectors": (
        {
            "minReaderVersion": 3, "minWriterVersion": 7,
            "readerFeatures": ["deletionVectors"], "writerFeatures": [*OURS, "deletionVectors"],
        },
        False,
    ),
    "columnMapping": ({"minReaderVersion": 2, "minWriterVersion": 7, "writerFeatures": [*OURS, "columnMapping"]}, False),
    "columnMapping by number": ({"minReaderVersion": 2, "minWriterVersion": 5}, False),
    "identityColumns by number": ({"minReaderVersion": 1, "minWriterVersion": 6}, True),
    "rowTracking": (
        {"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": [*OURS, "domainMetadata", "rowTracking"]}, True,
    ),
}  # fmt: skip
"""By feature: the action, and whether the files are simply the rows all the same."""


@pytest.mark.parametrize("feature", PROTOCOLS)
def test_what_another_tool_switched_on_is_refused_by_name(lake: Lake, feature: str) -> None:
    protocol, is_readable = PROTOCOLS[feature]
    put_commit(lake, {"protocol": protocol})
    name = feature.split()[0]
    for write in ("adds", "adds and removes", "removes", "compaction"):
        with pytest.raises(TableError, match=f"gold.lines at .* has .*{name}.* --engine spark"):
            WRITES[write](lake)
    if is_readable:
        assert len(stored(lake)) == 2
    else:
        with pytest.raises(TableError, match=f"gold.lines .* has {name}.* cannot read"):
            stored(lake)
    assert version(lake) == 3
    lake.recreate(LINES)
    assert engine_of(lake)._snapshot(LINES).unknown_features() == []
    WRITES["adds"](lake)
    assert stored(lake) == [("c", 1, FIRST)]


@pytest.mark.parametrize("feature", PROTOCOLS)
def test_auto_takes_spark_for_such_a_table(lake: Lake, monkeypatch: pytest.MonkeyPatch, feature: str) -> None:
    monkeypatch.setattr("saleslake.engine_choice.java_problem", lambda: None)
    assert choose(lake, "auto").name == "embedded"
    put_commit(lake, {"protocol": PROTOCOLS[feature][0]})
    choice = choose(lake, "auto")
    assert choice.name == "spark" and "gold.lines has" in choice.note and feature.split()[0] in choice.note
    lake.recreate(LINES)
    assert choose(lake, "auto").name == "embedded"


def test_auto_leaves_a_damaged_log_to_the_run(lake: Lake) -> None:
    (Path(lake.path(LINES)) / f"_delta_log/{1:020d}.json").write_text("{")
    assert choose(lake, "auto").name == "embedded"


def test_a_commit_that_the_log_refuses_is_no_matter_of_being_late(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    put_commit(lake, {"protocol": PROTOCOLS["identityColumns by number"][0]})
    monkeypatch.setattr(Snapshot, "unknown_features", lambda _: [])
    with pytest.raises(TableError, match=r"gold\.lines: its log refuses the commit: .*IdentityColumns"):
        WRITES["adds"](lake)


# --- maintenance -----------------------------------------------------------------------------------


def test_every_commit_is_ours_and_compaction_says_that_nothing_changed(lake: Lake) -> None:
    for write in ("adds", "adds and removes", "compaction", "replacement", "adds"):
        WRITES[write](lake)
    pin = lake.pin(LINES)
    assert pin and heal.foreign_commits(lake, LINES, None, pin) == ""
    for number in range(version(lake) + 1):
        (info,) = of_kind(commit(lake, number), "commitInfo")
        assert info["userMetadata"].startswith("saleslake ") and lake.run_id in info["userMetadata"]
    compaction = commit(lake, 5)
    assert {a["dataChange"] for kind in ("add", "remove") for a in of_kind(compaction, kind)} == {False}


def test_compaction_ends(lake: Lake) -> None:
    big = lake.engine.sql(
        f"""SELECT 'k' || i AS name, TIMESTAMPTZ '{FIRST} 10:00:00+00' AS moment, 1 AS amount, 1 AS n, md5('' || i) AS note,
            DATE '{FIRST}' AS date FROM range(140000) r(i)"""
    )
    lake.engine.append(LINES, big)
    assert lake.engine.compact(LINES) == (3, 1)
    assert lake.engine.compact(LINES) == (0, 0)
    lake.engine.vacuum(LINES)
    assert version(lake) == 4, "neither makes a version where there is nothing to do"
    assert lake.snapshot(LINES).count() == 140_002


def test_maintenance_removes_what_a_killed_attempt_left_and_keeps_what_a_week_names(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    table, now = users.TABLE, time.time()

    def user(name: str, country: str) -> Any:
        return row_of(lake, table, user_id=f"'{name}'", country=f"'{country}'")

    lake.engine.append(table, user("a", "DE"))
    lake.engine.upsert(table, user("a", "FR"), None, None)
    lake.engine.upsert(table, user("a", "IT"), None, None)
    snapshot = Snapshot(lake.snapshot(table), lake.path(table))
    engine = engine_of(lake)
    orphans = [Path(lake.path(table)) / engine._written(table, snapshot, user("o", "ES"))[0].path for _ in range(2)]
    first, second, third = (
        Path(lake.path(table)) / of_kind(commit(lake, n, table), "add")[0]["path"] for n in (1, 2, 3)
    )
    for file in (first, second, third, orphans[0]):
        os.utime(file, (now - 30 * DAY,) * 2)
    # The first went nine days ago, the second a moment ago.
    log = Path(lake.path(table)) / f"_delta_log/{2:020d}.json"
    text = [json.loads(each) for each in log.read_text().split("\n") if each]
    for action in text:
        if "remove" in action:
            action["remove"]["deletionTimestamp"] = int((now - 9 * DAY) * 1000)
    log.write_text("".join(json.dumps(each) + "\n" for each in text))
    maintain(lake)
    assert [file.exists() for file in (first, second, third, *orphans)] == [False, True, True, False, True]
    pin = lake.pin(table)
    assert pin and heal.foreign_commits(lake, table, None, pin) == ""
    assert lake.engine.fetch(lake.engine.read(table, 2)).column("country").to_pylist() == ["FR"]
    lake.close()


def test_rows_of_one_line_are_written_as_they_are_given(lake: Lake) -> None:
    lake.engine.append(LINES, line(lake, name="'d'", note="'tab\tand break\n'"))
    found = lake.engine.fetch(lake.engine.sql("SELECT note FROM t WHERE name = 'd'", t=lake.engine.read(LINES)))
    assert found.column("note").to_pylist() == ["tab\tand break\n"]
