"""Which tier a test belongs to. The fixtures that it asks for say so, and a guard holds it to what they allow.

`quick`: no JVM, no process. `spark`: the shared session. `processes`: programs of ours, or of the system. `servers`: real
servers of others. `airflow`: Airflow in its own environment. A test is of the highest tier that one of its fixtures has.
"""

from __future__ import annotations

import sys
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

TIERS = ("quick", "spark", "processes", "servers", "airflow")
FIXTURES = {
    "spark": "spark",
    "processes": "processes",
    "session_processes": "processes",
    "own_servers": "servers",
    "postgres_server": "servers",
    "session_kafka_broker": "servers",
    "prometheus_programs": "servers",
    "watched": "servers",
    "airflow_python": "airflow",
}
"""Fixtures that start something, directly. What asks for one of them, at any remove, is of its tier."""

TOGETHER = ("tests/watched/", "tests/dags/")
"""Folders whose tests look at one scene, or one Airflow."""

_LAUNCHES_A_JVM = ("spark-submit", "java")
"""The second: which Java there is, is asked of it (`java -version`) before Spark starts."""


def tier_of(fixtures: list[str]) -> str:
    """The highest tier among the fixtures; `quick` if none of them starts anything."""
    return max((FIXTURES.get(name, "quick") for name in fixtures), key=TIERS.index, default="quick")


def mark(item: pytest.Item) -> None:
    """Mark the test with its tier."""
    item.add_marker(getattr(pytest.mark, tier_of(getattr(item, "fixturenames", []))))


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Shares tests out to workers by file; all files of a folder that shares what is dear go to one worker.

    Not by xdist's own `loadgroup`: it renames tests to tell their group, which pytest 9.2 does not let it, and says nothing.
    """

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # the order is that of the tests, not by how many a file has

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((folder for folder in TOGETHER if file.startswith(folder)), file)


class Guard:
    """Refuses the processes that the running test's tier does not allow."""

    def __init__(self) -> None:
        self.test, self.tier = "", "airflow"
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "subprocess.Popen" or TIERS.index(self.tier) >= TIERS.index("processes"):
            return
        command = arguments[1] if isinstance(arguments[1], list | tuple) else [arguments[0]]
        if self.tier == "spark" and any(str(word).endswith(_LAUNCHES_A_JVM) for word in command):
            return
        raise RuntimeError(
            f"{self.test} is of the tier {self.tier} and starts a process ({' '.join(map(str, command))[:200]}): "
            "let it ask for the fixture `processes`, or for one of a server (tests/tiers.py)"
        )
