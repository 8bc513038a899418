"""Tries saleslake on an S3 server: everything on `s3a://`, killed, twice at once, as a stream; says what held. `make s3-check`.

Usage: python -m tools.s3_check [--minio PROGRAM] [--only CHECK]…   Exit code 1 if anything did not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs
import pyspark
import structlog

from saleslake import s3_install
from saleslake.config import Storage
from saleslake.entry import open_settings
from saleslake.generate import generate
from saleslake.lake import Lake
from saleslake.store import ObjectPath, file_system
from tests.chaos.harness import BATCH_CONFIG, contents
from tests.stream_support import CONFIG as STREAM_CONFIG
from tools.s3_server import S3Server

ROOT = Path(__file__).resolve().parents[1]
BUCKET = "saleslake-check"
KILLS = ("before_bronze:2", "after_silver_write:1", "after_gold_write:3")
COMMITS = 15


class Failed(Exception):
    """Something did not hold; the message says what."""


def at(key: str) -> ObjectPath:
    return ObjectPath(f"s3a://{BUCKET}/{key}", file_system(Storage()))


class House:
    """A lakehouse in the bucket, fed from the bucket, and its configuration file here."""

    def __init__(self, folder: Path, name: str, text: str = BATCH_CONFIG):
        self.name, self.config = name, folder / f"{name}.toml"
        head = f'[paths]\nroot = "."\ndata = "s3a://{BUCKET}/{name}"\nwork = "work"\n'
        head += "[run]\nlock_timeout_seconds = 300\n[storage]\nlease_seconds = 20\n"
        self.config.write_text(head + text.replace('path = "', f'path = "s3a://{BUCKET}/{name}/'))

    @property
    def lake(self) -> Lake:
        return Lake(open_settings(str(self.config)))

    def feed(self, made: Path) -> None:
        for name in ("orders.jsonl", "transactions.csv", "products.csv"):
            at(f"{self.name}/in/{name}").upload(made / name)

    def start(self, *command: str, kill_at: str = "") -> subprocess.Popen[str]:
        line = [sys.executable, *command, "--config", str(self.config)]
        environment = os.environ | {"SALESLAKE_KILL_AT": kill_at}
        return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)

    def saleslake(self, *command: str, kill_at: str = "") -> str:
        return ended(self.start("-m", "saleslake", *command, kill_at=kill_at), -signal.SIGKILL if kill_at else 0)

    def proven(self, *more: str) -> str:
        proof = json.loads(self.saleslake("verify", "--json", *more))
        if not proof["holds"]:
            raise Failed(f"verify does not hold: {proof}"[:600])
        return f"{sum(source['landed'] for source in proof['sources']):,} records proven"


def ended(process: subprocess.Popen[str], code: int = 0) -> str:
    """What the process printed. Raises Failed if it ended otherwise."""
    out, err = process.communicate(timeout=1200)
    if process.returncode != code:
        raise Failed(
            f"{' '.join(list(process.args)[1:4])} ended with {process.returncode}: {(err or out).strip()[-500:]}"
        )
    return out


# --- checks ----------------------------------------------------------------------------------------


class Checks:
    """Each method is a check; it returns what it found, in a few words, or raises."""

    def __init__(self, folder: Path):
        self.folder, self.made = folder, folder / "made"
        generate(300, 7, self.made, days=4, defects=0.05)
        self._wanted: dict[str, list[tuple[Any, ...]]] = {}

    def sample(self) -> str:
        """The sample, its files on S3: run, run again, verify, sql, status, publish."""
        environment = {
            "SALESLAKE__PATHS__DATA": f"s3://{BUCKET}/sample",
            "SALESLAKE__PATHS__WORK": str(self.folder / "w"),
        }
        for source, file in (
            ("USERS", "users"),
            ("PRODUCTS_CSV", "products"),
            ("TRANSACTIONS", "transactions"),
            ("STOCK", "stock"),
        ):
            at(f"in/{file}.csv").upload(ROOT / "sample_data" / f"{file}.csv")
            environment[f"SALESLAKE__SOURCES__{source}__PATH"] = f'["s3a://{BUCKET}/in/{file[:-1]}*.csv"]'
        environment["SALESLAKE__SERVING__DUCKDB__PATH"] = f"s3a://{BUCKET}/serving/sales.duckdb"
        environment["SALESLAKE__SERVING__REDSHIFT__EXPORT"] = f"s3a://{BUCKET}/serving/redshift"

        def do(*command: str) -> str:
            line = [sys.executable, "-m", "saleslake", *command]
            pipe = subprocess.PIPE
            return ended(subprocess.Popen(line, stdout=pipe, stderr=pipe, text=True, env=os.environ | environment))

        first = json.loads(do("run", "--demo", "--json"))
        landed = {report["source"]: report["records"] for report in first["landed"]}
        wanted = {
            "users": 70,
            "orders_api": 618,
            "products_api": 41,
            "products_csv": 45,
            "transactions": 426,
            "stock": 53,
        }
        expect(landed, wanted)
        before = versions(do("status", "--json"))
        expect(json.loads(do("run", "--demo", "--json"))["nothing_new"], True)
        expect(versions(do("status", "--json")), before)
        expect(json.loads(do("verify", "--json"))["holds"], True)
        top = json.loads(
            do("sql", "--format", "json", "select sum(net) as net from gold.product_revenue where currency = 'EUR'")
        )
        expect(float(top[0]["net"]), 129644.76)
        do("publish", "--to", "duckdb,redshift")
        return f"{sum(landed.values()):,} records; nothing new; proven; {len(at('serving').files())} files served"

    def alone(self) -> str:
        """A run nobody disturbs: what the others are compared with."""
        house = self._house("alone")
        house.saleslake("run")
        self._wanted = contents(house.lake)
        return f"{sum(map(len, self._wanted.values())):,} rows in {len(self._wanted)} tables"

    def killed(self) -> str:
        """Killed (SIGKILL), and run again: the same tables."""
        for point in KILLS:
            house = self._house(f"killed-{point.replace(':', '-')}")
            house.saleslake("run", kill_at=point)
            house.saleslake("run")
            self._same(house, point)
        return f"the same tables after {', '.join(KILLS)}"

    def together(self) -> str:
        """Two runs at once: the same tables, and each record once."""
        house = self._house("together")
        for process in [house.start("-m", "saleslake", "run") for _ in range(2)]:
            ended(process)
        self._same(house, "two runs at once")
        return house.proven()

    def commits(self) -> str:
        """Two Spark processes append to one table at once: no commit is lost."""
        house = self._house("commits")
        processes = [house.start("-m", "tools.s3_writers", "append", str(COMMITS)) for _ in range(2)]
        for process in processes:
            ended(process)
        table = house.lake.open_table(house.lake.folder("tables", "gold", "raced"))
        expect((table.count(), table.version()), (2 * COMMITS, 2 * COMMITS))
        return f"{2 * COMMITS} commits, {table.count()} rows"

    def state(self) -> str:
        """Two processes of four threads update the state at once: no update is lost."""
        house = self._house("state")
        for process in [house.start("-m", "tools.s3_writers", "state", str(COMMITS)) for _ in range(2)]:
            ended(process)
        seen = len(json.loads(at("state/state.json").read_bytes())["seen"])
        expect(seen, 8 * COMMITS)
        return f"{seen} updates"

    def fence(self) -> str:
        """A commit begun before a lease was taken over fails."""
        return ended(self._house("fence").start("-m", "tools.s3_writers", "fence")).strip()

    def stream(self) -> str:
        """Events, landing, tables and checkpoints on S3; killed in a micro-batch, and again."""
        house, local = (
            House(self.folder, "stream", STREAM_CONFIG + "max_files_per_trigger = 3\n"),
            self.folder / "events",
        )
        truth = self.folder / "truth.json"
        house.saleslake(
            *("simulate", "--to", "files", "--path", str(local), "--events", "600", "--seed", "5", "--rate", "0"),
            *(
                "--start",
                "2024-05-01T23:50:00Z",
                "--truth",
                str(truth),
                "--events-per-file",
                "100",
                "--corrected",
                "0.1",
            ),
        )
        for file in local.iterdir():
            at(f"stream/events/{file.name}").upload(file)
        job = (str(ROOT / "streaming" / "stream.py"), "--once")
        ended(house.start(*job, kill_at="before_commit_log:1"), -signal.SIGKILL)
        ended(house.start(*job))
        return house.proven("--truth", str(truth))

    def _house(self, name: str) -> House:
        house = House(self.folder, name)
        house.feed(self.made)
        return house

    def _same(self, house: House, what: str) -> None:
        found = contents(house.lake)
        differing = [name for name in self._wanted if found.get(name) != self._wanted[name]]
        if differing or found.keys() != self._wanted.keys() or not found:
            raise Failed(f"{what}: differs: {', '.join(differing) or sorted(found.keys() ^ self._wanted.keys())}")


NAMES = ("sample", "alone", "killed", "together", "commits", "state", "fence", "stream")


def expect(found: object, wanted: object) -> None:
    if found != wanted:
        raise Failed(f"{found} where {wanted} should be")


def versions(status: str) -> dict[str, int]:
    """Of silver's and gold's tables."""
    tables = json.loads(status)["tables"]
    return {t["table"]: t["version"] for t in tables if t["table"].startswith(("silver.", "gold."))}


def tried(check: Callable[[], str]) -> tuple[bool, str, float]:
    started = time.monotonic()
    try:
        return True, check(), time.monotonic() - started
    except Exception as e:
        return False, f"{type(e).__name__}: {e}", time.monotonic() - started


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minio", type=Path, help="try MinIO, by its program, in place of moto")
    parser.add_argument("--only", action="append", choices=NAMES, help="this check (may be given more than once)")
    args = parser.parse_args(argv)
    chosen = [name for name in NAMES if not args.only or name in args.only]
    if {"killed", "together"} & {*chosen} and "alone" not in chosen:
        chosen.insert(0, "alone")
    s3_install.install(Path(pyspark.__file__).parent)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    held = []
    with S3Server(args.minio) as server, tempfile.TemporaryDirectory() as folder:
        os.environ.update(server.environment)
        print(f"{server.name} at {server.environment['AWS_ENDPOINT_URL']}", flush=True)
        make_bucket()
        checks = Checks(Path(folder))
        for name in chosen:
            holds, said, seconds = tried(getattr(checks, name))
            held.append(holds)
            print(f"{'held  ' if holds else 'FAILED'}  {name:<9} {seconds:6.0f} s  {said}", flush=True)
    print(f"{sum(held)} of {len(held)} held")
    return 0 if all(held) else 1


def make_bucket() -> None:
    own = Storage()
    pafs.S3FileSystem(endpoint_override=own.server, region=own.region_in_force, allow_bucket_creation=True).create_dir(
        BUCKET
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
