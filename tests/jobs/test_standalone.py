"""The jobs on a Spark standalone cluster, the package given by --py-files: the same tables as on one machine."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from saleslake.accounting import verify
from saleslake.generate import generate
from saleslake.ingest.window import Window
from saleslake.lake import Lake
from saleslake.pipeline import Batch
from tests.chaos.harness import contents
from tests.jobs.shop import CONFIG
from tests.processes import ROOT, Done, Processes
from tools.pyfiles import build
from tools.spark_cluster import SparkCluster

pytestmark = pytest.mark.deep


@pytest.fixture(scope="module")
def cluster() -> Iterator[SparkCluster]:
    with SparkCluster(workers=2) as running:
        yield running


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (made,) = build(tmp_path_factory.mktemp("package"), only="zip")
    return made


@pytest.fixture(scope="module")
def python_of_executors(tmp_path_factory: pytest.TempPathFactory, session_processes: Processes) -> Path:
    """A Python with what docs/cloud.md says that executors need, in the versions of the lock file, and nothing of ours."""
    folder = tmp_path_factory.mktemp("executors")
    named = re.search(
        r"of `requirements\.lock`, ([^:]*), in the driver's versions", (ROOT / "docs" / "cloud.md").read_text()
    )
    assert named is not None
    wanted = [name.strip() for name in re.split(r",| and ", named[1])]
    pinned = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    python = folder / "bin" / "python"
    for command in (
        (sys.executable, "-m", "venv", str(folder)),
        (str(python), "-m", "pip", "install", "--quiet", *(f"{name}=={pinned[name]}" for name in wanted)),
    ):
        done = session_processes.run(*command)
        assert done.returncode == 0, done.stderr
    return python


@pytest.fixture
def submit(
    cluster: SparkCluster, package: Path, python_of_executors: Path, processes: Processes
) -> Callable[..., Done]:
    """Runs a job on the cluster, whose executors have an environment of their own."""
    given = ["--master", cluster.url, "--py-files", str(package), "--conf", "spark.driver.host=127.0.0.1"]
    given += ["--conf", f"spark.pyspark.python={python_of_executors}"]
    given += ["--conf", f"spark.pyspark.driver.python={sys.executable}"]
    command = ("spark-submit", *given, "--executor-memory", "1g")
    return lambda job, *arguments: processes.run(*command, str(job), *arguments, SPARK_LOCAL_IP="127.0.0.1")


def test_the_jobs_give_the_same_tables_on_a_cluster(
    cluster: SparkCluster, submit: Callable[..., Done], make_spark_lake: Callable[[str], Lake], tmp_path: Path
) -> None:
    made = tmp_path / "in"
    generate(120, 11, made, days=4, defects=0.1)
    (made / "orders.jsonl").rename(made / "orders.json")
    (made / "transactions.csv").rename(made / "sales.csv")
    text = CONFIG.format(timeout=60).replace('format = "json"', 'format = "jsonl"')
    lake = make_spark_lake(text)
    for job in ("land_files", "silver", "gold"):
        before = cluster.applications()
        done = submit(ROOT / "jobs" / f"{job}.py", "--config", str(lake.settings.config_file))
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        # The work was done by executors of both workers, not by the driver.
        assert cluster.applications() - before == 2
    on_cluster = contents(lake)
    assert sum(len(rows) for rows in on_cluster.values()) > 300
    assert verify(lake).holds
    (tmp_path / "data").rename(tmp_path / "data-of-the-cluster")
    here = make_spark_lake(text)
    assert not Batch(here).run(Window()).failures
    assert contents(here) == on_cluster


def test_the_package_comes_from_the_zip(submit: Callable[..., Done], tmp_path: Path) -> None:
    script = tmp_path / "where.py"
    script.write_text("import saleslake\nprint('package:', saleslake.__file__)\n")
    done = submit(script)
    assert f"package: {tmp_path}" not in done.stdout
    assert ".zip/saleslake/__init__.py" in done.stdout, done.stdout + done.stderr
