"""One case of the matrix: a lakehouse, a run that is killed at a point, runs that finish, and what the tables hold then."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from saleslake import bronze
from saleslake.config import PROJECT_ROOT, Settings
from saleslake.engine.interface import Name
from saleslake.entry import open_settings
from saleslake.generate import generate
from saleslake.gold import star
from saleslake.ingest.window import Window
from saleslake.lake import Lake
from saleslake.pipeline import Batch
from saleslake.serve.duck import connect, tables
from saleslake.silver import quarantine
from saleslake.silver.registry import ENTITIES
from saleslake.simulator.kafka_target import KafkaTarget
from saleslake.simulator.send import send_all
from saleslake.simulator.spec import Spec
from saleslake.simulator.targets import FilesTarget, Target
from saleslake.stream.job import StreamJob
from saleslake.stream.socket_spool import Spool
from saleslake.truth_check import compare
from tests import oracle
from tests.chaos.cases import BATCH_CONFIG, SETUPS
from tests.chaos.raising import Killed, raised_at
from tests.comparing import assert_same, stored
from tests.processes import Processes
from tests.stream_support import CONFIG

LINEAGE = ("record_id", "run_id", "landed_at", "file", "ordinal", "first_seen")
NOT_COMPARED = ("gold.sales_by_minute",)
"""It tells how events came, which being killed changes."""

LANDED = tuple(field.name for field in fields(oracle.Landed))
SILVER = (*(entity.table for entity in ENTITIES.values()), quarantine.TABLE)

PARTITIONS = 3
"""Of each topic: offsets of several partitions come in one micro-batch."""
PATIENCE_SECONDS = 900
"""A run takes half a minute on an idle machine, and ten times that on a busy one."""
START = 1_714_607_400
"""2024-05-01T23:50:00Z: the events lie on both sides of midnight."""

Tables = dict[str, list[tuple[Any, ...]]]


class House:
    """A lakehouse in a folder, and what feeds it: `batch`, `files` or `kafka`, of which a topic is given."""

    def __init__(self, folder: Path, source: str, bootstrap: str = "", topic: str = "", files: int = 2):
        self.folder, self.source, self.bootstrap, self.topic = folder, source, bootstrap, topic
        self.config = folder / "saleslake.toml"
        if self.config.exists():
            return
        folder.mkdir(parents=True)
        text = BATCH_CONFIG if source == "batch" else CONFIG + f"max_files_per_trigger = {files}\n"
        if source == "kafka":
            text += (
                f'[stream.kafka]\nbootstrap_servers = "{bootstrap}"\ntopics = "{topic}"\nmax_offsets_per_trigger = 60\n'
            )
        self.config.write_text('[paths]\nroot = "."\ndata = "data"\n[run]\nlock_timeout_seconds = 60\n' + text)

    @property
    def settings(self) -> Settings:
        return open_settings(str(self.config))

    @property
    def lake(self) -> Lake:
        return Lake(self.settings)

    def feed(self, seed: int, events: int, part: int) -> None:
        """One part of the input; the same for the same seed."""
        if self.source == "batch":
            folder, made = self.folder / "in", self.folder / f"made-{part}"
            generate(events, seed + part, made, days=6, defects=0.05)
            folder.mkdir(exist_ok=True)
            for name in ("orders.jsonl", "transactions.csv", "products.csv"):
                stem, _, suffix = name.partition(".")
                (made / name).rename(folder / f"{stem}-{part}.{suffix}")
            return
        spec = Spec(events, seed + part, START, corrected=0.1, malformed=0.05)
        target: Target = FilesTarget(self.folder / "events", spec.seed, per_file=events // 4, seconds=60)
        if self.source == "kafka":
            target = KafkaTarget(self.bootstrap, self.topic, {})
        target.open()
        send_all(spec, target, self.folder / f"truth-{part}.json", lambda: False)


# --- runs ------------------------------------------------------------------------------------------

KILLED = "killed"
Run = Callable[[House, str], str]
"""The batch, or the stream to the end of what is there; killed at a point if one is named. Returns nothing, or KILLED, or what went wrong."""


def as_process(processes: Processes, engine: Name = "embedded") -> Run:
    """Each run a process of its own, and killed by SIGKILL."""

    def run(house: House, kill_at: str) -> str:
        command = ["saleslake", "run", "--config", str(house.config)]
        if house.source != "batch":
            program = str(PROJECT_ROOT / "streaming" / "stream.py")
            command = ["python", program, "--config", str(house.config), "--once", "--source", house.source]
        command += ["--engine", engine]
        try:
            done = processes.run(*command, timeout=PATIENCE_SECONDS, SALESLAKE_KILL_AT=kill_at)
        except AssertionError as e:
            return str(e)[-300:]  # one case that hangs is an outcome; the rest of the matrix goes on
        if done.returncode == -signal.SIGKILL and kill_at:
            return KILLED
        return f"exit {done.returncode}: {done.stderr.strip()[-300:]}" if done.returncode else ""

    return run


class _Events(StreamJob):
    """Without the query for sales_by_minute, which is not compared and passes no point."""

    def _once(self, spool: Spool | None) -> None:
        self._watch([self._events(None)], spool)


def on_session(spark: SparkSession, engine: Name = "embedded") -> Run:
    """Each run in this process on a session that is there, and ended by an exception that nothing catches."""

    def run(house: House, kill_at: str) -> str:
        lake = Lake(house.settings, spark, uses=engine)
        try:
            with raised_at(kill_at):
                if house.source == "batch":
                    return "; ".join(Batch(lake).run(Window()).failures)
                _Events(Batch(lake), source=house.source, trigger="1 second", once=True).run()
        except Killed:
            return KILLED
        finally:
            lake.close()
        return ""

    return run


# --- a case ----------------------------------------------------------------------------------------


@dataclass
class Outcome:
    """What became of one case."""

    source: str
    point: str
    killed: bool = False
    problem: str = ""
    engine: str = ""

    @property
    def word(self) -> str:
        return self.problem or ("same tables" if self.killed else "point not reached")


def whole(house: House, run: Run) -> Tables:
    """The tables of a run nobody killed. The house is fed."""
    problem = run(house, "")
    assert not problem, f"{house.source}: the run nobody killed failed: {problem}"
    return contents(house.lake)


def kill_and_finish(house: House, outcome: Outcome, dies: Run, finishes: Run) -> None:
    """Kill a run at the outcome's point, and run again, to the end."""
    ended = dies(house, outcome.point)
    outcome.killed = outcome.killed or ended == KILLED
    outcome.problem = ended if ended not in ("", KILLED) else finishes(house, "")


def compared(house: House, wanted: Tables, parts: int) -> str:
    """How the tables differ from those of a run nobody killed, from the oracle's and from what was sent; nothing if they do not."""
    found = contents(house.lake)
    differing = [name for name in wanted if found.get(name) != wanted[name]]
    if differing or found.keys() != wanted.keys():
        return f"differs: {', '.join(differing) or sorted(found.keys() ^ wanted.keys())}"
    return against_oracle(house.lake, SETUPS["batch" if house.source == "batch" else "stream"]) or (
        "" if house.source == "batch" else _against_truth(house, parts)
    )


def contents(lake: Lake, leave_out: tuple[str, ...] = ()) -> Tables:
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


def against_oracle(lake: Lake, setup: oracle.Setup) -> str:
    """How the tables differ from what plain Python makes of the landed records, row for row; nothing if they do not."""
    held = {bronze.holding(lake, name).full_name: bronze.holding(lake, name) for name in setup.feeds}
    rows = [row for table in held.values() for row in stored(lake, table) if row["kind"] == "record"]
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
    for part in range(parts):
        report = compare(house.lake, house.folder / f"truth-{part}.json")
        if not report.holds:
            return f"truth {part}: {report}"[:300]
    return ""
