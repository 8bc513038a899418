"""The window of records an API is asked for, and where the watermark stands after it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from saleslake import bronze
from saleslake.errors import ConfigError
from saleslake.landing import iso

_FORM = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?)?")

_EARLIEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Window:
    """(since, until] as asked for by hand; None leaves a side to the watermark."""

    since: datetime | None = None
    until: datetime | None = None

    @property
    def by_hand(self) -> bool:
        return self.since is not None or self.until is not None


def parse_moment(text: str | None, option: str) -> datetime | None:
    """A date or ISO 8601 timestamp, UTC unless it carries a zone. Raises ConfigError naming the option."""
    if text is None:
        return None
    fix = f"{option} {text!r}: give a date (2024-01-31) or an ISO timestamp (2024-01-31T10:15:00Z)"
    if not _FORM.fullmatch(text.strip()):
        raise ConfigError(fix)
    try:
        moment = datetime.fromisoformat(re.sub(r"([+-]\d{2})(\d{2})$", r"\1:\2", text.strip().replace("Z", "+00:00")))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ConfigError(fix) from None


def parse_window(since: str | None, until: str | None) -> Window:
    """`--since` and `--until`. Raises ConfigError if one cannot be read or they are the wrong way round."""
    window = Window(parse_moment(since, "--since"), parse_moment(until, "--until"))
    if window.since and window.until and window.since >= window.until:
        raise ConfigError(f"--since {since} is not before --until {until}: the window (since, until] would be empty")
    return window


def effective(window: Window, control: Sequence[bronze.Control], lag_seconds: int, refetch: bool) -> Window:
    """The window to ask for: by hand where given, else from the watermark less the lag.

    Raises ConfigError if `until` by hand is not after where the watermark has the window begin.
    """
    if refetch and not window.by_hand:
        return Window()
    mark = bronze.watermark(control)
    since = window.since
    if since is None and mark is not None and not refetch:
        lag = timedelta(seconds=lag_seconds)
        since = max(_moment(mark[0]), _EARLIEST + lag) - lag
    if since is not None and window.until is not None and since >= window.until:
        raise ConfigError(
            f"--until {iso(window.until)} is not after {iso(since)}, where the window begins (watermark less "
            "run.watermark_lag_seconds), so it would be empty: give an earlier --since as well"
        )
    return Window(since, window.until)


def moved(asked: Window, old: tuple[str, str] | None, greatest: tuple[datetime, str] | None) -> tuple[str, str] | None:
    """The watermark after a complete window, or None if it does not move.

    It moves to the greatest version of a valid record, forward only, and only if the window joins on to it.
    """
    if greatest is None:
        return None
    new = (iso(greatest[0]), greatest[1])
    if old is not None and new <= old:
        return None
    joins_on = asked.since is None or (old is not None and asked.since <= _moment(old[0]))
    return new if joins_on else None


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
