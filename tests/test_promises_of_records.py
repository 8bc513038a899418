"""Breadth: hundreds of little histories, read, judged and ranked at once for each entity, against the oracle."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from saleslake import bronze
from saleslake.engine.interface import Frame
from saleslake.lake import Lake
from saleslake.publish import decisions
from saleslake.silver.registry import ENTITIES
from tests import histories, oracle
from tests.comparing import CHANNELS, as_rows, assert_same

HISTORIES = 300 * int(os.environ.get("SALESLAKE_EXAMPLES", "1"))
SEED = int(os.environ.get("SALESLAKE_SEED", "20240301"))
START = datetime(2024, 4, 1, tzinfo=UTC)

FORMATS = {"orders": "jsonl", "transactions": "csv", "users": "csv", "products": "csv", "stock": "csv"}
VERSIONS = {"transactions": "updated_at", "users": "created_at"}
LENIENT = {
    "orders": {
        "line_invalid": "warn",
        "refund_invalid": "warn",
        "refund_without_lines": "error",
        "items_empty": "warn",
        "price_unreadable": "warn",
        "user_missing": "error",
        "currency_unreadable": "discard",
        "zero_price": "error",
        "amount_mismatch": "error",
    },
    "transactions": {
        "extra_fields": "warn",
        "short_fields": "error",
        "price_unreadable": "warn",
        "product_missing": "discard",
        "sale_date_unreadable": "discard",
    },
    "products": {"price_unreadable": "warn", "price_missing": "error"},
}

LATE = datetime(2024, 3, 4, tzinfo=UTC)
OWN = {
    "orders": (
        oracle.OwnRule(
            "many_units",
            "discard",
            "list_sum([x.quantity for x in items]) <= 3",
            lambda row: sum(line["quantity"] for line in row["items"]) <= 3 if row["items"] else None,
        ),
        oracle.OwnRule(
            "odd_amount", "warn", "amount % 1 = 0", lambda row: None if row["amount"] is None else row["amount"] % 1 == 0
        ),
        oracle.OwnRule(
            "late", "error", "created_at < '2024-03-04'", lambda row: row["created_at"] and row["created_at"] < LATE
        ),
    ),
    "transactions": (
        oracle.OwnRule(
            "long_id", "error", "length(transaction_id) < 6", lambda row: row["transaction_id"] and len(row["transaction_id"]) < 6
        ),
    ),
}  # fmt: skip
STATES = {"insert": "applied", "quarantined": "quarantined", "duplicate": "duplicate", "superseded": "superseded"}


def generated(entity: str, seeded: int) -> list[list[histories.Version]]:
    """Histories by Hypothesis, not run one by one: all of them are judged at once."""
    found: list[list[histories.Version]] = []

    @seed(seeded)
    @settings(
        max_examples=HISTORIES,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(histories.history(entity, "KEY"))
    def collect(history: list[histories.Version]) -> None:
        found.append(history)

    collect()
    return found


def landed(entity: str, source: str, found: list[list[histories.Version]]) -> list[oracle.Landed]:
    """The histories as landed records, each under a key of its own; every other version of one lands at the same moment."""
    names = [name for name, _ in next(v.cells for h in found for v in h if v.cells)] if entity != "orders" else []
    records = []
    for n, history in enumerate(found):
        for place, version in enumerate(history):
            raw = (
                version.text if entity == "orders" else histories.csv_line(dict(version.cells), names, version.mangled)
            )
            file = f"{n:05d}-{place // 2}.x"
            records.append(
                oracle.Landed(
                    record_id=f"{source}/run/{file}#{place}",
                    source=source,
                    raw=raw.replace("KEY", f"k{n}"),
                    header=",".join(names) or None,
                    file=file,
                    ordinal=place,
                    landed_at=START + timedelta(seconds=place // 2),
                )
            )
    return records


def staged(lake: Lake, records: list[oracle.Landed]) -> Frame:
    """The records as a frame like bronze's."""
    rows = [
        {
            "kind": "record",
            "unit": r.record_id.rpartition("#")[0],
            "file": r.file,
            "source": r.source,
            "run_id": "run",
            "raw": r.raw,
            "header": r.header,
            "defect": None,
            "ordinal": r.ordinal,
            "landed_at": r.landed_at,
        }
        for r in records
    ]
    text = [(n, pa.string()) for n in ("kind", "unit", "file", "source", "run_id", "raw", "header", "defect")]
    schema = pa.schema([*text, ("ordinal", pa.int64()), ("landed_at", pa.timestamp("us", tz="UTC"))])
    return bronze.with_identity(lake, lake.engine.rows(pa.Table.from_pylist(rows, schema)))


@pytest.mark.parametrize("rules", ["default", "lenient"])
@pytest.mark.parametrize("entity", list(FORMATS))
def test_every_record_of_hundreds_of_histories_ends_as_the_design_says(
    entity: str, rules: str, make_lake: Callable[[str], Lake]
) -> None:
    zone = "Europe/Berlin" if rules == "lenient" else "UTC"
    version = VERSIONS.get(entity, "") if rules == "lenient" else ""
    severities = LENIENT.get(entity, {}) if rules == "lenient" else {}
    lines = [f'[sources.src]\nentity = "{entity}"\nformat = "{FORMATS[entity]}"\npath = "in"\ntime_zone = "{zone}"']
    feed = oracle.Feed(entity, FORMATS[entity], version=version, time_zone=zone, has_refunds=entity == "orders")
    lines += [f'version = "{version}"'] if version else []
    lines += feed.mapping
    own = OWN.get(entity, ()) if rules == "lenient" else ()
    lines += [f"[rules.{entity}]", *[f'{name} = "{kind}"' for name, kind in severities.items()], "[channels]"]
    lines += [f'{spelling} = "{name}"' for spelling, name in CHANNELS.items()]
    for rule in own:
        lines += [f"[[rules.{entity}.custom]]", f'name = "{rule.name}"', f'severity = "{rule.severity}"']
        lines += [f'condition = "{rule.condition}"']
    lake = make_lake("\n".join(lines))
    setup = oracle.Setup({"src": feed}, {entity: severities}, CHANNELS, own={entity: own})
    records = landed(entity, "src", generated(entity, SEED + len(rules)))

    table, engine = ENTITIES[entity].table, lake.engine
    with engine.judged("src", staged(lake, records)) as frame:
        decided = decisions(engine, table, frame, None)
        rows = engine.fetch(engine.sql("SELECT record_id, action, discarded_by FROM d", d=decided)).to_pylist()
        judged = as_rows(engine.fetch(frame))
    states = {row["record_id"]: "discarded" if row["discarded_by"] else STATES[row["action"]] for row in rows}
    assert len(states) == len(rows), "a record is in two states"

    expected = oracle.decide(records, setup)
    raws = {r.record_id: r.raw for r in records}
    wrong = {i: (expected.states[i], states.get(i)) for i in expected.states if states.get(i) != expected.states[i]}
    if wrong:
        pytest.fail(
            _shown({i: f"should be {should}, is {is_}" for i, (should, is_) in wrong.items()}, raws), pytrace=False
        )
    assert states.keys() == expected.states.keys()
    reasons = {r["record_id"]: (r["reasons"], r["discarded_by"]) for r in judged if r["reasons"]}
    should = {r["record_id"]: (r["reasons"], r["discarded_by"]) for r in expected.tables["silver.quarantine"]}
    odd = [i for i in should if should[i] != reasons[i]]
    if odd:
        pytest.fail(_shown({i: f"should be {should[i]}, is {reasons[i]}" for i in odd}, raws), pytrace=False)
    applied = [row for row in judged if states[row["record_id"]] == "applied"]
    assert_same(f"silver.{entity}", applied, expected.tables[f"silver.{entity}"])
    assert {"applied", "duplicate", "superseded", "quarantined"} <= set(states.values()), (
        "the histories became too tame"
    )


def _shown(wrong: dict[str, str], raws: dict[str, str]) -> str:
    """The shortest records of each kind of mistake, and how to run this again."""
    kinds: dict[str, list[str]] = {}
    for i, what in wrong.items():
        kinds.setdefault(what, []).append(raws[i])
    shown = [
        f"{what} ({len(texts)} records): {text}"
        for what, texts in kinds.items()
        for text in sorted(set(texts), key=len)[:4]
    ]
    return "\n".join([f"again: SALESLAKE_SEED={SEED} SALESLAKE_EXAMPLES={HISTORIES // 300}", *shown])
