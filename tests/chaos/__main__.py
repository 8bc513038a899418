"""`make chaos`: the full matrix, printed as a table (fault point, source, outcome). Minutes a source."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.chaos.harness import POINTS, Outcome, killed_at, uninterrupted
from tools.kafka_broker import KafkaBroker


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", default="files,batch,kafka", help="of files, batch, kafka; separated by commas")
    parser.add_argument("--points", default="", help="only points whose name contains this")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--events", type=int, default=240, help="events a part")
    parser.add_argument("--parts", type=int, default=2, help="parts of the input; each case is killed once in each")
    args = parser.parse_args()
    out = Console(highlight=False)
    out.print(f"seed {args.seed}, {args.parts} parts of {args.events} events")
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        for source in args.sources.split(","):
            kafka = stack.enter_context(KafkaBroker(Path(folder) / "kafka")) if source == "kafka" else None
            wanted = uninterrupted(Path(folder) / f"{source}-whole", source, args.seed, args.events, kafka, args.parts)
            for number, point in enumerate(p for p in POINTS[source] if args.points in p):
                started = time.monotonic()
                case = Path(folder) / f"{source}-{number}"
                outcomes.append(killed_at(case, source, point, args.seed, args.events, wanted, kafka, args.parts))
                out.print(f"{source:6} {point:28} {outcomes[-1].word} ({time.monotonic() - started:.0f} s)")
                shutil.rmtree(case)
    table = Table("fault point", "source", "outcome", box=None)
    for outcome in outcomes:
        table.add_row(outcome.point, outcome.source, outcome.word)
    out.print(table)
    return 1 if any(outcome.problem or not outcome.killed for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
