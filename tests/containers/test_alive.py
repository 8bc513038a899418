"""The health check of a container: exit 1 and one line for what a restart, or a person, has to mend."""

from __future__ import annotations

import http.server
import json
import os
import platform
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from saleslake.alive import main
from saleslake.lake import Lake
from saleslake.stream import figures
from tests.conftest import write_config
from tests.processes import Processes
from tools.processes import free_port

Say = Callable[..., None]


@pytest.fixture
def config(tmp_path: Path) -> list[str]:
    """--config of a lakehouse that holds nothing."""
    path = write_config(tmp_path, '[sources.users]\nentity = "users"\nformat = "csv"\npath = "u.csv"')
    return ["--config", str(path)]


@pytest.fixture
def say(tmp_path: Path) -> Say:
    """Writes what a stream of this process says of itself, with some of it changed."""

    def write(**changed: Any) -> None:
        said = {"pid": os.getpid(), "host": platform.node(), "state": "running", "at": before(1), "last_error": None}
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / figures.FILE).write_text(json.dumps(said | changed))

    return write


def before(seconds: float) -> str:
    """A time so long ago, as the stream writes it."""
    then = datetime.now(UTC) - timedelta(seconds=seconds)
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_a_batch_container_with_a_volume_it_can_write_is_well(config: list[str], tmp_path: Path) -> None:
    assert main(config) == 0
    assert list((tmp_path / "data").iterdir()) == []


def test_a_data_folder_that_cannot_be_written_is_named_with_the_user(
    config: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").write_text("a file, where a folder is wanted: not even root can write into it")
    assert main(config) == 1
    assert f"{tmp_path / 'data'}: user {os.getuid()} cannot write" in capsys.readouterr().err


def test_a_stream_that_spoke_lately_is_well_and_one_that_fell_silent_is_not(
    config: list[str], say: Say, capsys: pytest.CaptureFixture[str]
) -> None:
    say(at=before(500))
    assert main(config) == 0
    say(at=before(601))
    assert main(config) == 1
    assert "has said nothing for 601 s" in capsys.readouterr().err
    assert main([*config, "--silent-seconds", "700"]) == 0


def test_a_stream_that_failed_or_was_killed_is_not_well_and_one_that_was_stopped_is(
    config: list[str], say: Say, processes: Processes, capsys: pytest.CaptureFixture[str]
) -> None:
    say(state="failed", last_error="no broker")
    assert main(config) == 1
    assert "the stream failed: no broker" in capsys.readouterr().err
    gone = processes.start("python", "-c", "")
    gone.wait()
    say(pid=gone.pid)
    assert main(config) == 1
    assert f"(process {gone.pid}) was killed while running" in capsys.readouterr().err
    say(state="stopped", pid=gone.pid)
    assert main(config) == 0


def test_the_stream_of_another_container_is_not_this_ones_to_answer_for(config: list[str], say: Say) -> None:
    say(host="elsewhere", state="failed", last_error="no broker")
    assert main(config) == 0


def test_a_stream_elsewhere_counts_as_running_while_it_is_heard_of_and_not_by_its_process_number(
    config: list[str], say: Say, make_lake: Callable[[str], Lake], tmp_path: Path
) -> None:
    lake = make_lake('[sources.users]\nentity = "users"\nformat = "csv"\npath = "u.csv"')
    for at, runs in ((before(5), True), (before(90), False)):
        say(host="elsewhere", at=at)
        said = figures.read(lake)
        assert said is not None
        assert said["running"] is runs


def test_the_mock_api_is_well_for_as_long_as_it_answers(
    processes: Processes, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/health"
    server = processes.start("saleslake", "mock-api", "--port", str(port))
    deadline = time.monotonic() + 60
    while main(["--url", url]) and time.monotonic() < deadline:
        time.sleep(0.2)
    capsys.readouterr()
    assert main(["--url", url]) == 0
    assert main(["--url", url.replace("health", "nothing")]) == 1
    assert "answered 404, not 200" in capsys.readouterr().err
    server.send_signal(signal.SIGTERM)
    assert server.wait(30) == 0
    assert main(["--url", url]) == 1
    assert "no answer (ConnectionError)" in capsys.readouterr().err


@pytest.mark.parametrize(("scheduler", "code"), [("healthy", 0), ("unhealthy", 1)])
def test_airflow_is_not_well_without_its_scheduler_though_it_answers(
    scheduler: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    class Airflow(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"metadatabase": {"status": "healthy"}, "scheduler": {"status": scheduler}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Not to the test's output."""

    with http.server.HTTPServer(("127.0.0.1", 0), Airflow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert main(["--url", f"http://127.0.0.1:{server.server_port}/"]) == code
        server.shutdown()
    assert ("scheduler unhealthy" in capsys.readouterr().err) is (code == 1)
