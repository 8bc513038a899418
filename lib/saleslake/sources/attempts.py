"""One page, tried until it is there: retries with back-off, and waits that are shown while they last."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from saleslake.config import Source
from saleslake.errors import SourceError
from saleslake.sources.answers import Split, read_answer
from saleslake.sources.documents import Document
from saleslake.sources.http_get import Answer, Getter, TryAgain
from saleslake.sources.urls import shown

_log = structlog.get_logger(__name__)

_SHOWN_EVERY = 5.0
"""Seconds between two lines about one wait."""
_WORTH_SHOWING = 1.0

Say = Callable[[str], None]


class GaveUp(SourceError):
    """All tries failed; `answer` is the last one, where it came whole and only its body could not be read."""

    def __init__(self, message: str, answer: Answer | None) -> None:
        super().__init__(message)
        self.answer = answer


class Attempts:
    """Fetches pages of one API. `attempts` and `retries` count requests; `gave_up`: all tries for one page failed."""

    def __init__(self, source: Source, name: str, split: Split, sleep: Callable[[float], None], say: Say) -> None:
        assert source.api is not None
        self.attempts = 0
        self.retries = 0
        self.gave_up = False
        self._api = source.api
        self._records_path = source.records_path
        self._split = split
        self._name = name
        self._sleep = sleep
        self._say = say
        self._reason = ""
        self._asked_at = 0.0

    def fetch(self, getter: Getter, url: str, room: int) -> tuple[Answer, Document]:
        """One page, tried up to `retries` times more. Raises GaveUp, or what the getter raises."""
        where = getter.hide(shown(url))
        tries = self._api.retries + 1
        retrying = Retrying(
            stop=stop_after_attempt(tries),
            wait=self._wait,
            sleep=self._pause,
            retry=retry_if_exception_type(TryAgain),
            after=lambda state: self._log_failure(state, where),
            before_sleep=self._count_retry,
            reraise=True,
        )
        try:
            return retrying(self._attempt, getter, url, room)
        except TryAgain as e:
            failure = e
        self.gave_up = True
        problem = f"source {self._name}: GET {where}: {failure.reason} (gave up after {tries} tries)"
        raise GaveUp(problem, failure.answer)

    def _attempt(self, getter: Getter, url: str, room: int) -> tuple[Answer, Document]:
        self.attempts += 1
        self._asked_at = time.monotonic()
        try:
            answer = getter.get(url, room)
        finally:
            self._asked_at = 0.0
        return answer, read_answer(answer, self._api, self._split, self._records_path, getter.hide)

    def _wait(self, state: RetryCallState) -> float:
        """Seconds until the next try: what the server asks for, else exponential with jitter; capped."""
        cap = self._api.backoff_max_seconds
        asked = _failure(state).retry_after
        if asked is None:
            longest: float = wait_exponential(multiplier=self._api.backoff_seconds, max=cap)(state)
            return longest * random.uniform(0.5, 1.0)
        if asked > cap:
            _log.warning("api_retry_after_capped", source=self._name, asked_seconds=asked, backoff_max_seconds=cap)
        return min(asked, cap)

    def _pause(self, seconds: float) -> None:
        left = seconds
        while left > 0:
            if seconds >= _WORTH_SHOWING:
                self._say(f"waiting {math.ceil(left)} s: {self._reason}")
            step = min(left, _SHOWN_EVERY)
            self._sleep(step)
            left -= step

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Say every few seconds how long an answer has been waited for: a slow server looks like a program that hangs."""
        done = threading.Event()

        def tell() -> None:
            while not done.wait(_SHOWN_EVERY):
                waited = time.monotonic() - self._asked_at if self._asked_at else 0
                if waited >= _SHOWN_EVERY:
                    self._say(f"waiting for an answer, {waited:.0f} s so far")

        teller = threading.Thread(target=tell, name="api-wait", daemon=True)
        teller.start()
        try:
            yield
        finally:
            done.set()
            teller.join()

    def _log_failure(self, state: RetryCallState, url: str) -> None:
        tries, failure = self._api.retries + 1, _failure(state)
        attempt = state.attempt_number
        self._reason = failure.reason + (", Retry-After" if failure.retry_after is not None else "")
        _log.warning(
            "api_attempt_failed", source=self._name, url=url, attempt=attempt, tries=tries, reason=failure.reason
        )

    def _count_retry(self, state: RetryCallState) -> None:
        self.retries += 1
        wait = state.next_action.sleep if state.next_action else 0.0
        _log.info("api_retry", source=self._name, attempt=state.attempt_number + 1, wait_seconds=round(wait, 3))


def _failure(state: RetryCallState) -> TryAgain:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, TryAgain) else TryAgain("unknown")
