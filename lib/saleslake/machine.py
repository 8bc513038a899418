"""What this machine has: cores, memory, Java. No Spark here, so set-up can ask before Spark exists."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

from saleslake.project import ROOT

SUPPORTED_JAVA = (17, 21)
_FIX = "install a JDK 17 or 21 (Debian/Ubuntu: apt-get install openjdk-17-jdk-headless; macOS: brew install openjdk@17)"


def cores() -> int:
    """Cores this process may use, by affinity where the system tells, else all."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 2


def memory_megabytes() -> int:
    """Physical memory, or the container's limit where that is lower, in MiB."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit_file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(limit_file).read_text().strip()
        except OSError:
            continue
        if text.isdigit():
            total = min(total, int(text))
    return total // 2**20


def heap_megabytes() -> int:
    """Heap for the driver: a third of the memory, between 1 and 4 GiB; more never paid off in the benchmark."""
    return max(1024, min(4096, memory_megabytes() // 3))


def class_archive(spark_home: Path) -> Path:
    """Where the class-data archive is, once a run has written it."""
    return spark_home / "saleslake" / "classes.jsa"


def empty_conf_dir(spark_home: Path) -> Path:
    """A folder without files: the JVM takes a class-data archive only if no folder on its class path holds anything."""
    return spark_home / "saleslake" / "no-conf"


def file_system(spark_home: Path) -> dict[str, str]:
    """Spark's local file system, where its JAR is installed: Hadoop's own starts two `chmod` processes a file written.

    It is one of the kind that the state store of streaming insists on, with checksums, which `build_session` turns off.
    """
    if not any((spark_home / "jars").glob("*hadoop-bare-naked-local-fs*.jar")):
        return {}
    return {"spark.hadoop.fs.file.impl": "com.globalmentor.apache.hadoop.fs.BareLocalFileSystem"}


def jvm_options(spark_home: Path, write: Path | None = None) -> str:
    """Options of Spark's JVM, as Spark takes them: one text, which it splits at spaces outside quotes.

    `write`: where it shall write a class-data archive as it ends, in place of reading one.
    """
    options = [
        # Two cores and short runs: the throughput collector beat G1 by a tenth.
        "-XX:+UseParallelGC",
        # Spark generates methods beyond the 8,000 bytes that HotSpot compiles; interpreted, silver took four times as long.
        "-XX:-DontCompileHugeMethods",
        # C2 took a third of all CPU time here; asked later, and so for what is truly hot, it takes a fifth less.
        "-XX:Tier4InvocationThreshold=20000",
        "-XX:Tier4MinInvocationThreshold=3000",
        "-XX:Tier4CompileThreshold=40000",
        "-XX:Tier4BackEdgeThreshold=150000",
        f"-XX:ArchiveClassesAtExit={write}" if write else f"-XX:SharedArchiveFile={class_archive(spark_home)}",
        # An archive that is not there or does not fit costs seconds and must cost nothing else, not even a line.
        "-Xshare:auto",
        "-Xlog:disable",
        "-Xlog:all=error:stderr",
        f"-Dlog4j2.configurationFile={(ROOT / 'conf' / 'log4j2.properties').as_uri()}",
        f"-Dsaleslake.spark.log={ROOT / 'data' / 'logs' / 'spark.log'}",
    ]
    return " ".join(_quoted(option) for option in options)


def _quoted(option: str) -> str:
    return '"' + option.replace("\\", "\\\\").replace('"', '\\"') + '"'


def java_executable() -> str | None:
    """The `java` that Spark would start: `$JAVA_HOME/bin/java`, else the one on PATH."""
    home = os.environ.get("JAVA_HOME")
    if home:
        return shutil.which("java", path=str(Path(home) / "bin"))
    return shutil.which("java")


def java_problem() -> str | None:
    """One line saying what is wrong with Java and what to install, or None if it will do."""
    java = java_executable()
    if java is None:
        where = (
            f"JAVA_HOME={os.environ['JAVA_HOME']} has no bin/java" if os.environ.get("JAVA_HOME") else "no java on PATH"
        )
        return f"Java not found ({where}): {_FIX}, or point JAVA_HOME at one"
    return _problem_of(java, Path(java).stat().st_mtime_ns)


@lru_cache
def _problem_of(java: str, _changed: int) -> str | None:
    """The same of this program, asked once: it takes a third of a second, and who chooses an engine asks before who starts it."""
    try:
        done = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60)
        text = done.stderr + done.stdout
        modules = subprocess.run([java, "--list-modules"], capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.TimeoutExpired) as e:
        return f"Java at {java} does not start ({e}): {_FIX}, or point JAVA_HOME at one"
    found = re.search(r'version "(\d+)', text)
    if not found:
        return f"Java at {java} does not say its version: {_FIX}, or point JAVA_HOME at one"
    if int(found[1]) not in SUPPORTED_JAVA:
        return f"Java at {java} is version {found[1]}; Spark 4.2 needs 17 or 21: {_FIX}, or point JAVA_HOME at one"
    if "jdk.incubator.vector" not in modules:
        return f"Java at {java} lacks the module jdk.incubator.vector that Spark 4.2 needs (a trimmed JDK): {_FIX}"
    return None
