"""What the rivals share: arguments, channel names, and the JSON line at the end."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

CHANNELS = {"instore": "store", "mobileapp": "mobile", "online": "web"}
"""Normalised spelling (lower case, without space, `-` and `_`) to channel; any other stands for itself."""

UNKNOWN_CHANNEL = "unknown"

SALES_CURRENCY = "EUR"
SALE_COLUMNS = (
    "transaction_id", "customer_id", "product_id", "sale_date", "quantity", "total_price", "sales_channel",
    "surplus",
)  # fmt: skip
"""Of transactions.csv. `surplus` is not in its header: a row with so many fields is misread, and dropped."""


@dataclass(frozen=True)
class Totals:
    """What all programs must agree on. Money and units are exact decimals, as text."""

    records: int
    rejected: int
    fact_rows: int
    orders: int
    units: str
    net: dict[str, str]


def run(tool: str, work: Callable[[Path, Path], Totals]) -> int:
    """Do the work from `--input` to `--output`, and print one JSON line about it."""
    parser = argparse.ArgumentParser(description=f"The benchmark's work in {tool}; see benchmarks/README.md.")
    parser.add_argument("--input", type=Path, required=True, help="folder with orders.jsonl and transactions.csv")
    parser.add_argument("--output", type=Path, required=True, help="folder for the Delta tables, new or empty")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    if any(arguments.output.iterdir()):
        parser.error(f"{arguments.output} is not empty: old tables would lend their schema to the new ones")
    started = time.perf_counter()
    totals = work(arguments.input, arguments.output)
    line = {
        "tool": tool,
        "seconds": round(time.perf_counter() - started, 2),
        "totals": asdict(totals),
    }
    sys.stdout.write(json.dumps(line) + "\n")
    return 0
