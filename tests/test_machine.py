"""What is wrong with Java is said in one line with its fix; cores and memory are within bounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from saleslake import machine
from tests.processes import Processes

FIX = "install a JDK 17 or 21"


def java(folder: Path, version: str, modules: str = "java.base jdk.incubator.vector") -> Path:
    """A JAVA_HOME whose `java` says this."""
    program = folder / "bin" / "java"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncase $1 in --list-modules) echo '{modules}';; *) echo '{version}' >&2;; esac\n")
    program.chmod(0o755)
    return folder


@pytest.mark.parametrize("version", ["17.0.9", "21", "21.0.1"])
def test_java_17_and_21_will_do(
    version: str, tmp_path: Path, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java(tmp_path, f'openjdk version "{version}" 2023-10-17')))
    assert machine.java_problem() is None


@pytest.mark.parametrize(("version", "major"), [("1.8.0_392", "1"), ("11.0.21", "11"), ("25", "25")])
def test_another_java_is_named_with_its_version(
    version: str, major: str, tmp_path: Path, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java(tmp_path, f'openjdk version "{version}"')))
    problem = machine.java_problem()
    assert problem is not None
    assert problem.startswith(f"Java at {tmp_path}/bin/java is version {major}; Spark 4.2 needs 17 or 21: {FIX}")


def test_a_trimmed_java_lacks_a_module(tmp_path: Path, processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java(tmp_path, 'openjdk version "17"', "java.base java.logging")))
    problem = machine.java_problem()
    assert problem is not None
    assert "lacks the module jdk.incubator.vector that Spark 4.2 needs (a trimmed JDK): " + FIX in problem


def test_a_java_that_says_nothing_or_does_not_start_is_named(
    tmp_path: Path, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = java(tmp_path, "hello")
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert f"Java at {home}/bin/java does not say its version: {FIX}" in str(machine.java_problem())
    (home / "bin" / "java").write_bytes(b"\x7fELF no program")
    assert f"Java at {home}/bin/java does not start (" in str(machine.java_problem())


def test_no_java_names_where_it_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert str(machine.java_problem()).startswith(f"Java not found (JAVA_HOME={tmp_path} has no bin/java): {FIX}")
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert str(machine.java_problem()).startswith(f"Java not found (no java on PATH): {FIX}")


@pytest.mark.parametrize(("memory", "heap"), [(512, 1024), (6000, 2000), (64_000, 4096)])
def test_the_heap_is_a_third_of_the_memory_within_bounds(
    memory: int, heap: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "memory_megabytes", lambda: memory)
    assert machine.heap_megabytes() == heap


def test_this_machine_has_cores_and_memory() -> None:
    assert machine.cores() >= 1
    assert machine.memory_megabytes() > 100
