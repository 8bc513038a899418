"""The quick tests on the newest Python of this machine, in an environment of its own: `make test-newest`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv-newest"
OLDEST = (3, 11)
PLACES = ("/usr/bin", "/usr/local/bin", str(Path.home() / ".pyenv" / "versions" / "*" / "bin"))
LOCKS = ("requirements-build.lock", "requirements.lock", "requirements-dev.lock")
Version = tuple[int, ...]


def main(arguments: list[str]) -> int:
    """Exit code of the tests; 0, and a line that says so, where there is no newer Python than the one that runs this."""
    version, python = newest()
    if version[:2] <= sys.version_info[:2]:
        print(f"no Python newer than {sys.version.split()[0]} on this machine: the quick tests were NOT tried on one")
        return 0
    print(f"the quick tests on Python {'.'.join(map(str, version))}", flush=True)
    _install(python, f"{version}")
    command = [str(VENV / "bin" / "python"), "-m", "pytest", "-m", "quick", *arguments]
    return subprocess.call(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT / "lib")})


def newest() -> tuple[Version, Path]:
    """The newest interpreter there is that can be started."""
    folders = [*map(Path, os.environ.get("PATH", "").split(os.pathsep))]
    folders += [found for place in PLACES for found in Path("/").glob(place.lstrip("/"))]
    candidates = {path for folder in folders if folder.is_dir() for path in folder.glob("python3.[0-9][0-9]")}
    found = [(version, path) for path in candidates if (version := _version(path)) >= OLDEST]
    return max([*found, (tuple(sys.version_info[:3]), Path(sys.executable))])


def _version(python: Path) -> Version:
    ask = [str(python), "-c", "import ensurepip, sys; print(*sys.version_info[:3])"]
    try:
        done = subprocess.run(ask, capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return ()
    return tuple(int(part) for part in done.stdout.split()) if done.returncode == 0 else ()


def _install(python: Path, version: str) -> None:
    mark, wanted = VENV / ".locks", version + "".join((ROOT / lock).read_text() for lock in LOCKS)
    if mark.exists() and mark.read_text() == wanted:
        return
    subprocess.run([str(python), "-m", "venv", "--clear", str(VENV)], check=True)
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for lock in LOCKS:
        subprocess.run(
            [*pip, "--no-build-isolation", "--require-hashes", "--requirement", str(ROOT / lock)], check=True
        )
    mark.write_text(wanted)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
