"""No NULL of any input meets a column that takes none: every combination of fields that are null or not there, through all layers."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from saleslake import bronze
from saleslake.accounting import verify
from saleslake.gold import sales_by_minute, star
from saleslake.ingest.window import Window
from saleslake.lake import Lake
from saleslake.pipeline import Batch
from saleslake.silver import quarantine
from saleslake.silver.registry import ENTITIES
from saleslake.table import Table
from tests import frames
from tests.comparing import stored
from tests.stream_support import CONFIG

AT = "2024-05-01T10:00:00Z"
WHOLE: dict[str, dict[str, Any]] = {
    "orders": {"order_id": "O", "user_id": "u", "amount": 20, "currency": "EUR", "created_at": AT, "updated_at": AT,
               "source": "web", "promo": "p", "items": [{"sku": "a", "qty": 2, "price": 10}]},
    "transactions": {"transaction_id": "T", "customer_id": "c", "product_id": "a", "sale_date": AT, "quantity": 2,
                     "total_price": 5, "unit_price": 3, "sales_channel": "web", "currency": "EUR", "updated_at": AT},
    "users": {"user_id": "u", "email": "e", "created_at": AT, "country": "DE", "updated_at": AT},
    "products": {"sku": "a", "name": "n", "category": "c", "manufacturer": "m", "price": 9, "currency": "EUR",
                 "updated_at": AT},
    "stock": {"product_id": "a", "on_hand": 5, "counted_at": AT},
}  # fmt: skip
LINES = [
    [dict(zip(("sku", "qty", "price"), values, strict=True))]
    for values in itertools.product(("a", None), (2, None), (10, None))
] + [[None], [], None]
SOURCES = "".join(
    f'[sources.{entity}_{format_}]\nentity = "{entity}"\nformat = "{format_}"\npath = "in/{entity}.{format_}"\n'
    for entity in WHOLE
    for format_ in ("jsonl", "csv")
)


def _records(entity: str) -> Iterator[dict[str, Any]]:
    """Every subset of the entity's fields set to null, each record under a key of its own where it keeps one."""
    whole = WHOLE[entity]
    key = next(iter(whole))
    for n, gone in enumerate(itertools.product((False, True), repeat=len(whole))):
        record = {name: None if out else value for (name, value), out in zip(whole.items(), gone, strict=True)}
        yield record | ({} if record[key] is None else {key: f"{record[key]}{n}"})
    for n, items in enumerate(LINES if entity == "orders" else []):
        yield whole | {key: f"L{n}", "items": items}


def _json(record: dict[str, Any], n: int) -> str:
    """Every other record leaves out what is null; the others say so."""
    said = {name: value for name, value in record.items() if n % 2 or value is not None}
    if "order_id" in record:
        said["metadata"] = {name: said.pop(name) for name in ("source", "promo") if name in said} or None
    return json.dumps(said)


def _write(folder: Path, entity: str) -> int:
    records = list(_records(entity))
    folder.mkdir(exist_ok=True)
    (folder / f"{entity}.jsonl").write_text("".join(f"{_json(r, n)}\n" for n, r in enumerate(records)))
    text = io.StringIO()
    names = list(records[0])
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["order_source" if name == "source" else name for name in names])
    for record in records:
        cells = {
            name: value if name != "items" or value is None else json.dumps(value) for name, value in record.items()
        }
        writer.writerow(["" if cells[name] is None else cells[name] for name in names])
    (folder / f"{entity}.csv").write_text(text.getvalue())
    return 2 * len(records)


def test_every_combination_of_nulls_ends_in_the_tables_or_in_quarantine(
    make_any_lake: Callable[[str], Lake],
) -> None:
    lake = make_any_lake(SOURCES)
    written = sum(_write(lake.settings.root / "in", entity) for entity in WHOLE)
    summary = Batch(lake).run(Window())
    assert not summary.failures
    proof = verify(lake)
    assert proof.holds, proof
    assert sum(source.landed for source in proof.sources) == written
    described: list[Table] = [*(e.table for e in ENTITIES.values()), quarantine.TABLE, *star.TABLES.values()]
    for table in described:
        found = stored(lake, table)
        assert found or table in (sales_by_minute.TABLE,), table.full_name
        never = [column.name for column in table.columns if not column.nullable]
        assert not [row for row in found if any(row[name] is None for name in never)], table.full_name
    for row in stored(lake, quarantine.TABLE):
        assert len(row["reasons"]) == len(row["details"]), row


def test_every_combination_of_nulls_of_a_bronze_row_has_a_place_in_silver_or_quarantine(
    make_lake: Callable[[str], Lake],
) -> None:
    """Also of those that no version of ours writes: each nullable column of bronze that a record's meaning hangs on."""
    lake = make_lake(CONFIG)
    table = bronze.table_of(bronze.EVENTS)
    raws = ['{"order_id": "O", "created_at": "' + AT + '", "currency": "EUR", "items": [{"sku": "a", "qty": 1}]}', None]
    header = "transaction_id,sale_date,quantity"
    rows = []
    for raw, head, hash_, defect in itertools.product(
        raws, (header, None), ("h", None), ("empty_message", "undecodable", None)
    ):
        at = datetime(2024, 5, 1, tzinfo=UTC)
        n = len(rows)
        rows.append(("record", f"r{n}", raw, head, hash_, "s", "f", n, at, "run", defect, None, at.date()))
    names = [column.name for column in table.columns]
    given = lake.engine.rows(frames.table(table, [dict(zip(names, row, strict=True)) for row in rows]))
    for source in lake.settings.sources:
        entity = ENTITIES[lake.settings.sources[source].entity]
        with lake.engine.judged(source, given) as judged:
            found = lake.engine.fetch(judged).to_pylist()
        assert len(found) == len(rows)
        rejected = [row for row in found if row["reasons"]]
        _has_no_null(rejected, quarantine.TABLE, source, ("entity", "first_seen"))
        _has_no_null([row for row in found if not row["reasons"]], entity.table, source)
        for row in rejected:
            assert len(row["reasons"]) == len(row["details"]), row


def _has_no_null(rows: list[dict[str, Any]], table: Table, source: str, but: tuple[str, ...] = ()) -> None:
    never = [column.name for column in table.columns if not column.nullable and column.name not in but]
    for row in rows:
        assert not [name for name in never if row[name] is None], (source, row)
