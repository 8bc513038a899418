"""The class-data archive: a JVM maps it at its start instead of parsing 20,000 classes again, which takes seconds.

Nobody makes it on purpose. The JVM of the first run of the batch writes it as it ends, when its Python has ended already, so
that nobody waits. It writes to a name of its own; whoever starts next gives the archive its name, if it is whole. One run
writes at a time, and a JVM refuses what does not fit it, so the worst that can happen is a start that takes seconds longer.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
from pathlib import Path

from saleslake.machine import class_archive, empty_conf_dir, java_executable

_BEING_WRITTEN_SECONDS = 120
# Folders of these get on the class path, and an archive cannot be made where one of them holds a file.
_MORE_ON_THE_CLASS_PATH = ("HADOOP_CONF_DIR", "YARN_CONF_DIR", "SPARK_DIST_CLASSPATH", "CLASSPATH")
_FAILED = ".failed"
_held: list[int] = []
"""The lock of the process that writes, for as long as it lives."""
_own: list[Path] = []
"""What its JVM will write."""


def to_write(spark_home: Path) -> Path | None:
    """Where the JVM of this process shall write the archive as it ends.

    None where there is a fitting one, where another run writes it, or where it cannot be made.
    """
    folder = empty_conf_dir(spark_home).parent
    with contextlib.suppress(OSError):
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            return None
        mark = _mark(spark_home)
        if take_up(spark_home, mark) or any(os.environ.get(name) for name in _MORE_ON_THE_CLASS_PATH):
            return None
        if os.environ.get("SPARK_CONF_DIR", str(empty_conf_dir(spark_home))) != str(empty_conf_dir(spark_home)):
            return None
        if _locked(folder) and not _leftovers_removed(folder):
            _own.append(folder / f"classes.{mark}.{os.getpid()}.part")
            return _own[-1]
    return None


def forget() -> None:
    """Take up nothing that the JVM of this process will write: the run failed, so it did not load what runs load."""
    for part in _own:
        with contextlib.suppress(OSError):
            part.with_suffix(_FAILED).touch()


def take_up(spark_home: Path, mark: str = "") -> bool:
    """Whether there is an archive that fits, be it one that a former run has just written and that gets its name now."""
    archive, made_for = class_archive(spark_home), _made_for(spark_home)
    mark = mark or _mark(spark_home)
    with contextlib.suppress(OSError):
        if archive.exists() and made_for.read_text() == mark:
            return True
    for part in archive.parent.glob(f"classes.{mark}.*.part"):
        with contextlib.suppress(OSError):  # another process was quicker
            if _whole(part) and not part.with_suffix(_FAILED).exists():
                made_for.unlink(missing_ok=True)
                part.replace(archive)
                new = made_for.with_suffix(f".{os.getpid()}")
                new.write_text(mark)
                new.replace(made_for)
                return True
    return False


def _mark(spark_home: Path) -> str:
    """What an archive fits: this Java, these JARs. A JVM looks itself, too; this tells without starting one."""
    java = Path(os.path.realpath(java_executable() or ""))
    digest = hashlib.sha256(str(java).encode())
    for path in [java, java.parents[1] / "release", *sorted((spark_home / "jars").glob("*.jar"))]:
        with contextlib.suppress(OSError):
            found = path.stat()
            digest.update(f"{path.name} {found.st_size} {found.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def _made_for(spark_home: Path) -> Path:
    return class_archive(spark_home).with_suffix(".made-for")


def _whole(part: Path) -> bool:
    """Java writes what the archive begins with last, so a half-written one begins with zeros."""
    with part.open("rb") as file:
        return any(file.read(4))


def _locked(folder: Path) -> bool:
    """Whether this process is the one that writes. The system lets go of the lock when it ends, however it ends."""
    if _held:
        return False  # its first JVM has the name already
    lock = os.open(folder / "classes.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return False
    _held.append(lock)
    return True


def _leftovers_removed(folder: Path) -> bool:
    """Remove what killed runs left. Returns whether a JVM, whose Python has ended, still writes."""
    writing = False
    for part in folder.glob("classes.*.part"):
        if time.time() - part.stat().st_mtime < _BEING_WRITTEN_SECONDS and not _whole(part):
            writing = True
        else:
            part.unlink(missing_ok=True)
            part.with_suffix(_FAILED).unlink(missing_ok=True)
    return writing
