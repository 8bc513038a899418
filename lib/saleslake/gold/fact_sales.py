"""gold.fact_sales: one row a line sold or returned, of orders and of transactions."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from saleslake.config import Settings
from saleslake.engine.interface import Engine
from saleslake.engine.prelude import ORDER_LINES_SPARK
from saleslake.engine.sql import on_spark, text_beside
from saleslake.gold import catalogue
from saleslake.gold.gold_table import Frames, GoldTable, Input
from saleslake.gold.unknown import or_unknown
from saleslake.silver import orders, products, transactions
from saleslake.table import BOOLEAN, DATE, INT, MONEY, NAMES, QUANTITY, STRING, TIMESTAMP, Column, Table

TABLE = Table(
    layer="gold",
    name="fact_sales",
    grain="one row a line of an order, or a sales transaction",
    keys=("source_system", "order_id", "line_number", "line_file"),
    columns=(
        Column("source_system", STRING, "orders or transactions", nullable=False),
        Column(
            "order_id",
            STRING,
            "order, or transaction: its key, or its id where the source is keyed by line",
            nullable=False,
        ),
        Column(
            "line_number",
            INT,
            "line of the order; 1 for a transaction; line of the file where a source is keyed by line",
            nullable=False,
        ),
        Column(
            "line_file",
            STRING,
            "file of a source keyed by line, whose order ids may repeat over files; else empty",
            nullable=False,
        ),
        Column(
            "purchase_id",
            STRING,
            "what was bought at once: the order, or a transaction's order where that is known",
            nullable=False,
        ),
        Column("user_id", STRING, "dim_user", nullable=False),
        Column("sku", STRING, "dim_product", nullable=False),
        Column("quantity", QUANTITY, "units; negative where returned", nullable=False),
        Column("unit_price", MONEY, "price of one unit, in currency, or line_amount / quantity; NULL: unpriced"),
        Column("line_amount", MONEY, "revenue of the line, in currency; NULL: unpriced, out of revenue"),
        Column("channel", STRING, "sales channel", nullable=False),
        Column("currency", STRING, "ISO 4217", nullable=False),
        Column("is_return", BOOLEAN, "quantity <= 0, or a price or total < 0: out of gross, in net", nullable=False),
        Column(
            "is_refund",
            BOOLEAN,
            "a return that a refund of the order tells, dated by the refund: no purchase",
            nullable=False,
        ),
        Column("flags", NAMES, "price_missing, catalogue_price, base_price, unpriced; sorted", nullable=False),
        Column("created_at", TIMESTAMP, "when it was sold, or paid back where it is a refund, UTC", nullable=False),
        Column("date", DATE, "date of created_at, UTC; dim_date", nullable=False),
        Column("record_id", STRING, "bronze record it comes from", nullable=False),
    ),
    partition_by=("date",),
    constraints={
        "date_of_sale": "date = CAST(created_at AS DATE)",
        "priced_or_flagged": "line_amount IS NOT NULL OR array_contains(flags, 'unpriced')",
    },
)

SQL = text_beside(__file__)
"""Inputs: order_lines, transactions, catalogue (of it sku, price and price_currency), pricing."""

PRICING = {rule: f"SELECT '{rule}' AS missing_item_price" for rule in ("zero", "catalogue")}
"""The input `pricing`, a query, by `gold.missing_item_price`. As a constant, so that planning for `zero` leaves the catalogue out of the orders' lines."""

DEPENDS_ON_PRICES = ("price_missing", "catalogue_price", "base_price", "unpriced")
"""Flags of lines that another catalogue price would change."""

TRANSACTION_KEY = {
    "order_id": "CASE WHEN keyed_by_line THEN transaction_id ELSE transaction_key END",
    "line_number": "CAST(CASE WHEN keyed_by_line THEN ordinal ELSE 1 END AS INT)",
    "line_file": "CASE WHEN keyed_by_line THEN file ELSE '' END",
}
"""The key of a transaction's line, of a row of silver.transactions, as SQL has it; SQL that Spark and DuckDB both read."""


def build(orders_: DataFrame, transactions_: DataFrame, prices: DataFrame, missing_item_price: str) -> DataFrame:
    """Sales alone, what `is_sale` says. Grain in: silver.orders, silver.transactions, catalogue prices by sku (sku, price, price_currency). Grain out: line.

    `missing_item_price`: `zero` or `catalogue`, for lines of orders without a price.
    """
    inputs: dict[str, DataFrame | str] = {
        "order_lines": on_spark(ORDER_LINES_SPARK, {"orders": orders_}),
        "transactions": transactions_,
        "catalogue": prices,
        "pricing": f"({PRICING[missing_item_price]})",
    }
    return on_spark(SQL, inputs).select(*TABLE.select())


def order_lines(orders_: DataFrame) -> DataFrame:
    """Grain in: silver.orders. Grain out: (order_id, line_number); an order without lines has no row.

    Columns: those of TABLE that follow from the order alone, `given_price` and `given_amount` (MONEY, NULL where the record gives
    none). The lines of a refund are of its day.
    """
    refunded_at = F.col("refunded_at")
    return on_spark(ORDER_LINES_SPARK, {"orders": orders_}).select(
        F.lit("orders").alias("source_system"),
        "order_id",
        F.col("order_id").alias("purchase_id"),
        F.lit("").alias("line_file"),
        or_unknown(F.col("user_id")).alias("user_id"),
        "channel",
        "currency",
        F.coalesce(refunded_at, "created_at").alias("created_at"),
        F.coalesce(refunded_at.cast(DATE), "date").alias("date"),
        "record_id",
        "line_number",
        "sku",
        "quantity",
        "given_price",
        "given_amount",
        refunded_at.isNotNull().alias("is_refund"),
    )


def _made(engine: Engine, settings: Settings, frames: Frames) -> Frames:
    return {
        "order_lines": engine.order_lines(frames["orders"]),
        "transactions": frames["transactions"],
        "catalogue": catalogue.of(engine, settings, frames),
        "pricing": engine.sql(PRICING[settings.gold.missing_item_price]),
    }


_AT_CATALOGUE = " OR ".join(f"has_any(s.flags, tags('{flag}'))" for flag in DEPENDS_ON_PRICES)

GOLD = GoldTable(
    TABLE,
    SQL,
    (
        Input(orders.TABLE, {"source_system": "'orders'", "order_id": "order_id"}),
        Input(transactions.TABLE, {"source_system": "'transactions'", "order_id": TRANSACTION_KEY["order_id"]}),
        # Another price concerns the lines that have theirs from the catalogue, or would have.
        Input(
            products.TABLE,
            concerns=f"SELECT DISTINCT s.source_system, s.order_id FROM stored s SEMI JOIN change c ON s.sku = c.sku WHERE {_AT_CATALOGUE}",
        ),
    ),
    scope=("source_system", "order_id"),
    made=_made,
    references={"user_id": "gold.dim_user", "sku": "gold.dim_product", "date": "gold.dim_date"},
)
