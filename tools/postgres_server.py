"""A PostgreSQL server of its own on this machine, without containers: for tests, from Debian's packages.

    with PostgresServer() as server:
        psycopg.connect(server.dsn)

Its data lie in a temporary folder and go with it. Where no PostgreSQL is installed and we are root, it is installed.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

from tools.processes import HOST, end, free_port

USER = "saleslake"
_START_SECONDS = 60.0


class PostgresServer:
    """`dsn` is its address, password and all."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="saleslake-postgres-"))
        self.password = secrets.token_hex(8)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        # PostgreSQL refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None

    @property
    def dsn(self) -> str:
        return f"postgresql://{USER}:{self.password}@{HOST}:{self.port}/postgres"

    def __enter__(self) -> PostgresServer:
        bin_ = programs()
        key = self.folder / "password"
        key.write_text(self.password)
        if self._user:
            for path in (self.folder, key):
                shutil.chown(path, self._user)
        data = self.folder / "data"
        initdb = [bin_ / "initdb", "-D", data, "-U", USER, f"--pwfile={key}", "-A", "scram-sha-256", "-E", "UTF8"]
        self._run([*initdb, "--locale=C", "--no-sync"])
        options = {"listen_addresses": HOST, "port": self.port, "unix_socket_directories": "", "fsync": "off"}
        command = [bin_ / "postgres", "-D", data, *(f"--{name}={value}" for name, value in options.items())]
        log = (self.folder / "log").open("wb")
        self._process = subprocess.Popen(
            [str(part) for part in command], stdout=log, stderr=log, user=self._user, cwd="/"
        )
        self._wait()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        end(self._process, 30, signal.SIGINT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, command: list[str | Path]) -> None:
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, user=self._user, cwd="/", check=False
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()}")

    def _wait(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            log = (self.folder / "log").read_text(errors="replace")
            if "ready to accept connections" in log:
                return
            time.sleep(0.05)
        raise RuntimeError(f"PostgreSQL did not start: {(self.folder / 'log').read_text(errors='replace')[-2000:]}")


def programs() -> Path:
    """The folder of initdb and postgres; installed if need be."""
    found = _found()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        for command in (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", "postgresql"]):
            environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
            subprocess.run(command, check=True, capture_output=True, env=environment)
        found = _found()
    if found is None:
        raise RuntimeError("no PostgreSQL server on this machine: install it (Debian: apt-get install postgresql)")
    return found


def _found() -> Path | None:
    own = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if own:
        return own[-1].parent
    there = shutil.which("initdb")
    return Path(there).resolve().parent if there else None
