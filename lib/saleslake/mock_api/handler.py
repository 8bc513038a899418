"""Answers one connection of the mock API: authentication, pages, faults, control."""

from __future__ import annotations

import base64
import gzip
import hmac
import json
import socket
import struct
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar
from urllib.parse import urlsplit

import structlog

from saleslake.errors import ConfigError
from saleslake.mock_api.faults import Fault, FaultBox, faults_of_json
from saleslake.mock_api.paging import BadQuery, Query, make_body, read_query
from saleslake.mock_api.records import Records, texts_in

_log = structlog.get_logger(__name__)

_MAX_POST_BYTES = 64 * 1024 * 1024
_REQUESTS_KEPT = 100_000
_ELSEWHERE = "http://elsewhere.invalid"


@dataclass
class State:
    """What the connections of one server share."""

    endpoints: dict[str, Records]
    token: str | None
    page_size: int
    max_page_size: int | None
    faults: FaultBox = field(default_factory=FaultBox)
    requests: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_REQUESTS_KEPT))
    last_body: dict[str, tuple[bytes, dict[str, str]]] = field(default_factory=dict)
    stopping: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    """GET /orders, /products, /health, /_requests; POST /_orders, /_products, /_faults; DELETE /_faults, /_requests."""

    protocol_version = "HTTP/1.1"
    server_version = "saleslake-mock"
    timeout = 60
    disable_nagle_algorithm = True  # head and body are two writes: each answer would wait 40 ms for an ACK
    state: ClassVar[State]

    def do_GET(self) -> None:
        path = urlsplit(self.path).path.strip("/")
        if path == "health":
            self._send_json(200, {"status": "ok"})
        elif path == "_requests":
            self._send_json(200, list(self.state.requests))
        elif path in self.state.endpoints:
            self._records(path, urlsplit(self.path).query)
        else:
            self._send_json(404, {"error": f"no such path: /{path}"})

    def do_POST(self) -> None:
        path = urlsplit(self.path).path.strip("/")
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _MAX_POST_BYTES:
            self.close_connection = True
            self._send_json(400, {"error": f"Content-Length must be given and at most {_MAX_POST_BYTES}"})
            return
        body = self.rfile.read(int(length))
        if not self._is_authorised():
            return
        try:
            if path == "_faults":
                self.state.faults.add(faults_of_json(json.loads(body)))
            elif path.removeprefix("_") in self.state.endpoints and path.startswith("_"):
                self.state.endpoints[path[1:]].add(texts_in(body, "the body", self.headers.get("Content-Type", "")))
            else:
                self._send_json(404, {"error": f"no such path: /{path}"})
                return
        except (ConfigError, ValueError) as e:
            self._send_json(400, {"error": str(e)})
            return
        self._send_json(200, {"status": "ok"})

    def do_DELETE(self) -> None:
        path = urlsplit(self.path).path.strip("/")
        if not self._is_authorised():
            return
        if path == "_faults":
            self.state.faults.clear()
        elif path == "_requests":
            self.state.requests.clear()
        else:
            self._send_json(404, {"error": f"no such path: /{path}"})
            return
        self._send_json(200, {"status": "ok"})

    def log_message(self, format: str, *args: Any) -> None:
        """Silence the base class, which writes every URL to stderr."""

    def _records(self, endpoint: str, query_text: str) -> None:
        if not self._is_authorised():
            return
        try:
            query = read_query(query_text, self.state.page_size, self.state.max_page_size)
        except BadQuery as e:
            self._note(400, None, [])
            self._send_json(400, {"error": str(e)})
            return
        faults = {fault.kind: fault for fault in self.state.faults.take(endpoint, query.page)}
        if slow := faults.pop("slow", None):
            self.state.stopping.wait(float(slow.value or 1))
        blunt = next((fault for fault in faults.values() if fault.status or fault.kind in ("reset", "redirect")), None)
        self._note(blunt.status or 0 if blunt else 200, query.page, [*faults] + ["slow"] * bool(slow))
        if blunt:
            self._fail(blunt)
        else:
            self._send_page(endpoint, query, faults)

    def _fail(self, fault: Fault) -> None:
        if fault.kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()  # with a linger of zero, this resets
        elif fault.kind == "redirect":
            self._send(302, b"", {"Location": fault.value or f"{_ELSEWHERE}/"})
        else:
            status = fault.status or 500
            asks = fault.value or ("1" if status == 429 else "")
            self._send_json(status, {"error": f"fault {fault.kind}"}, {"Retry-After": asks} if asks else {})

    def _send_page(self, endpoint: str, query: Query, faults: dict[str, Fault]) -> None:
        if "error" in faults:
            self._send_json(200, {"errors": [{"message": faults["error"].value or "Throttled"}], "data": []})
            return
        if "html" in faults:
            html = b"<!DOCTYPE html>\n<html><head><title>Back soon</title></head><body></body></html>"
            self._send(200, html, {"Content-Type": "text/html; charset=utf-8"})
            return
        url = f"http://{self.headers.get('Host', 'localhost')}/{endpoint}"
        link = None
        if "loop" in faults:
            link = f"{url}?{urlsplit(self.path).query}".rstrip("?")
        elif "other-host" in faults:
            link = f"{faults['other-host'].value or _ELSEWHERE}/{endpoint}?{urlsplit(self.path).query}"
        records, is_kept = self.state.endpoints[endpoint], "last-again" in faults
        page = make_body(query, records, url, malformed="malformed" in faults, next_url=link, last_again=is_kept)
        body, headers = page.content, {"Content-Type": page.content_type}
        if page.next_url:
            headers["Link"] = f'<{page.next_url}>; rel="next"'
        if "duplicate" in faults:
            body, headers = self.state.last_body.get(endpoint, (body, headers))
        self.state.last_body[endpoint] = (body, headers)
        if "invalid-json" in faults:
            body = body[: len(body) // 2] + b"<!-- upstream error -->"
        self._send(200, body, headers, truncated="truncated" in faults, cut="cut" in faults)

    def _send(
        self, status: int, body: bytes, headers: dict[str, str], *, truncated: bool = False, cut: bool = False
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if body and "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body, compresslevel=1, mtime=0)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Vary", "Accept-Encoding")
        if cut:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        half = body[: len(body) // 2]
        self.wfile.write(b"%x\r\n%b\r\n" % (len(half), half) if cut else half if truncated else body)
        if cut or truncated:
            self.close_connection = True

    def _send_json(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(value, ensure_ascii=False).encode()
        self._send(status, body, {"Content-Type": "application/json"} | (headers or {}))

    def _is_authorised(self) -> bool:
        """Whether the request carries the token, in any of three ways; answers 401 if not."""
        token = self.state.token
        kind, given = self._credential()
        if token is None or hmac.compare_digest(given.encode(), token.encode()):
            return True
        self._note(401, None, [])
        self._send_json(401, {"error": f"credential {'wrong' if kind != 'none' else 'missing'}"})
        return False

    def _credential(self) -> tuple[str, str]:
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return "bearer", value.strip()
        if scheme.lower() == "basic":
            try:
                return "basic", base64.b64decode(value, validate=True).decode().partition(":")[2]
            except ValueError:
                return "basic", ""
        if "X-API-Key" in self.headers:
            return "header", self.headers["X-API-Key"]
        return "none", ""

    def _note(self, status: int, page: int | None, faults: list[str]) -> None:
        """Log the request for tests and people; never a credential, only its kind."""
        path = urlsplit(self.path)
        entry = {"path": path.path, "query": path.query, "page": page, "status": status, "faults": faults}
        self.state.requests.append(entry | {"auth": self._credential()[0]})
        _log.debug("mock_api_request", **entry)
