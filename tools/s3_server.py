"""An S3 server of its own on this machine, without containers: for `make s3-check`.

    with S3Server() as server:
        os.environ |= server.environment

moto, from PyPI, in an environment below `data/tools`; or MinIO, where its program is given. Both know conditional writes.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements-s3.lock"
HOST = "127.0.0.1"
_START_SECONDS = 60.0


class S3Server:
    """`environment` is what its clients are to have."""

    def __init__(self, minio: Path | None = None) -> None:
        self.minio = minio
        self.folder = Path(tempfile.mkdtemp(prefix="saleslake-s3-"))
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self.port = int(probe.getsockname()[1])
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://{HOST}:{self.port}",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "saleslake",
            "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return "MinIO" if self.minio else "moto"

    def __enter__(self) -> S3Server:
        own = {
            "MINIO_ROOT_USER": self.environment["AWS_ACCESS_KEY_ID"],
            "MINIO_ROOT_PASSWORD": self.environment["AWS_SECRET_ACCESS_KEY"],
        }
        if self.minio:
            data = self.folder / "data"
            command = [str(self.minio), "server", "--address", f"{HOST}:{self.port}", str(data)]
        else:
            command = [str(_moto()), "-m", "moto.server", "-H", HOST, "-p", str(self.port)]
        log = (self.folder / "log").open("wb")
        self._process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | own)
        self._wait()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wait(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urllib.request.urlopen(self.environment["AWS_ENDPOINT_URL"], timeout=5):  # noqa: S310 - our own
                    return
            except urllib.error.HTTPError:
                return  # it answers; without a signature it says no
            except OSError:
                time.sleep(0.2)
        raise RuntimeError(f"{self.name} did not start: {(self.folder / 'log').read_text(errors='replace')[-2000:]}")


def _moto() -> Path:
    """The Python of moto's environment; made if need be, with the hashes of its lock file."""
    folder = ROOT / "data" / "tools" / "moto"
    python, mark = folder / "bin" / "python", folder / LOCK.name
    if not mark.exists() or mark.read_text() != LOCK.read_text():
        print("installing moto …", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        subprocess.run([*pip, "--requirement", str(LOCK)], check=True)
        mark.write_text(LOCK.read_text())
    return python
