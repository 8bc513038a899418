"""What the judge makes of hundreds of odd records, beside what the oracle of the promises makes of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from decimal import ROUND_HALF_UP, localcontext
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from saleslake.config import Settings
from tests import histories, oracle
from tests.comparing import CHANNELS
from tests.silver_support import Record, judge
from tests.test_promises_of_records import FORMATS, LENIENT, VERSIONS

EXAMPLES = 300 * int(os.environ.get("SALESLAKE_EXAMPLES", "1"))
SEED = int(os.environ.get("SALESLAKE_SEED", "20240301"))
MAPPED = {"has_status": ("orders", "transactions"), "has_totals": ("orders",), "has_orders": ("transactions",)}
"""What of the fields that have to be mapped is, under two of the dialects."""
DIALECTS: dict[str, dict[str, str]] = {
    "usual": {},
    "German": {"decimal": ",", "thousands": "."},
    "English": {"thousands": ","},
    "French": {"decimal": ",", "thousands": "\u202f"},
    "point": {"decimal": "."},
}


def versions(entity: str, seeded: int) -> list[histories.Version]:
    found: list[histories.Version] = []

    @seed(seeded)
    @settings(
        max_examples=EXAMPLES,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(histories.ENTITIES[entity]("k1"))
    def collect(version: histories.Version) -> None:
        found.append(version)

    collect()
    return found


def records(entity: str, found: list[histories.Version]) -> list[Record]:
    if entity == "orders":
        return [Record(version.text) for version in found]
    names = [name for name, _ in found[0].cells]
    return [Record(histories.csv_line(dict(v.cells), names, v.mangled), ",".join(names)) for v in found]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("entity", FORMATS)
def test_a_record_is_judged_as_the_promises_say(
    entity: str, dialect: str, make_settings: Callable[[str], Settings]
) -> None:
    zone, version = ("Europe/Berlin", VERSIONS.get(entity, "")) if dialect == "German" else ("UTC", "")
    own = {"time_zone": zone} | ({"version": version} if version else {}) | DIALECTS[dialect]
    lines = ["[sources.s]", f'entity = "{entity}"', f'format = "{FORMATS[entity]}"', 'path = "x"']
    lines += [f'{name} = "{value}"' for name, value in own.items()]
    mapped = {name: entity in of for name, of in MAPPED.items()} if dialect in ("usual", "German") else {}
    feed = oracle.Feed(entity, FORMATS[entity], version=version, time_zone=zone, **DIALECTS[dialect], **mapped)
    lines += feed.mapping
    severities = LENIENT.get(entity, {}) if dialect in ("German", "point") else {}
    lines += [f"[rules.{entity}]", *(f'{name} = "{severity}"' for name, severity in severities.items())]
    lines += ["[channels]", *(f'{spelling} = "{name}"' for spelling, name in CHANNELS.items())]
    setup = oracle.Setup({"s": feed}, {entity: severities}, CHANNELS)

    given_ = records(entity, versions(entity, SEED + list(DIALECTS).index(dialect)))
    rows = judge(make_settings("\n".join(lines)), given_).to_pylist()
    wrong: dict[str, str] = {}
    told: Counter[str] = Counter()
    with localcontext() as context:
        context.prec, context.rounding = 90, ROUND_HALF_UP
        for n, (record, row) in enumerate(zip(given_, rows, strict=True), 1):
            landed = oracle.Landed(f"u#{n}", "s", record.raw, record.header, "f.txt", n, row["landed_at"])
            expected = oracle.judge(landed, setup)
            told.update([*expected.reasons, *expected.warnings])
            should: dict[str, Any] = {"reasons": expected.reasons}
            if expected.reasons != ["unreadable"]:
                should["warnings"] = expected.warnings
            if not expected.reasons:
                should |= {name: value for name, value in expected.row.items() if not name.startswith("_")}
            different = {name: (row[name], value) for name, value in should.items() if row[name] != value}
            if different:
                wrong[record.raw] = f"is, should be: {different}"
    shown = sorted(wrong.items(), key=lambda each: len(each[0]))[:5]
    assert not wrong, "\n".join([f"{len(wrong)} of {len(rows)}", *(f"{raw}\n  {what}" for raw, what in shown)])
    assert len(told) >= 5, told
