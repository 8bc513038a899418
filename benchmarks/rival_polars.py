"""Raw orders to Delta tables with Polars. A bad line makes its JSON decoder fail: orjson checks every line first."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path

import orjson
import polars as pl

from benchmarks.common import CHANNELS, SALE_COLUMNS, SALES_CURRENCY, UNKNOWN_CHANNEL, Totals, run

ITEM = pl.Struct({"sku": pl.String, "qty": pl.String, "price": pl.String})
ORDER = pl.Struct({
    "order_id": pl.String, "user_id": pl.String, "amount": pl.String, "currency": pl.String,
    "created_at": pl.String, "updated_at": pl.String,
    "items": pl.List(ITEM), "metadata": pl.Struct({"source": pl.String}),
})  # fmt: skip
MONEY = pl.Decimal(18, 4)
UNITS = pl.Decimal(18, 3)


def is_order(line: str) -> bool:
    """Whether the line is an object whose nested parts have the shape the decoder needs."""
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    if not isinstance(record, dict) or not isinstance(record.get("metadata") or {}, dict):
        return False
    items = record.get("items")
    return isinstance(items, list) and bool(items) and all(isinstance(item, dict) for item in items)


def timestamp(column: str) -> pl.Expr:
    """ISO 8601 text as UTC; null where it cannot be read."""
    return pl.col(column).str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)


def text(column: str) -> pl.Expr:
    """Trimmed; null where nothing is left."""
    trimmed = pl.col(column).str.strip_chars()
    return pl.when(trimmed != "").then(trimmed)


def channel(column: str) -> pl.Expr:
    """The channel that a spelling stands for."""
    spelling = pl.col(column).str.to_lowercase().str.replace_all("[-_ ]", "")
    known = pl.when(spelling != "").then(spelling.replace(CHANNELS))
    return known.fill_null(UNKNOWN_CHANNEL).alias("channel")


def half_up_mean(total: pl.Expr, count: pl.Expr) -> pl.Expr:
    """Total / count in ten-thousandths, half-up: the division of decimals rounds half to even."""
    units = (total * 10_000).cast(pl.Int64)
    rounded = units.sign() * ((2 * units.abs() + count) // (2 * count))
    return (rounded.cast(pl.Decimal(22, 0)) * pl.lit(Decimal("0.0001"))).cast(MONEY)


def read(source: Path) -> pl.DataFrame:
    """One row an order version whose line can be decoded, with its line number."""
    lines = pl.scan_lines(source, row_index_name="n")
    usable = pl.col("line").map_elements(is_order, return_dtype=pl.Boolean)
    return (
        lines.filter(usable)
        .select("n", pl.col("line").str.json_decode(ORDER).alias("order"))
        .unnest("order")
        .with_columns(
            text("order_id"), text("user_id"), text("currency"),
            timestamp("created_at"), timestamp("updated_at"),
            pl.col("metadata").struct.field("source"),
            pl.col("amount").cast(MONEY, strict=False).is_null().and_(pl.col("amount").is_not_null()).alias("overflow"),
            pl.int_ranges(1, pl.col("items").list.len() + 1).alias("line_number"),
        )
        .filter(
            ~pl.col("overflow"), pl.col("order_id").is_not_null(),
            pl.col("created_at").is_not_null(), pl.col("currency").is_not_null(),
        )
        .collect()
    )  # fmt: skip


def explode(orders: pl.DataFrame) -> pl.DataFrame:
    """One row a line, with `is_bad` where it spoils its order."""
    price = pl.col("price").cast(MONEY, strict=False)
    return (
        orders.explode("items", "line_number")
        .unnest("items")
        .with_columns(
            text("sku"),
            pl.col("qty").cast(UNITS, strict=False).alias("quantity"),
            price.fill_null(0).cast(MONEY).alias("unit_price"),
            (price.is_null() & pl.col("price").is_not_null()).alias("overflow"),
        )
        .with_columns((pl.col("sku").is_null() | pl.col("quantity").is_null() | pl.col("overflow")).alias("is_bad"))
    )


def build_fact(orders: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Lines of the newest version of every order."""
    latest = (
        orders.select("n", "order_id", pl.coalesce("updated_at", "created_at").alias("version"))
        .sort("version", "n")
        .unique("order_id", keep="last", maintain_order=True)
    )
    return lines.join(latest, on="n", how="semi").select(
        "order_id", pl.col("line_number").cast(pl.Int32), "user_id", "sku", "quantity", "unit_price",
        (pl.col("quantity") * pl.col("unit_price")).cast(MONEY).alias("line_amount"),
        channel("source"), "currency", pl.col("created_at").dt.date().alias("date"),
        ((pl.col("quantity") <= 0) | (pl.col("unit_price") < 0)).alias("is_return"), "created_at",
    )  # fmt: skip


def read_sales(source: Path) -> pl.DataFrame:
    """One row a transaction, with its line number and `is_bad` where it cannot be read."""
    schema = dict.fromkeys(SALE_COLUMNS, pl.String)
    rows = pl.scan_csv(source, has_header=False, skip_rows=1, schema=schema, missing_columns="insert")
    total = pl.col("total_price").cast(MONEY, strict=False)
    return (
        rows.with_row_index("n")
        .with_columns(
            text("transaction_id"),
            text("customer_id"),
            text("product_id"),
            pl.col("sale_date").str.to_date("%Y-%m-%d", strict=False).alias("date"),
            pl.col("quantity").cast(UNITS, strict=False),
            total.fill_null(0).cast(MONEY).alias("total"),
            (total.is_null() & pl.col("total_price").is_not_null()).alias("overflow"),
        )
        .with_columns(
            (
                pl.any_horizontal(pl.col("transaction_id", "date", "quantity").is_null())
                | pl.col("surplus").is_not_null()
                | pl.col("overflow")
            ).alias("is_bad")
        )
        .collect()
    )


def fact_of_sales(sales: pl.DataFrame) -> pl.DataFrame:
    """One line a transaction, its last row; the columns of `build_fact`."""
    latest = sales.sort("n").unique("transaction_id", keep="last", maintain_order=True)
    price = (pl.col("total") / pl.col("quantity")).cast(MONEY)
    return latest.select(
        pl.col("transaction_id").alias("order_id"), pl.lit(1, pl.Int32).alias("line_number"),
        pl.col("customer_id").alias("user_id"), pl.col("product_id").alias("sku"), "quantity",
        price.alias("unit_price"), pl.col("total").alias("line_amount"), channel("sales_channel"),
        pl.lit(SALES_CURRENCY).alias("currency"), "date", ((pl.col("quantity") <= 0) | (price < 0)).alias("is_return"),
        pl.col("date").cast(pl.Datetime("us", "UTC")).alias("created_at"),
    )  # fmt: skip


def metrics(fact: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The three metrics by table name."""
    amount, is_return = pl.col("line_amount"), pl.col("is_return")
    net, units = amount.sum().cast(MONEY).alias("net"), pl.col("quantity").sum().cast(UNITS).alias("units")
    revenue = fact.group_by("date", "sku", "currency").agg(
        amount.filter(~is_return).sum().cast(MONEY).alias("gross"),
        amount.filter(is_return).sum().cast(MONEY).alias("returns"),
        net,
        units,
    )
    channels = (
        fact.group_by("date", "channel", "currency")
        .agg(
            pl.col("order_id").n_unique().cast(pl.Int64).alias("orders"),
            pl.col("user_id").drop_nulls().n_unique().cast(pl.Int64).alias("customers"),
            units,
            net,
        )
        .with_columns(half_up_mean(pl.col("net"), pl.col("orders")).alias("average_order_value"))
    )
    orders, days = pl.col("orders"), (pl.col("last_purchase") - pl.col("first_purchase")).dt.total_seconds() / 86_400
    frequency = (
        fact.filter(pl.col("user_id").is_not_null())
        .group_by("user_id")
        .agg(
            pl.col("order_id").n_unique().cast(pl.Int64).alias("orders"),
            pl.col("created_at").min().alias("first_purchase"),
            pl.col("created_at").max().alias("last_purchase"),
        )
        .with_columns(
            pl.when(orders > 1).then(days / (orders - 1)).alias("mean_days_between"),
            (orders / pl.max_horizontal(days, pl.lit(1.0)) * 30).alias("orders_per_30_days"),
            (orders > 1).alias("is_repeat_buyer"),
        )
    )
    return {"product_revenue": revenue, "channel_performance": channels, "customer_purchase_frequency": frequency}


def work(source: Path, output: Path) -> Totals:
    """Read, clean, write the fact and the three metrics; return the totals."""
    records = pl.scan_lines(source / "orders.jsonl").select(pl.len()).collect().item()
    readable = read(source / "orders.jsonl")
    lines = explode(readable)
    orders = readable.drop("items").join(lines.filter("is_bad"), on="n", how="anti")
    all_sales = read_sales(source / "transactions.csv")
    sales = all_sales.filter(~pl.col("is_bad"))
    fact = pl.concat([build_fact(orders, lines), fact_of_sales(sales)])
    fact.drop("created_at").write_delta(
        output / "fact_sales", mode="overwrite", delta_write_options={"partition_by": ["date"]}
    )
    for name, table in metrics(fact).items():
        table.write_delta(output / name, mode="overwrite")
    net = fact.group_by("currency").agg(pl.col("line_amount").sum()).sort("currency").rows()
    return Totals(
        records + all_sales.height, records - orders.height + all_sales.height - sales.height,
        fact.height, fact["order_id"].n_unique(), str(fact["quantity"].sum()),
        {currency: str(amount) for currency, amount in net},
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(run("polars", work))
