"""Raw orders to Delta tables with DuckDB: typed JSON reading, SQL, and deltalake to write."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
from deltalake import write_deltalake

from benchmarks.common import CHANNELS, SALE_COLUMNS, SALES_CURRENCY, UNKNOWN_CHANNEL, Totals, run

# Lines first, JSON second: at a million lines read_ndjson(ignore_errors) turned 98 sound neighbours of broken ones into NULLs.
RAW = """
CREATE TEMP TABLE raw AS
SELECT n, unnest(record) FROM (
    SELECT row_number() OVER () AS n, json_transform(TRY_CAST(line AS JSON), '{
        "order_id": "VARCHAR", "user_id": "VARCHAR", "amount": "VARCHAR", "currency": "VARCHAR",
        "created_at": "VARCHAR", "updated_at": "VARCHAR",
        "items": [{"sku": "VARCHAR", "qty": "VARCHAR", "price": "VARCHAR"}],
        "metadata": {"source": "VARCHAR"}}') AS record
    FROM read_csv($path, columns = {line: 'VARCHAR'}, delim = '\x01', quote = '', escape = '', header = false)
    WHERE trim(line) <> ''
)
"""

VALID = """
CREATE TEMP VIEW valid AS
SELECT
    n, trim(order_id) AS order_id, nullif(trim(user_id), '') AS user_id, trim(currency) AS currency, items,
    TRY_CAST(created_at AS TIMESTAMP) AS created_at,
    coalesce(TRY_CAST(updated_at AS TIMESTAMP), TRY_CAST(created_at AS TIMESTAMP)) AS version,
    regexp_replace(lower(metadata.source), '[-_ ]', '', 'g') AS spelling
FROM raw
WHERE trim(order_id) <> '' AND trim(currency) <> ''
    AND TRY_CAST(created_at AS TIMESTAMP) IS NOT NULL
    AND (amount IS NULL OR TRY_CAST(amount AS DECIMAL(18, 4)) IS NOT NULL)
    AND len(items) > 0
    AND len(list_filter(items, lambda i:
        i IS NULL OR coalesce(trim(i.sku), '') = ''
        OR TRY_CAST(i.qty AS DECIMAL(18, 3)) IS NULL
        OR (i.price IS NOT NULL AND TRY_CAST(i.price AS DECIMAL(18, 4)) IS NULL))) = 0
"""

FACT = """
CREATE TEMP TABLE fact AS
WITH latest AS (
    SELECT * FROM valid QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY version DESC, n DESC) = 1
), line AS (
    SELECT * EXCLUDE items, unnest(items) AS item, CAST(generate_subscripts(items, 1) AS INTEGER) AS line_number
    FROM latest
), typed AS (
    SELECT *,
        CAST(item.qty AS DECIMAL(18, 3)) AS quantity,
        CAST(coalesce(item.price, '0') AS DECIMAL(18, 4)) AS unit_price
    FROM line
)
SELECT
    order_id, line_number, user_id, trim(item.sku) AS sku, quantity, unit_price,
    CAST(quantity * unit_price AS DECIMAL(18, 4)) AS line_amount,
    coalesce(name, nullif(spelling, ''), $unknown) AS channel, currency,
    CAST(created_at AS DATE) AS date, quantity <= 0 OR unit_price < 0 AS is_return, created_at
FROM typed LEFT JOIN channels USING (spelling)
"""

RAW_SALES = f"""
CREATE TEMP TABLE raw_sales AS
SELECT row_number() OVER () AS n, * FROM read_csv(
    $path, columns = {{ {", ".join(f"{name}: 'VARCHAR'" for name in SALE_COLUMNS)} }}, delim = ',', quote = '"', escape = '"',
    header = false, skip = 1, null_padding = true, auto_detect = false)
"""

VALID_SALES = """
CREATE TEMP VIEW valid_sales AS
SELECT
    n, trim(transaction_id) AS order_id, nullif(trim(customer_id), '') AS user_id, trim(product_id) AS sku,
    CAST(quantity AS DECIMAL(18, 3)) AS quantity, CAST(coalesce(nullif(total_price, ''), '0') AS DECIMAL(18, 4)) AS total,
    CAST(sale_date AS DATE) AS date, regexp_replace(lower(sales_channel), '[-_ ]', '', 'g') AS spelling
FROM raw_sales
WHERE trim(transaction_id) <> '' AND surplus IS NULL
    AND TRY_CAST(sale_date AS DATE) IS NOT NULL
    AND TRY_CAST(quantity AS DECIMAL(18, 3)) IS NOT NULL
    AND TRY_CAST(coalesce(nullif(total_price, ''), '0') AS DECIMAL(18, 4)) IS NOT NULL
"""

FACT_OF_SALES = """
INSERT INTO fact
WITH latest AS (
    SELECT *, CAST(total / quantity AS DECIMAL(18, 4)) AS unit_price
    FROM valid_sales QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY n DESC) = 1
)
SELECT
    order_id, 1, user_id, sku, quantity, unit_price, total, coalesce(name, nullif(spelling, ''), $unknown), $currency,
    date, quantity <= 0 OR unit_price < 0, CAST(date AS TIMESTAMP)
FROM latest LEFT JOIN channels USING (spelling)
"""

TABLES = {
    "fact_sales": "SELECT * EXCLUDE created_at FROM fact",
    "product_revenue": """
        SELECT date, sku, currency,
            CAST(coalesce(sum(line_amount) FILTER (NOT is_return), 0) AS DECIMAL(18, 4)) AS gross,
            CAST(coalesce(sum(line_amount) FILTER (is_return), 0) AS DECIMAL(18, 4)) AS returns,
            CAST(sum(line_amount) AS DECIMAL(18, 4)) AS net,
            CAST(sum(quantity) AS DECIMAL(18, 3)) AS units
        FROM fact GROUP BY ALL""",
    "channel_performance": """
        WITH total AS (
            SELECT date, channel, currency,
                count(DISTINCT order_id) AS orders,
                count(DISTINCT user_id) AS customers,
                CAST(sum(quantity) AS DECIMAL(18, 3)) AS units,
                CAST(sum(line_amount) AS DECIMAL(18, 4)) AS net
            FROM fact GROUP BY ALL
        ), doubled AS (  -- DECIMAL / BIGINT is a DOUBLE: half-up in ten-thousandths needs integers
            SELECT *, CAST(net * 20000 AS HUGEINT) AS twice FROM total
        )
        SELECT date, channel, currency, orders, customers, units, net,
            CAST(CAST(sign(twice) * ((abs(twice) + orders) // (2 * orders)) AS DECIMAL(22, 0))
                * CAST(0.0001 AS DECIMAL(5, 4)) AS DECIMAL(18, 4)) AS average_order_value
        FROM doubled""",
    "customer_purchase_frequency": """
        WITH purchase AS (SELECT DISTINCT user_id, order_id, created_at FROM fact WHERE user_id IS NOT NULL),
        span AS (
            SELECT user_id, count(*) AS orders, min(created_at) AS first_purchase, max(created_at) AS last_purchase,
                epoch(max(created_at) - min(created_at)) / 86400 AS days
            FROM purchase GROUP BY user_id
        )
        SELECT user_id, orders,
            timezone('UTC', first_purchase) AS first_purchase, timezone('UTC', last_purchase) AS last_purchase,
            CASE WHEN orders > 1 THEN days / (orders - 1) END AS mean_days_between,
            orders / greatest(1, days) * 30 AS orders_per_30_days,
            orders > 1 AS is_repeat_buyer
        FROM span""",
}


def work(source: Path, output: Path) -> Totals:
    """Read, clean, write the fact and the three metrics; return the totals."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("CREATE TEMP TABLE channels (spelling VARCHAR, name VARCHAR)")
    connection.executemany("INSERT INTO channels VALUES (?, ?)", list(CHANNELS.items()))
    connection.execute(RAW, {"path": str(source / "orders.jsonl")})
    connection.execute(VALID)
    connection.execute(FACT, {"unknown": UNKNOWN_CHANNEL})
    connection.execute(RAW_SALES, {"path": str(source / "transactions.csv")})
    connection.execute(VALID_SALES)
    connection.execute(FACT_OF_SALES, {"unknown": UNKNOWN_CHANNEL, "currency": SALES_CURRENCY})
    for name, query in TABLES.items():
        reader = connection.sql(query).to_arrow_reader(100_000)
        partitions = ["date"] if name == "fact_sales" else None
        write_deltalake(str(output / name), reader, mode="overwrite", partition_by=partitions)
    return _totals(connection)


def _totals(connection: duckdb.DuckDBPyConnection) -> Totals:
    records, valid = connection.sql("""
        SELECT (SELECT count(*) FROM raw) + (SELECT count(*) FROM raw_sales),
            (SELECT count(*) FROM valid) + (SELECT count(*) FROM valid_sales)""").fetchall()[0]
    rows, orders, units = connection.sql(
        "SELECT count(*), count(DISTINCT order_id), sum(quantity) FROM fact"
    ).fetchall()[0]
    net = connection.sql("SELECT currency, sum(line_amount) FROM fact GROUP BY 1 ORDER BY 1").fetchall()
    return Totals(
        records, records - valid, rows, orders, str(units), {currency: str(amount) for currency, amount in net}
    )


if __name__ == "__main__":
    sys.exit(run("duckdb", work))
