"""Targets bring every event to its place once, and whole, at the rate they are told."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from saleslake.errors import ConfigError, SaleslakeError
from saleslake.simulator.events import Event, simulated
from saleslake.simulator.send import send_all
from saleslake.simulator.spec import Spec
from saleslake.simulator.targets import FilesTarget, SocketTarget, Stopped

SPEC = Spec(1200, 4, 1_717_200_000)


def never() -> bool:
    return False


def events(count: int) -> list[Event]:
    return list(simulated(Spec(count, 4, 1_717_200_000)))


def wait_for(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until, what
        time.sleep(0.02)


# --- files -----------------------------------------------------------------------------------------


def test_files_hold_all_lines_in_order_and_no_more_than_asked_for(tmp_path: Path) -> None:
    target = FilesTarget(tmp_path / "in", seed=4, per_file=500)
    target.open()
    sent = send_all(SPEC, target, tmp_path / "truth.json", never)
    files = sorted((tmp_path / "in").iterdir())
    assert [file.name for file in files] == [f"events-4-00000{number}.jsonl" for number in (1, 2, 3)]
    texts = [file.read_text(encoding="utf-8") for file in files]
    assert [text.count("\n") for text in texts] == [500, 500, 200]
    assert "".join(texts).splitlines() == [event.line for event in simulated(SPEC)]
    assert not sent.interrupted and json.loads((tmp_path / "truth.json").read_text())["landed"] == 1200


def test_a_file_is_hidden_until_it_is_whole(tmp_path: Path) -> None:
    target = FilesTarget(tmp_path, seed=4, per_file=3, seconds=600)
    target.open()
    first, second, third = events(3)
    target.send(first)
    target.send(second)
    assert [path.name for path in tmp_path.iterdir()] == [".events-4-000001.jsonl.tmp"]
    target.send(third)
    assert [path.name for path in tmp_path.iterdir()] == ["events-4-000001.jsonl"]
    assert (tmp_path / "events-4-000001.jsonl").read_text().count("\n") == 3


def test_a_file_does_not_wait_for_the_next_event_longer_than_it_may(tmp_path: Path) -> None:
    target = FilesTarget(tmp_path, seed=4, seconds=0.1)
    target.open()
    target.send(events(1)[0])
    target.tick()
    assert not list(tmp_path.glob("events-*"))
    time.sleep(0.11)
    target.tick()
    assert len(list(tmp_path.glob("events-*"))) == 1


def test_numbers_of_files_go_on_after_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "events-4-000007.jsonl").write_text("old\n")
    (tmp_path / "events-41-000099.jsonl").write_text("of another seed\n")
    target = FilesTarget(tmp_path, seed=4)
    target.open()
    target.send(events(1)[0])
    target.close()
    target.close()
    assert (tmp_path / "events-4-000008.jsonl").exists()
    assert (tmp_path / "events-4-000007.jsonl").read_text() == "old\n"


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("a file")
    with pytest.raises(SaleslakeError, match=r"events cannot be written to .*in: "):
        FilesTarget(tmp_path / "in", seed=4).open()


def test_events_come_at_the_rate_without_drift(tmp_path: Path) -> None:
    target = FilesTarget(tmp_path / "in", seed=4)
    target.open()
    begin = time.monotonic()
    send_all(Spec(100, 4, 0, rate=100), target, tmp_path / "truth.json", never)
    assert 0.98 < time.monotonic() - begin < 3


def test_an_error_of_the_target_leaves_a_truth_that_is_not_complete(tmp_path: Path) -> None:
    class Failing(FilesTarget):
        def send(self, event: Event) -> None:
            if self._events == 10:
                raise SaleslakeError("disk full")
            super().send(event)

    target = Failing(tmp_path / "in", seed=4, seconds=600)
    target.open()
    with pytest.raises(SaleslakeError, match="disk full"):
        send_all(SPEC, target, tmp_path / "truth.json", never)
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert truth["complete"] is False and truth["landed"] == 10
    assert (tmp_path / "in" / "events-4-000001.jsonl").read_text().count("\n") == 10


# --- socket ----------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[SocketTarget]:
    target = SocketTarget("127.0.0.1", 0, never)
    yield target
    target.close()


def in_background(work: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_a_client_gets_every_line_and_then_the_end(server: SocketTarget, tmp_path: Path) -> None:
    def work() -> None:
        server.open()
        send_all(SPEC, server, tmp_path / "truth.json", never)

    sending = in_background(work)
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client, client.makefile() as lines:
        assert [line.rstrip("\n") for line in lines] == [event.line for event in simulated(SPEC)]
    sending.join(20)
    assert json.loads((tmp_path / "truth.json").read_text())["complete"] is True


def test_the_next_client_gets_the_lines_that_follow(server: SocketTarget) -> None:
    lines = [event.line for event in events(40)]
    received: list[str] = []

    def connect() -> socket.socket:
        return socket.create_connection(("127.0.0.1", server.port), timeout=20)

    client = connect()
    for event in events(40)[:20]:
        server.send(event)
    with client, client.makefile() as file:
        received += [file.readline() for _ in range(20)]
    wait_for(lambda: (server.tick(), server._client is None)[1], "the server did not notice that its client went away")
    sending = in_background(lambda: [server.send(event) for event in events(40)[20:]])
    with connect() as client, client.makefile() as file:
        received += [file.readline() for _ in range(20)]
    sending.join(20)
    assert [line.rstrip("\n") for line in received] == lines


def test_a_line_cut_by_a_client_that_left_is_sent_whole_to_the_next(server: SocketTarget) -> None:
    long = Event("x" * 8_000_000, "k", "order", "original")
    client = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    sending = in_background(lambda: server.send(long))
    assert client.recv(1000)
    client.close()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client, client.makefile() as file:
        assert file.readline() == long.line + "\n"
    sending.join(20)


def test_waiting_for_a_client_ends_when_sending_is_to_stop(tmp_path: Path) -> None:
    target = SocketTarget("127.0.0.1", 0, lambda: True)
    with pytest.raises(Stopped):
        target.open()
    sent = send_all(SPEC, target, tmp_path / "truth.json", lambda: True)
    assert sent.interrupted and json.loads((tmp_path / "truth.json").read_text())["landed"] == 0


def test_a_port_that_is_taken_is_an_error_that_names_the_options(server: SocketTarget) -> None:
    with pytest.raises(ConfigError, match=rf"--host 127.0.0.1 --port {server.port}: cannot listen there"):
        SocketTarget("127.0.0.1", server.port, never)
