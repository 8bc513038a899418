"""Prometheus's own programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tools.prometheus_stack import program


@pytest.fixture(scope="session")
def prometheus_programs() -> Callable[[str], Path]:
    """Where a program is, by its name: `promtool`, `amtool` or a server; downloaded once if need be."""
    return program
