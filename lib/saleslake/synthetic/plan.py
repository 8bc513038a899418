"""Which records get which peculiarity: exact counts of every kind, decided before a line is written."""

from __future__ import annotations

import random
from collections.abc import Mapping

Plan = dict[int, str]
"""Row number to the one kind planted there; rows that are not in it are plain."""

ORDER_DEFECTS: Mapping[str, int] = {
    "missing_order_id": 2,
    "missing_created_at": 1,
    "unreadable_created_at": 2,
    "missing_currency": 2,
    "items_empty": 2,
    "items_missing": 1,
    "item_not_object": 1,
    "item_without_sku": 2,
    "quantity_missing": 1,
    "quantity_unreadable": 2,
    "overflow": 1,
    "truncated_line": 2,
    "not_an_object": 1,
    "missing_user_id": 6,
    "amount_mismatch": 6,
    "amount_missing": 2,
    "year_9999": 1,
}
"""Weights within the share of defects. From `missing_user_id` on, the pipeline keeps the order with a warning."""

CORRECTIONS: Mapping[str, int] = {
    "correction_quantity": 9,
    "correction_shrunk": 4,
    "correction_moved_date": 3,
    "correction_there_and_back": 2,
    "correction_before_original": 2,
    "correction_broken": 1,
}
"""Weights within the share of corrected orders; `there_and_back` writes two corrections, the others one."""

ORDER_TRAITS: Mapping[str, float] = {
    "return_line": 0.01,
    "zero_price": 0.003,
    "price_missing": 0.001,
    "repeated_sku": 0.005,
    "extra_fields": 0.003,
    "numbers_as_strings": 0.005,
    "unknown_user": 0.002,
    "unknown_product": 0.002,
}
"""Shares of all orders that are unusual but not wrong."""


def allocate(total: int, weights: Mapping[str, float]) -> dict[str, int]:
    """Divide `total` by weight so that the parts add up to it (largest remainder, then order of names)."""
    whole = sum(weights.values())
    exact = {kind: total * weight / whole for kind, weight in weights.items()}
    counts = {kind: int(share) for kind, share in exact.items()}
    by_remainder = sorted(exact, key=lambda kind: counts[kind] - exact[kind])
    for kind in by_remainder[: total - sum(counts.values())]:
        counts[kind] += 1
    return counts


def draw(counts: Mapping[str, int], rows: int, seed: str) -> Plan:
    """Spread `counts` over `rows` rows at random, one kind a row.

    Raises ValueError when more is to be planted than there are rows.
    """
    wanted = sum(counts.values())
    if wanted > rows:
        raise ValueError(f"{wanted} peculiar records do not fit into {rows}: lower defects, duplicates or corrections")
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    return dict(zip(random.Random(seed).sample(range(rows), wanted), kinds, strict=True))


def order_counts(orders: int, defects: float, duplicates: float, corrections: float) -> dict[str, int]:
    """How many orders of each kind a set of `orders` distinct orders holds; kinds with none are left out."""
    counts = allocate(round(orders * defects), ORDER_DEFECTS) | allocate(round(orders * corrections), CORRECTIONS)
    counts["duplicate"] = round(orders * duplicates)
    counts |= {trait: round(orders * share) for trait, share in ORDER_TRAITS.items()}
    return {kind: count for kind, count in counts.items() if count}
