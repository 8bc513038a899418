"""A window by hand that the watermark contradicts."""

from __future__ import annotations

import pytest

from saleslake.errors import ConfigError
from saleslake.ingest.window import Window, effective
from tests.ingest.test_window import at, control


def test_an_end_before_the_watermarks_beginning_names_both_and_the_way_out() -> None:
    rows = [control(1, at(20))]
    with pytest.raises(ConfigError, match=r"--until 2025-01-05T.*not after 2025-01-19T23:.*give an earlier --since"):
        effective(Window(until=at(5)), rows, 3600, refetch=False)
    assert effective(Window(at(1), at(5)), rows, 3600, refetch=False) == Window(at(1), at(5))
    assert effective(Window(until=at(5)), rows, 3600, refetch=True) == Window(None, at(5))
