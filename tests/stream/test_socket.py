"""The socket's spool: what a real server sends ends in files, across reconnections; and what is said when none is there."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from saleslake import bronze
from saleslake.config import Settings
from saleslake.errors import SaleslakeError
from saleslake.lake import Lake
from saleslake.pipeline import Batch
from saleslake.stream.job import StreamJob
from saleslake.stream.socket_spool import Spool
from tests.stream_support import CONFIG, order, rows


class Server:
    """Accepts one client after another, sends each its lines, and goes away."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def serve(self, *connections: bytes) -> threading.Thread:
        def work() -> None:
            for data in connections:
                client, _ = self.listener.accept()
                with client:
                    for at in range(0, len(data), 7):  # lines arrive in pieces
                        client.sendall(data[at : at + 7])

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        return thread


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.listener.close()


def _settings(make_settings: Callable[[str], Settings], port: int, patience: float) -> Settings:
    return make_settings(CONFIG + f"[stream.socket]\nport = {port}\nreconnect_seconds = {patience}\n")


def _spooled(settings: Settings) -> bytes:
    folder = Path(settings.resolve(settings.stream.socket.spool))
    return b"".join(path.read_bytes() for path in sorted(folder.glob("*.jsonl")))


def test_lines_of_several_connections_are_spooled_whole_and_in_order(
    make_settings: Callable[[str], Settings], server: Server
) -> None:
    settings = _settings(make_settings, server.port, 5)
    first = b"".join(b'{"order_id": "a%d"}\n' % n for n in range(500))
    sending = server.serve(first, b"second, without a line break")
    spool = Spool(settings, "run")
    spool.start()
    sending.join(timeout=20)
    deadline = time.monotonic() + 10
    while spool.lines < 501 and time.monotonic() < deadline:
        time.sleep(0.05)
    spool.stop()
    assert _spooled(settings) == first + b"second, without a line break"
    assert spool.error is None
    hidden = [p.name for p in Path(settings.resolve(settings.stream.socket.spool)).iterdir() if p.name.startswith(".")]
    assert not hidden


def test_a_server_that_stays_away_ends_the_stream_with_one_clear_line(
    make_settings: Callable[[str], Settings], server: Server
) -> None:
    port = server.port
    server.listener.close()
    spool = Spool(_settings(make_settings, port, 0.3), "run")
    spool.start()
    assert spool.ended.wait(timeout=20)
    assert f"no server at 127.0.0.1:{port} for 0.3 s" in str(spool.error)
    assert "\n" not in str(spool.error)


def test_what_is_sent_is_in_gold_and_the_stream_ends_when_the_server_stays_away(
    make_stream_lake: Callable[[str], Lake], server: Server
) -> None:
    lake = make_stream_lake(CONFIG + f"[stream.socket]\nport = {server.port}\nreconnect_seconds = 1\n")
    landed, said, ended = threading.Event(), list[str](), list[str]()

    def serve() -> None:
        client, _ = server.listener.accept()
        with client:
            client.sendall("".join(f"{order(f'O{n}')}\n" for n in range(30)).encode() + b"nonsense\n")
            landed.wait(timeout=300)
        server.listener.close()

    def stream() -> None:
        try:
            StreamJob(Batch(lake), source="socket", trigger="1 second", say=said.append).run()
        except SaleslakeError as e:
            ended.append(str(e))

    threads = [threading.Thread(target=work, daemon=True) for work in (serve, stream)]
    for thread in threads:
        thread.start()
    deadline, records = time.monotonic() + 240, 0
    while records < 31 and threads[1].is_alive() and time.monotonic() < deadline:
        time.sleep(0.5)
        if lake.exists(bronze.table_of(bronze.EVENTS)):
            records = rows(lake, "select count(*) from bronze.events where kind = 'record'")[0][0]
    landed.set()
    threads[1].join(timeout=240)
    assert not threads[1].is_alive()
    assert records == 31
    assert len(ended) == 1
    assert f"stream.socket: no server at 127.0.0.1:{server.port} for 1 s" in ended[0]
    assert any("for demonstrations" in line for line in said)
    assert rows(lake, "select count(*) from gold.fact_sales") == [(30,)]
    assert rows(lake, "select count(*) from silver.quarantine") == [(1,)]
