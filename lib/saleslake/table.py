"""What a table is: name, grain, keys, schema with comments, partitioning and the invariants that never bend.

One module describes one table with one `Table`; everything that creates, reads, writes, checks or
documents tables works from these descriptions, so a new column touches one module.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Literal

import pyarrow as pa
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from saleslake.machine import cores

Layer = Literal["bronze", "silver", "gold"]

MONEY = T.DecimalType(18, 4)
"""Amounts of money; half-up."""
QUANTITY = T.DecimalType(18, 3)
TOTAL = T.DecimalType(38, 4)
"""Sums of money: Spark widens SUM(DECIMAL(18,4)) to 28 digits; kept at 38 so that no sum overflows."""
STRING, TIMESTAMP, DATE, LONG, INT = T.StringType(), T.TimestampType(), T.DateType(), T.LongType(), T.IntegerType()
BOOLEAN = T.BooleanType()
NAMES = T.ArrayType(T.StringType())


def date_literals(dates: Iterable[date]) -> str:
    """Dates as SQL. As Python values they would go through `strftime`, which writes the year 24 as `24`."""
    return ", ".join(f"DATE'{d.isoformat()}'" for d in sorted(dates))


@dataclass(frozen=True)
class Column:
    """One column: type, what it holds (with its unit), and whether it may be null."""

    name: str
    type: T.DataType
    comment: str
    nullable: bool = True


@dataclass(frozen=True)
class Table:
    """One Delta table. `constraints` are CHECKs that Delta enforces at every write."""

    layer: Layer
    name: str
    grain: str
    keys: tuple[str, ...]
    columns: tuple[Column, ...]
    partition_by: tuple[str, ...] = ()
    constraints: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    statistics: tuple[str, ...] = ()
    """Columns beside the keys that files are pruned by."""

    @property
    def full_name(self) -> str:
        return f"{self.layer}.{self.name}"

    @property
    def comment(self) -> str:
        return f"{self.full_name}: {self.grain}"

    @property
    def configuration(self) -> dict[str, str]:
        """Delta's table properties: our own, the constraints, and which columns get statistics.

        Set when the table is made: one commit, and no scan as ALTER TABLE ADD CONSTRAINT would need.
        """
        # Files are pruned by partition and looked up by key; statistics on all other columns cost a tenth of a write.
        skipping = [name for name in (*self.keys, *self.statistics) if name not in self.partition_by]
        return {
            **self.properties,
            **{f"delta.constraints.{name}": condition for name, condition in self.constraints.items()},
            "delta.dataSkippingStatsColumns": ",".join(skipping),
            # Spark's default, and a tenth of delta-rs': who opens a table replays its log from the last checkpoint on.
            "delta.checkpointInterval": "10",
        }

    @property
    def same_key(self) -> str:
        """The condition of a MERGE of rows `s` into the table `t`."""
        return " AND ".join(f"t.{key} = s.{key}" for key in self.keys)

    @property
    def schema(self) -> T.StructType:
        return T.StructType([T.StructField(c.name, c.type, c.nullable, {"comment": c.comment}) for c in self.columns])

    @property
    def arrow_schema(self) -> pa.Schema:
        """The same as Arrow has it."""
        return to_arrow_schema(self.schema, timezone="UTC")

    @property
    def column_names(self) -> list[str]:
        return [c.name for c in self.columns]

    def laid_out(self, rows: DataFrame) -> DataFrame:
        """Rows as they are best written: one file a partition, a task a core; without partitions one file.

        Without a number Spark would merge the tasks of little data into one.
        """
        return rows.repartition(cores(), *self.partition_by) if self.partition_by else rows.coalesce(1)

    def select(self) -> list[SparkColumn]:
        """The schema contract: every column, in order, cast to its type. The end of every transform."""
        return self._contract

    @cached_property
    def _contract(self) -> list[SparkColumn]:
        # Each column is four calls to the JVM, and a micro-batch asks a dozen tables.
        return [F.col(c.name).cast(c.type).alias(c.name) for c in self.columns]
