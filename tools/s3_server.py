"""An S3 server of its own on this machine, without containers: for `make s3-check`.

    with S3Server() as server:
        os.environ |= server.environment

moto, from PyPI, in an environment below `data/tools`; or MinIO, where its program is given. Both know conditional writes.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType

from tools.processes import HOST, end, environment_of, free_port

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements-s3.lock"
_START_SECONDS = 60.0


class S3Server:
    """`environment` is what its clients are to have."""

    def __init__(self, minio: Path | None = None) -> None:
        self.minio = minio
        self.folder = Path(tempfile.mkdtemp(prefix="saleslake-s3-"))
        self.port = free_port()
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
        end(self._process)
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
    """The Python of moto's environment."""
    return environment_of(LOCK, ROOT / "data" / "tools" / "moto", "moto") / "python"
