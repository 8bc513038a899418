"""gold.dim_user: one row a user; customers of transactions and users of orders are the same people."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from saleslake.gold.unknown import UNKNOWN
from saleslake.table import BOOLEAN, STRING, TIMESTAMP, Column, Table

TABLE = Table(
    layer="gold",
    name="dim_user",
    grain="one row a user: registered, or seen only in facts; and the unknown user",
    keys=("user_id",),
    columns=(
        Column(
            "user_id", STRING, "key; (unknown) is the member that sales without a customer refer to", nullable=False
        ),
        Column("email", STRING, "as given"),
        Column("created_at", TIMESTAMP, "when the account was made, UTC"),
        Column("country", STRING, "as given"),
        Column("is_inferred", BOOLEAN, "no users file knows it; the row holds what facts tell", nullable=False),
    ),
    constraints={"key_given": "user_id <> ''"},
)


def build(users: DataFrame, users_in_facts: DataFrame) -> DataFrame:
    """Grain in: silver.users; `users_in_facts` (user_id), may repeat. Grain out: user."""
    known = users.where(F.col("user_id") != UNKNOWN).select(
        "user_id", "email", "created_at", "country", F.lit(False).alias("is_inferred")
    )
    inferred = users_in_facts.where(F.col("user_id") != UNKNOWN).distinct().join(known, "user_id", how="left_anti")
    member = known.sparkSession.range(1).select(F.lit(UNKNOWN).alias("user_id"))
    bare = inferred.select("user_id").unionByName(member).withColumn("is_inferred", F.lit(True))
    return known.unionByName(bare, allowMissingColumns=True).select(*TABLE.select())
