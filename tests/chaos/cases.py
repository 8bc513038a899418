"""The matrix: at which points the runs of each source are killed; and the batch's configuration."""

from __future__ import annotations

from tests import oracle

BATCH_CONFIG = """
[channels]
web = "web"
online = "web"
instore = "store"
mobileapp = "mobile"
[sources.orders]
entity = "orders"
format = "jsonl"
path = "in/orders*.jsonl"
[sources.transactions]
entity = "transactions"
format = "csv"
path = "in/transactions*.csv"
defaults = { currency = "EUR" }
[sources.products]
entity = "products"
format = "csv"
path = "in/products*.csv"
"""

POINTS = {
    "files": (
        "after_landing:1", "before_bronze:1", "after_bronze:1", "after_bronze:2", "after_quarantine:1",
        "after_silver_write:1", "after_silver_write:3", "before_silver_progress:1", "between_silver_and_gold:1",
        "before_commit_log:1", "before_commit_log:2", "after_gold_write:1", "after_gold_write:5", "before_gold_progress:1",
    ),
    "batch": (
        "after_landing:1", "before_bronze:1", "after_bronze:1", "after_bronze:2", "after_quarantine:1",
        "after_silver_write:1", "after_silver_write:2", "before_silver_progress:1", "between_silver_and_gold:1",
        "after_gold_write:1", "after_gold_write:4", "after_gold_write:8", "before_gold_progress:1",
    ),
}  # fmt: skip
"""By source, the points of the whole matrix; `:2` is the second time that a run reaches it."""
# The first commit to bronze says where each partition begins, and holds no record.
POINTS["kafka"] = (
    *(point for point in POINTS["files"] if not point.startswith("after_landing")), "before_bronze:2", "after_bronze:3",
)  # fmt: skip

IN_PROCESS = {
    "files": tuple(point for point in POINTS["files"] if point.endswith((":1", "gold_write:5"))),
    "batch": ("after_bronze:1", "after_quarantine:1", "after_silver_write:2", "after_gold_write:4"),
    "kafka": ("before_bronze:2", "after_bronze:3", "before_commit_log:2"),
}
"""Those that the suite tries by an exception, of the batch on Spark: on the embedded engine it is killed at all of them. A second micro-batch differs from a first in what the tables hold, and so does the batch's run
here; messages differ from files in how they land and how Spark notes it. `make chaos` tries all."""

SETUPS = {
    "batch": oracle.Setup(
        {
            "orders": oracle.Feed("orders", "jsonl"),
            "transactions": oracle.Feed("transactions", "csv", currency="EUR"),
            "products": oracle.Feed("products", "csv"),
        },
        channels={"web": "web", "online": "web", "instore": "store", "mobileapp": "mobile"},
    ),
    "stream": oracle.Setup(
        {
            "events_orders": oracle.Feed("orders", "jsonl"),
            "events_transactions": oracle.Feed("transactions", "jsonl", version="updated_at", currency="EUR"),
            "events_transactions_csv": oracle.Feed("transactions", "csv", version="updated_at"),
        },
        channels={"web": "web", "online": "web"},
        event_types=("order", "transaction"),
    ),
}
"""BATCH_CONFIG and CONFIG, as the oracle is told them."""
