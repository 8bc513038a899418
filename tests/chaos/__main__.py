"""`make chaos`: the full matrix with real processes, printed as a table (kill point, source, outcome). Minutes a case."""

from __future__ import annotations

import argparse
import itertools
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table

from saleslake.engine.interface import Name
from tests.chaos.cases import POINTS
from tests.chaos.harness import PARTITIONS, House, Outcome, Tables, as_process, compared, kill_and_finish, whole
from tests.processes import Processes
from tools.kafka_broker import KafkaBroker


class Matrix:
    """Cases of one input, each in a lakehouse of its own."""

    def __init__(self, folder: Path, processes: Processes, engine: Name, seed: int, events: int, parts: int):
        self.folder, self.seed, self.events, self.parts = folder / engine, seed, events, parts
        self.run = as_process(processes, engine)
        self.kafka: KafkaBroker | None = None

    def house(self, name: str, source: str) -> House:
        if source != "kafka" or self.kafka is None:
            return House(self.folder / name, source)
        topic = f"{self.folder.name}-{name}"
        self.kafka.create_topic(topic, PARTITIONS)
        return House(self.folder / name, source, self.kafka.bootstrap, topic)

    def whole(self, source: str) -> Tables:
        """The tables of runs nobody killed, one a part."""
        house, tables = self.house(f"{source}-whole", source), Tables()
        for part in range(self.parts):
            house.feed(self.seed, self.events, part)
            tables = whole(house, self.run)
        return tables

    def case(self, number: int, source: str, point: str, wanted: Tables) -> Outcome:
        """Kill the first run at the point, and start it again; then a further part of the input, killed there as well."""
        house, outcome = self.house(f"{source}-{number}", source), Outcome(source, point)
        for part in range(self.parts):
            house.feed(self.seed, self.events, part)
            kill_and_finish(house, outcome, self.run, self.run)
            if outcome.problem:
                return outcome
        outcome.problem = compared(house, wanted, self.parts)
        shutil.rmtree(house.folder)
        return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", default="files,batch,kafka", help="of files, batch, kafka; separated by commas")
    parser.add_argument("--engines", default="embedded,spark", help="of embedded, spark; separated by commas")
    parser.add_argument("--points", default="", help="only points whose name contains this")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--events", type=int, default=240, help="events a part")
    parser.add_argument("--parts", type=int, default=2, help="parts of the input; each case is killed once in each")
    args = parser.parse_args()
    out = Console(highlight=False)
    out.print(f"seed {args.seed}, {args.parts} parts of {args.events} events")
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        processes = Processes()
        stack.callback(processes.end)
        kafka = stack.enter_context(KafkaBroker(Path(folder) / "kafka")) if "kafka" in args.sources else None
        for engine, source in itertools.product(args.engines.split(","), args.sources.split(",")):
            matrix = Matrix(Path(folder), processes, engine, args.seed, args.events, args.parts)
            matrix.kafka = kafka
            wanted = matrix.whole(source)
            for number, point in enumerate(p for p in POINTS[source] if args.points in p):
                started = time.monotonic()
                outcomes.append(matrix.case(number, source, point, wanted))
                outcomes[-1].engine = engine
                spent = time.monotonic() - started
                out.print(f"{engine:8} {source:6} {point:28} {outcomes[-1].word} ({spent:.0f} s)")
    table = Table("kill point", "source", "engine", "outcome", box=None)
    for outcome in outcomes:
        table.add_row(outcome.point, outcome.source, outcome.engine, outcome.word)
    out.print(table)
    return 1 if any(outcome.problem or not outcome.killed for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
