"""The one watched lakehouse that every test of this folder asks."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pyspark.sql import SparkSession

from tests.processes import Processes
from tests.watched.scene import Watched, story
from tests.watched.servers import all_on


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first to ask waits for all that happens: four drivers of Spark, and servers, on a machine that may be busy."""
    for item in items:
        if "watched" in getattr(item, "fixturenames", []):
            item.add_marker(pytest.mark.timeout(3000))


@pytest.fixture(scope="session")
def watched(
    tmp_path_factory: pytest.TempPathFactory, session_processes: Processes, spark: SparkSession
) -> Iterator[Watched]:
    """After everything has happened. Tests ask Prometheus about the moments that the story noted."""
    with (
        all_on(tmp_path_factory.mktemp("watched"), session_processes) as servers,
        ThreadPoolExecutor() as readers,
    ):
        found = Watched(servers, session_processes, readers)
        try:
            story(found)
        finally:
            found.leave_none_running()
        yield found
