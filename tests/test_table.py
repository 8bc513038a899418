"""Table descriptions: the schema contract, and what every table of the lakehouse must say of itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from chispa import assert_df_equality
from delta.tables import DeltaTable
from deltalake import DeltaTable as StandaloneTable
from pyspark.sql import SparkSession
from pyspark.sql import types as T

from saleslake import bronze, first_commit
from saleslake.gold.star import TABLES
from saleslake.silver import quarantine
from saleslake.silver.registry import ENTITIES
from saleslake.table import LONG, MONEY, STRING, Column, Table

EVERY = [*TABLES.values(), *(entity.table for entity in ENTITIES.values()), quarantine.TABLE, bronze.table_of("s")]
SMALL = Table(
    "gold",
    "small",
    "one row an id",
    ("id",),
    (Column("id", LONG, "key", nullable=False), Column("price", MONEY, "in EUR"), Column("name", STRING, "")),
)


def test_a_schema_carries_types_comments_and_nullability() -> None:
    assert SMALL.schema == T.StructType(
        [
            T.StructField("id", LONG, False, {"comment": "key"}),
            T.StructField("price", MONEY, True, {"comment": "in EUR"}),
            T.StructField("name", STRING, True, {"comment": ""}),
        ]
    )
    assert (SMALL.full_name, SMALL.column_names) == ("gold.small", ["id", "price", "name"])


def test_select_leaves_every_column_in_order_and_type_and_no_other(spark: SparkSession) -> None:
    given = spark.createDataFrame([("x", 1.00005, 7, True)], "name string, price double, id int, more boolean")
    expected = spark.sql("select 7L as id, 1.0001BD as price, 'x' as name").select("id", "price", "name")
    expected = expected.withColumn("price", expected["price"].cast(MONEY))
    assert_df_equality(given.select(*SMALL.select()), expected, ignore_nullable=True)


@pytest.mark.parametrize("table", EVERY, ids=lambda table: table.full_name)
def test_every_table_has_a_grain_keys_that_are_there_and_comments(table: Table) -> None:
    columns = {column.name: column for column in table.columns}
    assert len(columns) == len(table.columns)
    assert table.grain
    assert table.keys
    assert all(not columns[key].nullable for key in table.keys)
    assert set(table.partition_by) <= columns.keys()
    assert all(column.comment for column in table.columns)


def test_no_two_tables_share_a_name() -> None:
    assert len({table.full_name for table in EVERY}) == len(EVERY)


@pytest.mark.parametrize("table", EVERY, ids=lambda table: table.full_name)
def test_every_constraint_is_a_condition_over_the_table(table: Table, spark: SparkSession) -> None:
    empty = spark.createDataFrame([], table.schema)
    for condition in table.constraints.values():
        assert empty.selectExpr(f"({condition}) AS holds").schema["holds"].dataType == T.BooleanType()


@pytest.mark.parametrize("table", EVERY, ids=lambda table: table.full_name)
def test_the_first_commit_describes_the_table_as_sparks_own_builder_does(
    table: Table, spark: SparkSession, tmp_path: Path
) -> None:
    first_commit.write(table, str(tmp_path / "ours"), "saleslake test")
    ours = DeltaTable.forPath(spark, str(tmp_path / "ours")).detail().collect()[0].asDict()
    builder = DeltaTable.create(spark).location(str(tmp_path / "theirs")).addColumns(table.schema)
    builder = builder.comment(table.comment).partitionedBy(*table.partition_by)
    for name, value in table.configuration.items():
        builder = builder.property(name, value)
    theirs = builder.execute().detail().collect()[0].asDict()
    for name in ("description", "partitionColumns", "properties", "numFiles", "minReaderVersion"):
        assert ours[name] == theirs[name], name
    assert set(theirs["tableFeatures"]) <= set(ours["tableFeatures"])
    schemas = [json.loads(StandaloneTable(tmp_path / who).schema().to_json()) for who in ("ours", "theirs")]
    assert schemas[0] == schemas[1]


def test_the_first_commit_leaves_a_table_that_is_there_alone(tmp_path: Path) -> None:
    first_commit.write(SMALL, str(tmp_path), "one")
    log = tmp_path / "_delta_log"
    before = (log / f"{0:020d}.json").read_text()
    first_commit.write(SMALL, str(tmp_path), "two")
    assert (log / f"{0:020d}.json").read_text() == before
    assert [path.name for path in log.iterdir()] == [f"{0:020d}.json"]
