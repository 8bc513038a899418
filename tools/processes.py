"""What the tools that start a server here share: a free port, an end in good order, an environment of its own for a program."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

HOST = "127.0.0.1"


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def end(process: subprocess.Popen[bytes] | None, seconds: float = 20, by: signal.Signals = signal.SIGTERM) -> None:
    """Ask the process to end, and make it, if it has not within these seconds."""
    if process is None:
        return
    process.send_signal(by)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def environment_of(lock: Path, folder: Path, what: str) -> Path:
    """The `bin` of a virtual environment that holds what the lock file names, hashes checked; made if it is missing or the lock changed."""
    mark = folder / f".{lock.name}"
    if not mark.exists() or mark.read_text() != lock.read_text():
        print(f"installing {what} into {folder.name} (once) …", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--require-hashes", "--requirement", str(lock)], check=True)
        mark.write_text(lock.read_text())
    return folder / "bin"
