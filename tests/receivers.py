"""Real servers that take what a run sends: a mail server, and an HTTP server that keeps what is posted to it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.processes import Processes
from tools.processes import HOST, free_port


@dataclass
class Mailbox:
    """What a mail server took; addresses in `refused` it does not know, and `answers` are given to the first mails."""

    port: int
    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    answers: list[str] = field(default_factory=list)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.answers:
            return self.answers.pop(0)
        content = envelope.content
        assert isinstance(content, bytes)
        self.envelopes.append(envelope)
        self.mails.append(message_from_bytes(content, policy=policy.default))
        return "250 taken"


@contextmanager
def mail_server(certificate: Path | None = None, login: tuple[str, str] | None = None) -> Iterator[Mailbox]:
    """A mail server on a free port: with STARTTLS if given a certificate, and with one user if given a login."""
    box = Mailbox(free_port())

    def authenticate(
        server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        given = (data.login.decode(), data.password.decode())
        if given == login:
            box.users.append(given[0])
        return AuthResult(success=given == login, handled=False)

    more: dict[str, Any] = {}
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        more |= {"tls_context": context, "require_starttls": True}
    if login:
        # Its LOGIN asks for a "User Name", where Alertmanager knows "Username:" only; PLAIN is without questions.
        more |= {"authenticator": authenticate, "auth_required": True, "auth_exclude_mechanism": ["LOGIN"]}
    controller = Controller(box, hostname=HOST, port=box.port, **more)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


def self_made_certificate(folder: Path, processes: Processes) -> Path:
    """A PEM file with a key and a certificate for 127.0.0.1 that no authority signed; that one alone is `certificate.pem`."""
    path = folder / "server.pem"
    made = processes.run(
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(path), "-out", str(folder / "certificate.pem"),
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    path.write_text(path.read_text() + (folder / "certificate.pem").read_text())
    return path


@contextmanager
def silent_server() -> Iterator[int]:
    """The port of a server that takes connections and never says a word."""
    with socket.create_server((HOST, 0)) as server:
        yield int(server.getsockname()[1])


@dataclass
class Posts:
    """What was posted: its bodies and its headers with lower-case names. `statuses` are answered first, then 200."""

    url: str
    bodies: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    answer: str = "ok"


@contextmanager
def http_receiver() -> Iterator[Posts]:
    """An HTTP server on a free port that keeps what is posted to it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posts.bodies.append(body.decode())
            posts.headers.append({name.lower(): value for name, value in self.headers.items()})
            posts.paths.append(self.path)
            status = posts.statuses.pop(0) if posts.statuses else 200
            self.send_response(status)
            if status in (301, 302, 307):
                self.send_header("Location", posts.url + "/elsewhere")
            self.send_header("Content-Length", str(len(posts.answer)))
            self.end_headers()
            self.wfile.write(posts.answer.encode())

        do_PUT = do_POST  # as a Pushgateway is spoken to

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on stderr."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    server.daemon_threads = True
    posts = Posts(f"http://{HOST}:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield posts
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
