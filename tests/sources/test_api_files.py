"""A file in place of an API: one page, the same splitting."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from saleslake.errors import ConfigError, SourceError
from saleslake.sources.api_client import BrokenBody
from tests.api_support import make_client


@pytest.mark.parametrize("as_url", [str, Path.as_uri])
def test_a_file_is_read_as_one_page(tmp_path: Path, as_url: Callable[[Path], str]) -> None:
    path = tmp_path / "some orders.json"
    path.write_bytes(b'{"data": [ {"a":1} , 2]}')
    os.utime(path, (1_700_000_000, 1_700_000_000))
    client = make_client(as_url(path))
    (page,) = client.pages("2025-01-01T00:00:00Z")
    assert (page.records, page.body, page.url) == (['{"a":1}', "2"], path.read_bytes(), str(path))
    assert page.fetched_at == datetime.fromtimestamp(1_700_000_000, UTC)
    assert client.attempts == 0


def test_a_file_of_json_lines_may_have_one_line(tmp_path: Path) -> None:
    path = tmp_path / "orders.jsonl"
    path.write_bytes(b'{"a":1}\n')
    assert next(make_client(str(path), records_path="").pages()).records == ['{"a":1}']


def test_a_file_that_is_missing_broken_or_too_large_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"cannot read .*gone\.json"):
        list(make_client(str(tmp_path / "gone.json")).pages())
    broken = tmp_path / "broken.json"
    broken.write_bytes(b'{"data": [1')
    with pytest.raises(BrokenBody, match=r"broken\.json: invalid body") as caught:
        list(make_client(str(broken)).pages())
    assert caught.value.page.body == b'{"data": [1'
    with pytest.raises(SourceError, match=r"broken\.json exceeds max_body_bytes = 5"):
        list(make_client(str(broken), max_body_bytes=5).pages())
    with pytest.raises(ConfigError, match="neither http"):
        list(make_client("s3a://bucket/orders.json").pages())
