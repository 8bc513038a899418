"""The key of a record, told from its text as silver would read it."""

from __future__ import annotations

import pytest

from saleslake.config import Api, Settings, Source
from saleslake.ingest.identify import identifier
from saleslake.silver.registry import ENTITIES


def key_of(text: str, entity: str = "orders", **mapping: str) -> str | None:
    source = Source(entity=entity, format="api", api=Api(url="http://x"), mapping=mapping)
    return identifier(source, ENTITIES[entity], Settings(sources={"s": source}))(text)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"order_id": "A"}', "A"),
        ('{"order_id": " A\\t"}', "A"),
        ('{"order_id": "\\u00a0A"}', "A"),
        ('{"order_id": 12345678901234567890}', "12345678901234567890"),
        ('{"order_id": 1.0}', "1"),
        ('{"order_id": "1.0"}', "1"),
        ('{"order_id": 1.50}', "1.50"),
        ('{"order_id": "A", "amount": NaN}', None),
        ('{"order_id": NaN}', None),
        ('{"order_id": ""}', None),
        ('{"order_id": null}', None),
        ('{"order_id": true}', "true"),
        ('{"order_id": {"id": "A"}}', None),
        ("{}", None),
        ("42", None),
        ("[" * 100_000, None),
        ('{"order_id": "A"', None),
    ],
)
def test_a_key_is_told_as_silver_reads_it_or_not_at_all(text: str, key: str | None) -> None:
    assert key_of(text) == key


def test_the_key_is_found_where_the_mapping_says() -> None:
    assert key_of('{"order": {"id": 7}}', order_id="order.id") == "7"
    assert key_of('{"order": [7]}', order_id="order.id") is None
    assert key_of('{"transaction_id": "T"}', "transactions") == "T"
    assert key_of('{"nr": "S"}', "products", sku="nr") == "S"
