"""A kill point that raises, in place of one that ends the process: a death that the process of the tests survives."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from saleslake import kill_points


class Killed(BaseException):
    """Stands for SIGKILL: no `except Exception` catches it.

    It differs from SIGKILL in what a run does on its way out: `finally` and `with` let go of locks, caches and staging
    folders, and `data/stream.json` says `failed`. And it ends a run between two writes, never within one.
    """


@contextmanager
def raised_at(point: str) -> Iterator[None]:
    """Within the block `Killed` is raised the nth time that `name:n` is reached, and at every point after that.

    A dead process has no threads that go on. Here those beside the one that died end at the next point they reach.
    """
    name, _, nth = point.partition(":")
    assert not point or name in kill_points.POINTS, point
    counts, guard = Counter[str](), threading.Lock()

    def reached(here: str) -> None:
        with guard:
            counts[here] += 1
            if point and counts[name] >= int(nth):
                raise Killed(point)

    with mock.patch.object(kill_points, "reached", reached):
        yield
