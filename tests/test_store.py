"""Places: a local path stays a `Path`; an object's path reads, lists and is put whole; URLs of the configuration."""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.fs as pafs
import pytest

from saleslake import store
from saleslake.config import Settings, Storage
from saleslake.config_storage import normal_url
from saleslake.errors import ConfigError
from saleslake.s3 import check_buckets, delta_options, hadoop_conf, session_conf
from saleslake.sources.files import check_whole, open_plain
from saleslake.store import ObjectPath, place, whole_file

USERS = '[sources.s]\nentity = "users"\nformat = "csv"\npath = "{}"\n'


@pytest.fixture
def bucket(tmp_path: Path) -> ObjectPath:
    """A bucket as Arrow sees one; its bytes lie in a folder. `make s3-check` does the same with a server."""
    (tmp_path / "disk" / "lake").mkdir(parents=True)
    return ObjectPath("s3a://lake", pafs.SubTreeFileSystem(str(tmp_path / "disk"), pafs.LocalFileSystem()))


def put(folder: ObjectPath, name: str, content: bytes, scratch: Path) -> ObjectPath:
    target = folder / name
    Path(f"{scratch}/disk/{target.parent.key}").mkdir(parents=True, exist_ok=True)
    with whole_file(target, scratch / "scratch") as stream:
        stream.write(content)
    return target


def test_a_local_path_stays_a_path(tmp_path: Path) -> None:
    assert place(str(tmp_path), Storage()) == tmp_path


def test_what_is_put_is_read_and_listed(bucket: ObjectPath, tmp_path: Path) -> None:
    file = put(bucket / "in", "a.csv", b"x\n1\n", tmp_path)
    assert (file.name, str(file.parent), str(file)) == ("a.csv", "s3a://lake/in", "s3a://lake/in/a.csv")
    assert (file.read_bytes(), file.read_text(), file.stat().st_size) == (b"x\n1\n", "x\n1\n", 4)
    assert (file.is_file(), file.is_dir(), file.parent.is_dir(), file.exists()) == (True, False, True, True)
    assert list((bucket / "in").iterdir()) == [file]
    assert not list((tmp_path / "scratch").iterdir())


def test_a_block_that_fails_puts_nothing(bucket: ObjectPath, tmp_path: Path) -> None:
    def half(target: store.Place) -> None:
        with whole_file(target, tmp_path / "scratch") as stream:
            stream.write(b"half")
            raise OSError("no space left")

    local = tmp_path / "local.bin"
    local.write_bytes(b"before")
    for target in (bucket / "half.bin", local):
        with pytest.raises(OSError, match="no space left"):
            half(target)
    assert not (bucket / "half.bin").exists()
    assert local.read_bytes() == b"before"
    assert not list((tmp_path / "scratch").iterdir())


def test_a_missing_object_is_a_missing_file(bucket: ObjectPath) -> None:
    nothing = bucket / "nothing"
    assert not nothing.exists()
    assert nothing.files() == []
    nothing.unlink(missing_ok=True)
    for question in (nothing.read_bytes, nothing.stat, nothing.unlink, lambda: list(nothing.iterdir())):
        with pytest.raises(FileNotFoundError):
            question()


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("s3a://lake/in/*.csv", ["in/a.csv", "in/b.csv"]),
        ("s3a://lake/in/?.csv", ["in/a.csv", "in/b.csv"]),
        ("s3a://lake/in/[!a].csv", ["in/b.csv"]),
        ("s3a://lake/*/*.csv", ["in/a.csv", "in/b.csv"]),
        ("s3a://lake/in/**/*.csv", ["in/a.csv", "in/b.csv", "in/old/c.csv"]),
        ("s3a://lake/in/*/c.*", ["in/old/c.csv"]),
        ("s3a://lake/out/*.csv", []),
    ],
)
def test_patterns_match_as_on_a_disk(
    bucket: ObjectPath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, found: list[str]
) -> None:
    for name in ("in/a.csv", "in/b.csv", "in/old/c.csv", "in/note.txt"):
        put(bucket, name, b"x", tmp_path)
    monkeypatch.setattr(store, "file_system", lambda _: bucket.system)
    assert sorted(path.url.removeprefix("s3a://lake/") for path in store.matching(pattern, Storage())) == found
    wanted = sorted(str(p.relative_to(tmp_path / "disk" / "lake")) for p in (tmp_path / "disk").glob(pattern[6:]))
    assert found == [name for name in wanted if Path(tmp_path / "disk" / "lake" / name).is_file()]


def test_packed_files_read_alike_wherever_they_lie(bucket: ObjectPath, tmp_path: Path) -> None:
    packed = gzip.compress(b"a,b\n1,2\n")
    local = tmp_path / "x.csv"
    local.write_bytes(packed)
    for path in (local, put(bucket, "x.csv", packed, tmp_path)):
        check_whole(path, "x.csv")
        with open_plain(path) as stream:
            assert stream.read() == b"a,b\n1,2\n"


# --- settings --------------------------------------------------------------------------------------


def test_s3_urls_are_s3a_urls() -> None:
    assert normal_url("s3://lake/x/") == normal_url("s3a://lake/x") == "s3a://lake/x"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (USERS.format("gs://lake/u.csv"), r"'gs://lake/u.csv': a path is one on the local disk or s3a://bucket/"),
        (USERS.format("s3a:///u.csv"), r"'s3a:///u.csv': a path is one on the local disk"),
        ('[storage]\nendpoint = "127.0.0.1:9000"\n' + USERS.format("u"), r"storage.endpoint: .*is no server's address"),
        ('[storage]\nendpoint = "http://me:word@host"\n' + USERS.format("u"), r"storage.endpoint: .*AWS_ACCESS_KEY_ID"),
        ('[stream.socket]\nspool = "s3a://lake/x"\n' + USERS.format("u"), r"stream.socket.spool = .*local disk"),
    ],
)
def test_a_wrong_place_is_refused_by_name(make_settings: Callable[[str], Settings], text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_settings(text)


def test_data_on_objects_decides_how_silver_is_written_and_leaves_logs_here(
    make_settings: Callable[[str], Settings], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    here = make_settings(USERS.format("u"))
    assert (here.silver_writers, bool(here.object_paths), here.work) == ("lock", False, here.data)
    monkeypatch.setenv("SALESLAKE__PATHS__DATA", "s3://lake/one/")
    there = make_settings(USERS.format("u"))
    assert (there.data, there.silver_writers, bool(there.object_paths)) == ("s3a://lake/one", "conflict", True)
    assert there.work == str(tmp_path / "data")
    with pytest.raises(ConfigError, match=r"silver_writers = 'lock': s3://lake/one/ knows no file locks"):
        make_settings('[run]\nsilver_writers = "lock"\n' + USERS.format("u"))


def test_one_endpoint_reaches_spark_and_delta(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    aws = Storage(region="eu-central-1")
    assert "spark.hadoop.fs.s3a.endpoint" not in hadoop_conf(aws)
    assert (delta_options("s3a://x/y", aws) or {})["AWS_VIRTUAL_HOSTED_STYLE_REQUEST"] == "true"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000/")
    conf, options = hadoop_conf(Storage()), delta_options("s3a://x/y", Storage()) or {}
    assert conf["spark.hadoop.fs.s3a.endpoint"] == options["AWS_ENDPOINT_URL"] == "http://127.0.0.1:9000"
    assert conf["spark.hadoop.fs.s3a.path.style.access"] == "true"
    assert conf["spark.hadoop.fs.s3a.connection.ssl.enabled"] == "false"
    assert delta_options("/data/tables/gold/x", Storage()) is None


def test_credentials_of_the_env_file_reach_those_who_look_in_the_environment(
    make_settings: Callable[[str], Settings], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "from the shell")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    (tmp_path / ".env").write_text("AWS_ACCESS_KEY_ID=from the file\nAWS_SECRET_ACCESS_KEY=from the file\n")
    make_settings(USERS.format("u"))
    assert "AWS_ACCESS_KEY_ID" not in os.environ
    make_settings(USERS.format("s3a://lake/u.csv"))
    found = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert found == ("from the file", "from the shell")


def test_without_the_jars_the_error_says_how_to_get_them(
    make_settings: Callable[[str], Settings], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert session_conf(make_settings(USERS.format("u"))) == {}
    with pytest.raises(ConfigError, match=r"is on s3a://, and Hadoop's S3A is not installed: run `make install-s3`"):
        session_conf(make_settings(USERS.format("s3a://lake/u.csv")))


def test_a_server_that_does_not_answer_is_one_line_that_names_the_settings(
    make_settings: Callable[[str], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    settings = make_settings('[storage]\nendpoint = "http://127.0.0.1:9"\n' + USERS.format("s3a://lake/u.csv"))
    with pytest.raises(ConfigError, match=r"s3a://lake: http://127.0.0.1:9 does not answer .*AWS_ACCESS_KEY_ID"):
        check_buckets(settings)
