"""Secrets that can be told from everything else, and how they are found again wherever a run may have written them."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, quote_plus

CANARIES = {
    "bearer token": "canary+bearer/3f9a~1",
    "parameter of a URL": "canary+param/77c1",
    "database password": "canary-database-51aa",
    "mail password": "canary-mail-9d02",
    "webhook": "T0/B0/canary-webhook-4410",
    "lineage key": "canary-lineage-c0de",
    "kafka password": "canarykafka62b8",
}


def forms(secret: str) -> set[bytes]:
    """As it may be written: plain, percent-encoded, in JSON, in base64 at any of its three offsets."""
    found = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1]}
    for offset in range(3):
        coded = base64.b64encode(b"x" * offset + secret.encode()).decode().rstrip("=")[4:-2]
        found |= {coded, coded.replace("+", "-").replace("/", "_")}
    return {form.encode() for form in found}


def leaks(content: bytes) -> list[str]:
    """Names of the secrets that are in it."""
    return [name for name, secret in CANARIES.items() if any(form in content for form in forms(secret))]


class CommandLines:
    """What everybody on the machine can read of the processes of some sessions: Python's, and the JVM's that it started."""

    def __init__(self) -> None:
        self.sessions: set[int] = set()
        self.seen: set[bytes] = set()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look at them all the time."""
        done = threading.Event()

        def look() -> None:
            while not done.wait(0.2):
                self._look()

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _look(self) -> None:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):  # it ended meanwhile
                if os.getsid(int(path.parent.name)) in self.sessions:
                    self.seen.add(path.read_bytes())
