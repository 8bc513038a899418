"""A lakehouse with everything that watches it, all of it real: Pushgateway, Prometheus, Alertmanager, mail, webhook."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from saleslake.config import PROJECT_ROOT
from saleslake.entry import open_settings
from saleslake.lake import Lake
from tools.processes import HOST, free_port
from tools.prometheus_stack import Alertmanager, Prometheus, Pushgateway

CONF = PROJECT_ROOT / "conf"
PASSWORD, TOKEN = "mail-password", "webhook-token"


@dataclass
class Received:
    """What came by mail and by webhook."""

    mails: list[EmailMessage] = field(default_factory=list)
    logins: set[tuple[str, str]] = field(default_factory=set)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """(Authorization, body)."""


@dataclass
class Scene:
    """`environment`: what a `saleslake` of this lakehouse is started with."""

    data: Path
    environment: dict[str, str]
    prometheus: str
    pushgateway: str
    alertmanager: str
    stream_port: int
    spark_port: int
    received: Received
    pushed_at: float = 0.0

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """`saleslake …` as a process of its own."""
        command = [sys.executable, "-m", "saleslake", *arguments]
        return subprocess.Popen(
            command,
            env=self.environment | more,
            cwd=PROJECT_ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, *arguments: str, **more: str) -> tuple[int, str]:
        """`saleslake …` to its end: exit code and what it said."""
        process = self.start(*arguments, **more)
        said, _ = process.communicate(timeout=1400)
        return process.returncode, said

    def lake(self) -> Lake:
        """The same lakehouse in this process, to be read."""
        os.environ["SALESLAKE__PATHS__DATA"] = str(self.data)
        try:
            return Lake(open_settings(None))
        finally:
            del os.environ["SALESLAKE__PATHS__DATA"]

    def ask(self, query: str, at: float | None = None) -> list[tuple[dict[str, str], float]]:
        """PromQL at a time, now by default: labels and value of each sample."""
        parameters = {"query": query} | ({} if at is None else {"time": str(at)})
        answer = requests.get(f"{self.prometheus}/api/v1/query", params=parameters, timeout=20).json()
        assert answer["status"] == "success", (query, answer)
        assert answer["data"]["resultType"] == "vector", query
        return [(sample["metric"], float(sample["value"][1])) for sample in answer["data"]["result"]]

    def value(self, query: str, at: float | None = None) -> float:
        found = self.ask(query, at)
        assert len(found) == 1, (query, found)
        return found[0][1]


def until(what: Callable[[], Any], seconds: float = 120.0) -> Any:
    """The first value of `what` that is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds:g} s")


def replaced(text: str, **words: str) -> str:
    """A file of conf/ with what differs here; each word must be in it."""
    for old, new in words.items():
        assert old in text, f"{old!r} is gone from the file"
        text = text.replace(old, new)
    return text


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """The servers with the configuration of conf/, but for addresses, passwords and pace; nothing has run yet."""
    with ExitStack() as stack:
        received = Received()
        smtp_port = stack.enter_context(_mail(received))
        hook_port = stack.enter_context(_webhook(received))
        gateway = stack.enter_context(Pushgateway())
        (folder / "smtp_password").write_text(PASSWORD)
        (folder / "webhook_token").write_text(TOKEN)
        alerting = folder / "alertmanager.yml"
        alerting.write_text(
            replaced(
                (CONF / "alertmanager" / "alertmanager.yml").read_text(),
                **{
                    "mail.example.com:587": f"{HOST}:{smtp_port}",
                    "smtp_require_tls: true": "smtp_require_tls: false",
                    "/run/secrets/smtp_password": str(folder / "smtp_password"),
                    "/run/secrets/webhook_token": str(folder / "webhook_token"),
                    "http://webhook.example.com/saleslake": f"http://{HOST}:{hook_port}/saleslake",
                    "group_wait: 10s": "group_wait: 3s",
                },
            )
        )
        alertmanager = stack.enter_context(Alertmanager(alerting))
        stream_port, spark_port = free_port(), free_port()
        shutil.copytree(CONF / "prometheus" / "rules", folder / "rules")
        watching = folder / "prometheus.yml"
        watching.write_text(
            replaced(
                (CONF / "prometheus" / "prometheus.yml").read_text(),
                **{
                    "pushgateway:9091": f"{HOST}:{gateway.port}",
                    "stream:9464": f"{HOST}:{stream_port}",
                    "stream:4040": f"{HOST}:{spark_port}",
                    "alertmanager:9093": f"{HOST}:{alertmanager.port}",
                    "15s": "1s",
                },
            )
        )
        prometheus = stack.enter_context(Prometheus(watching))
        environment = {
            "SALESLAKE__PATHS__DATA": str(folder / "data"),
            "SALESLAKE__MONITORING__PUSHGATEWAY": gateway.url,
            "SALESLAKE__MONITORING__STREAM_PORT": str(stream_port),
            "SALESLAKE__MONITORING__SPARK_PORT": str(spark_port),
            "SALESLAKE__STREAM__FILES__PATH": str(folder / "events"),
            "SALESLAKE__STREAM__MINUTE_TRIGGER": "2 seconds",
        }
        yield Scene(
            folder / "data",
            os.environ | environment,
            prometheus.url,
            gateway.url,
            alertmanager.url,
            stream_port,
            spark_port,
            received,
        )


@contextmanager
def _mail(received: Received) -> Iterator[int]:
    class Handler:
        async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:
            content = envelope.original_content or b""
            received.mails.append(BytesParser(policy=default).parsebytes(content))  # type: ignore[arg-type]
            return "250 OK"

    def login(_: SMTP, __: Session, ___: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword), mechanism
        received.logins.add((data.login.decode(), data.password.decode()))
        return AuthResult(success=data.password == PASSWORD.encode())

    port = free_port()
    # Its LOGIN asks for a "User Name", where Alertmanager knows "Username:" only; PLAIN is without questions.
    controller = Controller(
        Handler(),
        hostname=HOST,
        port=port,
        authenticator=login,
        auth_required=True,
        auth_require_tls=False,
        auth_exclude_mechanism=["LOGIN"],
    )
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


@contextmanager
def _webhook(received: Received) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.calls.append((self.headers.get("Authorization", ""), body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((HOST, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
