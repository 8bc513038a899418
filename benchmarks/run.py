"""`make bench`: the same work with saleslake, pandas, Polars and DuckDB, side by side in one run.

Prints seconds, ratios and peak memory, and fails if the four do not agree to the cent.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from saleslake.config import PROJECT_ROOT
from saleslake.generate import generate, generate_increment
from saleslake.machine import cores, memory_megabytes

HERE = Path(__file__).parent
out = Console(highlight=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="duckdb,polars,pandas,saleslake", help="programs, separated by commas")
    args = parser.parse_args()
    data, increment = _data(args.orders, args.seed)
    work = HERE / "out" / "work"
    results = {}
    for tool in args.only.split(","):
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        out.print(f"running {tool} …")
        results[tool] = _measure(tool, data, increment, work)
    shutil.rmtree(work, ignore_errors=True)
    _show(results, args.orders, data)
    return _agree(results)


def _data(orders: int, seed: int) -> tuple[Path, Path]:
    """Generated once and kept: the same seed gives the same bytes."""
    data = HERE / "out" / f"orders-{orders}-{seed}"
    increment = HERE / "out" / f"increment-{orders}-{seed}"
    if not (increment / "defects.json").exists():
        out.print(f"generating {orders:,} orders and an increment of 1 % …")
        generate(orders, seed, data)
        generate_increment(data, max(orders // 100, 1), seed + 1, increment)
    return data, increment


def _measure(tool: str, data: Path, increment: Path, work: Path) -> dict[str, Any]:
    if tool == "saleslake":
        command = ["-m", "benchmarks.ours", "--input", str(data), "--increment", str(increment), "--output", str(work)]
    else:
        command = [str(HERE / f"rival_{tool}.py"), "--input", str(data), "--output", str(work)]
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True, cwd=PROJECT_ROOT)
    peak = Peak(process.pid)
    stdout, _ = process.communicate()
    peak.stop()
    if process.returncode:
        sys.exit(f"error: {tool} ended with {process.returncode}")
    line: dict[str, Any] = json.loads(stdout.strip().splitlines()[-1])
    return {**line, "wall": time.perf_counter() - started, "peak_mb": peak.megabytes}


class Peak:
    """Greatest resident memory of a process and all its descendants, sampled."""

    def __init__(self, pid: int):
        self.pid, self.megabytes, self._ended = pid, 0, False
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        while not self._ended:
            self.megabytes = max(self.megabytes, _resident(self.pid) // 2**20)
            time.sleep(0.2)

    def now(self) -> int:
        """Resident memory at this moment, in MB."""
        return _resident(self.pid) // 2**20

    def stop(self) -> None:
        self._ended = True
        self._thread.join()


def _resident(root: int) -> int:
    """Bytes of the process tree below `root` (Linux; 0 elsewhere), shared pages counted once: a JVM that forks is not two."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue

    def below(pid: int) -> bool:
        while pid not in (0, 1, root):
            pid = parents.get(pid, 0)
        return pid == root

    return sum(_proportional(pid) for pid in parents if below(pid))


def _proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def _show(results: dict[str, dict[str, Any]], orders: int, data: Path) -> None:
    size = (data / "orders.jsonl").stat().st_size / 1e6
    out.print(f"{orders:,} orders, {size:.0f} MB of JSON; {cores()} cores, {memory_megabytes() // 1024} GiB")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("program", "seconds", "× pandas", "× full load", "peak MB"):
        table.add_column(name, justify="left" if name == "program" else "right")
    pandas = results.get("pandas", {}).get("seconds")

    def ratio(seconds: float, whole: float | None) -> str:
        return f"{seconds / whole:.2f}" if whole else ""

    for tool, r in results.items():
        if tool != "saleslake":
            table.add_row(tool, f"{r['seconds']:.1f}", ratio(r["seconds"], pandas), "", f"{r['peak_mb']:,}")
            continue
        peak = f"{r['peak_mb']:,}"
        table.add_row("saleslake, full load", f"{r['full']:.1f}", ratio(r["full"], pandas), "", peak)
        table.add_row(
            "  with the session's start", f"{r['full'] + r['start']:.1f}", ratio(r["full"] + r["start"], pandas), "", ""
        )
        table.add_row("saleslake, 1 % increment", f"{r['increment']:.1f}", "", ratio(r["increment"], r["full"]), "")
        table.add_row("saleslake, nothing new", f"{r['nothing_new']:.1f}", "", ratio(r["nothing_new"], r["full"]), "")
    out.print(table)
    if "saleslake" in results:
        r = results["saleslake"]
        out.print(f"steps of the full load: {r['full_steps']}; of the increment: {r['increment_steps']}")
        out.print(f"partitions or rows the increment wrote: {r['increment_files']}")


def _agree(results: dict[str, dict[str, Any]]) -> int:
    totals = {tool: json.dumps(_normal(r["totals"]), sort_keys=True) for tool, r in results.items()}
    if len(set(totals.values())) <= 1:
        out.print(f"all agree to the cent: {next(iter(totals.values()))}")
        return 0
    for tool, text in totals.items():
        out.print(f"{tool}: {text}")
    print("error: the programs do not agree", file=sys.stderr)
    return 1


def _normal(totals: dict[str, Any]) -> dict[str, Any]:
    from decimal import Decimal

    net = {currency: f"{Decimal(amount):.4f}" for currency, amount in totals["net"].items()}
    return {**totals, "units": f"{Decimal(totals['units']):.3f}", "net": net}


if __name__ == "__main__":
    sys.exit(main())
