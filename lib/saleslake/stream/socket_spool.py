"""A TCP line source for demonstrations: lines are spooled to files, which the stream then reads like any others.

Spark's own socket source loses what it had in memory when it ends, cannot reconnect, and says nothing when the server
goes away. Here a line that is in a spool file is safe; what the server sends while nobody reads, and what was received
but not yet spooled when the process is killed (half a second of lines), is lost: TCP has no memory to ask again.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path

import structlog

from saleslake.config import Settings
from saleslake.errors import SourceError

_SPOOL_SECONDS = 0.5
_SPOOL_BYTES = 4 * 1024 * 1024
_READ_BYTES = 256 * 1024


class Spool(threading.Thread):
    """Reads lines from the server and writes them to files, until stopped or the server stays away too long."""

    def __init__(self, settings: Settings, run_id: str):
        super().__init__(name="socket-spool", daemon=True)
        own = settings.stream.socket
        self.address, self.patience = (own.host, own.port), own.reconnect_seconds
        self.folder = Path(settings.resolve(own.spool))
        self.run_id = run_id
        self.lines = 0
        self.error: SourceError | None = None
        self.ended = threading.Event()
        self._stopping = threading.Event()
        self._files = 0

    def stop(self) -> None:
        """Spool what has been received and end."""
        self._stopping.set()
        self.join(timeout=10)

    def run(self) -> None:
        try:
            self._receive()
        except SourceError as e:
            self.error = e
        finally:
            self.ended.set()

    def _receive(self) -> None:
        away_since = time.monotonic()
        log = structlog.get_logger()
        while not self._stopping.is_set():
            try:
                with socket.create_connection(self.address, timeout=5) as connection:
                    log.info("socket_connected", server=_name(self.address))
                    self._spool_from(connection)
                    log.warning("socket_closed", server=_name(self.address), lines=self.lines)
                    away_since = time.monotonic()
            except OSError as e:
                if time.monotonic() - away_since >= self.patience:
                    raise SourceError(
                        f"stream.socket: no server at {_name(self.address)} for {self.patience:g} s ({e}); start it, or "
                        "correct stream.socket.host and port (stream.socket.reconnect_seconds says how long to try)"
                    ) from None
            self._stopping.wait(0.5)

    def _spool_from(self, connection: socket.socket) -> None:
        """Until the server closes the connection. A last line without a line break is a line."""
        connection.settimeout(0.2)
        pending, began = b"", time.monotonic()
        while not self._stopping.is_set():
            try:
                block = connection.recv(_READ_BYTES)
            except TimeoutError:
                block = None
            if block:
                pending += block
            whole = pending.rfind(b"\n") + 1
            due = time.monotonic() - began >= _SPOOL_SECONDS or whole >= _SPOOL_BYTES
            if whole and due:
                self._write(pending[:whole])
                pending, began = pending[whole:], time.monotonic()
            if block == b"":
                break
        if pending:
            self._write(pending)

    def _write(self, data: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._files += 1
        target = self.folder / f"{self.run_id}-{self._files:07d}.jsonl"
        partial = self.folder / f".{target.name}.tmp"
        with partial.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(target)
        self.lines += data.count(b"\n") + (not data.endswith(b"\n"))


def _name(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"
