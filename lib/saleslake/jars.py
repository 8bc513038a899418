"""JARs pinned in a lock file, brought from Maven by the Ivy that Spark carries, so that its settings (mirrors, proxies) hold.

Lines of a lock file: `coordinate GROUP:ARTIFACT:VERSION`, with ` without GROUP:ARTIFACT` where what it depends on is left
out, and `SHA-256  FILE` for each JAR that is wanted. Everything else that comes along is thrown away.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class JarLock:
    """What a lock file says."""

    path: Path
    coordinates: dict[str, list[str]]
    """What is left out ("" for nothing) → coordinates that are resolved together."""
    pinned: dict[str, str]
    """File name, as Ivy gives it → SHA-256."""


def read_lock(path: Path) -> JarLock:
    """Comments start with `#`."""
    coordinates: dict[str, list[str]] = {}
    pinned: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "coordinate":
            coordinates.setdefault(words[3] if words[2:3] == ["without"] else "", []).append(words[1])
        else:
            pinned[words[1]] = words[0]
    return JarLock(path, coordinates, pinned)


def installed(lock: JarLock, folder: Path) -> bool:
    """Whether every pinned JAR is in `folder`, unchanged."""
    return all(sha256(folder / name) == sha for name, sha in lock.pinned.items())


def install_jars(lock: JarLock, folder: Path) -> None:
    """Bring the pinned JARs into `folder`; RuntimeError where Maven does not give one, or gives another than is pinned."""
    if installed(lock, folder):
        return
    folder.mkdir(parents=True, exist_ok=True)
    said = ""
    with tempfile.TemporaryDirectory() as ivy:
        for left_out, coordinates in lock.coordinates.items():
            said += _resolve(coordinates, left_out, Path(ivy))
        for name, sha in lock.pinned.items():
            found = Path(ivy) / "jars" / name
            if not found.exists():
                raise RuntimeError(
                    f"Maven did not give {name} of {lock.path.name}; no network, or a mirror without it?\n{said[-1500:]}"
                )
            if sha256(found) != sha:
                raise RuntimeError(f"{name}: SHA-256 {sha256(found)} is not the pinned {sha} of {lock.path}; refused")
            # Under its own name only when whole: another process may look for it at the same moment.
            part = folder / f".{name}.{os.getpid()}"
            shutil.copy(found, part)
            part.replace(folder / name)


def _resolve(coordinates: list[str], left_out: str, ivy: Path) -> str:
    """Resolve into `ivy`/jars; what Ivy said."""
    program = ivy / "nothing.py"
    program.write_text("")
    # Without what a former set-up wrote into Spark's own configuration: it may not fit any more.
    (ivy / "no.conf").write_text("")
    command = [_bin("spark-submit"), "--properties-file", str(ivy / "no.conf"), "--packages", ",".join(coordinates)]
    command += ["--exclude-packages", left_out] if left_out else []
    command += ["--conf", f"spark.jars.ivy={ivy}", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_activated())
    return (done.stdout + done.stderr).strip() + "\n"


def _bin(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def _activated() -> dict[str, str]:
    """spark-submit finds its Spark through the `python3` on PATH."""
    environment = dict(os.environ, PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    environment.pop("SPARK_HOME", None)
    return environment


def sha256(path: Path) -> str:
    """Hash of a file, "" where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""
