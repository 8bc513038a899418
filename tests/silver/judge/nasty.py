"""Texts that try to raise: any text, and texts near numbers and moments."""

from __future__ import annotations

from hypothesis import strategies as st

HOSTILE = (
    *("1e99999", "9" * 400, "-" * 50, "[" * 50, "\0", "2025-01-31T10:15:30" + "9" * 200, "\ud7ff\U0010ffff"),
    *("é" * 1000, "\ud800", "9" * 5000, "1e" + "9" * 5000, "0001-01-01T00:00:00+18:00", "9999-12-31T23:59:59-18:00"),
)


def near_values() -> st.SearchStrategy[str]:
    """Reproducible garbage."""
    near = st.text(alphabet="0123456789-+:.,/ TZeE[]{}\"'\\\0", min_size=1, max_size=30)
    moment = st.builds(
        "{:04d}-{:02d}-{:02d}T{:02d}:{:02d}:{:02d}{}".format,
        *[st.integers(0, n) for n in (9999, 13, 32, 25, 61, 61)],
        st.sampled_from(["", "Z", "+14:00", "-18:00", "+19:00"]),
    )
    return st.one_of(st.text(max_size=40), near, moment, st.sampled_from(HOSTILE))
