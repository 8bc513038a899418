"""gold.fact_sales: one row a line sold or returned, of orders and of transactions."""

from __future__ import annotations

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from saleslake.gold.unknown import or_unknown
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
    whole=("source_system", "order_id"),
    constraints={
        "date_of_sale": "date = CAST(created_at AS DATE)",
        "priced_or_flagged": "line_amount IS NOT NULL OR array_contains(flags, 'unpriced')",
    },
)

DEPENDS_ON_PRICES = ("price_missing", "catalogue_price", "base_price", "unpriced")
"""Flags of lines that another catalogue price would change."""


def build(orders: DataFrame, transactions: DataFrame, prices: DataFrame, missing_item_price: str) -> DataFrame:
    """Sales alone, what `is_sale` says. Grain in: silver.orders, silver.transactions, catalogue prices by sku (sku, price, price_currency). Grain out: line.

    `missing_item_price`: `zero` or `catalogue`, for lines of orders without a price.
    """
    if missing_item_price == "catalogue":
        from_orders = _lines_at_catalogue_price(order_lines(orders), prices)
    else:
        from_orders = order_lines(orders).select("*", *_priced(F.lit(None).cast(MONEY), "price_missing"))
    return from_orders.select(*TABLE.select()).unionByName(_sales(transactions, prices))


def order_lines(orders: DataFrame) -> DataFrame:
    """Grain in: silver.orders. Grain out: (order_id, line_number); an order without lines has no row.

    Columns: those of TABLE that follow from the order alone, `given_price` and `given_amount` (MONEY, NULL where the record gives
    none). The lines of a refund are of its day.
    """
    refunded_at = F.col("refunded_at")
    # The generator's output is what the plan reads from silver: only these columns, not the whole order.
    return (
        orders.where("is_sale")
        .select(
            F.lit("orders").alias("source_system"),
            "order_id",
            F.col("order_id").alias("purchase_id"),
            F.lit("").alias("line_file"),
            or_unknown(F.col("user_id")).alias("user_id"),
            "channel",
            "currency",
            "created_at",
            "date",
            "record_id",
            F.inline("items"),
        )
        .withColumnsRenamed({"unit_price": "given_price", "amount": "given_amount"})
        .withColumns(
            {
                "created_at": F.coalesce(refunded_at, "created_at"),
                "date": F.coalesce(refunded_at.cast(DATE), "date"),
                "is_refund": refunded_at.isNotNull(),
            }
        )
        .drop("refunded_at")
    )


def _priced(catalogue_price: SparkColumn, flag: str) -> list[SparkColumn]:
    given, quantity = F.col("given_amount"), F.col("quantity")
    assumed = F.coalesce(catalogue_price, F.lit(0).cast(MONEY))
    price = F.coalesce("given_price", _per_unit(given, quantity), F.when(given.isNull(), assumed))
    amount = F.coalesce(given, (quantity * assumed).try_cast(MONEY))
    return [
        price.alias("unit_price"),
        amount.alias("line_amount"),
        ((quantity <= 0) | F.coalesce(price < 0, F.lit(False)) | (amount < 0)).alias("is_return"),
        F.when(given.isNull(), F.array(F.lit(flag))).otherwise(F.array().cast(NAMES)).alias("flags"),
    ]


def _per_unit(amount: SparkColumn, quantity: SparkColumn) -> SparkColumn:
    # Scale 14 is what Spark keeps of this quotient; the cast rounds half-up to the scale of money.
    return F.when(quantity != 0, (amount / quantity).try_cast(MONEY))


def _lines_at_catalogue_price(lines: DataFrame, prices: DataFrame) -> DataFrame:
    usable = _with_price(lines, prices)
    fits = F.col("base_price").isNotNull() & (F.col("quantity") * F.col("base_price")).try_cast(MONEY).isNotNull()
    base = F.when(fits, F.col("base_price"))
    priced = usable.select("*", *_priced(base, "price_missing"))
    flags = F.when(F.col("given_amount").isNull() & base.isNotNull(), F.array(F.lit("catalogue_price"))).otherwise(
        F.col("flags")
    )
    return priced.withColumn("flags", flags)


def _with_price(lines: DataFrame, prices: DataFrame) -> DataFrame:
    """Adds base_price: the catalogue's, where it is in the line's currency or in none that is known."""
    catalogue = prices.select("sku", F.col("price").alias("_price"), F.col("price_currency").alias("_currency"))
    same_currency = F.col("_currency").isNull() | (F.col("_currency") == F.col("currency"))
    joined = lines.join(catalogue, "sku", how="left")
    return joined.withColumn("base_price", F.when(same_currency, F.col("_price"))).drop("_price", "_currency")


TRANSACTION_KEY = {
    "order_id": "CASE WHEN keyed_by_line THEN transaction_id ELSE transaction_key END",
    "line_number": "CAST(CASE WHEN keyed_by_line THEN ordinal ELSE 1 END AS INT)",
    "line_file": "CASE WHEN keyed_by_line THEN file ELSE '' END",
}
"""The key of a transaction's line, of a row of silver.transactions; SQL that Spark and DuckDB both read."""


def _sales(transactions: DataFrame, prices: DataFrame) -> DataFrame:
    lines = transactions.where("is_sale").select(
        F.lit("transactions").alias("source_system"),
        F.coalesce("order_id", "transaction_id").alias("purchase_id"),
        *[F.expr(sql).alias(name) for name, sql in TRANSACTION_KEY.items()],
        or_unknown(F.col("customer_id")).alias("user_id"),
        or_unknown(F.col("product_id")).alias("sku"),
        "quantity",
        F.col("amount").alias("given_amount"),
        F.col("unit_price").alias("mapped_price"),
        "channel",
        "currency",
        F.col("sale_date").alias("created_at"),
        "date",
        "record_id",
    )
    quantity, given, mapped = F.col("quantity"), F.col("given_amount"), F.col("mapped_price")
    at_base = F.when(given.isNull(), (quantity * F.col("base_price")).try_cast(MONEY))
    amount = F.coalesce(given, at_base)
    price = F.coalesce(mapped, _per_unit(given, quantity), F.when(at_base.isNotNull(), F.col("base_price")))
    flag = F.when(at_base.isNotNull(), F.array(F.lit("base_price"))).when(amount.isNull(), F.array(F.lit("unpriced")))
    negative = F.coalesce(given < 0, F.lit(False)) | F.coalesce(price < 0, F.lit(False))
    return (
        _with_price(lines, prices)
        .withColumns(
            {
                "unit_price": price,
                "line_amount": amount,
                "is_return": (quantity <= 0) | negative,
                "is_refund": F.lit(False),
                "flags": F.coalesce(flag, F.array().cast(NAMES)),
            }
        )
        .select(*TABLE.select())
    )
