"""Small wrong changes to the core, one at a time in a copy of the project: each must turn a test red.

`make mutations` (ARGS="--only NAME" for some; tens of seconds each). Exit 1 if one survives: then a test is missing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIB = "lib/saleslake"
FAILED = 1
"""pytest's exit code for tests that failed; any other says that it could not try."""


@dataclass(frozen=True)
class Mutation:
    """`right`, which stands once in `file`, becomes `wrong`; `tests` must notice."""

    name: str
    file: str
    right: str
    wrong: str
    tests: str


MUTATIONS = (
    Mutation(
        "an equal version replaces the stored one",
        f"{LIB}/silver/winner.py",
        """WHEN {is_newer("r", "s")} THEN 'update'""",
        """WHEN NOT {is_newer("s", "r")} THEN 'update'""",
        "tests/test_publish.py -m quick",
    ),
    Mutation(
        "the old dates are missing from the upsert's",
        f"{LIB}/publish.py",
        'for day in (*row["dates"], *row["stored_dates"])',
        'for day in (*row["dates"],)',
        "tests/test_publish.py -m quick",
    ),
    Mutation(
        "a version without a time is the newest",
        f"{LIB}/silver/winner.py",
        "{name} DESC NULLS LAST",
        "{name} DESC NULLS FIRST",
        "tests/test_publish_order.py",
    ),
    Mutation(
        "a superseded version counts as a duplicate",
        f"{LIB}/silver/winner.py",
        "> 1 THEN 'duplicate'",
        "> 0 THEN 'duplicate'",
        "tests/test_publish.py -m quick",
    ),
    Mutation(
        "gold's tables are not told of what a killed refresh wrote",
        f"{LIB}/gold/refresh.py",
        "if self.everything or g.name in self.broken or self._changed(g)",
        "if g.name in self.broken or self._changed(g)",
        "tests/gold/test_killed_refresh.py",
    ),
    Mutation(
        "a rejected record is swallowed",
        f"{LIB}/silver/quarantine.py",
        "tag_count(reasons) > 0",
        "tag_count(reasons) > 1",
        "tests/silver/test_quarantine.py",
    ),
    Mutation(
        "line amounts are rounded half-even",
        f"{LIB}/engine/prelude.py",
        '"TRY_CAST(q * p AS DECIMAL(18, 4))"',
        '"TRY_CAST(bround(q * p, 4) AS DECIMAL(18, 4))"',
        "tests/gold/test_fact_sales.py",
    ),
    Mutation(
        "a line of no units is a sale",
        f"{LIB}/gold/fact_sales.sql",
        "quantity <= 0 OR",
        "quantity < 0 OR",
        "tests/gold/test_fact_sales.py",
    ),
    Mutation(
        "the days of refunds are forgotten",
        f"{LIB}/gold/fact_sales.sql",
        "COALESCE(day_of(l.refunded_at), l.date) AS date",
        "l.date AS date",
        "tests/gold/test_fact_sales.py",
    ),
    Mutation(
        "a change of prices concerns no line",
        f"{LIB}/gold/fact_sales.py",
        '" OR ".join(f"has_any',
        '" AND ".join(f"has_any',
        "tests/test_promises_embedded.py",
    ),
    Mutation(
        "a refund is a purchase",
        f"{LIB}/gold/customer_purchase_frequency.sql",
        "user_id <> '(unknown)' AND NOT is_refund",
        "user_id <> '(unknown)'",
        "tests/gold/test_metrics.py",
    ),
    Mutation(
        "a refund adds to revenue",
        f"{LIB}/silver/refunds.py",
        "None if each is None else abs(each), -abs(back)",
        "None if each is None else abs(each), back",
        "tests/silver/test_refunds.py",
    ),
    Mutation(
        "sales of the day of the count are taken from the stock",
        f"{LIB}/gold/inventory_valuation.sql",
        "r.date > c.counted_on",
        "r.date >= c.counted_on",
        "tests/gold/test_metrics.py",
    ),
    Mutation(
        "the mean time between purchases counts one gap too many",
        f"{LIB}/gold/customer_purchase_frequency.sql",
        "CAST(orders - 1 AS DECIMAL(20, 0))",
        "CAST(orders AS DECIMAL(20, 0))",
        "tests/gold/test_metrics.py",
    ),
    Mutation(
        "the watermark goes back",
        f"{LIB}/ingest/window.py",
        "if old is not None and new <= old:",
        "if old is not None and new == old:",
        "tests/ingest/test_window.py",
    ),
    Mutation(
        "a window that leaves a gap moves the watermark",
        f"{LIB}/ingest/window.py",
        "old is not None and asked.since <= _moment(old[0])",
        "old is not None and asked.since >= _moment(old[0])",
        "tests/ingest/test_window.py",
    ),
    Mutation(
        "verify overlooks a record that landed twice",
        f"{LIB}/accounting.py",
        "WHEN t.landed > 1 THEN 'landed twice under one id'",
        "WHEN t.landed > 2 THEN 'landed twice under one id'",
        "tests/test_accounting.py",
    ),
    Mutation(
        "a number is rounded half-even",
        f"{LIB}/silver/judge/numbers.py",
        "shifted.to_integral_value(ROUND_HALF_UP)",
        "shifted.to_integral_value()",
        "tests/silver/judge/test_numbers.py",
    ),
    Mutation(
        "an offset is added instead of taken away",
        f"{LIB}/silver/judge/moments.py",
        'seconds -= -away * 60 if offset[0] == "-" else away * 60',
        'seconds += -away * 60 if offset[0] == "-" else away * 60',
        "tests/silver/judge/test_moments.py",
    ),
    Mutation(
        "an object in place of a key is one",
        f"{LIB}/silver/judge/texts.py",
        "if value is None or isinstance(value, dict | list):\n            return None",
        "if value is None:\n            return None",
        "tests/silver/judge/test_ids.py",
    ),
    Mutation(
        "a float beyond 2^53 is an id",
        f"{LIB}/silver/judge/texts.py",
        "number.copy_abs() >= EXACT_TO",
        "number.copy_abs() > 2**63",
        "tests/silver/judge/test_ids.py",
    ),
    Mutation(
        "groups of thousands may have any length",
        f"{LIB}/silver/judge/numbers.py",
        "[0-9]{{3}})++",
        "[0-9]+)++",
        "tests/silver/judge/test_dialects.py",
    ),
    Mutation(
        "an amount in another currency than its record is kept",
        f"{LIB}/silver/judge/rules.py",
        "currency is not None and currency not in beside",
        "currency is not None and not beside",
        "tests/silver/test_orders.py -m quick",
    ),
    Mutation(
        "minor units are hundredths of any currency",
        f"{LIB}/silver/judge/currencies.py",
        "return 2 if decimals is None else decimals",
        "return 2",
        "tests/silver/judge/test_dialects.py",
    ),
    Mutation(
        "a product that does not fit is no overflow",
        f"{LIB}/silver/sale.py",
        "        if found is None:\n",
        "        if found is not None:\n",
        "tests/silver/test_orders.py tests/silver/judge/test_frozen.py -m quick",
    ),
    Mutation(
        "a rule that can be set cannot",
        f"{LIB}/silver/judge/rules.py",
        "severity = severities.get(rule.name, rule.severity)",
        "severity = rule.severity",
        "tests/silver/judge/test_rules.py",
    ),
    Mutation(
        "a fixed rule can be made to warn",
        f"{LIB}/silver/judge/rules.py",
        'return rule.severity if rule.fixed and severity == "warn" else severity',
        "return severity",
        "tests/silver/judge/test_rules.py",
    ),
    Mutation(
        "what a rule discards is open",
        "sql/duckdb/views.sql",
        "coalesce(len(discarded_by), 0) > 0",
        "coalesce(len(discarded_by), 0) > 9",
        "tests/test_status.py",
    ),
    Mutation(
        "what is unknown breaks a rule of the project's own",
        f"{LIB}/silver/judge/conditions.py",
        "try(coalesce({_whole(rule.condition)}, true))",
        "try(coalesce({_whole(rule.condition)}, false))",
        "tests/silver/judge/test_conditions.py -m quick",
    ),
    Mutation(
        "a condition that fails holds",
        f"{LIB}/silver/judge/conditions.py",
        "_numbers(pc.is_null(answer))",
        "[]",
        "tests/silver/judge/test_conditions.py -m quick",
    ),
    Mutation(
        "an event is routed to the last source that its key fits",
        f"{LIB}/stream/routes.py",
        "named = next((name for name, path in keys.items()",
        "named = next((name for name, path in reversed(keys.items())",
        "tests/stream/test_routes.py -m quick",
    ),
    Mutation(
        "a line within a quoted cell is a row",
        f"{LIB}/sources/csv_records.py",
        'text[at : record.end() - 1].replace("\\n", lines.MARK)',
        "text[at : record.end() - 1]",
        "tests/sources/test_csv_records.py",
    ),
    Mutation(
        "a quote that is never closed is no failure",
        f"{LIB}/ingest/commit.py",
        "if trouble and not source.dismisses(unit.sha256):",
        "if False:",
        "tests/ingest/test_csv_files.py",
    ),
    Mutation(
        "a record's lines are counted as one",
        f"{LIB}/sources/lines.py",
        "ordinal = pc.add(ordinal, pc.subtract(pc.cumulative_sum(breaks), breaks))",
        "breaks = breaks",
        "tests/sources/test_csv_records.py",
    ),
    Mutation(
        "a column of another case goes before the exact one",
        f"{LIB}/sources/headers.py",
        "    if wanted in found:\n        return [found.index(wanted)]\n",
        "",
        "tests/sources/test_files.py",
    ),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="only mutations whose name contains this")
    wanted = [mutation for mutation in MUTATIONS if parser.parse_args().only in mutation.name]
    survived = [mutation.name for mutation in wanted if not _noticed(mutation)]
    print(f"{len(wanted) - len(survived)} of {len(wanted)} mutations turned a test red")
    return 1 if survived else 0


def _noticed(mutation: Mutation) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "saleslake"
        ignored = shutil.ignore_patterns(".git", ".venv*", "data", "__pycache__", "build", "dist", ".*_cache")
        shutil.copytree(ROOT, copy, ignore=ignored)
        file = copy / mutation.file
        text = file.read_text(encoding="utf-8")
        found = text.count(mutation.right)
        if found != 1:
            print(f"CANNOT TRY {mutation.name}: {mutation.file} has {found} times: {mutation.right}", flush=True)
            return False
        file.write_text(text.replace(mutation.right, mutation.wrong), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *mutation.tests.split()]
        done = subprocess.run(
            command, cwd=copy, env=os.environ | {"PYTHONPATH": str(copy / "lib")}, capture_output=True, text=True, check=False
        )  # fmt: skip
    red = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    verdict = "red" if done.returncode == FAILED else "SURVIVED" if done.returncode == 0 else "CANNOT TRY"
    print(
        f"{verdict}: {mutation.name}: {red[0][7:120] if red else done.stdout[-300:] + done.stderr[-300:]}", flush=True
    )
    return done.returncode == FAILED


if __name__ == "__main__":
    sys.exit(main())
