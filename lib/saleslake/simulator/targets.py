"""Where events go: files in a watched folder, or whoever connects to a socket. Kafka: `kafka_target`."""

from __future__ import annotations

import os
import re
import select
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TextIO

from saleslake.errors import ConfigError, SaleslakeError
from saleslake.simulator.events import Event

Stop = Callable[[], bool]
"""Whether the sending is to end before everything is sent."""

_LOOK_SECONDS = 0.1
"""How long anything waits before it looks whether it is to stop."""
_GOODBYE_SECONDS = 5.0


class Stopped(Exception):
    """Sending was to end while a target waited; the event it had was not sent."""


class Target(Protocol):
    """Somewhere to send events to. All but `close` raise SaleslakeError in one clear line, or Stopped."""

    where: str
    """For people: a folder, an address, a topic."""

    def open(self) -> None:
        """Wait until it can take events."""

    def send(self, event: Event) -> None:
        """Take one event, in order."""

    def tick(self) -> None:
        """Called often while no event is due: what must not wait for the next event is done here."""

    def close(self) -> None:
        """Bring everything that was taken to where it belongs. Safe to repeat."""


class FilesTarget:
    """Files of `per_file` events, or of what came within `seconds`, in a local folder.

    A file is written as `.<name>.tmp`, brought to the disk and renamed to `events-<seed>-<number>.jsonl`: whoever
    watches the folder sees whole files only. Numbers go on after those that are there; nothing is overwritten.
    """

    def __init__(self, folder: Path, seed: int, per_file: int = 500, seconds: float = 1.0):
        if per_file < 1:
            raise ConfigError(f"--events-per-file {per_file}: give at least 1")
        if not seconds > 0:
            raise ConfigError(f"--file-seconds {seconds}: give more than 0")
        self.where = str(folder)
        self._folder, self._seed, self._per_file, self._seconds = folder, seed, per_file, seconds
        self._number = 0
        self._file: TextIO | None = None
        self._events = 0
        self._until = 0.0

    def open(self) -> None:
        name = re.compile(rf"events-{self._seed}-(\d+)\.jsonl")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            found = [name.fullmatch(path.name) for path in self._folder.iterdir()]
        except OSError as e:
            raise self._failed(e) from None
        self._number = max((int(match[1]) for match in found if match), default=0)

    def send(self, event: Event) -> None:
        try:
            if self._file is None:
                self._number += 1
                self._file = self._temporary.open("w", encoding="utf-8", newline="\n")
                self._events, self._until = 0, time.monotonic() + self._seconds
            self._file.write(event.line + "\n")
            self._events += 1
        except OSError as e:
            raise self._failed(e) from None
        if self._events >= self._per_file:
            self.close()
        else:
            self.tick()

    def tick(self) -> None:
        if self._file is not None and time.monotonic() >= self._until:
            self.close()

    def close(self) -> None:
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            with file:
                file.flush()
                os.fsync(file.fileno())
            self._temporary.rename(self._folder / self._name)
        except OSError as e:
            raise self._failed(e) from None

    @property
    def _name(self) -> str:
        return f"events-{self._seed}-{self._number:06d}.jsonl"

    @property
    def _temporary(self) -> Path:
        return self._folder / f".{self._name}.tmp"

    def _failed(self, error: OSError) -> SaleslakeError:
        return SaleslakeError(f"events cannot be written to {self._folder}: {error.strerror or error}")


class SocketTarget:
    """A TCP server that sends lines to one client at a time, waits for it to connect, and for the next when it goes away.

    The next client gets the line that could not be sent any more and those after it. What was in the socket's buffer,
    taken by the system and never read by the client that left, may be lost: a socket has no memory.
    """

    def __init__(self, host: str, port: int, stop: Stop):
        """Listens at once; port 0 takes a free one. Raises ConfigError if it cannot."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._server = socket.create_server((host, port), family=family, backlog=1)
        except (OSError, OverflowError) as e:
            raise ConfigError(f"--host {host} --port {port}: cannot listen there: {e}") from None
        self._server.settimeout(_LOOK_SECONDS)
        self.port = int(self._server.getsockname()[1])
        self.where = f"{host}:{self.port}"
        self._stop = stop
        self._client: socket.socket | None = None
        self._looked = 0.0

    def open(self) -> None:
        self._connected()

    def send(self, event: Event) -> None:
        rest = memoryview(f"{event.line}\n".encode())
        whole = rest
        self.tick()
        patience = _GOODBYE_SECONDS
        while rest:
            if self._client is None:
                rest = whole
            client = self._connected()
            try:
                rest = rest[client.send(rest) :]
            except TimeoutError:
                if self._stop():
                    # The client is slow to read. Half a line is worse than none: the end of one is given some time.
                    patience -= _LOOK_SECONDS
                    if rest is whole or patience <= 0 or self._is_gone(client):
                        raise Stopped from None
            except OSError:
                self._drop()

    def tick(self) -> None:
        """Notice early that the client has gone: lines sent after that would be lost."""
        if self._client is not None and time.monotonic() - self._looked > _LOOK_SECONDS / 2:
            self._looked = time.monotonic()
            if self._is_gone(self._client):
                self._drop()

    def close(self) -> None:
        """End the connection once the client has read everything, or after five seconds, and stop listening."""
        self._server.close()
        client, self._client = self._client, None
        if client is None:
            return
        with client:
            try:
                client.shutdown(socket.SHUT_WR)
                until = time.monotonic() + _GOODBYE_SECONDS
                while time.monotonic() < until and not self._is_gone(client):
                    time.sleep(0.01)
            except OSError:
                return  # it has gone by itself

    def _connected(self) -> socket.socket:
        """The client, waited for if there is none."""
        while self._client is None:
            if self._stop():
                raise Stopped
            try:
                self._client, _ = self._server.accept()
            except TimeoutError:
                continue
            except OSError as e:
                raise SaleslakeError(f"{self.where}: no client can connect: {e}") from None
            self._client.settimeout(_LOOK_SECONDS)
            self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._client

    @staticmethod
    def _is_gone(client: socket.socket) -> bool:
        """Whether the client ended the connection. What it sends, which nobody asked for, is thrown away."""
        try:
            return bool(select.select([client], [], [], 0)[0]) and client.recv(4096) == b""
        except TimeoutError:
            return False
        except OSError:
            return True

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
