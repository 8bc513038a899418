"""Writers that `make s3-check` sets on one another: python -m tools.s3_writers append N | state N | fence --config FILE"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from functools import partial

from pyspark.errors import PySparkException
from pyspark.sql import Row

from saleslake.entry import open_settings
from saleslake.lake import Lake
from saleslake.parallel import side_by_side
from saleslake.session import build_session
from saleslake.state import Pin, State
from saleslake.table import LONG, Column, Table

RACED = Table(layer="gold", name="raced", grain="one row a commit", keys=("n",), columns=(Column("n", LONG, "number"),))


def append(lake: Lake, commits: int) -> None:
    """So many commits of one row."""
    for n in range(commits):
        lake.append(RACED, lake.spark.createDataFrame([Row(n=n)], "n long"))


def state(lake: Lake, updates: int) -> None:
    """So many updates of the state, each in four threads."""

    def work(thread: int) -> None:
        for n in range(updates):
            entry = {f"{lake.run_id}-{thread}-{n}": ("table", n)}
            lake.state.update(partial(_noted, entry))

    side_by_side([partial(work, thread) for thread in range(4)])


def _noted(entry: dict[str, Pin], state: State) -> None:
    state.seen.update(entry)


def fence(lake: Lake) -> None:
    """An append that takes 15 seconds from its beginning to its commit; meanwhile the lease goes to another."""
    append(lake, 1)

    def slowly(n: int) -> Row:
        time.sleep(15)
        return Row(n=n)

    slow = lake.spark.createDataFrame(lake.spark.sparkContext.parallelize([1], 1).map(slowly), "n long")
    found: list[str] = []

    def work() -> None:
        try:
            lake.append(RACED, slow)
            found.append("committed")
        except PySparkException as e:
            found.append(f"{type(e).__name__} {e}")

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(6)
    lake._fence("gold", 2)
    thread.join()
    rows = lake.snapshot(RACED).count()
    if "MetadataChanged" not in found[0] and "METADATA_CHANGED" not in found[0].upper():
        raise SystemExit(f"the commit was not refused: {found[0][:300]}")
    if rows != 1:
        raise SystemExit(f"{rows} rows where 1 should be")
    print("the commit was refused, and left nothing behind")


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["append", "state", "fence"])
    parser.add_argument("times", nargs="?", type=int, default=1)
    parser.add_argument("--config", required=True)
    args = parser.parse_args(argv)
    lake = Lake(open_settings(args.config))
    lake.session = build_session(lake.settings, "writers", lake.run_id)
    if args.what == "fence":
        fence(lake)
    else:
        {"append": append, "state": state}[args.what](lake, args.times)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
