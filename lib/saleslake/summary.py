"""What a run did, step by step; shown, logged, and what its exit code follows from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from saleslake import checks
from saleslake.errors import SaleslakeError
from saleslake.gold.sync import Written
from saleslake.ingest.report import Landed
from saleslake.publish import Outcome


@dataclass
class Summary:
    """What a run did: what landed, what became of it, what was written, what the checks found."""

    landed: list[Landed] = field(default_factory=list)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    written: list[Written] = field(default_factory=list)
    healed: list[str] = field(default_factory=list)
    checks: list[checks.Result] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    troubles: dict[str, list[str]] = field(default_factory=dict)
    """By source: why it could not be landed, decided or believed, where its landing does not say it itself."""
    decided: bool = False
    """Whether silver was a step of this run, beyond catching up before landing."""
    stream_input: str = ""
    """What the streaming job read: files, socket or kafka; empty for the batch."""
    gold_refreshes: int = 0
    """How often the streaming job brought gold up to silver; `written` is what all of them wrote."""
    engine: str = ""
    """What computed and wrote: spark or embedded."""
    ended_early: bool = False
    """Whether an error or an interruption ended the run: what it did not come to, it cannot tell."""

    def add_written(self, written: Iterable[Written]) -> None:
        """What a refresh of gold wrote, on top of what others of the run did: one line a table."""
        by_table = {one.table: one for one in self.written}
        for new in written:
            held = by_table.setdefault(new.table, Written(new.table))
            held.rows, held.deleted, held.dates = (
                held.rows + new.rows,
                held.deleted + new.deleted,
                held.dates | new.dates,
            )
        self.written = list(by_table.values())

    @property
    def processed(self) -> int:
        """Records that silver decided; where it was no step of the run, records landed."""
        if self.decided:
            return sum(outcome.records for outcome in self.outcomes.values())
        return sum(report.records for report in self.landed)

    @property
    def failures(self) -> list[str]:
        """Everything that makes the run exit with 1."""
        refused = [reason for report in self.landed for reason in report.failed]
        refused += [reason for reasons in self.troubles.values() for reason in reasons]
        return refused + [result.problem for result in self.checks if result.failed]

    @property
    def nothing_new(self) -> bool:
        decided = any(outcome.records for outcome in self.outcomes.values())
        return not (self.ended_early or self.healed or decided or any(result.anything for result in self.written))


def raise_failures(summary: Summary) -> None:
    """Raise SaleslakeError with the first failure of a summary and how many more there are."""
    if summary.failures:
        more = f" (and {len(summary.failures) - 1} more)" if len(summary.failures) > 1 else ""
        raise SaleslakeError(summary.failures[0] + more)
