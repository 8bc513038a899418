"""Send events at a rate, until they are all sent or somebody says stop."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from saleslake.simulator.events import Event, simulated
from saleslake.simulator.spec import Spec
from saleslake.simulator.targets import Stop, Stopped, Target
from saleslake.simulator.truth import Truth

_NAP = 0.05
"""The longest sleep between two looks at the target and at whether to stop, in seconds."""


class Interrupts:
    """Ctrl-C and SIGTERM as a flag, so that no event is counted and not sent, or sent and not counted. Main thread only.

    The second signal ends the process as usual, for whoever does not want to wait.
    """

    def __init__(self) -> None:
        self._wanted = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def stop(self) -> bool:
        """Whether a signal came."""
        return self._wanted

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._wanted:
            raise KeyboardInterrupt
        self._wanted = True


@dataclass(frozen=True)
class Sent:
    """What a run sent, how long that took in seconds, and whether it ended before everything was sent."""

    truth: Truth
    seconds: float
    interrupted: bool


def send_all(spec: Spec, target: Target, truth_file: Path, stop: Stop) -> Sent:
    """Send the events of `spec` to `target`, which is open, and write the truth about those that were sent.

    The truth is written however the sending ends; one that ended by an error or by `stop` is not `complete` in it.
    Raises ConfigError for a spec out of range, SaleslakeError when the target fails.
    """
    truth = Truth(spec.seed, spec.start)
    events = simulated(spec)
    begin = time.monotonic()
    complete = False
    try:
        try:
            send(events, target, truth, spec.rate, stop)
        finally:
            target.close()
        complete = truth.landed == spec.events
    finally:
        truth.write(truth_file, complete=complete)
    return Sent(truth, time.monotonic() - begin, interrupted=not complete)


def send(events: Iterable[Event], target: Target, truth: Truth, rate: float, stop: Stop) -> None:
    """Send events, `rate` a second or, where that is 0, as fast as possible; each is in `truth` once the target took it."""
    begin = time.monotonic()
    try:
        for number, event in enumerate(events):
            # From the beginning, not from the event before: what one sleeps too long the next makes up for.
            if rate:
                _wait(begin + number / rate, target, stop)
            if stop():
                return
            target.send(event)
            truth.add(event)
    except Stopped:
        return


def _wait(until: float, target: Target, stop: Stop) -> None:
    while not stop() and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, _NAP))
        target.tick()
