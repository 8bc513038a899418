"""Raw orders to Delta tables with pandas: a loop over the lines, int64 arithmetic, pyarrow and deltalake to write."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd  # type: ignore[import-untyped]
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import write_deltalake

from benchmarks.common import CHANNELS, SALE_COLUMNS, SALES_CURRENCY, UNKNOWN_CHANNEL, Totals, run

HEADER = ["n", "order_id", "user_id", "currency", "created_at", "updated_at", "source", "amount"]
LINE = ["n", "line_number", "sku", "qty", "price"]
FACT = [
    "order_id", "line_number", "user_id", "sku", "quantity", "unit_price", "line_amount",
    "channel", "currency", "date", "is_return",
]  # fmt: skip
OVERFLOW = 10**14
"""First number that DECIMAL(18,4) does not hold."""

Integers = npt.NDArray[np.int64]


def read(source: Path) -> tuple[int, pd.DataFrame, pd.DataFrame]:
    """Count the lines; orders and their items as text, with the line they come from."""
    orders: list[tuple[Any, ...]] = []
    lines: list[tuple[Any, ...]] = []
    n = 0
    with source.open(encoding="utf-8") as file:
        for n, line in enumerate(file, start=1):
            try:
                record = json.loads(line, parse_float=str, parse_int=str)  # numbers stay exact
            except ValueError:
                continue
            items = record.get("items") if isinstance(record, dict) else None
            if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
                continue
            names = ("order_id", "user_id", "currency", "created_at", "updated_at")
            source_name = (record.get("metadata") or {}).get("source")
            orders.append((n, *(record.get(name) for name in names), source_name, record.get("amount")))
            for number, item in enumerate(items, start=1):
                lines.append((n, number, item.get("sku"), item.get("qty"), item.get("price")))
    return n, pd.DataFrame(orders, columns=HEADER), pd.DataFrame(lines, columns=LINE)


def text(column: pd.Series) -> pd.Series:
    """Trimmed; null where nothing is left."""
    return column.str.strip().replace("", None)


def timestamp(column: pd.Series) -> pd.Series:
    """ISO 8601 text in UTC, null where it cannot be read. Not pd.to_datetime: its nanoseconds end in 2262."""
    parsed = pc.strptime(pa.array(column, pa.string()), format="%Y-%m-%dT%H:%M:%SZ", unit="s", error_is_null=True)
    return pd.Series(parsed.to_numpy(zero_copy_only=False).astype("datetime64[s]"), index=column.index)


def number(column: pd.Series) -> pd.Series:
    """Text as a number, null where it is none or does not fit. Floats only hold it until it is scaled to an integer."""
    strings = column.where(column.map(lambda value: isinstance(value, str)))
    values = pd.to_numeric(strings, errors="coerce")
    return values.where(values.abs() < OVERFLOW)


def channel(column: pd.Series) -> pd.Series:
    """The channels that spellings stand for."""
    spelling = column.str.lower().str.replace("[-_ ]", "", regex=True)
    return spelling.replace(CHANNELS).replace("", None).fillna(UNKNOWN_CHANNEL)


def scaled(column: pd.Series, places: int) -> pd.Series:
    """A number as an integer count of 10^-places."""
    return (column * 10**places).round().astype("int64")


def clean(orders: pd.DataFrame, lines: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Typed columns, without the orders that are not valid and their lines."""
    for name in ("order_id", "user_id", "currency"):
        orders[name] = text(orders[name])
    for name in ("created_at", "updated_at"):
        orders[name] = timestamp(orders[name])
    lines["sku"] = text(lines["sku"])
    quantity, price = number(lines["qty"]), number(lines["price"])
    bad_line = lines["sku"].isna() | quantity.isna() | (price.isna() & lines["price"].notna())
    has_overflow = number(orders["amount"]).isna() & orders["amount"].notna()
    complete = orders[["order_id", "currency", "created_at"]].notna().all(axis=1)
    valid = orders[complete & ~has_overflow & ~orders["n"].isin(lines.loc[bad_line, "n"])]
    lines = lines.assign(quantity=quantity, price=price.fillna(0))[lines["n"].isin(valid["n"])]
    lines = lines.assign(quantity=scaled(lines["quantity"], 3), unit_price=scaled(lines["price"], 4))
    return valid, lines[["n", "line_number", "sku", "quantity", "unit_price"]]


def build_fact(valid: pd.DataFrame, lines: pd.DataFrame) -> pd.DataFrame:
    """Lines of the newest version of every order; quantity in thousandths, money in ten-thousandths."""
    version = valid["updated_at"].fillna(valid["created_at"])
    latest = valid.assign(version=version).sort_values(["version", "n"]).drop_duplicates("order_id", keep="last")
    latest = latest.assign(
        channel=channel(latest["source"]),
        date=latest["created_at"].dt.normalize(),
    )
    header = ["n", "order_id", "user_id", "channel", "currency", "date", "created_at"]
    fact = lines.merge(latest[header], on="n", how="inner")
    product = fact["quantity"] * fact["unit_price"]
    return fact.assign(
        line_amount=np.sign(product) * ((product.abs() + 500) // 1000),
        is_return=(fact["quantity"] <= 0) | (fact["unit_price"] < 0),
    )


def read_sales(source: Path) -> tuple[int, pd.DataFrame]:
    """Count the transactions; those that are valid, typed."""
    sales = pd.read_csv(source, header=None, names=SALE_COLUMNS, skiprows=1, dtype="object")
    for name in ("transaction_id", "customer_id", "product_id"):
        sales[name] = text(sales[name])
    quantity, total = number(sales["quantity"]), number(sales["total_price"])
    dates = pd.to_datetime(sales["sale_date"], format="%Y-%m-%d", errors="coerce").astype("datetime64[s]")
    bad_total = total.isna() & sales["total_price"].notna()
    complete = sales["transaction_id"].notna() & dates.notna() & quantity.notna() & sales["surplus"].isna()
    typed = sales.assign(date=dates, quantity=quantity, total=total.fillna(0))[complete & ~bad_total]
    return len(sales), typed.assign(quantity=scaled(typed["quantity"], 3), total=scaled(typed["total"], 4))


def fact_of_sales(sales: pd.DataFrame) -> pd.DataFrame:
    """One line a transaction, its last row; the columns of `build_fact`."""
    latest = sales.drop_duplicates("transaction_id", keep="last")
    unit_price = latest["total"] * 1000 // latest["quantity"]
    return pd.DataFrame({
        "order_id": latest["transaction_id"], "line_number": 1, "user_id": latest["customer_id"],
        "sku": latest["product_id"], "quantity": latest["quantity"], "unit_price": unit_price,
        "line_amount": latest["total"], "channel": channel(latest["sales_channel"]), "currency": SALES_CURRENCY,
        "date": latest["date"], "created_at": latest["date"],
        "is_return": (latest["quantity"] <= 0) | (unit_price < 0),
    })  # fmt: skip


def metrics(fact: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The three metrics by table name, in the fact's integer units."""
    fact = fact.assign(
        gross=fact["line_amount"].where(~fact["is_return"], 0), returns=fact["line_amount"].where(fact["is_return"], 0)
    )
    revenue = fact.groupby(["date", "sku", "currency"], as_index=False).agg(
        gross=("gross", "sum"), returns=("returns", "sum"), net=("line_amount", "sum"), units=("quantity", "sum")
    )
    channels = fact.groupby(["date", "channel", "currency"], as_index=False).agg(
        orders=("order_id", "nunique"),
        customers=("user_id", "nunique"),
        units=("quantity", "sum"),
        net=("line_amount", "sum"),
    )
    half_up = (2 * channels["net"].abs() + channels["orders"]) // (2 * channels["orders"])
    channels["average_order_value"] = np.sign(channels["net"]) * half_up
    frequency = fact.groupby("user_id", as_index=False).agg(
        orders=("order_id", "nunique"), first_purchase=("created_at", "min"), last_purchase=("created_at", "max")
    )
    orders = frequency["orders"]
    days = (frequency["last_purchase"] - frequency["first_purchase"]).dt.total_seconds() / 86_400
    frequency["mean_days_between"] = (days / (orders - 1)).where(orders > 1)
    frequency["orders_per_30_days"] = orders / days.clip(lower=1) * 30
    frequency["is_repeat_buyer"] = orders > 1
    return {"product_revenue": revenue, "channel_performance": channels, "customer_purchase_frequency": frequency}


MONEY = ("unit_price", "line_amount", "gross", "returns", "net", "average_order_value")
UNITS = ("quantity", "units")


def to_arrow(frame: pd.DataFrame) -> pa.Table:
    """The frame with its integer units as decimals and its dates as dates."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    for position, name in enumerate(table.column_names):
        if name in MONEY or name in UNITS:
            places = 4 if name in MONEY else 3
            column = _decimals(table[name], places)
        elif name == "line_number":
            column = table[name].cast(pa.int32())
        elif name == "date":
            column = table[name].cast(pa.date32())
        elif name in ("first_purchase", "last_purchase"):
            column = table[name].cast(pa.timestamp("us", tz="UTC"))
        else:
            continue
        table = table.set_column(position, name, column)
    return table


def _decimals(integers: pa.ChunkedArray, places: int) -> pa.ChunkedArray:
    unit = pa.scalar(Decimal(1).scaleb(-places), pa.decimal128(places + 1, places))
    return pc.multiply(integers.cast(pa.decimal128(19, 0)), unit).cast(pa.decimal128(18, places))


def work(source: Path, output: Path) -> Totals:
    """Read, clean, write the fact and the three metrics; return the totals."""
    records, orders, lines = read(source / "orders.jsonl")
    valid, lines = clean(orders, lines)
    all_sales, sales = read_sales(source / "transactions.csv")
    fact = pd.concat([build_fact(valid, lines), fact_of_sales(sales)], ignore_index=True)
    table = to_arrow(fact[FACT])
    write_deltalake(str(output / "fact_sales"), table, mode="overwrite", partition_by=["date"])
    for name, metric in metrics(fact).items():
        write_deltalake(str(output / name), to_arrow(metric), mode="overwrite")
    net = fact.groupby("currency")["line_amount"].sum()
    return Totals(
        records + all_sales, records - len(valid) + all_sales - len(sales), len(fact), fact["order_id"].nunique(),
        str(Decimal(int(fact["quantity"].sum())).scaleb(-3)),
        {currency: str(Decimal(int(amount)).scaleb(-4)) for currency, amount in net.items()},
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(run("pandas", work))
