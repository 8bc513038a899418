"""The catalogue: one row a sku, each field from the most trusted source that has it. No table: what gold's SQL calls `catalogue`."""

from __future__ import annotations

import pyarrow as pa
from pyspark.sql import DataFrame

from saleslake.config import Settings
from saleslake.engine.interface import Engine, Frame
from saleslake.engine.sql import on_spark, text_beside
from saleslake.errors import ConfigError
from saleslake.gold.gold_table import Frames

SQL = text_beside(__file__)
"""Inputs: products, trust (`trust_rows`)."""

_FIELDS = ("name", "category", "manufacturer", "price")


def precedence(settings: Settings) -> dict[str, list[str]]:
    """Per field the product sources in order of trust: as set in `[gold.product_precedence]`, else API before files."""
    sources = {name: s for name, s in settings.sources.items() if s.entity == "products"}
    usual = sorted(sources, key=lambda name: (sources[name].format != "api", name))
    set_ = settings.gold.product_precedence
    return {field: [*set_.get(field, set_.get("default", [])), *usual] for field in _FIELDS}


def trust_rows(trust: dict[str, list[str]]) -> pa.Table:
    """The input `trust` of the SQL, of what `precedence` gives. Grain: (field, source). Columns: field, source, rank; 0 is trusted most."""
    rows = [(field, source, rank) for field, order in trust.items() for rank, source in enumerate(dict.fromkeys(order))]
    fields, sources, ranks = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table(
        {
            "field": pa.array(fields, pa.string()),
            "source": pa.array(sources, pa.string()),
            "rank": pa.array(ranks, pa.int32()),
        }
    )


def build(products: DataFrame, trust: dict[str, list[str]]) -> DataFrame:
    """Grain in: silver.products (sku, source). Grain out: sku. Columns: sku, name, category, manufacturer, price, price_currency.

    The currency belongs to the price, so it comes from the source that the price comes from.
    """
    rows = trust_rows(trust)
    # No rows may mean no chunks: Spark asks a chunk for its type.
    trusted = products.sparkSession.createDataFrame(rows if rows.num_rows else rows.schema.empty_table())
    return on_spark(SQL, {"products": products, "trust": trusted})


def of(engine: Engine, settings: Settings, frames: Frames) -> Frame:
    """The same on either engine, of the frame `products`."""
    trust = engine.rows(trust_rows(precedence(settings)))
    return engine.sql(SQL, products=frames["products"], trust=trust)


def check(settings: Settings) -> None:
    """Raise ConfigError for a field that is none of dim_product's, or a source that is none of products."""
    fields = ["default", *precedence(settings)]
    sources = [name for name, source in settings.sources.items() if source.entity == "products"]
    for field, trusted in settings.gold.product_precedence.items():
        where = f"{settings.config_file}: gold.product_precedence.{field}"
        if field not in fields:
            raise ConfigError(f"{where}: no such field; there are: {', '.join(fields)}")
        for name in trusted:
            if name not in sources:
                found = ", ".join(sources) or "none"
                raise ConfigError(f"{where}: {name!r} is no source of products; there are: {found}")
