"""The content of a record: what of it counts when two are compared."""

from __future__ import annotations

import hashlib

HASH_LENGTH = 32
"""Hex digits kept of SHA-256 in `content_hash`: 128 bits, collision-free in practice, half the bytes."""


def content_hash(raw: str | None, header: str | None = None) -> str | None:
    """The hash of a record's text and, in a CSV, of its header; as `bronze.with_identity` computes it in Spark."""
    if raw is None and header is None:
        return None
    content = "\n".join(text for text in (header, raw) if text is not None)
    return hashlib.sha256(content.encode()).hexdigest()[:HASH_LENGTH]
