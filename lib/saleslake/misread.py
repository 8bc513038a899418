"""Finds sources that are misread: not the records are wrong then, but how they are read.

A run quarantined nearly every record of it; or its numbers read under two dialects; or a mapped path has never met anything.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Mapping

from saleslake import bronze, unmet
from saleslake.lake import Lake
from saleslake.publish import Outcome
from saleslake.silver import quarantine
from saleslake.silver.judge.rules import IN_OTHER_DIALECT

_DOUBTFUL, _OTHER = "number_ambiguous", "number_in_other_dialect"
"""Rules: a number that two dialects read differently; one that reads with another dialect than the source's."""
_LONGEST = 200
"""Characters of the value that is shown."""


def found(lake: Lake, outcomes: Mapping[str, Outcome]) -> dict[str, list[str]]:
    """By source, a line a finding. `outcomes`: of a run; what it decided of all of bronze is counted by source."""
    lines: dict[str, list[str]] = {}
    for source, outcome in _by_source(lake, outcomes):
        of_source = [_line(lake, source, outcome)] if holds(lake, outcome.wanted, outcome.open) else []
        of_source += [_two_dialects(lake, source, outcome), unmet.problem(lake, source)]
        if any(of_source):
            lines[source] = [line for line in of_source if line]
    return lines


def _two_dialects(lake: Lake, source: str, outcome: Outcome) -> str:
    """One line where numbers of a run read under different dialects: then those that read under both are doubtful, too."""
    doubtful = outcome.warnings[_DOUBTFUL] + outcome.reasons[_DOUBTFUL]
    if not doubtful or not outcome.reasons[_OTHER]:
        return ""
    value = _example(lake, source, _OTHER, f"%{IN_OTHER_DIALECT}%")
    return (
        f"source {source}: {doubtful:,} records hold numbers such as 1.234, which are one and a bit or a thousand and more, "
        f"and {outcome.reasons[_OTHER]:,} have numbers of another dialect ({value}): set decimal, and thousands if there are "
        f"any, in [sources.{source}] of {lake.settings.config_file}, then saleslake run --full-refresh"
    )


def holds(lake: Lake, records: int, quarantined: int) -> bool:
    """Whether so many quarantined of so many records are too many to be the records' fault. The discarded count for neither."""
    own = lake.settings.run
    return records >= own.quarantine_from_records and quarantined >= own.quarantine_share * records


class Watch:
    """Finds the same in a stream, which has no end: a line once all of a source's records are quarantined for a while."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self._from: dict[str, Outcome] = {}
        self._told: set[str] = set()
        self._looked_at_paths = False

    def look(self, outcomes: Mapping[str, Outcome]) -> list[str]:
        """What is to be told now. `outcomes`: since the stream started; by what the stream calls its sources together."""
        lines = self._unmet(sum(outcome.records for outcome in outcomes.values()))
        for name, now in outcomes.items():
            before = self._from.setdefault(name, Outcome())
            records, quarantined = now.wanted - before.wanted, now.open - before.open
            if records < self.lake.settings.run.quarantine_from_records:
                continue
            if not holds(self.lake, records, quarantined):
                self._from[name] = copy.deepcopy(now)
                self._told.discard(name)
            elif name not in self._told:
                self._told.add(name)
                reason, times = (now.reasons - before.reasons).most_common(1)[0]
                lines.append(
                    f"{name}: {quarantined:,} of {records:,} records in a row were quarantined, {times:,} of them for "
                    f"{reason} (run.quarantine_share); the stream goes on"
                )
        return lines

    def _unmet(self, records: int) -> list[str]:
        """Once, when enough has come: mapped paths that met nothing."""
        if self._looked_at_paths or records < self.lake.settings.run.quarantine_from_records:
            return []
        self._looked_at_paths = True
        streams = [name for name, source in self.lake.settings.sources.items() if source.is_stream]
        return [line for name in streams if (line := unmet.problem(self.lake, name))]


def _by_source(lake: Lake, outcomes: Mapping[str, Outcome]) -> Iterator[tuple[str, Outcome]]:
    for name, outcome in outcomes.items():
        if name in lake.settings.sources:
            yield name, outcome
        elif name.endswith(" (all of bronze)") and outcome.open:
            entity = name.removesuffix(" (all of bronze)")
            for source, settings in lake.settings.sources.items():
                if settings.entity == entity and lake.exists(bronze.holding(lake, source)):
                    yield source, _of_all(lake, source)


def _of_all(lake: Lake, source: str) -> Outcome:
    landed = lake.query(
        "select count(*) from t where kind = 'record' and source = $source",
        {"source": source},
        t=bronze.holding(lake, source),
    ).fetchone()
    rejected = lake.query(
        "select reasons, coalesce(discarded_by, []), count(*) from q where source = $source group by all",
        {"source": source},
        q=quarantine.TABLE,
    ).fetchall()
    outcome = Outcome()
    for reasons, discarded_by, n in rejected:
        outcome.count(reasons, discarded_by, n)
    outcome.records = landed[0] if landed else 0
    return outcome


def _line(lake: Lake, source: str, outcome: Outcome) -> str:
    reason, times = Counter(outcome.reasons).most_common(1)[0]
    how_many = "all" if outcome.open == outcome.wanted else f"{outcome.open:,} of"
    value = _example(lake, source, reason)
    return (
        f"source {source}: {how_many} {outcome.wanted:,} records of this run were quarantined, {times:,} of them for "
        f"{reason}{f' ({value})' if value else ''}: correct [sources.{source}] in {lake.settings.config_file}, then "
        "saleslake run --full-refresh; if the records are that bad, see run.quarantine_share"
    )


def _example(lake: Lake, source: str, reason: str, like: str = "%") -> str:
    """What was found in a record for this reason; of those that this run landed, if it landed any of them."""
    row = lake.query(
        """select list_filter(details, detail -> detail like $like)[1] from q where source = $source and list_contains(reasons, $reason)
           order by run_id <> $run, len(reasons), record_id limit 1""",
        {"source": source, "reason": reason, "run": lake.run_id, "like": like},
        q=quarantine.TABLE,
    ).fetchone()
    return str(row[0])[:_LONGEST] if row and row[0] else ""
