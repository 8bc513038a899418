"""Finishes set-up inside the environment: pinned JARs, Spark's configuration, a class-data archive. Safe to repeat."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from saleslake import project
from saleslake.config import PROJECT_ROOT
from saleslake.jars import install_jars, installed, read_lock, sha256
from saleslake.machine import class_archive, empty_conf_dir, file_system, heap_megabytes, java_executable, jvm_options

_LOCK = PROJECT_ROOT / "conf" / "jars.lock"


def main() -> int:
    """Returns the exit code; says on stdout what it does, if there is anything to do."""
    import pyspark

    spark_home = Path(pyspark.__file__).parent
    made = project.lay_out()
    if made:
        print(f"{', '.join(made)} laid out in {PROJECT_ROOT}", flush=True)
    lock = read_lock(_LOCK)
    try:
        if not installed(lock, spark_home / "jars"):
            with _Said("resolving JARs (Delta Lake, Kafka)"):
                install_jars(lock, spark_home / "jars")
        _write_configuration(spark_home)
        _archive_classes(spark_home)
    except (OSError, RuntimeError) as e:
        print(f"error: {e}", file=sys.stderr)
        return 1
    return 0


# --- configuration ---------------------------------------------------------------------------------


def _write_configuration(spark_home: Path) -> None:
    """spark-submit takes memory and JVM options from here; a session started from Python sets them itself."""
    conf = spark_home / "conf"
    conf.mkdir(exist_ok=True)
    empty_conf_dir(spark_home).mkdir(parents=True, exist_ok=True)
    own = {
        "spark.driver.memory": f"{heap_megabytes()}m",
        # The file is one of Java's properties, where a backslash is an escape.
        "spark.driver.extraJavaOptions": jvm_options(spark_home).replace("\\", "\\\\"),
    }
    lines = [
        (PROJECT_ROOT / "conf" / "spark-defaults.conf").read_text(encoding="utf-8").rstrip(),
        *(f"{name:<43} {value}" for name, value in (own | file_system(spark_home)).items()),
    ]
    (conf / "spark-defaults.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")


# --- class-data archive ----------------------------------------------------------------------------


def _archive_classes(spark_home: Path) -> None:
    """Archive the classes a small run loads: later starts map them instead of parsing 20,000 of them again.

    Raises RuntimeError if that run fails: then no other will do better. Without an archive all works, seconds later.
    """
    archive, made_for = class_archive(spark_home), empty_conf_dir(spark_home).with_name("classes.made-for")
    mark = f"{os.path.realpath(java_executable() or '')} {sha256(_LOCK)}"
    if archive.exists() and made_for.exists() and made_for.read_text() == mark:
        return
    archive.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder, _Said("archiving classes for a quick start"):
        done = subprocess.run(
            [sys.executable, "-m", "saleslake.warmup", folder], capture_output=True, text=True, check=False
        )
        if done.returncode:
            archive.unlink(missing_ok=True)
            raise RuntimeError(
                f"a small run over generated files failed, so saleslake does not work here: {_tail(done)}"
            )
        if archive.exists():
            made_for.write_text(mark)
        else:
            print(f"(Java wrote no archive, so each start takes seconds longer: {_tail(done, 200)}) ", end="")


# --- helpers ---------------------------------------------------------------------------------------


def _tail(done: subprocess.CompletedProcess[str], characters: int = 1500) -> str:
    return (done.stdout + done.stderr).strip()[-characters:]


class _Said:
    def __init__(self, what: str):
        self.what = what

    def __enter__(self) -> None:
        self.started = time.monotonic()
        print(f"{self.what} … ", end="", flush=True)

    def __exit__(self, kind: object, *_: object) -> None:
        print("failed" if kind else f"{time.monotonic() - self.started:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
