"""The class-data archive: one run writes it, the next start takes it up if it is whole, fits, and its run did not fail."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from saleslake import class_archive
from saleslake.machine import class_archive as archive_of
from saleslake.machine import empty_conf_dir, java_executable
from tests.processes import Processes

WHOLE, HALF = b"\xf0\x0b\xab\xa8 classes", b"\0" * 64


@pytest.fixture
def spark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Spark as set-up leaves it, and a process that has written nothing yet."""
    home = tmp_path / "pyspark"
    empty_conf_dir(home).mkdir(parents=True)
    (home / "jars").mkdir()
    (home / "jars" / "some.jar").write_text("1")
    for name in ("SPARK_CONF_DIR", *class_archive._MORE_ON_THE_CLASS_PATH):
        monkeypatch.delenv(name, raising=False)
    for held in ("_held", "_own"):
        monkeypatch.setattr(class_archive, held, [])
    use_java(tmp_path / "java", monkeypatch)
    return home


def use_java(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").write_text("#!/bin/sh\n")
    (home / "bin" / "java").chmod(0o755)
    (home / "release").write_text("17")
    monkeypatch.setenv("JAVA_HOME", str(home))


def of_another_process(spark: Path) -> str:
    """What a second process is told while this one holds the lock."""
    code = f"import pathlib; from saleslake import class_archive as c; print(c.to_write(pathlib.Path({str(spark)!r})))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_what_a_run_wrote_is_taken_up_by_the_next_start(spark: Path) -> None:
    part = class_archive.to_write(spark)
    assert part is not None
    assert not class_archive.take_up(spark)
    part.write_bytes(WHOLE)
    assert class_archive.take_up(spark)
    assert archive_of(spark).read_bytes() == WHOLE
    assert class_archive.take_up(spark)
    assert class_archive.to_write(spark) is None


def test_one_process_writes_at_a_time_and_once(spark: Path, processes: Processes) -> None:
    assert class_archive.to_write(spark) is not None
    assert class_archive.to_write(spark) is None
    assert of_another_process(spark) == "None"
    os.close(class_archive._held.pop())
    assert of_another_process(spark).endswith(".part")


def test_a_half_written_archive_is_left_to_its_jvm_and_then_removed(spark: Path) -> None:
    half = archive_of(spark).with_name(f"classes.{class_archive._mark(spark)}.1.part")
    half.write_bytes(HALF)
    assert not class_archive.take_up(spark)
    assert class_archive.to_write(spark) is None
    os.close(class_archive._held.pop())
    old = time.time() - 3600
    os.utime(half, (old, old))
    part = class_archive.to_write(spark)
    assert part is not None
    assert part != half
    assert not half.exists()


def test_of_a_run_that_failed_nothing_is_taken_up(spark: Path) -> None:
    part = class_archive.to_write(spark)
    assert part is not None
    class_archive.forget()
    part.write_bytes(WHOLE)
    assert not class_archive.take_up(spark)
    os.close(class_archive._held.pop())
    assert class_archive.to_write(spark) is not None
    assert sorted(path.name for path in part.parent.glob("classes.*")) == ["classes.lock"]


@pytest.mark.parametrize("changed", ["jars/some.jar", "jars/another.jar", "../java/release"])
def test_other_jars_or_another_java_need_another_archive(changed: str, spark: Path) -> None:
    part = class_archive.to_write(spark)
    assert part is not None
    part.write_bytes(WHOLE)
    assert class_archive.take_up(spark)
    (spark / changed).write_text("something else")
    assert not class_archive.take_up(spark)


@pytest.mark.parametrize("name", ["SPARK_CONF_DIR", "HADOOP_CONF_DIR", "SPARK_DIST_CLASSPATH"])
def test_with_more_on_the_class_path_none_is_written(name: str, spark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "/etc")
    assert class_archive.to_write(spark) is None


def test_where_set_up_has_not_been_none_is_written(tmp_path: Path) -> None:
    assert class_archive.to_write(tmp_path / "nowhere") is None


def test_javas_own_archive_counts_as_whole_and_a_missing_one_is_no_trouble(
    tmp_path: Path, processes: Processes
) -> None:
    """What `_whole` goes by, on the Java of this machine; and that `-Xshare:auto` says nothing."""
    java, part = str(java_executable()), tmp_path / "a.part"
    said = [java, "-Xshare:auto", "-Xlog:disable", "-Xlog:all=error:stderr"]
    path = tmp_path / "Hello.java"
    path.write_text('public class Hello { public static void main(String[] a) { System.out.println("hello"); } }')
    subprocess.run([java, "-m", "jdk.compiler/com.sun.tools.javac.Main", str(path)], cwd=tmp_path, check=True)
    with_jar = ["-cp", str(tmp_path / "hello.jar"), "Hello"]
    with zipfile.ZipFile(tmp_path / "hello.jar", "w") as jar:
        jar.write(tmp_path / "Hello.class", "Hello.class")
    for option in (
        f"-XX:SharedArchiveFile={part}",
        f"-XX:ArchiveClassesAtExit={part}",
        f"-XX:SharedArchiveFile={part}",
    ):
        done = subprocess.run([*said, option, *with_jar], capture_output=True, text=True, check=False)
        assert (done.stdout, done.stderr, done.returncode) == ("hello\n", "", 0), option
    assert class_archive._whole(part)
