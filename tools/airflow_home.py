"""Airflow on this machine: its own environment, its home below data/, and `make airflow`.

    python -m tools.airflow_home [--port 8080] [--plain]

`prepare` and `environment` are what the tests use as well. Airflow is run, never imported, from here.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from tools.processes import HOST, environment_of

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv-airflow"
LOCK = ROOT / "airflow" / "requirements.lock"
DAGS = ROOT / "airflow" / "dags"
USER = "admin"
POOL = ("saleslake_writers", "2", "landing takes one slot, what writes silver or gold takes both")
_START_SECONDS = 180


def install(venv: Path = VENV) -> Path:
    """The environment, made from the lock if it is missing or the lock has changed. Returns its `bin`."""
    return environment_of(LOCK, venv, "Airflow, which takes minutes,")


def environment(home: Path, port: int = 8080, **more: str) -> dict[str, str]:
    """What Airflow's processes run with: its home, our DAGs, the project's spark-submit first on PATH."""
    project = ROOT / ".venv" / "bin"
    url = f"http://{HOST}:{port}"
    set_ = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "60",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW_CONN_SPARK_DEFAULT": json.dumps({"conn_type": "spark", "host": "local[*]"}),
        "SALESLAKE_HOME": str(ROOT),
        "NO_PROXY": f"{HOST},localhost",
        "PATH": os.pathsep.join([str(project), str(VENV / "bin"), os.environ.get("PATH", "")]),
    }
    # Our folder `airflow` would shadow the package for processes that start in the project's root.
    inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "SPARK_HOME")}
    # What the caller's environment says of Airflow and the lakehouse stands: connections, secrets, settings.
    return set_ | {k: v for k, v in inherited.items() if k not in ("PATH", "AIRFLOW_HOME")} | more


def airflow(arguments: list[str], env: dict[str, str], timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """One command of Airflow, with its output."""
    program = str(install() / "airflow")
    home = env["AIRFLOW_HOME"]
    Path(home).mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        [program, *arguments], env=env, cwd=home, capture_output=True, text=True, timeout=timeout, check=False
    )


def prepare(env: dict[str, str]) -> None:
    """Metadata database and pool."""
    for arguments in (["db", "migrate"], ["pools", "set", *POOL]):
        done = airflow(arguments, env)
        if done.returncode:
            raise RuntimeError(f"airflow {' '.join(arguments)}: {done.stderr.strip()[-2000:]}")


def start(env: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """All of Airflow (`airflow standalone`) as a process group of its own; returns once its API answers."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(VENV / "bin" / "airflow"), "standalone"], env=env, cwd=env["AIRFLOW_HOME"], stdout=out, stderr=out,
            start_new_session=True,
        )  # fmt: skip
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if _healthy(env["AIRFLOW__API__BASE_URL"]):
            return process
        time.sleep(1)
    stop(process)
    raise RuntimeError(f"Airflow did not start within {_START_SECONDS} s; its log is {log}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the whole group: api-server, scheduler, dag-processor, triggerer."""
    import signal

    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=30)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def password(env: dict[str, str]) -> str:
    """Of the user `admin`; Airflow made it up."""
    made = Path(env["AIRFLOW_HOME"]) / "simple_auth_manager_passwords.json.generated"
    return str(json.loads(made.read_text())[USER])


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/api/v2/monitor/health", timeout=2) as answer:  # noqa: S310 - http, on loopback
            found = json.load(answer)
    except (OSError, ValueError):
        return False
    return all(found[part]["status"] == "healthy" for part in ("metadatabase", "scheduler", "dag_processor"))


def main() -> int:
    parser = argparse.ArgumentParser(description="Airflow with saleslake's DAGs, until Ctrl-C")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--plain", action="store_true", help="do not serve sample_data/ as the APIs")
    args = parser.parse_args()
    home = ROOT / "data" / "airflow"
    with ExitStack() as stack:
        more = {} if args.plain else _sample_apis(stack)
        env = environment(home, args.port, **more)
        install()
        prepare(env)
        process = start(env, home / "standalone.log")
        stack.callback(stop, process)
        print(f"Airflow: {env['AIRFLOW__API__BASE_URL']}  user {USER}  password {password(env)}")
        print(
            "The DAGs are paused: unpause saleslake_batch, or trigger it. Logs: data/airflow. Ctrl-C ends it.",
            flush=True,
        )
        try:
            return process.wait()
        except KeyboardInterrupt:
            return 0


def _sample_apis(stack: ExitStack) -> dict[str, str]:
    """The sample's APIs on a free port, and the variables that point the configuration at them."""
    from saleslake.mock_api import MockApi

    sample = ROOT / "sample_data"
    api = stack.enter_context(MockApi(sample / "api_orders.json", sample / "api_products.json"))
    return {
        "SALESLAKE__SOURCES__ORDERS_API__API__URL": f"{api.url}/orders",
        "SALESLAKE__SOURCES__PRODUCTS_API__API__URL": f"{api.url}/products",
    }


if __name__ == "__main__":
    sys.exit(main())
