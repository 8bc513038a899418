"""How results look on a terminal, and as CSV and JSON."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from saleslake.ingest.report import told

if TYPE_CHECKING:  # imported by whoever made them; a command that reads only waits for none of them
    from saleslake.accounting import Proof
    from saleslake.checks import Result
    from saleslake.generate import GenerateReport
    from saleslake.ingest.report import Landed
    from saleslake.lake import Lake
    from saleslake.maintenance import Maintained
    from saleslake.pipeline import Summary
    from saleslake.windows import Windows

# Keys, file names and texts of records are no markup.
out = Console(highlight=False, soft_wrap=False, markup=False, emoji=False)
_err = Console(stderr=True, highlight=False, markup=False, emoji=False)


class Progress:
    """One line on a terminal that says what is being done; nothing where there is no terminal."""

    def __init__(self, enabled: bool):
        self._status = _err.status("starting") if enabled and _err.is_terminal else None

    def __enter__(self) -> Progress:
        if self._status:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def say(self, what: str) -> None:
        if self._status:
            self._status.update(what)

    def stop(self) -> None:
        if self._status:
            self._status.stop()


_KEY_REUSED = (
    "records that share their key with another of their file and say something else; they count as superseded. If they are "
    "sales of their own, give the source a key of several columns, or key = 'line'; if they are versions, a version column"
)


def summary(lake: Lake, result: Summary, seconds: float) -> None:
    """The summary of a run."""
    if result.healed:
        for line in result.healed:
            out.print(f"healed: {line}")
    _landed(lake, result)
    _written(result)
    for note in result.notes:
        out.print(f"note: {note}")
    counted = [r for r in result.checks if r.check.severity == "count" and r.found]
    if counted:
        out.print("counted: " + ", ".join(f"{r.check.name} {r.found:,}" for r in counted))
    if result.checks:
        failed = [r for r in result.checks if r.failed]
        out.print(f"checks: {len(result.checks) - len(failed)} of {len(result.checks)} passed")
    if result.nothing_new and not result.failures:
        out.print("nothing new")
    steps = ", ".join(f"{name} {spent:.1f} s" for name, spent in result.seconds.items())
    on = {"spark": " on Spark", "embedded": " on the embedded engine"}.get(result.engine, "")
    out.print(f"run {lake.run_id}: {seconds:.1f} s{on} ({steps})")


def _landed(lake: Lake, result: Summary) -> None:
    if not result.landed and not result.outcomes:
        return
    table = _grid("source", "landed", "left out", "applied", "duplicate", "superseded", "quarantined", "retries")
    names = list(dict.fromkeys([*(r.source for r in result.landed), *result.outcomes]))
    reports = {r.source: r for r in result.landed}
    for name in names:
        o, r = result.outcomes.get(name), reports.get(name)
        counts = (o.applied, o.duplicate, o.superseded, o.quarantined) if o else (0, 0, 0, 0)
        left_out = _left_out(r, lake.settings.sources[name].format) if r else _n(0)
        table.add_row(name, _n(r.records if r else 0), left_out, *map(_n, counts), _n(r.retries if r else 0))
    out.print(table)
    for r in result.landed:
        if r.recovered_units:
            out.print(f"  {r.source}: {r.recovered_units:,} landed files or pages that bronze lacked were taken up")
    for r in result.landed:
        if r.fetch:
            out.print(f"  {r.source} fetched {told(r.fetch)}")
    for name, o in result.outcomes.items():
        for what, counts_ in (
            ("quarantined", o.reasons),
            (f"discarded, {o.discarded:,} of the quarantined", o.discards),
            ("kept with warnings", o.warnings),
        ):
            if counts_:
                out.print(f"  {name} {what}: " + ", ".join(f"{rule} {n:,}" for rule, n in sorted(counts_.items())))
    _reused_keys({name: o.reused_keys for name, o in result.outcomes.items()})
    for r in result.landed:
        if r.new_fields:
            out.print(f"  {r.source} new fields (kept in raw): {', '.join(r.new_fields)}")
        for line in r.ignored_fields:
            out.print(f"  {r.source} {line}")
        if r.lacking_fields:
            out.print(f"  {r.source} has no column for {', '.join(r.lacking_fields)}: empty in all of its rows")
        if r.lost_fields:
            out.print(
                f"  {r.source} mapped columns or paths that were there before and are no more: {', '.join(r.lost_fields)}"
            )
        if r.skipped:
            out.print(f"  {r.source} skipped by skip_lines and skip_last: {r.skipped:,} lines")


def _reused_keys(of_source: Mapping[str, int]) -> None:
    told = ", ".join(f"{name} {count:,}" for name, count in of_source.items() if count)
    if told:
        out.print(f"  key_reused: {told}: {_KEY_REUSED}", markup=False)


def _left_out(report: Landed, format_: str) -> str:
    """Records of an API that were there already; files that have not changed."""
    if format_ == "api":
        return _n(report.left_out)
    units = report.left_out_units
    return f"{units:,} file{'s' if units > 1 else ''}" if units else _n(0)


def _written(result: Summary) -> None:
    written = [w for w in result.written if w.anything]
    if not written:
        return
    table = _grid("gold table", "rows written", "deleted", "partitions")
    for w in written:
        table.add_row(w.table.removeprefix("gold."), _n(w.rows), _n(w.deleted), _n(len(w.dates)))
    out.print(table)


def checks(results: Sequence[Result]) -> None:
    """Every check and what it found."""
    table = _grid("check", "found", "", "meaning")
    for r in results:
        verdict = "FAILED" if r.failed else ("ok" if r.check.severity == "error" else "counted")
        table.add_row(r.check.name, _n(r.found), verdict, r.check.meaning)
    out.print(table)


def proof(result: Proof) -> None:
    """The proof per source and table, with the offending ids."""
    table = _grid("source", "landed", "= applied", "+ duplicate", "+ superseded", "+ quarantined", "")
    for s in result.sources:
        table.add_row(
            s.source,
            _n(s.landed),
            _n(s.applied),
            _n(s.duplicate),
            _n(s.superseded),
            _n(s.quarantined),
            "WRONG" if not s.adds_up else "never landed" if s.never_landed else "ok",
        )
    out.print(table)
    for s in result.sources:
        if s.discarded:
            out.print(f"{s.source}: {s.discarded:,} of the quarantined are discarded")
    for s in result.sources:
        for what, ids in s.wrong.items():
            out.print(f"{s.source}: {what}: {', '.join(ids)}")
    _reused_keys({s.source: s.reused_keys for s in result.sources})
    for name, keys in result.gold.items():
        for key in keys:
            out.print(f"{name} is not what silver says: {key}")
    for name, windows in result.windows.items():
        _windows(name, windows)
    for line in result.not_landed:
        out.print(f"not landed: {line}", markup=False, soft_wrap=True)
    agreeing = sum(1 for keys in result.gold.values() if not keys)
    out.print(f"gold: {agreeing} of {len(result.gold)} tables equal what silver says")
    for note in result.notes:
        out.print(f"note: {note}", markup=False, soft_wrap=True)
    if result.not_landed:
        out.print('saleslake acknowledge "…" says that somebody knows of what never landed', markup=False)
    names = {"spark": "Spark", "embedded": "the embedded engine"}
    wrote = " and ".join(names[name] for name in result.wrote) or "nobody"
    out.print(f"written by {wrote}; proved by {names.get(result.engine, result.engine)} in {result.seconds:.1f} s")
    out.print("every landed record is accounted for" if result.holds else "the accounts do NOT hold")


def _windows(source: str, found: Windows) -> None:
    """How many of an API's windows were complete, and each that was not."""
    counts = [
        f"{found.count(state):,} {state}" for state in ("complete", "not complete", "unknown") if found.count(state)
    ]
    before = " (asked before saleslake kept it with the window)" if found.count("unknown") else ""
    out.print(f"{source}: windows with records: {', '.join(counts) or 'none'}{before}")
    for window in found.not_complete:
        out.print(f"  {window.shown} was not complete: {window.why}")
    if found.last:
        out.print(f"  last asked at {found.last['fetched_at']}: {told(found.last)}")


def status(found: dict[str, Any]) -> None:
    """Tables, watermarks, quarantine and the last run."""
    out.print(f"data: {found['data']}")
    table = _grid("table", "rows", "version", "files", "kB")
    for t in found["tables"]:
        table.add_row(t["table"], _n(t["rows"]), _n(t["version"]), _n(t["files"]), _n(t["bytes"] // 1024))
    out.print(table)
    for name, mark in found["watermarks"].items():
        out.print(f"watermark of {name}: {mark or 'none'}")
    for name, window in found["windows"].items():
        asked = f"({window['since'] or 'the beginning'}, {window['until'] or 'open'}]"
        out.print(f"last window of {name}: {asked} at {window['fetched_at']}: {told(window)}")
        if window["failure"]:
            out.print(f"  {window['failure']}")
    if found["quarantine"]:
        reasons = _grid("source", "quarantined for", "records", "still open", "discarded")
        for q in found["quarantine"]:
            reasons.add_row(q["source"], q["reason"], _n(q["records"]), _n(q["open"]), _n(q["discarded"]))
        out.print(reasons)
    for lost in found["not_landed"]:
        known = "acknowledged" if lost["acknowledged"] else "not acknowledged: saleslake verify fails"
        line = f"not landed: {lost['what']}, noticed {lost['noticed_at']:%Y-%m-%d %H:%M} UTC, {known}"
        out.print(line, markup=False, soft_wrap=True)
    last = found["last_run"]
    if last:
        out.print(
            f"last run: {last['command']} {last['run_id']} {last['status']} in {last['execution_time_seconds']:.1f} s"
            + (f" on {last['engine']}" if last.get("engine") else "")
        )
    else:
        out.print("no run yet: saleslake run")
    if found["stream"]:
        _stream(found["stream"])


def _stream(figures: dict[str, Any]) -> None:
    """How the latest run of the stream is, or was."""
    state = "running" if figures["running"] else figures["state"]
    if not figures["running"] and state in ("starting", "running", "stopping"):
        state = "killed"
    totals = figures["totals"]
    out.print(
        f"stream: {state} ({figures['source']}, process {figures['pid']}) since {figures['started_at']}: "
        f"{totals['records']:,} events in {totals['batches']:,} batches, {totals['quarantined']:,} quarantined "
        f"({totals.get('discarded', 0):,} discarded), "
        f"{totals['left_out']:,} left out, {totals['gold_refreshes']:,} gold refreshes; last heard of {figures['at']}"
    )
    table = _grid("query", "rows/s", "batch ms", "lag s", "state", "watermark")
    for name, query in figures["queries"].items():
        lag = query.get("event_time_lag_seconds")
        table.add_row(
            name,
            str(query.get("processed_rows_per_second") or "·"),
            _n(query.get("batch_duration_ms") or 0),
            "·" if lag is None else f"{lag:,.0f}",
            _n(query.get("state_rows") or 0),
            (query.get("watermark") or "·")[:19],
        )
    out.print(table)
    if figures["last_error"]:
        out.print(f"  last error: {figures['last_error']}")


def maintained(results: Sequence[Maintained]) -> None:
    """What maintenance did, a line a table it changed."""
    for r in results:
        if r.skipped:
            out.print(f"{r.table}: left alone, {r.skipped}")
        elif r.files_removed:
            out.print(f"{r.table}: {r.files_removed:,} files made {r.files_added:,}")
    out.print(f"{sum(not r.skipped for r in results)} tables maintained")


def generated(report: GenerateReport, folder: Path) -> None:
    """What was generated."""
    table = _grid("file", "records", "distinct keys", "planted")
    for file, records in report.records.items():
        planted = report.planted.get(file, {})
        table.add_row(file, _n(records), _n(report.distinct_keys.get(file, 0)), _n(sum(planted.values())))
    out.print(table)
    out.print(f"in {folder}; every planted kind with its count: {folder / 'defects.json'}")


def rows(columns: list[str], found: list[tuple[Any, ...]], format_: str) -> None:
    """Rows of a query as a table, CSV or JSON lines in one array."""
    if format_ == "json":
        print(json.dumps([dict(zip(columns, row, strict=True)) for row in found], default=str, ensure_ascii=False))
    elif format_ == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([[_harmless(value) for value in row] for row in found])
    else:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for i, name in enumerate(columns):
            numeric = any(row[i] is not None for row in found) and all(
                _is_number(row[i]) for row in found if row[i] is not None
            )
            table.add_column(name, justify="right" if numeric else "left", overflow="fold")
        for row in found:
            table.add_row(*["" if value is None else str(value) for value in row])
        out.print(table)


def _harmless(value: Any) -> Any:
    """A text cell that a spreadsheet would run as a formula gets a leading quote."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value


def _is_number(value: Any) -> bool:
    import decimal

    return isinstance(value, int | float | decimal.Decimal) and not isinstance(value, bool)


def _grid(*names: str) -> Table:
    """A table whose figures and headers stay whole on 80 columns: only its texts fold."""
    gap = 2 if out.width >= 100 else 1
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, gap, 0, 0))
    for i, name in enumerate(names):
        left = i == 0 or name in ("meaning", "quarantined for", "")
        folds = i == 0 or name in ("meaning", "quarantined for")
        table.add_column(name, justify="left" if left else "right", overflow="fold", no_wrap=not folds)
    return table


def _n(value: int) -> str:
    return f"{value:,}" if value else "·"
