"""A small run over generated files, so that the JVM has loaded what a real run loads when its classes are archived."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyspark

from saleslake import config
from saleslake.errors import fail
from saleslake.generate import generate
from saleslake.ingest.window import Window
from saleslake.lake import Lake
from saleslake.machine import jvm_options
from saleslake.pipeline import Batch
from saleslake.session import build_session
from saleslake.summary import raise_failures

_CONFIG = """
[paths]
root = "."
[spark.conf]
"spark.driver.extraJavaOptions" = {options}
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
    """Load a little of everything, and end the JVM in the ordinary way, which is when it writes the archive."""
    options = jvm_options(Path(pyspark.__file__).parent, "ArchiveClassesAtExit")
    # A text of JSON is one of TOML.
    text = _CONFIG.format(options=json.dumps(options, ensure_ascii=False))
    (folder / "saleslake.toml").write_text(text, encoding="utf-8")
    settings = config.load(folder / "saleslake.toml")
    spark = build_session(settings, "warm-up", "warm-up")
    generate(20, 1, folder / "in", days=2)
    raise_failures(Batch(Lake(settings, spark)).run(Window()))
    spark.stop()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1])))
    except Exception as error:  # one line, which set-up passes on
        sys.exit(fail(error, verbose=False))
