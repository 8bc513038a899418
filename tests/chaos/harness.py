"""One case of the matrix: a lakehouse, a run that is killed at a point, runs that finish, and what the tables hold then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from saleslake import bronze
from saleslake.config import PROJECT_ROOT
from saleslake.entry import open_settings
from saleslake.generate import generate
from saleslake.gold import star
from saleslake.lake import Lake
from saleslake.serve.duck import connect, tables
from saleslake.silver import quarantine
from saleslake.silver.registry import ENTITIES
from tests import oracle
from tests.comparing import assert_same, stored
from tests.stream_support import CONFIG
from tools.kafka_broker import KafkaBroker

LINEAGE = ("record_id", "run_id", "landed_at", "file", "ordinal", "first_seen")
NOT_COMPARED = ("gold.sales_by_minute",)
"""It tells how events came, which being killed changes."""

BATCH_CONFIG = """
[channels]
web = "web"
online = "web"
instore = "store"
mobileapp = "mobile"
[sources.orders]
entity = "orders"
format = "jsonl"
path = "in/orders*.jsonl"
[sources.transactions]
entity = "transactions"
format = "csv"
path = "in/transactions*.csv"
defaults = { currency = "EUR" }
[sources.products]
entity = "products"
format = "csv"
path = "in/products*.csv"
"""

POINTS = {
    "files": (
        "after_landing:1", "before_bronze:1", "after_bronze:1", "after_bronze:2", "after_quarantine:1",
        "after_silver_write:1", "after_silver_write:3", "before_silver_progress:1", "between_silver_and_gold:1",
        "before_commit_log:1", "before_commit_log:2", "after_gold_write:1", "after_gold_write:5", "before_gold_progress:1",
    ),
    "batch": (
        "after_landing:1", "before_bronze:1", "after_bronze:1", "after_bronze:2", "after_quarantine:1",
        "after_silver_write:1", "after_silver_write:2", "before_silver_progress:1", "between_silver_and_gold:1",
        "after_gold_write:1", "after_gold_write:4", "after_gold_write:8", "before_gold_progress:1",
    ),
}  # fmt: skip
# The first commit to bronze says where each partition begins, and holds no record.
POINTS["kafka"] = (
    *(point for point in POINTS["files"] if not point.startswith("after_landing")), "before_bronze:2", "after_bronze:3",
)  # fmt: skip

SETUPS = {
    "batch": oracle.Setup(
        {
            "orders": oracle.Feed("orders", "jsonl"),
            "transactions": oracle.Feed("transactions", "csv", currency="EUR"),
            "products": oracle.Feed("products", "csv"),
        },
        channels={"web": "web", "online": "web", "instore": "store", "mobileapp": "mobile"},
    ),
    "stream": oracle.Setup(
        {
            "events_orders": oracle.Feed("orders", "jsonl"),
            "events_transactions": oracle.Feed("transactions", "jsonl", version="updated_at", currency="EUR"),
            "events_transactions_csv": oracle.Feed("transactions", "csv", version="updated_at"),
        },
        channels={"web": "web", "online": "web"},
        event_types=("order", "transaction"),
    ),
}
"""BATCH_CONFIG and CONFIG, as the oracle is told them."""
LANDED = tuple(field.name for field in fields(oracle.Landed))
SILVER = (*(entity.table for entity in ENTITIES.values()), quarantine.TABLE)

PARTITIONS = 3
"""Of each topic: offsets of several partitions come in one micro-batch."""
PATIENCE_SECONDS = 900
"""A run takes half a minute on an idle machine, and ten times that on a busy one."""
TIMED_OUT = 124


@dataclass
class Outcome:
    """What became of one case."""

    source: str
    point: str
    killed: bool
    problem: str = ""

    @property
    def word(self) -> str:
        return self.problem or ("same tables" if self.killed else "point not reached")


def contents(lake: Lake, leave_out: tuple[str, ...] = ()) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every silver and gold table, lineage and `leave_out` aside, sorted."""
    found = {}
    with connect(lake) as connection:
        for name in tables(lake):
            if name.split(".")[0] not in ("silver", "gold") or name in NOT_COMPARED:
                continue
            columns = [row[0] for row in connection.execute(f"describe {name}").fetchall()]
            kept = ", ".join(f'"{column}"' for column in columns if column not in (*LINEAGE, *leave_out))
            found[name] = connection.execute(f"select {kept} from {name} order by all").fetchall()
    return found


class House:
    """A lakehouse in a folder and the command that feeds it."""

    def __init__(self, folder: Path, source: str, kafka: KafkaBroker | None = None):
        self.folder, self.source = folder, source
        folder.mkdir(parents=True)
        text = BATCH_CONFIG if source == "batch" else CONFIG + "max_files_per_trigger = 2\n"
        if kafka is not None:
            kafka.create_topic(folder.name, PARTITIONS)
            text += f'[stream.kafka]\nbootstrap_servers = "{kafka.bootstrap}"\ntopics = "{folder.name}"\nmax_offsets_per_trigger = 120\n'
        self.config = folder / "saleslake.toml"
        self.config.write_text('[paths]\nroot = "."\ndata = "data"\n[run]\nlock_timeout_seconds = 60\n' + text)

    @property
    def lake(self) -> Lake:
        return Lake(open_settings(str(self.config)))

    def run(self, kill_at: str = "") -> subprocess.CompletedProcess[str]:
        """The batch, or the stream to the end of what is there."""
        if self.source == "batch":
            command = ["-m", "saleslake", "run", "--config", str(self.config)]
        else:
            stream = str(PROJECT_ROOT / "streaming" / "stream.py")
            command = [stream, "--config", str(self.config), "--once", "--source", self.source]
        environment = {**os.environ, "SALESLAKE_KILL_AT": kill_at}
        command = [sys.executable, *command]
        try:
            return subprocess.run(
                command, capture_output=True, text=True, env=environment, timeout=PATIENCE_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            # One case that hangs is an outcome; the rest of the matrix goes on.
            return subprocess.CompletedProcess(command, TIMED_OUT, "", f"not done after {PATIENCE_SECONDS} s")

    def finish(self) -> str:
        """Run to the end. Returns what went wrong, or nothing."""
        done = self.run()
        return "" if done.returncode == 0 else f"exit {done.returncode}: {done.stderr.strip()[-300:]}"


def feed(house: House, seed: int, events: int, part: int) -> None:
    """Input of one of two parts; the same for the same seed."""
    if house.source == "batch":
        folder = house.folder / "in"
        made = house.folder / f"made-{part}"
        generate(events, seed + part, made, days=6, defects=0.05)
        folder.mkdir(exist_ok=True)
        for name in ("orders.jsonl", "transactions.csv", "products.csv"):
            stem, _, suffix = name.partition(".")
            (made / name).rename(folder / f"{stem}-{part}.{suffix}")
        return
    command = [
        *("-m", "saleslake", "simulate", "--config", str(house.config), "--to", house.source),
        *("--events", str(events), "--seed", str(seed + part), "--rate", "0", "--start", "2024-05-01T23:50:00Z"),
        *("--truth", str(house.folder / f"truth-{part}.json"), "--malformed", "0.05", "--corrected", "0.1"),
        *(("--events-per-file", "60") if house.source == "files" else ()),
    ]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"simulate ended with {done.returncode}: {done.stderr.strip()[-300:]}"


def uninterrupted(
    folder: Path, source: str, seed: int, events: int, kafka: KafkaBroker | None = None, parts: int = 2
) -> dict[str, list[tuple[Any, ...]]]:
    """The tables of a run nobody killed."""
    house = House(folder, source, kafka)
    for part in range(parts):
        feed(house, seed, events, part)
        if problem := house.finish():
            raise AssertionError(f"{source}: the run nobody killed failed: {problem}")
    return contents(house.lake)


def killed_at(
    folder: Path,
    source: str,
    point: str,
    seed: int,
    events: int,
    wanted: dict[str, list[tuple[Any, ...]]],
    kafka: KafkaBroker | None = None,
    parts: int = 2,
) -> Outcome:
    """Kill the first run at the point, and start it again; then a second part of the input, killed there as well."""
    house = House(folder, source, kafka)
    outcome = Outcome(source, point, killed=False)
    for part in range(parts):
        feed(house, seed, events, part)
        done = house.run(kill_at=point)
        if done.returncode not in (0, -signal.SIGKILL):
            outcome.problem = f"exit {done.returncode}: {done.stderr.strip()[-300:]}"
            return outcome
        outcome.killed = outcome.killed or done.returncode != 0
        if problem := house.finish():
            outcome.problem = problem
            return outcome
    found = contents(house.lake)
    differing = [name for name in wanted if found.get(name) != wanted[name]]
    if differing or found.keys() != wanted.keys():
        outcome.problem = f"differs: {', '.join(differing) or sorted(found.keys() ^ wanted.keys())}"
    else:
        outcome.problem = _against_oracle(house) or ("" if source == "batch" else _against_truth(house, parts))
    return outcome


def _against_oracle(house: House) -> str:
    """What plain Python makes of the landed records, in every table, row for row."""
    lake, setup = house.lake, SETUPS["batch" if house.source == "batch" else "stream"]
    tables = (
        [bronze.table_of(name) for name in setup.feeds] if house.source == "batch" else [bronze.table_of(bronze.EVENTS)]
    )
    rows = [row for table in tables for row in stored(lake, table) if row["kind"] == "record"]
    verdict = oracle.decide([oracle.Landed(**{name: row[name] for name in LANDED}) for row in rows], setup)
    described = {table.full_name: table for table in (*star.TABLES.values(), *SILVER)}
    try:
        for name, expected in verdict.tables.items():
            assert_same(name, stored(lake, described[name]), expected)
    except AssertionError as e:
        return f"not what the oracle says: {e}"[:600]
    return ""


def _against_truth(house: House, parts: int) -> str:
    """What the simulator, which is plain Python, says the tables must hold."""
    from saleslake.truth_check import compare

    for part in range(parts):
        report = compare(house.lake, house.folder / f"truth-{part}.json")
        if not report.holds:
            return f"truth {part}: {report}"[:300]
    return ""
