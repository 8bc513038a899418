"""Where Java does not start, what it printed is the message."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import write_config
from tests.processes import Processes

CONFIG = """
[spark.conf]
"spark.driver.extraJavaOptions" = "-javaagent:nowhere.jar"
[sources.users]
entity = "users"
format = "csv"
path = "u.csv"
"""


def test_a_java_that_does_not_start_is_one_line_with_what_it_printed(tmp_path: Path, processes: Processes) -> None:
    config = write_config(tmp_path, CONFIG)
    log = tmp_path / "data" / "logs" / "spark-jvm.log"
    log.parent.mkdir(parents=True)
    log.write_text("of a run before\n")
    done = processes.run("saleslake", "run", "--config", str(config))
    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: Java ended before Spark was up. It printed: ")
    assert "nowhere.jar" in line
    assert "of a run before" not in line
    assert line.endswith(f"(whole: {log})")
