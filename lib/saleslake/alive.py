"""`python -m saleslake.alive`: the health check of a container. Exit 0: well; 1: not, and one line says why. Starts no JVM."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import requests

from saleslake import config
from saleslake.errors import SaleslakeError, fail
from saleslake.lake import Lake
from saleslake.stream import figures

_SILENT_SECONDS = 600.0
"""A stream says something of itself after every micro-batch and, idle, every ten seconds; a batch of a long backlog takes minutes."""


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", help="configuration file (default: $SALESLAKE_CONFIG, else conf/saleslake.toml)")
    parser.add_argument("--url", help="a server's health page, which has to answer 200, instead of the data folder")
    parser.add_argument(
        "--silent-seconds", type=float, default=_SILENT_SECONDS, help="how long a stream may say nothing (600)"
    )
    args = parser.parse_args(argv)
    try:
        if args.url:
            check_server(args.url)
        else:
            lake = Lake(config.load(args.config))
            check_data(lake)
            check_stream(lake, args.silent_seconds)
    except SaleslakeError as e:
        return fail(e, verbose=False)
    return 0


def check_server(url: str) -> None:
    """Raise SaleslakeError unless `url` answers 200 within five seconds and names no part of itself that is unhealthy.

    Airflow answers 200 without a scheduler, and says so in the body only: `{"scheduler": {"status": "unhealthy", …}, …}`.
    """
    try:
        answer = requests.get(url, timeout=5, proxies={"http": "", "https": ""})
    except requests.RequestException as e:
        raise SaleslakeError(f"{url}: no answer ({type(e).__name__})") from None
    if answer.status_code != 200:
        raise SaleslakeError(f"{url}: answered {answer.status_code}, not 200")
    try:
        body = answer.json()
    except ValueError:
        return
    parts = body.items() if isinstance(body, dict) else ()
    ill = [name for name, part in parts if isinstance(part, dict) and part.get("status") == "unhealthy"]
    if ill:
        raise SaleslakeError(f"{url}: {', '.join(ill)} unhealthy")


def check_data(lake: Lake) -> None:
    """Raise SaleslakeError if nothing can be written to the data folder: of another user, or mounted read-only."""
    if "://" in lake.settings.data:
        return
    folder = Path(lake.settings.data)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"x")
    except OSError as e:
        who = f"user {os.getuid()}"
        raise SaleslakeError(f"{folder}: {who} cannot write ({e.strerror}): give the volume to that user") from None


def check_stream(lake: Lake, silent_seconds: float) -> None:
    """Raise SaleslakeError if the stream of this machine (container) failed, died or has not been heard of for so long."""
    said = figures.read(lake)
    if said is None or said.get("host") != platform.node() or said["state"] == "stopped":
        return
    if said["state"] == "failed":
        raise SaleslakeError(f"the stream failed: {said['last_error']}")
    if not said["running"]:
        raise SaleslakeError(f"the stream (process {said['pid']}) was killed while {said['state']}: start it again")
    heard = datetime.fromisoformat(said["at"].replace("Z", "+00:00"))
    silent = (datetime.now(UTC) - heard).total_seconds()
    if silent > silent_seconds:
        raise SaleslakeError(f"the stream has said nothing for {silent:.0f} s (more than {silent_seconds:g})")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
