"""tools/audit.sh, with the real pip-audit; the vulnerability service is a local one that speaks OSV's protocol."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ROOT, Done, Processes
from tools.processes import HOST, free_port

CONTROL = ("urllib3", "1.24.1")
LOCK = """good==1.0 \\
    --hash=sha256:00
bad==2.0 ; python_full_version < '3.4' \\
    --hash=sha256:00
bad==3.0 ; python_full_version >= '3.4' \\
    --hash=sha256:00
"""


@contextmanager
def service(*vulnerable: tuple[str, str]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """(its address, what it was asked about). Every vulnerable version has one entry, CANARY-<name>."""
    asked: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            about = (query["package"]["name"], query["version"])
            asked.append(about)
            package = {"name": about[0], "ecosystem": "PyPI"}
            affected = {"package": package, "ranges": [{"type": "ECOSYSTEM", "events": [{"fixed": "9.9"}]}]}
            entry = {"id": f"CANARY-{about[0]}", "aliases": [], "summary": "bad", "affected": [affected]}
            body = json.dumps({"vulns": [entry]} if about in vulnerable else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on stderr."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}/v1/query", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def audit(processes: Processes, folder: Path, url: str, ignored: str = "") -> Done:
    (folder / "some.lock").write_text(LOCK)
    (folder / "ignored.txt").write_text("# ID  reason\n" + ignored)
    own = {
        "SERVICES": "osv",
        "OSV_URL": url,
        "AUDIT_LOCKS": str(folder / "some.lock"),
        "AUDIT_IGNORED": str(folder / "ignored.txt"),
    }
    return processes.run(str(ROOT / "tools" / "audit.sh"), **own)


def test_every_pin_is_asked_about_whatever_python_and_platform_it_is_for(tmp_path: Path, processes: Processes) -> None:
    with service(CONTROL) as (url, asked):
        done = audit(processes, tmp_path, url)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "3 pinned versions of 1 lock files: nothing known against them (osv)\n"
    assert sorted(asked) == [("bad", "2.0"), ("bad", "3.0"), ("good", "1.0"), CONTROL]


def test_a_vulnerable_version_is_named_and_passes_only_with_a_reason(tmp_path: Path, processes: Processes) -> None:
    with service(CONTROL, ("bad", "2.0")) as (url, _):
        found = audit(processes, tmp_path, url)
        explained = audit(processes, tmp_path, url, "CANARY-bad  only Python 3.3, which we do not run on\n")
        unexplained = audit(processes, tmp_path, url, "CANARY-bad\n")
    assert found.returncode == 1
    assert found.stdout.startswith("bad 2.0: CANARY-bad")
    assert "fixed in 9.9" in found.stdout
    assert explained.returncode == 0, explained.stderr
    assert unexplained.returncode == 2
    assert "no reason given for: CANARY-bad" in unexplained.stderr


@pytest.mark.parametrize("trouble", ["away", "knows nothing"])
def test_what_could_not_be_asked_is_not_clean(trouble: str, tmp_path: Path, processes: Processes) -> None:
    with service() as (url, _):
        done = audit(processes, tmp_path, url if trouble == "knows nothing" else f"http://{HOST}:{free_port()}/")
    assert done.returncode == 2
    assert "NOT AUDITED" in done.stderr
    assert done.stdout == ""
