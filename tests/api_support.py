"""Builders for tests of the API client: a client with tiny waits, and a server that answers from a script."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr

from saleslake.config import Api, Source
from saleslake.sources.api_client import ApiClient

NOW = datetime(2025, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)


def make_client(
    url: str,
    records_path: str = "data",
    secret: str = "",
    sleep: Callable[[float], None] | None = None,
    identify: Callable[[str], str | None] = lambda text: text,
    say: Callable[[str], None] = lambda _: None,
    **api: Any,
) -> ApiClient:
    """A client for `url` that waits microseconds; `api` overrides settings, `secret` answers every variable."""
    quick = {"backoff_seconds": 0.0001, "connect_timeout_seconds": 2.0, "read_timeout_seconds": 2.0, "page_size": 2}
    settings = Source(entity="orders", format="api", records_path=records_path, api=Api(**({"url": url} | quick | api)))
    waits: list[float] = []
    return ApiClient(
        settings,
        "shop",
        lambda _variable, _setting: SecretStr(secret),
        sleep or waits.append,
        lambda: NOW,
        identify=identify,
        say=say,
    )


@dataclass(frozen=True)
class Reply:
    """One scripted response. `length` overrides Content-Length; `host` in a header value is the server's own."""

    body: bytes = b'{"data": []}'
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None


@dataclass
class Script:
    """A running scripted server: its address, and the requests it saw."""

    url: str
    seen: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def scripted(*replies: Reply) -> Iterator[Script]:
    """Serve the replies in order, the last one for ever."""
    left = list(replies)
    with answering(lambda _query: left.pop(0) if len(left) > 1 else left[0]) as script:
        yield script


@contextmanager
def answering(answer: Callable[[dict[str, str]], Reply]) -> Iterator[Script]:
    """Serve what a function makes of the query of each request."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            script.seen.append({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}})
            reply = answer(dict(parse_qsl(urlsplit(self.path).query)))
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value.replace("{host}", script.url))
            if reply.status != 204:
                self.send_header("Content-Length", str(len(reply.body) if reply.length is None else reply.length))
            self.end_headers()
            with suppress(ConnectionError):  # a client that stops at its cap hangs up
                self.wfile.write(b"" if reply.status == 204 else reply.body.replace(b"{host}", script.url.encode()))
            self.close_connection = reply.length is not None

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    script = Script(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
