"""Sets up what `s3a://` paths need: Hadoop's S3A from Maven, pinned, and our log store, compiled. `make install-s3`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from saleslake.config import PROJECT_ROOT
from saleslake.jars import install_jars, read_lock, sha256, spark_home
from saleslake.machine import java_executable, java_problem
from saleslake.s3 import jar_folder

_LOCK = PROJECT_ROOT / "conf" / "s3.lock"
_JAVA = PROJECT_ROOT / "lib" / "java"


def install(spark: Path) -> Path:
    """Bring the JARs to their folder, unless they are there. Returns it. Raises RuntimeError, saying what is missing."""
    folder, lock = jar_folder(), read_lock(_LOCK)
    install_jars(lock, folder)
    sources = sorted(_JAVA.rglob("*.java"))
    own = folder / f"saleslake-{_digest(sources)}.jar"
    if not own.exists():
        class_path = [
            *(spark / "jars").glob("hadoop-client-api-*.jar"),
            *(spark / "jars").glob("*delta-storage-*.jar"),
        ]
        _compile(sources, [*class_path, *folder.glob("org.apache.hadoop_*.jar")], own)
    for path in folder.glob("*.jar"):
        if path.name not in lock.pinned and path != own:
            path.unlink()
    return folder


def _compile(sources: list[Path], class_path: list[Path], jar: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            java_executable() or "java",
            "-m",
            "jdk.compiler/com.sun.tools.javac.Main",
            "--release",
            "17",
            "-d",
            folder,
        ]
        command += ["-cp", ":".join(str(path) for path in class_path), *(str(path) for path in sources)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(
                f"{_JAVA.relative_to(PROJECT_ROOT)} does not compile; is this Java a JDK, with the module jdk.compiler?\n"
                f"{(done.stdout + done.stderr)[-1500:]}"
            )
        partial = jar.with_suffix(".part")
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(Path(folder).rglob("*.class")):
                archive.write(path, path.relative_to(folder))
        partial.replace(jar)


def _digest(sources: list[Path]) -> str:
    return "-".join(sha256(path)[:8] for path in sources)


def main() -> int:
    """Returns the exit code."""
    problem = java_problem()
    if problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    try:
        print(f"S3A is in {install(spark_home())}")
    except (OSError, RuntimeError) as e:
        print(f"error: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
