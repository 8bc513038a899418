"""Prometheus, a Pushgateway and an Alertmanager on this machine, without containers: for tests, from Debian's packages.

    with Pushgateway() as gateway, Prometheus(config) as prometheus:
        requests.get(f"{prometheus.url}/api/v1/query", params={"query": "up"})

Programs on PATH are used where they are; else the packages are downloaded and unpacked into the user's cache, which
needs apt-get and no root. Each server listens on a free loopback port, and its data go with it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType

from tools.processes import HOST, end, free_port

_PACKAGES = ("prometheus", "prometheus-pushgateway", "prometheus-alertmanager")
_START_SECONDS = 60.0


class Server:
    """One server from start to end. `url` is its address, `data` a folder of its own."""

    program = ""
    arguments: tuple[str, ...] = ()
    """`{address}`, `{data}` and `{config}` stand for what this server got."""

    def __init__(self, config: Path | None = None, port: int | None = None) -> None:
        self.config, self.port = config and config.resolve(), port or free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.data = Path(tempfile.mkdtemp(prefix=f"saleslake-{self.program}-"))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        words = {"address": f"{HOST}:{self.port}", "data": str(self.data), "config": str(self.config)}
        command = [str(program(self.program)), *(argument.format(**words) for argument in self.arguments)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=Path(command[0]).parents[1])
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        end(self._process)
        shutil.rmtree(self.data, ignore_errors=True)

    @property
    def _log(self) -> Path:
        return self.data / "log"

    def _wait(self) -> None:
        assert self._process is not None
        # A proxy of the environment cannot reach this machine's own ports.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with opener.open(f"{self.url}/-/ready", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise RuntimeError(f"{self.program} did not start: {self._log.read_text(errors='replace')[-2000:]}")


class Prometheus(Server):
    """`config`: its configuration file."""

    program = "prometheus"
    arguments = ("--config.file={config}", "--storage.tsdb.path={data}/tsdb", "--web.listen-address={address}")


class Pushgateway(Server):
    """Keeps what it is given in memory."""

    program = "prometheus-pushgateway"
    arguments = ("--web.listen-address={address}",)


class Alertmanager(Server):
    """`config`: its configuration file. Alone: it looks for no peers."""

    program = "prometheus-alertmanager"
    arguments = (
        "--config.file={config}",
        "--storage.path={data}/alerts",
        "--web.listen-address={address}",
        "--cluster.listen-address=",
    )


def program(name: str) -> Path:
    """`prometheus`, `promtool`, `prometheus-pushgateway`, `prometheus-alertmanager` or `amtool`; downloaded if need be."""
    there = shutil.which(name)
    if there:
        return Path(there)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "saleslake" / "prometheus"
    if not (cache / "bin" / name).exists():
        _download(cache)
    return cache / "bin" / name


def _download(cache: Path) -> None:
    """Unpack the programs of the packages into `cache`, whole or not at all."""
    unpack = shutil.which("dpkg-deb")
    if not (shutil.which("apt-get") and unpack):
        raise RuntimeError(f"no Prometheus on PATH, and no apt-get to fetch it: install {', '.join(_PACKAGES)}")
    cache.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache.parent) as folder:
        room = Path(folder)
        _fetch(room)
        for package in room.glob("*.deb"):
            subprocess.run([unpack, "-x", str(package), str(room / "unpacked")], check=True)
        _look_for_shared_files_beside(room / "unpacked" / "usr" / "bin" / Alertmanager.program)
        shutil.rmtree(cache, ignore_errors=True)
        (room / "unpacked" / "usr").replace(cache)


def _look_for_shared_files_beside(alertmanager: Path) -> None:
    """Debian's Alertmanager reads its templates from /usr/share, where an unpacked package has none. A name of the same
    length, relative to the folder that servers are started in, has it read its own."""
    own = alertmanager.read_bytes()
    alertmanager.write_bytes(own.replace(b"/usr/share/prometheus/alertmanager", b".////share/prometheus/alertmanager"))


def _fetch(room: Path) -> None:
    download = ["apt-get", "-o", "APT::Sandbox::User=", "download", *_PACKAGES]
    if subprocess.run(download, cwd=room, capture_output=True, check=False).returncode == 0:
        return
    # The machine's package lists are missing or old, and only root may renew those: lists of our own.
    for name in ("lists/partial", "archives/partial"):
        (room / "apt" / name).mkdir(parents=True)
    own = ["-o", f"Dir::State={room / 'apt'}", "-o", f"Dir::Cache={room / 'apt'}", "-o", "APT::Sandbox::User="]
    for command in (["apt-get", *own, "update"], ["apt-get", *own, "download", *_PACKAGES]):
        done = subprocess.run(command, cwd=room, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()[-1000:]}")
