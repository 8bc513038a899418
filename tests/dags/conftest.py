"""Airflow in its own environment, driven by its own commands. Installing it takes minutes, once."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tools import airflow_home


@pytest.fixture(scope="session")
def airflow_python() -> Path:
    """Python of Airflow's environment. Fails, with what pip said, where it cannot be installed."""
    return airflow_home.install() / "python"


@pytest.fixture(scope="session")
def in_airflow(airflow_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Runs a program in Airflow's Python with the DAGs on its path; returns what it printed."""
    home = tmp_path_factory.mktemp("airflow")
    prepared = airflow_home.environment(home)
    airflow_home.prepare(prepared)

    def run(program: str, **more: str) -> str:
        env = airflow_home.environment(home, **more) | {"PYTHONPATH": str(airflow_home.DAGS)}
        done = subprocess.run(
            [str(airflow_python), "-c", program], env=env, cwd=home, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return run
