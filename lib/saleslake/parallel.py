"""Runs independent steps side by side: on small data the driver's planning is the work, and it leaves cores idle."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

from saleslake.machine import cores

T = TypeVar("T")


def side_by_side(tasks: Sequence[Callable[[], T]], workers: int | None = None) -> list[T]:
    """Results in the order of the tasks. If one fails, those not begun are dropped and its error is raised."""
    if len(tasks) <= 1:
        return [task() for task in tasks]
    with ThreadPoolExecutor(max_workers=min(len(tasks), workers or cores() + 1)) as pool:
        # Each thread gets its own copy of the context, so that log lines keep their run_id.
        futures = [pool.submit(contextvars.copy_context().run, task) for task in tasks]
        done, not_done = wait(futures, return_when=FIRST_EXCEPTION)
        for future in not_done:
            future.cancel()
        for future in futures:
            if future in done and future.exception():
                raise future.exception()  # type: ignore[misc]
        return [future.result() for future in futures]
