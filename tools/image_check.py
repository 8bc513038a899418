"""Builds the Dockerfile's stages without a container engine, and runs what they come to, without a network.

    python -m tools.image_check [--target app|airflow] [--work FOLDER] [--keep]

What comes out runs as the image's user, by its entrypoint and with its variables, in a network that has nothing but itself. Needs
root, debootstrap and unshare. What it is not: the base image itself (Debian's is made by debootstrap, too, and then thinned out),
and layers, the registry and the engine's own behaviour.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tools import dockerfile
from tools.image_stages import Failed, Images, local, say

_MOCK = """
saleslake mock-api --host 0.0.0.0 --port 8088 & api=$!
for n in $(seq 50); do python3 -m saleslake.alive --url http://127.0.0.1:8088/health 2>/dev/null && break; sleep 0.2; done
saleslake run
kill $api; wait $api
"""
_STREAM = """
saleslake stream & stream=$!
saleslake simulate --to files --events 300 --rate 0 --seed 7
for n in $(seq 1200); do grep -q '"records": 300' data/stream.json 2>/dev/null && break; sleep 0.5; done
python3 -m saleslake.alive
kill -TERM $stream; wait $stream; echo "ended with $?"
"""

_AIRFLOW = """
airflow db migrate >/dev/null
airflow pools set saleslake_writers 2 "jobs that write the lakehouse" >/dev/null
airflow standalone >/tmp/airflow.log 2>&1 & airflow=$!
for n in $(seq 240); do python3 -m saleslake.alive --url {url} 2>/dev/null && break; sleep 1; done
python3 -m saleslake.alive --url {url}
python3 -c 'import urllib.request as u; print(u.urlopen("{url}").read().decode())'
ls "$AIRFLOW_HOME"/simple_auth_manager_passwords.json.generated
kill -TERM $airflow; wait $airflow || true
"""


def check_app(images: Images) -> None:
    """As the compose file uses it: mock API and batch, then again, spark-submit, the stream and its end by SIGTERM."""
    for left in (images.folder("app") / "app" / "data").iterdir():  # by an earlier check: the volume begins empty
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    health = dockerfile.command(dockerfile.setting(images.stages, "app", "HEALTHCHECK") or "")
    steps = [
        (health, ""),
        (["sh", "-c", "id -u; touch /app/conf/x 2>/dev/null || echo read-only"], "10001\nread-only"),
        (["sh", "-euc", _MOCK], "checks: "),
        (["saleslake", "run", "--demo"], "nothing new"),
        (["spark-submit", "jobs/gold.py"], "gold: nothing new"),
        (["sh", "-euc", _STREAM], "ended with 0"),
        (["saleslake", "check"], "ok"),
    ]
    for command, wanted in steps:
        _expect(images, "app", command, wanted)


def check_airflow(images: Images) -> None:
    """Both environments side by side, the DAGs readable, the project's spark-submit first."""
    health = dockerfile.command(dockerfile.setting(images.stages, "airflow", "HEALTHCHECK") or "")
    _expect(images, "airflow", ["airflow", "version"], "3.")
    _expect(images, "airflow", ["sh", "-c", "command -v spark-submit python3"], "/opt/saleslake/bin/spark-submit")
    _expect(images, "airflow", ["sh", "-euc", _AIRFLOW.format(url=health[-1])], '"scheduler":{"status":"healthy"')
    _expect(images, "airflow", ["airflow", "dags", "list-import-errors"], "No data found")


def _expect(images: Images, name: str, command: list[str], wanted: str) -> None:
    started = time.monotonic()
    said = images.run(name, command)
    shown = command[-1].strip().splitlines()[0] if command[:1] == ["sh"] else shlex.join(command)
    if wanted not in said:
        raise Failed(f"{shown}: no {wanted!r} in what it said:\n{said[-2000:]}")
    say(
        f"  {shown}: {next((line for line in said.splitlines() if wanted in line), '')} ({time.monotonic() - started:.0f} s)"
    )


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--target", choices=["app", "airflow"], default="app")
    parser.add_argument("--work", type=Path, help="folder for the stages; those that are there are not built again")
    parser.add_argument("--keep", action="store_true", help="leave a folder that --work did not name")
    args = parser.parse_args(argv)
    missing = [name for name in ("debootstrap", "unshare", "chroot", "ip") if not shutil.which(name)]
    if missing or os.geteuid() != 0:
        print(
            f"error: needs root and {', '.join(missing or ['nothing else'])} (Debian: apt-get install debootstrap iproute2)",
            file=sys.stderr,
        )
        return 2
    work = args.work or Path(tempfile.mkdtemp(prefix="saleslake-image-"))
    work.mkdir(parents=True, exist_ok=True)
    try:
        images = Images(work.resolve())
        folder = images.build(args.target)
        size = local("du", "-sm", str(folder)).split()[0]
        say(f"{args.target}: {int(size):,} MB; running it without a network")
        {"app": check_app, "airflow": check_airflow}[args.target](images)
    except Failed as e:
        print(f"error: {e}", file=sys.stderr)
        return 1
    finally:
        if not (args.work or args.keep):
            shutil.rmtree(work, ignore_errors=True)
    say(f"{args.target}: as it should be")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
