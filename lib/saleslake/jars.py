"""JARs pinned in a lock file, brought from Maven by the Ivy that Spark carries, so that its settings (mirrors, proxies) hold.

Lines of a lock file: `coordinate GROUP:ARTIFACT:VERSION`, with ` without GROUP:ARTIFACT` where what it depends on is left
out, and `SHA-256  FILE` for each JAR that is wanted, with `GROUP:ARTIFACT:VERSION` behind it where the file's name does not
tell. Those are fetched one by one, by name, in seconds. Where that fails the coordinates are resolved as Spark does it, with
all that they depend on, and everything else that comes along is thrown away.

The standard library alone: set-up brings the JARs while other libraries are still being installed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from saleslake.machine import java_executable

# GROUP_ARTIFACT-VERSION.jar, as Ivy names what it gives to Spark. A version begins with a number and a dot.
_NAME = re.compile(r"([^_]+)_(.+?)-(\d+\..+)\.jar")
_TELLING = re.compile(
    r"refused|denied|timed? out|unknownhost|access error|unresolved dependency|certificat|proxy", re.I
)
_PATIENCE_SECONDS = 600


@dataclass(frozen=True)
class JarLock:
    """What a lock file says."""

    path: Path
    coordinates: dict[str, list[str]]
    """What is left out ("" for nothing) → coordinates that are resolved together."""
    pinned: dict[str, str]
    """File name, as Ivy gives it → SHA-256."""
    named: dict[str, str]
    """File name → GROUP:ARTIFACT:VERSION, where the name does not tell."""

    def module(self, name: str) -> tuple[str, str, str] | None:
        """Group, artifact and version of a pinned JAR; None if nothing says."""
        if name in self.named:
            group, artifact, version = self.named[name].split(":")
            return group, artifact, version
        found = _NAME.fullmatch(name)
        return (found[1], found[2], found[3]) if found else None


def read_lock(path: Path) -> JarLock:
    """Comments start with `#`."""
    coordinates: dict[str, list[str]] = {}
    pinned: dict[str, str] = {}
    named: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "coordinate":
            coordinates.setdefault(words[3] if words[2:3] == ["without"] else "", []).append(words[1])
        else:
            pinned[words[1]] = words[0]
            if len(words) > 2:
                named[words[1]] = words[2]
    return JarLock(path, coordinates, pinned, named)


def spark_home() -> Path:
    """Where pip put Spark, without importing it: what it imports may not be there yet."""
    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise RuntimeError("pyspark is not installed in this environment: run `make install`")
    return Path(spec.origin).parent


def installed(lock: JarLock, folder: Path) -> bool:
    """Whether every pinned JAR is in `folder`, unchanged."""
    return all(sha256(folder / name) == sha for name, sha in lock.pinned.items())


def install_jars(lock: JarLock, folder: Path) -> None:
    """Bring the pinned JARs into `folder`; RuntimeError where Maven does not give one, or gives another than is pinned."""
    if installed(lock, folder):
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as ivy:
        work = Path(ivy)
        said = _fetch(lock, work)
        if not installed(lock, work / "jars"):
            shutil.rmtree(work / "jars", ignore_errors=True)
            for left_out, coordinates in lock.coordinates.items():
                said += _resolve(coordinates, left_out, work)
        for name, sha in lock.pinned.items():
            found = work / "jars" / name
            if not found.exists():
                raise RuntimeError(
                    f"Maven did not give {name} of {lock.path.name}; no network, or a mirror without it?{_why(said)}"
                )
            if sha256(found) != sha:
                raise RuntimeError(f"{name}: SHA-256 {sha256(found)} is not the pinned {sha} of {lock.path}; refused")
            # Under its own name only when whole: another process may look for it at the same moment.
            part = folder / f".{name}.{os.getpid()}"
            shutil.copy(found, part)
            part.replace(folder / name)


def _fetch(lock: JarLock, work: Path) -> str:
    """Fetch just the pinned JARs to `work`/jars, if Ivy can; what it said."""
    modules = [lock.module(name) for name in lock.pinned]
    java, programs = java_executable(), sorted((spark_home() / "jars").glob("ivy-*.jar"))
    if java is None or not programs or not all(modules):
        return ""
    wanted = "".join(
        f"<dependency org={quoteattr(m[0])} name={quoteattr(m[1])} rev={quoteattr(m[2])} "
        'transitive="false" conf="default->default"/>'
        for m in modules
        if m
    )
    (work / "ivy.xml").write_text(
        '<ivy-module version="2.0"><info organisation="saleslake" module="jars"/>'
        f'<configurations><conf name="default"/></configurations><dependencies>{wanted}</dependencies></ivy-module>',
        encoding="utf-8",
    )
    repositories = "".join(
        f'<ibiblio name="r{n}" m2compatible="true" usepoms="false" timeoutConstraint="some"{root}/>'
        for n, root in enumerate(f" root={quoteattr(root)}" if root else "" for root in _repositories())
    )
    (work / "settings.xml").write_text(
        f'<ivysettings><settings defaultResolver="all"/><caches defaultCacheDir={quoteattr(str(work / "fetched"))}/>'
        '<timeout-constraints><timeout-constraint name="some" connectionTimeout="10000" readTimeout="60000"/>'
        '</timeout-constraints><resolvers><chain name="all" returnFirst="true">'
        f"{repositories}</chain></resolvers></ivysettings>",
        encoding="utf-8",
    )
    command = [java, "-XX:TieredStopAtLevel=1", "-jar", str(programs[-1])]
    command += ["-settings", str(work / "settings.xml"), "-ivy", str(work / "ivy.xml"), "-types", "jar"]
    command += ["-retrieve", f"{work}/jars/[organization]_[artifact]-[revision].[ext]"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as e:
        return f"{e}\n"
    return (done.stdout + done.stderr).strip() + "\n"


def _repositories() -> list[str]:
    """Where to look, in this order, as Spark does it; "" is Maven Central, whose address Ivy has.

    Spark asks what Maven has brought to this machine, then `DEFAULT_ARTIFACT_REPOSITORY`, which stands in for Maven
    Central. A mirror of Maven Central in Maven's own settings is asked, too.
    """
    maven = Path.home() / ".m2"
    brought = [f"{(maven / 'repository').as_uri()}/"] if (maven / "repository").is_dir() else []
    named = os.environ.get("DEFAULT_ARTIFACT_REPOSITORY", "").strip()
    return brought + ([named] if named else [*_mirrors(maven / "settings.xml"), ""])


def _mirrors(settings: Path) -> list[str]:
    """Mirrors of Maven Central; none where the file says nothing that can be read."""
    try:
        root = ElementTree.parse(settings).getroot()  # noqa: S314 (this user's own file)
    except (OSError, ElementTree.ParseError):
        return []
    found = []
    for mirror in root.iterfind("{*}mirrors/{*}mirror"):
        of = [word.strip() for word in (mirror.findtext("{*}mirrorOf") or "").split(",")]
        address = (mirror.findtext("{*}url") or "").strip()
        if address and {"*", "external:*", "central"} & set(of) and "!central" not in of:
            found.append(address)
    return found


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


def _why(said: str) -> str:
    """The line of Ivy's many that tells most; for the end of a line of ours."""
    lines = [" ".join(line.split()) for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if _TELLING.search(line)] or lines[-1:]
    return f" It said: {telling[-1][:300]}" if telling else ""


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
