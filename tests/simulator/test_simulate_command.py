"""The command takes what it is not told from the settings, and writes the truth however it ends."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from saleslake.errors import EXIT_FAILED, EXIT_USAGE
from tests.processes import ROOT, Processes
from tests.simulator.reading import Invalid, read

SOURCE = '[paths]\nroot = "."\n[sources.users]\nentity = "users"\nformat = "csv"\npath = "u.csv"\n'


def wait_for(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until, what
        time.sleep(0.02)


def command(folder: Path, *options: str) -> list[str]:
    (folder / "saleslake.toml").write_text(SOURCE)
    config = ["--config", str(folder / "saleslake.toml")]
    return ["python", str(ROOT / "streaming" / "simulate.py"), *config, "--seed", "4", *options]


def lines_in(folder: Path) -> list[str]:
    return [line for file in sorted(folder.glob("events-*")) for line in file.read_text().splitlines()]


def test_the_command_takes_folder_and_truth_from_the_settings_and_says_what_it_did(
    tmp_path: Path, processes: Processes
) -> None:
    run = processes.run(*command(tmp_path, "--events", "300", "--rate", "0"))
    assert run.returncode == 0, run.stderr
    assert len(lines_in(tmp_path / "data" / "events")) == 300
    assert len(run.stdout.splitlines()) == 1
    assert run.stdout.startswith("sent 300 events (") and str(tmp_path / "data" / "truth.json") in run.stdout
    assert json.loads((tmp_path / "data" / "truth.json").read_text())["landed"] == 300


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_writes_the_truth_about_what_was_sent(
    tmp_path: Path, processes: Processes, number: signal.Signals
) -> None:
    truth = tmp_path / "truth.json"
    options = command(tmp_path, "--rate", "400", "--file-seconds", "0.1", "--truth", str(truth))
    process = processes.start(*options)
    folder = tmp_path / "data" / "events"
    wait_for(lambda: len(list(folder.glob("events-*"))) >= 3, "no files came")
    os.kill(process.pid, number)
    told, _ = process.communicate(timeout=30)
    assert process.returncode == EXIT_FAILED
    found = json.loads(truth.read_text())
    lines = lines_in(folder)
    assert told.startswith(f"interrupted, sent {len(lines):,} of 10,000 events")
    assert 0 < found["landed"] == len(lines) < 10_000 and found["complete"] is False
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    keys: set[str] = set()
    for line in lines:
        try:
            keys.add(read(line).key)
        except Invalid:
            continue
    assert keys == {key for table in found["keys"].values() for key in table}


def test_wrong_options_end_with_one_line_that_names_them(tmp_path: Path) -> None:
    import typer

    from saleslake.cli.simulate import simulate

    app = typer.Typer()
    app.command()(simulate)
    (tmp_path / "saleslake.toml").write_text(SOURCE)
    config = ["--config", str(tmp_path / "saleslake.toml")]
    for option, value in [("--late", "2"), ("--events-per-file", "0"), ("--events", "0"), ("--start", "soon")]:
        result = CliRunner().invoke(app, [*config, "--to", "files", option, value])
        assert result.exit_code == EXIT_USAGE
        assert result.stderr.startswith(f"error: {option} ") and len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "data").exists()
