"""Which tables are served outside the lakehouse: gold, all of it."""

from __future__ import annotations

from saleslake.gold import sales_by_minute, star
from saleslake.table import Table

SERVED: dict[str, Table] = {table.name: table for table in (*star.TABLES.values(), sales_by_minute.TABLE)}
"""By name. A gold table of one's own is served with the others."""

REFERENCES = {"user_id": "dim_user", "sku": "dim_product", "date": "dim_date"}
"""Column → the dimension it points to, wherever it stands in another table."""
