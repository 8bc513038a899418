"""Programs as a person starts them, and their end: none outlives the test that started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
PATIENCE_SECONDS = 600
"""A run takes half a minute on an idle machine, and ten times that on a busy one."""

Done = subprocess.CompletedProcess[str]


def environment(**more: str) -> dict[str, str]:
    """What `source .venv/bin/activate` would set, and `more`."""
    kept = {k: v for k, v in os.environ.items() if k not in ("SPARK_HOME", "SPARK_CONF_DIR", "PYSPARK_GATEWAY_PORT")}
    return kept | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "VIRTUAL_ENV": str(BIN.parent), **more}


class Processes:
    """Starts programs of the environment by their name (`saleslake`, `spark-submit`, `python`), or any by its path."""

    def __init__(self) -> None:
        self._started: list[subprocess.Popen[Any]] = []

    def run(self, *command: str, timeout: float = PATIENCE_SECONDS, cwd: Path = ROOT, **env: str) -> Done:
        """To its end: exit code, what it printed, what it said of errors. Killed, with its children, when the time is up."""
        process = self.start(*command, cwd=cwd, **env)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            kill(process)
            out, err = process.communicate()
            raise AssertionError(f"{command} was not done after {timeout:g} s:\n{out[-2000:]}{err[-2000:]}") from None
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def start(self, *command: str, cwd: Path = ROOT, **env: str) -> subprocess.Popen[str]:
        """In a process group of its own, so that a signal reaches its children too (`os.killpg`)."""
        process = subprocess.Popen(
            [_program(command[0]), *command[1:]],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd, env=environment(**env), start_new_session=True,
        )  # fmt: skip
        self._started.append(process)
        return process

    def end(self) -> None:
        """Kill what still runs."""
        for process in self._started:
            if process.poll() is None:
                kill(process)
            process.communicate()


def kill(process: subprocess.Popen[Any]) -> None:
    """SIGKILL to the process and its children."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _program(name: str) -> str:
    inside = BIN / name
    return str(inside) if inside.exists() else name
