"""What a path names: every file is read, or there is a word for why it is not."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.fs as pafs
import pytest

from saleslake import store
from saleslake.config import Storage
from saleslake.sources import paths
from saleslake.sources.paths import Found, find

NOBODY = 65534


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def named(folder: Path, path: str) -> Found:
    return find(str(folder / path), Storage())


def files(folder: Path, path: str) -> list[str]:
    """Names below the folder of the files that a path names; nothing may have failed."""
    found = named(folder, path)
    assert found.failed == []
    return sorted(str(Path(str(file)).relative_to(folder)) for file in found.files)


def left(folder: Path, path: str) -> list[str]:
    return sorted(str(Path(name).relative_to(folder)) for name in named(folder, path).left_alone)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root is allowed everything."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(was)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that anybody may enter, as pytest's own may not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)
        for path in Path(folder).rglob("*"):
            path.chmod(0o755)


HIDDEN = (
    "in/.ipynb_checkpoints/a.csv",
    "in/_temporary/0/b.csv",
    "in/x/.Trash-0/files/c.csv",
    "in/_SUCCESS",
    "in/.d.csv",
)
TEMPORARY = ("in/e.csv.tmp", "in/x/f.csv.part", "in/g.csv.tmp/part-0")


def test_hidden_and_temporary_names_below_a_folder_are_left_alone_and_told(tmp_path: Path) -> None:
    make(tmp_path, "in/a.csv", "in/x/date=2024-01-01/b.csv", *HIDDEN, *TEMPORARY)
    assert files(tmp_path, "in") == ["in/a.csv", "in/x/date=2024-01-01/b.csv"]
    assert left(tmp_path, "in") == [
        *("in/.d.csv", "in/.ipynb_checkpoints", "in/_SUCCESS", "in/_temporary", "in/e.csv.tmp", "in/g.csv.tmp"),
        *("in/x/.Trash-0", "in/x/f.csv.part"),
    ]


def test_a_path_that_is_named_is_read_whatever_its_name(tmp_path: Path) -> None:
    make(tmp_path, *HIDDEN, *TEMPORARY, "in/[1].csv")
    for path in (*HIDDEN, *TEMPORARY, "in/[1].csv"):
        assert files(tmp_path, path) == [path]
    assert files(tmp_path, "in/_temporary") == ["in/_temporary/0/b.csv"]
    assert files(tmp_path, "in/.ipynb_checkpoints/*.csv") == ["in/.ipynb_checkpoints/a.csv"]
    assert files(tmp_path, "in/_*") == ["in/_SUCCESS", "in/_temporary/0/b.csv"]
    assert files(tmp_path, "in/x/*.part") == ["in/x/f.csv.part"]


def test_a_pattern_that_matches_folders_reads_what_is_in_them(tmp_path: Path) -> None:
    make(
        tmp_path,
        "out/x.csv/part-0000.csv",
        "out/x.csv/_SUCCESS",
        "out/x.csv/.part-0000.csv.crc",
        "out/y.csv",
        "out/z.txt",
    )
    assert files(tmp_path, "out/*.csv") == ["out/x.csv/part-0000.csv", "out/y.csv"]
    assert left(tmp_path, "out/*.csv") == ["out/x.csv/.part-0000.csv.crc", "out/x.csv/_SUCCESS"]
    assert files(tmp_path, "o*t/x.csv/part*") == ["out/x.csv/part-0000.csv"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("in/*.csv", ["in/a.csv", "in/b.csv"]),
        ("in/[!a].csv", ["in/b.csv"]),
        ("in/?.csv", ["in/a.csv", "in/b.csv"]),
        ("in/**/*.csv", ["in/a.csv", "in/b.csv", "in/old/c.csv", "in/old/x/d.csv"]),
        ("**/d.*", ["in/old/x/d.csv"]),
        ("in/**", ["in/a.csv", "in/b.csv", "in/old/c.csv", "in/old/x/d.csv", "in/z.txt"]),
        ("in/*/x/*", ["in/old/x/d.csv"]),
        ("i*/o*/../a.csv", []),
    ],
)
def test_patterns_match_as_shells_have_it(pattern: str, found: list[str], tmp_path: Path) -> None:
    make(
        tmp_path, "in/a.csv", "in/b.csv", "in/z.txt", "in/old/c.csv", "in/old/x/d.csv", "in/_old/e.csv", "in/.old/d.csv"
    )
    assert files(tmp_path, pattern) == found


def test_links_are_followed_once_and_in_no_circle(tmp_path: Path) -> None:
    make(tmp_path, "disk/a.csv", "in/b.csv")
    (tmp_path / "in/mounted").symlink_to(tmp_path / "disk")
    (tmp_path / "in/again").symlink_to(tmp_path / "disk")
    (tmp_path / "disk/back").symlink_to(tmp_path / "in")
    (tmp_path / "in/c.csv").symlink_to(tmp_path / "disk/a.csv")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    assert files(tmp_path, "in") == ["in/again/a.csv", "in/b.csv", "in/c.csv"]
    assert files(tmp_path, "link") == ["link/again/a.csv", "link/b.csv", "link/c.csv"]
    assert {(tmp_path / name).resolve().name for name in files(tmp_path, "in/**/*.csv")} == {"a.csv", "b.csv"}


def test_what_cannot_be_read_is_one_line_and_costs_no_neighbour(tmp_path: Path) -> None:
    make(tmp_path, "in/a.csv", "in/z.csv")
    (tmp_path / "in/gone.csv").symlink_to(tmp_path / "nothing")
    (tmp_path / "in/loop.csv").symlink_to(tmp_path / "in/loop.csv")
    (tmp_path / "in/.#lock").symlink_to("user@host.1234")
    os.mkfifo(tmp_path / "in/pipe")
    found = named(tmp_path, "in")
    assert [file.name for file in found.files] == ["a.csv", "z.csv"]
    assert found.failed == [
        f"{tmp_path}/in/gone.csv: cannot be read: a link to nothing",
        f"{tmp_path}/in/loop.csv: cannot be read: Too many levels of symbolic links",
    ]
    assert left(tmp_path, "in") == ["in/.#lock", "in/pipe"]
    assert named(tmp_path, "in/pipe").failed == [f"{tmp_path}/in/pipe: cannot be read: neither a file nor a folder"]
    assert named(tmp_path, "in/gone.csv").failed == [f"{tmp_path}/in/gone.csv: cannot be read: a link to nothing"]
    assert "name too long" in named(tmp_path, "x" * 300).failed[0]
    assert "null" in named(tmp_path, "x\0").failed[0]


@pytest.mark.parametrize("path", ["gone", "gone/*.csv", "in/*.json", "in/a.csv/b.csv", "in/*/x"])
def test_a_path_that_names_nothing_is_missing_and_an_empty_folder_is_not(path: str, tmp_path: Path) -> None:
    make(tmp_path, "in/a.csv")
    found = named(tmp_path, path)
    assert (found.missing, found.files, found.failed) == (True, [], [])
    (tmp_path / "empty").mkdir()
    make(tmp_path, "left/_a.csv")
    for there in ("empty", "left", "left/*", "e*"):
        found = named(tmp_path, there)
        assert (found.missing, found.files, found.failed) == (False, [], [])


@pytest.mark.parametrize("mode", [0o000, 0o444], ids=["closed", "listed only"])
@pytest.mark.parametrize("path", ["in", "in/*/*.csv", "in/**/*.csv"])
def test_a_folder_that_cannot_be_entered_is_one_line_and_the_others_are_read(
    mode: int, path: str, open_folder: Path
) -> None:
    make(open_folder, "in/closed/a.csv", "in/closed/b.csv", "in/open/c.csv")
    (open_folder / "in/open/secret.csv").symlink_to(open_folder / "in/closed/a.csv")
    (open_folder / "in/closed").chmod(mode)
    with as_nobody():
        found = named(open_folder, path)
        alone = named(open_folder, "in/closed/a.csv")
    assert [file.name for file in found.files] == ["c.csv"]
    assert sorted(found.failed) == [
        f"{open_folder}/in/closed: this folder cannot be entered: Permission denied",
        f"{open_folder}/in/open/secret.csv: cannot be read: Permission denied",
    ]
    assert alone.failed == [f"{open_folder}/in/closed/a.csv: cannot be read: Permission denied"]


def test_a_name_that_would_break_a_line_or_a_terminal_is_shown_escaped(tmp_path: Path) -> None:
    (tmp_path / "a\nb\x1b[31m\u2028.csv").symlink_to("nothing")
    (tmp_path / os.fsdecode(b"caf\xe9.csv")).symlink_to("nothing")
    assert sorted(named(tmp_path, "").failed) == [
        f"{tmp_path}/a\\nb\\x1b[31m\\u2028.csv: cannot be read: a link to nothing",
        f"{tmp_path}/caf\\xe9.csv: cannot be read: a link to nothing",
    ]


def test_an_object_store_is_read_by_the_same_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(
        tmp_path, "lake/in/a.csv", "lake/in/x.csv/part-0", "lake/in/x.csv/_SUCCESS", "lake/in/_tmp/b.csv", "lake/_c.csv"
    )
    system = pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem())
    monkeypatch.setattr(store, "file_system", lambda _: system)

    def objects(path: str) -> tuple[list[str], list[str], bool]:
        found = find(f"s3a://lake/{path}", Storage())
        assert found.failed == []
        bare = [[str(name).removeprefix("s3a://lake/") for name in names] for names in (found.files, found.left_alone)]
        return sorted(bare[0]), sorted(bare[1]), found.missing

    assert objects("in") == (["in/a.csv", "in/x.csv/part-0"], ["in/_tmp/b.csv", "in/x.csv/_SUCCESS"], False)
    assert objects("in/*.csv") == (["in/a.csv", "in/x.csv/part-0"], ["in/x.csv/_SUCCESS"], False)
    assert objects("_c.csv") == (["_c.csv"], [], False)
    assert objects("in/_tmp/*") == (["in/_tmp/b.csv"], [], False)
    assert objects("_*") == (["_c.csv"], [], False)
    assert objects("gone") == objects("gone/*.csv") == ([], [], True)
    assert paths.is_left_alone("_x") and not paths.is_left_alone("x_")
