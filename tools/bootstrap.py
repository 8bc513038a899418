#!/usr/bin/env python3
"""Set-up: everything `make run` and `make test` need, once; run by make. Needs only Python's standard library.

Usage: bootstrap.py [--dev] [--bench]. After it everything runs offline. Spark, half of the work, is installed beside the
other libraries, each by a pip of its own.
"""

import concurrent.futures
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
MAIN = "requirements.lock"
# Spark's wheel is built here and unpacked at once: to compress its 400 MB of JARs takes ten seconds and saves nothing.
WHEELS = "[bdist_wheel]\ncompression = stored\n"
_printing = threading.Lock()


class Failed(Exception):
    """A step failed; says which, and what it printed."""


def main(argv):
    if sys.version_info < (3, 11):
        return stop(
            f"Python {sys.version.split()[0]} is too old; saleslake needs 3.11 or newer: install one and run make "
            "PYTHON=/path/to/python3"
        )
    try:
        if not PYTHON.exists():
            step("making .venv", [sys.executable, "-m", "venv", str(VENV)])
            pip("tools to build with", ROOT / "requirements-build.lock")
        if up_to_date(MAIN):
            saleslake()
            finish()
        else:
            everything()
            mark(MAIN)
        for option in ("dev", "bench"):
            lock = f"requirements-{option}.lock"
            if f"--{option}" in argv and not up_to_date(lock):
                pip(lock, ROOT / lock)
                mark(lock)
    except Failed as e:
        return stop(str(e))
    return 0


def everything():
    """Spark with its JARs, and beside it all other libraries and saleslake itself."""
    print("fetching Spark (450 MB) and, beside it, the other libraries …", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        spark, others = halves((ROOT / MAIN).read_text())
        locks = Path(folder, "spark.txt"), Path(folder, "libraries.txt")
        for path, text in zip(locks, (spark, others), strict=True):
            path.write_text(text)
        Path(folder, "wheels.cfg").write_text(WHEELS)

        def with_spark():
            if spark:
                pip("Spark", locks[0], "--no-deps", DIST_EXTRA_CONFIG=str(Path(folder, "wheels.cfg")))
            finish()

        def with_libraries():
            pip("libraries", locks[1], "--no-deps")
            saleslake()

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            halves_done = [pool.submit(with_spark), pool.submit(with_libraries)]
            for done in halves_done:
                done.result()


def halves(lock):
    """What the lock says of Spark, and the rest of it. It names whatever Spark needs, so neither half asks for more."""
    spark, others, into = [], [], None
    for line in lock.splitlines(keepends=True):
        if not line.startswith((" ", "\t")):
            into = spark if line.startswith("pyspark==") else others
        into.append(line)
    return "".join(spark), "".join(others)


def finish():
    """JARs and Spark's configuration, by the environment's Python: it knows where Spark is."""
    env = dict(activated(), PYTHONPATH=str(ROOT / "lib"))
    if subprocess.call([str(PYTHON), "-m", "saleslake.install"], cwd=ROOT, env=env):
        raise Failed("Spark's JARs and configuration are not set up; see above")


def saleslake():
    if not (VENV / "bin" / "saleslake").exists():
        flags = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"]
        step("saleslake", [str(PYTHON), "-m", "pip", "install", *flags, "--editable", str(ROOT)])


def up_to_date(lock):
    path = VENV / f".{lock}"
    return path.exists() and path.read_text() == (ROOT / lock).read_text()


def mark(lock):
    (VENV / f".{lock}").write_text((ROOT / lock).read_text())


def pip(what, lock, *more, **env):
    """Exact versions with hashes; pyspark is built from source with the pinned setuptools, not a fetched one."""
    flags = ["--quiet", "--disable-pip-version-check", "--no-build-isolation", "--require-hashes", *more]
    step(what, [str(PYTHON), "-m", "pip", "install", *flags, "--requirement", str(lock)], **env)


def step(what, command, **env):
    """Two may run at the same time, so a step is told in one piece, when it is done."""
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, env=dict(os.environ, **env))
    if done.returncode:
        with _printing:
            sys.stderr.write(done.stdout[-2000:] + done.stderr[-4000:])
        raise Failed(f"{what}: failed; see above. No network, or a proxy that pip does not know?")
    with _printing:
        print(f"{what}: {time.monotonic() - started:.0f} s", flush=True)


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
