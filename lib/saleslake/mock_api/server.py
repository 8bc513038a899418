"""The mock API as a server: in tests a context manager, on the command line `serve`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import structlog

from saleslake.errors import ConfigError
from saleslake.mock_api.faults import Fault
from saleslake.mock_api.handler import Handler, State
from saleslake.mock_api.records import Given, Records, texts_of

_log = structlog.get_logger(__name__)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is everyday; the base class writes a traceback to stderr."""
        _log.debug("mock_api_connection_ended", client=str(client_address), reason=repr(sys.exc_info()[1]))


class MockApi:
    """Serves orders and products page by page: `with MockApi(orders) as api: requests.get(api.url + "/orders")`.

    Each page holds `{"data": […], "next": url or null, "next_cursor": …, "total": …}`; `?form=array` and `?form=jsonl`
    give the bare array and JSON lines. The next page is asked for by its link (body or Link header), `cursor`,
    `page` or `offset`, of `limit` records; `since` and `until` select since < updated_at or created_at <= until.
    With a token, each request carries it as bearer token, `X-API-Key`, or password of basic authentication.
    """

    def __init__(
        self,
        orders: Given = (),
        products: Given = (),
        token: str | None = None,
        page_size: int = 100,
        faults: Fault | Sequence[Fault] = (),
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        max_page_size: int | None = None,
    ) -> None:
        """`port` 0 takes a free one; `max_page_size` caps what `limit` may ask for. Raises ConfigError."""
        self._state = State(
            endpoints={"orders": Records("order_id", orders), "products": Records("", products)},
            token=token,
            page_size=page_size,
            max_page_size=max_page_size,
        )
        self.add_faults(*([faults] if isinstance(faults, Fault) else faults))
        self._address = (host, port)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> MockApi:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """`http://host:port`, without a slash at the end."""
        if self._server is None:
            raise RuntimeError("the mock API has not been started")
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The requests so far: path, query, page, status (0: no answer), faults, and the kind of credential."""
        return list(self._state.requests)

    def start(self) -> None:
        """Listen and answer on threads of its own. Raises ConfigError if the port is taken."""
        handler = type("BoundHandler", (Handler,), {"state": self._state})
        try:
            self._server = _Server(self._address, handler)
        except (OSError, OverflowError) as e:
            raise ConfigError(f"mock API: cannot listen on {self._address[0]}:{self._address[1]}: {e}") from None
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="mock-api", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening; slow answers are let go. Safe to repeat."""
        self._state.stopping.set()
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._thread = None

    def add_orders(self, orders: Given) -> None:
        """Put in more orders while it runs."""
        self._state.endpoints["orders"].add(texts_of(orders))

    def add_products(self, products: Given) -> None:
        """Put in more products while it runs."""
        self._state.endpoints["products"].add(texts_of(products))

    def add_faults(self, *faults: Fault) -> None:
        """Arm faults while it runs."""
        self._state.faults.add(list(faults))

    def clear_faults(self) -> None:
        """Disarm all faults."""
        self._state.faults.clear()


def serve(
    host: str,
    port: int,
    orders_path: str | Path,
    products_path: str | Path,
    token_env: str = "",
    faults: Sequence[Fault] = (),
) -> None:
    """Serve files until Ctrl-C or SIGTERM; from the main thread only.

    `token_env` names the environment variable with the token; empty: no authentication. Logs `mock_api_started`
    with the URL. Raises ConfigError for an unreadable file, a variable not set or a taken port.
    """
    token = os.environ.get(token_env) if token_env else None
    if token_env and not token:
        raise ConfigError(f"the environment variable {token_env}, named by --token-env, is not set")
    done = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        done.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with MockApi(orders_path, products_path, token, faults=faults, host=host, port=port) as api:
            _log.info("mock_api_started", url=api.url, orders=str(orders_path), products=str(products_path))
            done.wait()
    finally:
        for number, former in before.items():
            signal.signal(number, former)
    _log.info("mock_api_stopped")
