"""Finishes set-up inside the environment: pinned JARs and Spark's configuration. Safe to repeat.

The standard library alone, beside Spark: the other libraries may still be on their way.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from saleslake import class_archive, project
from saleslake.jars import install_jars, installed, read_lock, spark_home
from saleslake.machine import empty_conf_dir, file_system, heap_megabytes, java_executable, java_problem, jvm_options

_LOCK = project.ROOT / "conf" / "jars.lock"
_WITHOUT = "saleslake runs on its embedded engine; Java 17 or 21 would add Spark: spark-submit, the stream, a cluster"


def main() -> int:
    """Returns the exit code; says on stdout what it does, if there is anything to do."""
    made = project.lay_out()
    if made:
        print(f"{', '.join(made)} laid out in {project.ROOT}", flush=True)
    # Where it is, make looks for a Java each time, and comes here again when there is one.
    without_java = Path(sys.prefix) / ".without-java"
    try:
        spark = spark_home()
        lock = read_lock(_LOCK)
        complete = installed(lock, spark / "jars")
        problem = java_problem()
        if problem:
            # The JARs are of no use without Java, and it is Java that fetches them.
            print(f"{problem if java_executable() else 'no Java found'}: {_WITHOUT}", flush=True)
        elif not complete:
            started = time.monotonic()
            install_jars(lock, spark / "jars")
            print(f"JARs (Delta Lake, Kafka): {time.monotonic() - started:.0f} s", flush=True)
            complete = True
        if complete:
            without_java.unlink(missing_ok=True)
        else:
            without_java.touch()
        _write_configuration(spark)
        class_archive.take_up(spark)
    except (OSError, RuntimeError) as e:
        print(f"error: {e}", file=sys.stderr)
        return 1
    return 0


def _write_configuration(spark: Path) -> None:
    """spark-submit takes memory and JVM options from here; a session started from Python sets them itself."""
    conf = spark / "conf"
    conf.mkdir(exist_ok=True)
    empty_conf_dir(spark).mkdir(parents=True, exist_ok=True)
    own = {
        "spark.driver.memory": f"{heap_megabytes()}m",
        # The file is one of Java's properties, where a backslash is an escape.
        "spark.driver.extraJavaOptions": jvm_options(spark).replace("\\", "\\\\"),
    }
    lines = [
        (project.ROOT / "conf" / "spark-defaults.conf").read_text(encoding="utf-8").rstrip(),
        *(f"{name:<43} {value}" for name, value in (own | file_system(spark)).items()),
    ]
    (conf / "spark-defaults.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
