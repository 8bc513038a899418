"""`make bench`: the same work with saleslake on both engines, pandas, Polars and DuckDB, side by side in one run.

Prints ratios, seconds and peak memory, and fails if the programs do not agree to the cent: on the full load, and on what saleslake's
tables hold after the increment, which another program is told in one piece. Each measurement is a line of benchmarks/out/results.jsonl.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.data import ORDERS, SALES, Data, data
from benchmarks.memory import Peak
from benchmarks.ours import RUNS
from saleslake.config import PROJECT_ROOT
from saleslake.machine import cores, memory_megabytes

OUT = Path(__file__).parent / "out"
WORK = OUT / f"work-{os.getpid()}"
OURS = {"embedded": "saleslake embedded", "spark": "saleslake Spark"}
PROGRAMS = {**OURS, "pandas": "pandas", "polars": "Polars", "duckdb": "DuckDB"}
SHOWN = {"increment": "1 % increment", "nothing_new": "nothing new", "verify": "verify, embedded"}
Result = dict[str, Any]
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 160)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--only", default=",".join(PROGRAMS), help="programs, separated by commas (default: %(default)s)"
    )
    args = parser.parse_args()
    programs = [name.strip() for name in args.only.split(",")]
    if unknown := [name for name in programs if name not in PROGRAMS]:
        parser.error(f"--only {unknown[0]!r}: there are {', '.join(PROGRAMS)}")
    out.print(f"{args.orders:,} orders and the increment, made unless they are there …")
    made = data(OUT / f"data-{args.orders}-{args.seed}", args.orders, args.seed)
    results = [result for name in programs for result in _results(name, made)]
    if any(result["run"] == "increment" and "totals" in result for result in results):
        results.append(_in_one_piece(made))
    _save(results, args.orders, args.seed)
    _show(results, args.orders, made)
    return _judged(results)


# --- measuring -------------------------------------------------------------------------------------


def _results(program: str, made: Data) -> list[Result]:
    work = _empty_work()
    try:
        if program not in OURS:
            return [_rival(program, "full", made.base, work)]
        results: list[Result] = []
        for run in RUNS:
            results.append(_ours(program, run, made, work))
            if "failed" in results[-1]:
                break
        return results
    finally:
        shutil.rmtree(work)


def _empty_work() -> Path:
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    return WORK


def _ours(program: str, run: str, made: Data, work: Path) -> Result:
    options = ["-m", "benchmarks.ours", "--engine", program, "--output", str(work)]
    source = {"full": made.base, "increment": made.increment}.get(run)
    result = _measured(program, run, [*options, "--run", run, *(["--input", str(source)] if source else [])], source)
    if source and "failed" not in result:
        # By a process of its own: its memory is none of the run's.
        told = subprocess.run(
            [sys.executable, *options, "--run", "totals"],
            stdout=subprocess.PIPE,
            text=True,
            cwd=PROJECT_ROOT,
            check=True,
        )
        result |= _last_line(told.stdout)
    return result


def _rival(program: str, run: str, source: Path, work: Path) -> Result:
    command = ["-m", f"benchmarks.rival_{program}", "--input", str(source), "--output", str(work / "tables")]
    return _measured(program, run, command, source)


def _in_one_piece(made: Data) -> Result:
    """What DuckDB makes of the base's and the increment's files, each after the other."""
    work = _empty_work()
    for name in (ORDERS, SALES):
        shutil.copyfile(made.base / name, work / name)
        with (work / name).open("ab") as whole, (made.increment / name).open("rb") as more:
            if name == SALES:
                more.readline()  # its header
            shutil.copyfileobj(more, whole)
    try:
        return _rival("duckdb", "both", work, work)
    finally:
        shutil.rmtree(work)


def _measured(program: str, run: str, command: Sequence[str], source: Path | None) -> Result:
    out.print(f"{PROGRAMS[program]}: {run} …", end=" ")
    _settle(source)
    # What a program spills to its working directory goes with it.
    cwd, path = WORK, os.pathsep.join([str(PROJECT_ROOT), str(PROJECT_ROOT / "lib")])
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, text=True, cwd=cwd, env=os.environ | {"PYTHONPATH": path}
    )
    peak = Peak(process.pid)
    stdout, _ = process.communicate()
    wall = round(time.perf_counter() - started, 2)
    peak.stop()
    out.print(f"{wall:.1f} s, {peak.cpu_seconds:.1f} of CPU, {peak.megabytes:,} MB")
    result = {
        "program": program, "run": run, "wall": wall, "cpu": round(peak.cpu_seconds, 1), "peak_mb": peak.megabytes,
    }  # fmt: skip
    if process.returncode:
        return result | {"failed": process.returncode}
    return result | {"start": 0.0} | _last_line(stdout)


def _settle(source: Path | None) -> None:
    """Before each program the same: nothing of the one before is still being written, and the input is in memory, as far as it fits."""
    os.sync()
    for path in source.iterdir() if source else ():
        with path.open("rb", buffering=0) as file:
            while file.read(2**22):
                pass


def _last_line(stdout: str) -> Result:
    line: Result = json.loads(stdout.strip().splitlines()[-1])
    return line


# --- telling ---------------------------------------------------------------------------------------


def _save(results: list[Result], orders: int, seed: int) -> None:
    about = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"), "cores": cores(), "memory_mb": memory_megabytes(),
        "orders": orders, "seed": seed,
    }  # fmt: skip
    with (OUT / "results.jsonl").open("a") as file:
        file.writelines(json.dumps(about | result) + "\n" for result in results)


def _show(results: list[Result], orders: int, made: Data) -> None:
    size = sum(path.stat().st_size for path in made.base.iterdir()) / 1e6
    out.print(f"\n{orders:,} orders, {size:,.0f} MB of JSON and CSV; {cores()} cores, {memory_megabytes() // 1024} GiB")
    out.print("the increment: " + "; ".join(f"{name}: {_listed(mix)}" for name, mix in made.mix.items()))
    table = _table("program", "× pandas", "× Polars", "× its full load", "seconds", "of them start", "CPU s", "peak MB")
    whole = {r["program"]: _seconds(r) for r in results if r["run"] == "full" and "failed" not in r}
    for result in results:
        if result["run"] != "both":
            table.add_row(*_row(result, whole))
    out.print(table)
    _show_steps(results)


def _row(result: Result, whole: dict[str, float]) -> list[str]:
    program, run = result["program"], result["run"]
    title = PROGRAMS[program] if run == "full" else f"  {SHOWN[run]}"
    used = [f"{result['cpu']:.1f}", f"{result['peak_mb']:,}"]
    if "failed" in result:
        return [title, "", "", "", f"failed: {result['failed']}", "", *used]
    seconds = _seconds(result)

    def ratio(of: str) -> str:
        return f"{seconds / whole[of]:.2f}" if of in whole else ""

    ratios = [ratio("pandas"), ratio("polars"), ""] if run == "full" else ["", "", ratio(program)]
    return [title, *ratios, f"{seconds:.1f}", f"{result['start']:.1f}" if result["start"] else "", *used]


def _seconds(result: Result) -> float:
    """With the start of Spark's session, where there is one."""
    return float(result["start"] + result["seconds"])


def _show_steps(results: list[Result]) -> None:
    told = [result for result in results if "steps" in result]
    names = list(dict.fromkeys(step for result in told for step in result["steps"]))
    table = _table("seconds by step", *names)
    for result in told:
        title = f"{PROGRAMS[result['program']]}, {SHOWN.get(result['run'], 'full load')}"
        table.add_row(title, *(f"{result['steps'].get(name, 0):.1f}" for name in names))
    if told:
        out.print(table)
    for result in told:
        if result["run"] == "increment":
            out.print(
                f"{PROGRAMS[result['program']]}: partitions or rows the increment wrote: {_listed(result['wrote'])}"
            )


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
    return table


def _listed(counts: dict[str, int] | Any) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


# --- agreeing --------------------------------------------------------------------------------------


def _judged(results: list[Result]) -> int:
    """0: everything ran, and all agree."""
    failed = [result for result in results if "failed" in result]
    for result in failed:
        print(f"error: {PROGRAMS[result['program']]}: {result['run']} ended with {result['failed']}", file=sys.stderr)
    agree = [
        _agree("the full load", [r for r in results if r["run"] == "full"]),
        _agree("full load and increment", [r for r in results if r["run"] in ("increment", "both")]),
    ]
    return 0 if all(agree) and not failed else 1


def _agree(what: str, results: Iterable[Result]) -> bool:
    totals = {
        PROGRAMS[r["program"]]: json.dumps(_normal(r["totals"]), sort_keys=True) for r in results if "totals" in r
    }
    if len(set(totals.values())) > 1:
        for program, text in totals.items():
            out.print(f"{program}: {text}")
        print(f"error: the programs do not agree on {what}", file=sys.stderr)
        return False
    if totals:
        out.print(f"{what}: {', '.join(totals)} agree to the cent: {next(iter(totals.values()))}")
    return True


def _normal(totals: Result) -> Result:
    net = {currency: f"{Decimal(amount):.4f}" for currency, amount in totals["net"].items()}
    return {**totals, "units": f"{Decimal(totals['units']):.3f}", "net": net}


if __name__ == "__main__":
    sys.exit(main())
