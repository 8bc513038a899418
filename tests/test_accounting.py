"""verify finds what is wrong, and names it; on lakehouses that the batch and the stream have filled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from saleslake import bronze
from saleslake.accounting import prove_entity, verify
from saleslake.gold import fact_sales
from saleslake.ingest.window import Window
from saleslake.lake import Lake
from saleslake.pipeline import Batch
from saleslake.silver import orders, quarantine
from saleslake.silver.registry import ENTITIES
from saleslake.table import Table
from tests.lakes import Sample


def rows(lake: Lake, table: Table, condition: str = "true") -> pa.Table:
    """The rows of a table, in the order of their record ids."""
    return lake.query(f"select * from t where {condition} order by record_id", t=table).to_arrow_table()


def _delete(lake: Lake, table: Table, row: pa.Table) -> None:
    DeltaTable(lake.path(table)).delete(f"record_id = '{row.column('record_id')[0].as_py()}'")


def _append(lake: Lake, table: Table, row: pa.Table, **changed: str) -> None:
    (content,) = row.to_pylist()
    write_deltalake(lake.path(table), pa.Table.from_pylist([content | changed], schema=row.schema), mode="append")


def _damage(lake: Lake, landed: Table) -> dict[str, set[str]]:
    """Five records of orders come to harm, each in another way. What verify must say: the damage and the record's id."""
    applied, rejected = rows(lake, orders.TABLE), rows(lake, quarantine.TABLE, "entity = 'orders'")
    lost, both, other = (applied.slice(at, 1) for at in (1, 2, 4))
    twice = rows(lake, landed, f"record_id = '{other.column('record_id')[0].as_py()}'")
    dropped = rejected.slice(0, 1)
    _delete(lake, orders.TABLE, lost)
    _delete(lake, quarantine.TABLE, dropped)
    _append(lake, landed, twice)
    _append(lake, orders.TABLE, applied.slice(3, 1), order_id="from nowhere", record_id="nowhere#1")
    _append(lake, quarantine.TABLE, dropped, record_id=both.column("record_id")[0].as_py())
    ids = {
        "should be applied, is not": lost,
        "should be in quarantine, is not": dropped,
        "landed twice under one id": twice,
        "in more than one state": both,
    }
    named = {what: set(row.column("record_id").to_pylist()) for what, row in ids.items()}
    return named | {"stored, but never landed": {"nowhere#1"}}


@pytest.fixture(params=["batch", "stream"])
def filled(request: pytest.FixtureRequest, spark: SparkSession) -> tuple[Lake, Table]:
    """A lakehouse that somebody may damage, and where its orders landed."""
    if request.param == "stream":
        return request.getfixturevalue("streamed"), bronze.table_of(bronze.EVENTS)
    sample: Sample = request.getfixturevalue("sample")
    return sample.lake(), bronze.table_of("orders_api")


def test_each_damage_is_named_with_the_record_that_came_to_harm(filled: tuple[Lake, Table]) -> None:
    lake, landed = filled
    assert all(proof.adds_up for proof in prove_entity(lake, ENTITIES["orders"]))
    wanted = _damage(lake, landed)
    found: dict[str, set[str]] = {}
    for proof in prove_entity(lake, ENTITIES["orders"]):
        assert proof.adds_up is not bool(proof.wrong)
        for what, ids in proof.wrong.items():
            found.setdefault(what, set()).update(ids)
    assert found == wanted


def test_gold_is_compared_row_for_row_with_what_silver_says(sample: Sample) -> None:
    lake = sample.lake()
    (order_id,) = rows(lake, fact_sales.TABLE).slice(0, 1).column("order_id").to_pylist()
    edited = DeltaTable(lake.path(fact_sales.TABLE))
    edited.update(predicate=f"order_id = '{order_id}'", updates={"quantity": "quantity + 1"})
    proof = verify(lake)
    assert all(source.adds_up for source in proof.sources), "silver is as it was"
    assert not proof.holds
    assert all(order_id in key for key in proof.gold["gold.fact_sales"])
    assert {name for name, differing in proof.gold.items() if differing} == {"gold.fact_sales"}


def test_what_a_rule_discards_is_part_of_the_quarantined_and_stands_there_as_such(
    make_lake: Callable[[str], Lake], tmp_path: Path
) -> None:
    source = '[sources.s]\nentity = "users"\nformat = "csv"\npath = "in"\n'
    own = '[[rules.users.custom]]\nname = "test_user"\ncondition = "email not like \'%@test\'"\nseverity = "{}"\n'
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "u.csv").write_text("user_id,email\nA,a@b\nB,b@test\n,c@d\n,d@test\nE,\n")
    lake = make_lake(source + own.format("discard"))
    batch = Batch(lake)
    batch.land(["s"], Window())
    batch.silver()
    (outcome,) = batch.summary.outcomes.values()
    assert (outcome.applied, outcome.quarantined, outcome.discarded, outcome.open) == (2, 3, 2, 1)
    assert (outcome.reasons, outcome.discards) == ({"key_missing": 1}, {"test_user": 2})
    (proof,) = prove_entity(lake, ENTITIES["users"])
    assert proof.adds_up
    assert (proof.landed, proof.applied, proof.quarantined, proof.discarded) == (5, 2, 3, 2)
    (other,) = prove_entity(make_lake(source + own.format("error")), ENTITIES["users"])
    ((what, ids),) = other.wrong.items()
    assert (what, len(ids)) == ("should be quarantined, is discarded", 2)
