"""What the judge makes of thousands of odd records, frozen: a change of meaning shows itself, record by record.

Frozen when the judge in plain Python took the place of Spark's expressions, after both had judged 100,000 of these side by side.
A change that is meant is frozen anew by `python -m tests.silver.judge.test_frozen`, raises `fingerprint._JUDGE`, and stands in the
changelog.
"""

from __future__ import annotations

import gzip
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from saleslake.entry import open_settings
from saleslake.silver.judge.batches import judged_rows
from tests.conftest import write_config
from tests.silver.judge.records import CONFIG, Text, records

FROZEN = Path(__file__).with_name("frozen.jsonl.gz")
_SEED, _COUNT = 20261126, 4_000
_LEFT_OUT = {"raw", "header", "source", "record_id", "content_hash", "landed_at", "file", "ordinal", "run_id"}


def judgements(folder: Path) -> Iterator[dict[str, Any]]:
    """Of each record: its number, its source, and what the judge makes of it, what is empty left out."""
    settings = open_settings(str(write_config(folder, CONFIG)))
    of_source: dict[str, list[tuple[int, Text]]] = defaultdict(list)
    for number, record in enumerate(records(_SEED, _COUNT)):
        of_source[record.source].append((number, record))
    for source, numbered in of_source.items():
        judged = judged_rows(_bronze(source, numbered), source, settings)
        for (number, _), row in zip(numbered, judged.to_pylist(), strict=True):
            told = {name: value for name, value in row.items() if name not in _LEFT_OUT and value not in (None, [])}
            yield {"n": number, "source": source} | json.loads(json.dumps(told, default=str))


def _bronze(source: str, numbered: list[tuple[int, Text]]) -> pa.Table:
    count = len(numbered)
    texts = {
        name: pa.array([getattr(t, name) for _, t in numbered], pa.string()) for name in ("raw", "header", "defect")
    }
    constant = {"source": source, "file": "f", "run_id": "r", "content_hash": "h"}
    columns = {name: pa.repeat(pa.scalar(value, pa.string()), count) for name, value in constant.items()}
    return pa.table(
        columns
        | texts
        | {
            "record_id": pa.array([f"u#{number}" for number, _ in numbered]),
            "ordinal": pa.array([number for number, _ in numbered], pa.int64()),
            "landed_at": pa.nulls(count, pa.timestamp("us", tz="UTC")),
        }
    )


def test_what_the_judge_makes_of_odd_records_stays(tmp_path: Path) -> None:
    with gzip.open(FROZEN, "rt", encoding="utf-8") as file:
        frozen = [json.loads(line) for line in file]
    found = list(judgements(tmp_path))
    changed = [(before, now) for before, now in zip(frozen, found, strict=True) if before != now]
    assert not changed, f"{len(changed)} of {len(found)} records: {changed[:3]}"


def test_the_records_break_every_rule_and_many_break_none(tmp_path: Path) -> None:
    from saleslake.silver.registry import ENTITIES

    broken = {name for row in judgements(tmp_path) for name in (*row.get("reasons", ()), *row.get("warnings", ()))}
    assert broken == {rule.name for entity in ENTITIES.values() for rule in entity.rules}
    assert sum("reasons" not in row for row in judgements(tmp_path)) > _COUNT / 5


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        lines = [json.dumps(each, ensure_ascii=False, sort_keys=True) for each in judgements(Path(made))]
    FROZEN.write_bytes(gzip.compress("\n".join(lines).encode() + b"\n", mtime=0))
