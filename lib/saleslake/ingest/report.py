"""What one source's landing did."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Landed:
    """Counts of one source in one run. `failed` is why it could not be extracted whole; empty if it was."""

    source: str
    records: int = 0
    units: int = 0
    left_out: int = 0
    left_out_units: int = 0
    recovered_units: int = 0
    attempts: int = 0
    retries: int = 0
    gave_up: bool = False
    """Whether an API answered none of the tries that one of its pages has."""
    new_fields: list[str] = field(default_factory=list)
    since: str | None = None
    until: str | None = None
    watermark: str | None = None
    failed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What is worth saying and is no failure."""

    @property
    def nothing_new(self) -> bool:
        return self.records == 0 and not self.failed
