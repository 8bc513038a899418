"""A Spark standalone cluster on this machine: a master and workers from the installed Spark, on loopback.

with SparkCluster() as cluster:
    spark-submit --master cluster.url …
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

import pyspark

from tools.processes import HOST, end, free_port

_START_SECONDS = 90.0


class SparkCluster:
    """`url` is its master; `work` holds a folder for each application and executor."""

    def __init__(self, workers: int = 2, cores: int = 1, memory: str = "1g"):
        self.workers, self.cores, self.memory = workers, cores, memory
        self.folder = Path(tempfile.mkdtemp(prefix="saleslake-cluster-"))
        self.work = self.folder / "work"
        self.url = f"spark://{HOST}:{free_port()}"
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> SparkCluster:
        port = self.url.rsplit(":", 1)[1]
        self._start("master.Master", "--host", HOST, "--port", port, "--webui-port", "0")
        self._wait("I have been elected leader", 1)
        for number in range(self.workers):
            own = ("--cores", str(self.cores), "--memory", self.memory, "--work-dir", str(self.work / str(number)))
            self._start("worker.Worker", "--host", HOST, "--webui-port", "0", *own, self.url)
        self._wait("Registering worker", self.workers)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in reversed(self._processes):
            end(process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def applications(self) -> int:
        """How many executors have been started for applications, over all workers."""
        return len(list(self.work.glob("*/app-*/*")))

    def _start(self, role: str, *arguments: str) -> None:
        home = Path(pyspark.__file__).parent
        log = (self.folder / f"{len(self._processes)}.log").open("wb")
        # Spark's own log settings: ours send what a daemon says to a file of the lakehouse.
        (self.folder / "conf").mkdir(exist_ok=True)
        env = os.environ | {
            "SPARK_HOME": str(home),
            "SPARK_LOCAL_IP": HOST,
            "SPARK_CONF_DIR": str(self.folder / "conf"),
        }
        command = [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{role}", *arguments]
        self._processes.append(subprocess.Popen(command, stdout=log, stderr=log, env=env, cwd=self.folder))

    def _wait(self, words: str, times: int) -> None:
        """Until the master has said it so often."""
        log = self.folder / "0.log"
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and all(process.poll() is None for process in self._processes):
            if log.read_text(errors="replace").count(words) >= times:
                return
            time.sleep(0.1)
        logs = "\n".join(path.read_text(errors="replace")[-1500:] for path in sorted(self.folder.glob("*.log")))
        raise RuntimeError(f"the Spark cluster did not start:\n{logs}")
