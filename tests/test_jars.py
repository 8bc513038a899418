"""JARs: only those of the lock, only with its hash, from the repository that the environment names, in the way that works."""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from saleslake import jars
from saleslake.jars import install_jars, installed, read_lock
from saleslake.project import ROOT
from tests.processes import Processes

POM = (
    '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
    "<groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></project>"
)


class Repository:
    """A Maven repository: files in a folder, served on this machine, and what was asked for."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.asked: list[str] = []
        self.address = ""

    def put(self, group: str, artifact: str, version: str, content: bytes, pom: bool = False) -> str:
        """A JAR, with its POM if Ivy shall resolve it the long way. Returns its SHA-256."""
        place = self.folder / group.replace(".", "/") / artifact / version
        place.mkdir(parents=True)
        (place / f"{artifact}-{version}.jar").write_bytes(content)
        if pom:
            (place / f"{artifact}-{version}.pom").write_text(POM.format(group, artifact, version))
        return hashlib.sha256(content).hexdigest()


@pytest.fixture
def repository(tmp_path: Path, processes: Processes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    found = Repository(tmp_path / "repository")
    found.folder.mkdir()

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            found.asked.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(found.folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found.address = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DEFAULT_ARTIFACT_REPOSITORY", found.address)
    yield found
    server.shutdown()
    server.server_close()


def lock(tmp_path: Path, *lines: str) -> jars.JarLock:
    path = tmp_path / "some.lock"
    path.write_text("# a comment\n" + "\n".join(lines) + "\n")
    return read_lock(path)


def test_only_the_pinned_jars_are_asked_for_and_without_their_poms(repository: Repository, tmp_path: Path) -> None:
    one = repository.put("io.here", "one_2.13", "4.4.0", b"one")
    two = repository.put("com.there", "two-x2", "1.5.6-10", b"two")
    wanted = lock(
        tmp_path,
        "coordinate io.here:one_2.13:4.4.0",
        f"{one}  io.here_one_2.13-4.4.0.jar",
        f"{two}  com.there_two-x2-1.5.6-10.jar",
    )
    install_jars(wanted, tmp_path / "jars")
    assert installed(wanted, tmp_path / "jars")
    assert sorted(path.name for path in (tmp_path / "jars").iterdir()) == sorted(wanted.pinned)
    assert not [path for path in repository.asked if path.endswith(".pom")]
    del repository.asked[:]
    install_jars(wanted, tmp_path / "jars")
    assert repository.asked == []


def test_a_name_that_does_not_tell_is_told_behind_it(repository: Repository, tmp_path: Path) -> None:
    sha = repository.put("org.b_c", "jose", "0.9", b"jose")
    wanted = lock(tmp_path, f"{sha}  org.b_c_jose-0.9.jar  org.b_c:jose:0.9")
    install_jars(wanted, tmp_path / "jars")
    assert installed(wanted, tmp_path / "jars")


def test_what_cannot_be_fetched_by_name_is_resolved_as_spark_does(repository: Repository, tmp_path: Path) -> None:
    sha = repository.put("org.b_c", "jose", "0.9", b"jose", pom=True)
    wanted = lock(tmp_path, "coordinate org.b_c:jose:0.9", f"{sha}  org.b_c_jose-0.9.jar")
    install_jars(wanted, tmp_path / "jars")
    assert installed(wanted, tmp_path / "jars")
    assert "/org/b_c/jose/0.9/jose-0.9.pom" in repository.asked


def test_another_jar_than_the_pinned_one_is_refused_in_one_line(repository: Repository, tmp_path: Path) -> None:
    repository.put("io.here", "one", "1.0", b"swapped", pom=True)
    wanted = lock(tmp_path, "coordinate io.here:one:1.0", f"{'0' * 64}  io.here_one-1.0.jar")
    with pytest.raises(RuntimeError) as caught:
        install_jars(wanted, tmp_path / "jars")
    got = hashlib.sha256(b"swapped").hexdigest()
    assert (
        str(caught.value)
        == f"io.here_one-1.0.jar: SHA-256 {got} is not the pinned {'0' * 64} of {wanted.path}; refused"
    )
    assert not list((tmp_path / "jars").iterdir())


def test_a_jar_that_is_not_there_is_named_in_one_line(repository: Repository, tmp_path: Path) -> None:
    wanted = lock(tmp_path, f"{'0' * 64}  io.here_one-1.0.jar")
    with pytest.raises(RuntimeError) as caught:
        install_jars(wanted, tmp_path / "jars")
    message = str(caught.value)
    assert message.startswith(
        "Maven did not give io.here_one-1.0.jar of some.lock; no network, or a mirror without it? It"
    )
    assert len(message.splitlines()) == 1


def test_a_repository_that_does_not_answer_is_said(
    tmp_path: Path, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DEFAULT_ARTIFACT_REPOSITORY", "http://127.0.0.1:1/")
    with pytest.raises(RuntimeError, match="refused"):
        install_jars(lock(tmp_path, f"{'0' * 64}  io.here_one-1.0.jar"), tmp_path / "jars")


def test_a_mirror_in_mavens_settings_is_asked(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEFAULT_ARTIFACT_REPOSITORY")
    settings = tmp_path / "home" / ".m2" / "settings.xml"
    settings.parent.mkdir(parents=True)
    mirrors = "<mirror><url>http://127.0.0.1:1/</url><mirrorOf>other</mirrorOf></mirror>"
    mirrors += f"<mirror><url> {repository.address} </url><mirrorOf>external:*,!x</mirrorOf></mirror>"
    settings.write_text(
        f'<settings xmlns="http://maven.apache.org/SETTINGS/1.0.0"><mirrors>{mirrors}</mirrors></settings>'
    )
    sha = repository.put("io.here", "one", "1.0", b"one")
    wanted = lock(tmp_path, f"{sha}  io.here_one-1.0.jar")
    install_jars(wanted, tmp_path / "jars")
    assert installed(wanted, tmp_path / "jars")


def test_what_maven_brought_to_this_machine_is_taken(
    tmp_path: Path, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DEFAULT_ARTIFACT_REPOSITORY", "http://127.0.0.1:1/")
    sha = Repository(tmp_path / ".m2" / "repository").put("io.here", "one", "1.0", b"one")
    wanted = lock(tmp_path, f"{sha}  io.here_one-1.0.jar")
    install_jars(wanted, tmp_path / "jars")
    assert installed(wanted, tmp_path / "jars")


@pytest.mark.parametrize("text", ["", "<settings>", "<settings/>"])
def test_mavens_settings_that_say_nothing_are_no_trouble(text: str, tmp_path: Path) -> None:
    (tmp_path / "settings.xml").write_text(text)
    assert jars._mirrors(tmp_path / "settings.xml") == []
    assert jars._mirrors(tmp_path / "none.xml") == []


@pytest.mark.parametrize("name", ["jars.lock", "s3.lock"])
def test_every_pinned_name_tells_what_to_fetch(name: str) -> None:
    found = read_lock(ROOT / "conf" / name)
    for file in found.pinned:
        group, artifact, version = found.module(file) or ("", "", "")
        assert f"{group}_{artifact}-{version}.jar" == file
        assert version[0].isdigit()
        assert "." in version
