#!/usr/bin/env python3
"""Set-up: everything `make run` and `make test` need, once; run by make. Needs only Python's standard library.

Usage: bootstrap.py [--dev] [--bench]. After it everything runs offline.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"


def main(argv):
    if sys.version_info < (3, 11):
        return stop(
            f"Python {sys.version.split()[0]} is too old; saleslake needs 3.11 or newer: install one and run make "
            "PYTHON=/path/to/python3"
        )
    sys.path.insert(0, str(ROOT / "lib"))
    from saleslake.machine import java_problem  # needs nothing but Python: the package's libraries are not there yet

    problem = java_problem()
    if problem:
        return stop(problem)
    locks = ["requirements.lock"]
    locks += ["requirements-dev.lock"] if "--dev" in argv else []
    locks += ["requirements-bench.lock"] if "--bench" in argv else []
    python = VENV / "bin" / "python"
    if not python.exists():
        step("making .venv", [sys.executable, "-m", "venv", str(VENV)])
        pip(python, "requirements-build.lock")
    for lock in locks:
        if not up_to_date(lock):
            pip(python, lock)
            (VENV / f".{lock}").write_text((ROOT / lock).read_text())
    if not (VENV / "bin" / "saleslake").exists():
        step(
            "installing saleslake",
            [
                str(python),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-deps",
                "--no-build-isolation",
                "--editable",
                str(ROOT),
            ],
        )
    return subprocess.call([str(python), "-m", "saleslake.install"], cwd=ROOT, env=activated())


def up_to_date(lock):
    mark = VENV / f".{lock}"
    return mark.exists() and mark.read_text() == (ROOT / lock).read_text()


def pip(python, lock):
    """Exact versions with hashes; pyspark is built from source with the pinned setuptools, not a fetched one."""
    step(
        f"installing {lock}",
        [
            str(python),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-build-isolation",
            "--require-hashes",
            "--requirement",
            str(ROOT / lock),
        ],
    )


def step(what, command):
    started = time.monotonic()
    print(f"{what} … ", end="", flush=True)
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        print("failed", flush=True)
        sys.stderr.write(done.stdout[-2000:] + done.stderr[-4000:])
        sys.exit(stop(f"{what} failed; see above. No network, or a proxy that pip does not know?"))
    print(f"{time.monotonic() - started:.0f} s", flush=True)


def activated():
    env = dict(os.environ, VIRTUAL_ENV=str(VENV))
    env["PATH"] = f"{VENV / 'bin'}{os.pathsep}{env.get('PATH', '')}"
    env.pop("SPARK_HOME", None)
    return env


def stop(message):
    print(f"error: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
