"""A small run over generated files, so that the JVM has loaded what a real run loads when its classes are archived."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from saleslake import config
from saleslake.generate import generate
from saleslake.ingest.window import Window
from saleslake.lake import Lake
from saleslake.pipeline import Batch
from saleslake.session import build_session

_CONFIG = """
[paths]
root = "."
[spark.conf]
"spark.driver.extraJavaOptions" = "-XX:+UseParallelGC -XX:ArchiveClassesAtExit={archive} -Xlog:disable -Xlog:all=error:stderr"
[sources.orders]
entity = "orders"
format = "jsonl"
path = "in/orders.jsonl"
[sources.transactions]
entity = "transactions"
format = "csv"
path = "in/transactions.csv"
defaults = {{ currency = "EUR" }}
[sources.users]
entity = "users"
format = "csv"
path = "in/users.csv"
"""


def main(folder: Path) -> int:
    """Run twice: the second load is what takes MERGE's path."""
    (folder / "saleslake.toml").write_text(_CONFIG.format(archive=os.environ["SALESLAKE_ARCHIVE"]))
    settings = config.load(folder / "saleslake.toml")
    spark = build_session(settings, "warm-up", "warm-up")
    for seed in (1, 2):
        generate(20, seed, folder / "in", days=2)
        Batch(Lake(settings, spark)).run(Window())
    spark.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
