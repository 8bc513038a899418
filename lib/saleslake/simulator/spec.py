"""What is simulated: how many events, when, and what share of them is out of the ordinary."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from saleslake.errors import ConfigError

EVENTS_A_SECOND = 500
"""How close event times lie where events are sent as fast as possible."""
_YEARS = range(1900, 9000)
_MOST = 0.9


@dataclass(frozen=True)
class Spec:
    """`events` lines in all. `start`: event time of the first, seconds since 1970 UTC. Shares are of `events`."""

    events: int
    seed: int
    start: int
    rate: float = 0
    late: float = 0.02
    duplicated: float = 0.03
    corrected: float = 0.05
    out_of_order: float = 0.05
    malformed: float = 0.02

    def time(self, slot: int) -> int:
        """Event time of the `slot`-th event, from 0; seconds since 1970."""
        return self.start + int(slot / (self.rate or EVENTS_A_SECOND))

    def planted(self) -> dict[str, int]:
        """How many events are no plain originals, by kind. An event is of one kind at most."""
        shares = {
            "late": self.late,
            "duplicate": self.duplicated,
            "correction": self.corrected,
            "malformed": self.malformed,
        }
        return {kind: round(self.events * share) for kind, share in shares.items()}

    @property
    def delayed(self) -> int:
        """How many events are sent later than their time; the last one has nobody to be overtaken by."""
        return min(round(self.events * self.out_of_order), self.events - 1)

    def check(self) -> None:
        """Raise ConfigError that names the option if a number is out of range."""
        if self.events < 1:
            raise ConfigError(f"--events {self.events}: give at least 1")
        if not (math.isfinite(self.rate) and self.rate >= 0):
            raise ConfigError(f"--rate {self.rate}: give events a second, or 0 for as fast as possible")
        for option in ("late", "duplicated", "corrected", "out_of_order", "malformed"):
            share = getattr(self, option)
            if not 0 <= share <= _MOST:
                raise ConfigError(f"--{option.replace('_', '-')} {share}: give a share from 0 to {_MOST}")
        if self.late + self.duplicated + self.corrected + self.malformed > _MOST:
            raise ConfigError(f"--late, --duplicated, --corrected and --malformed add up to more than {_MOST}")
        # The first event is always an original: there is nothing yet to repeat, to correct or to be late against.
        if sum(self.planted().values()) >= self.events:
            raise ConfigError(f"--events {self.events}: too few for these shares; give more, or lower shares")
        try:
            years = {_moment(self.start).year, _moment(self.time(self.events)).year}
        except (ValueError, OverflowError, OSError):
            years = {0}
        if not all(year in _YEARS for year in years):
            raise ConfigError(f"--start, --rate and --events: event times leave the years {_YEARS[0]} to {_YEARS[-1]}")


def parse_start(text: str) -> int:
    """An ISO timestamp as seconds since 1970, rounded; one without a zone is UTC. Raises ConfigError."""
    try:
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        raise ConfigError(f"--start {text!r}: give an ISO timestamp like 2024-01-31T10:00:00Z") from None


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
