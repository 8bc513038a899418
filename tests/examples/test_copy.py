"""The files of the example postgres_copy are what a real server's COPY writes."""

from __future__ import annotations

import psycopg
import pytest

from tests.examples.test_exported_files import COPY_CSV, COPY_TEXT

TABLES = r"""
create table orders (order_id int, customer_id int, created_at timestamptz, updated_at timestamptz, currency text,
    amount numeric(10, 2), state text);
create table lines (order_id int, line int, sku text, quantity int, price numeric(10, 2));
create table sales (id int, sold_at timestamptz, updated_at timestamptz, sku text, customer_id int, quantity int,
    total numeric(10, 2), currency text, note text);
insert into orders values
    (1, 7, '2025-03-01 00:30+01', '2025-03-01 09:00+01', 'EUR', 30, 'paid'),
    (2, null, '2025-03-02 10:00+01', null, 'EUR', 12.5, null),
    (3, 8, '2025-03-02 11:00+01', '2025-03-02 12:00+01', 'EUR', 5, 'cancelled');
insert into lines values (1, 1, 'A, big', 2, 12.5), (1, 2, 'B', 1, 5), (2, 1, 'A, big', 1, 12.5), (3, 1, 'B', 1, 5);
insert into sales values
    (10, '2025-03-01 09:00:00.123456Z', '2025-03-01 09:00Z', 'A', null, 2, 25, 'EUR', E'two\nlines, a\ttab'),
    (11, '2025-03-01 10:00Z', '2025-03-01 10:00Z', E'dir\\B', 9, 1, 5, 'EUR', E'"quoted" \\'),
    (12, '2025-03-02 00:00Z', '2025-03-02 00:00Z', 'A', 9, -1, -12.5, 'EUR', null);
"""
ORDERS = """copy (select o.*, (select json_agg(json_build_object('sku', sku, 'qty', quantity, 'price', price) order by line)
    from lines l where l.order_id = o.order_id) as items from orders o order by 1) to stdout with (format csv, header)"""


def copied(connection: psycopg.Connection, statement: str) -> str:
    with connection.cursor().copy(statement.encode()) as parts:
        return b"".join(map(bytes, parts)).decode()


def test_a_real_server_writes_these_files(database: str) -> None:
    with psycopg.connect(database) as connection:
        if connection.info.server_version < 150000:
            pytest.skip("PostgreSQL writes a header in its text format from version 15 on")
        connection.execute(TABLES.encode())
        connection.execute("set timezone = 'Europe/Berlin'")
        assert copied(connection, ORDERS) == COPY_CSV
        connection.execute("set timezone = 'UTC'")
        assert copied(connection, "copy sales to stdout with (header)") == COPY_TEXT
