"""gold.dim_user: one row a user; customers of transactions and users of orders are the same people."""

from __future__ import annotations

from pyspark.sql import DataFrame

from saleslake.engine.sql import on_spark, text_beside
from saleslake.gold import dim_order, fact_sales
from saleslake.gold.gold_table import GoldTable, Input
from saleslake.gold.unknown import UNKNOWN
from saleslake.silver import users
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

SQL = text_beside(__file__)
"""Inputs: users, fact_sales, dim_order; of the last two `user_id` alone."""


GOLD = GoldTable(
    TABLE,
    SQL,
    (
        Input(users.TABLE, {"user_id": "user_id"}),
        Input(fact_sales.TABLE, {"user_id": "user_id"}),
        Input(dim_order.TABLE, {"user_id": "user_id"}),
    ),
    scope=("user_id",),
    always=f"SELECT '{UNKNOWN}' AS user_id",
)


def build(users_: DataFrame, users_in_facts: DataFrame) -> DataFrame:
    """Grain in: silver.users; `users_in_facts` (user_id), may repeat. Grain out: user."""
    inputs = {"users": users_, "fact_sales": users_in_facts, "dim_order": users_in_facts.where("FALSE")}
    return on_spark(SQL, inputs).select(*TABLE.select())
