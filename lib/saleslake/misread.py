"""Finds sources of which a run quarantined nearly every record: not the records are wrong then, but how they are read."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Mapping

from saleslake import bronze
from saleslake.lake import Lake
from saleslake.publish import Outcome
from saleslake.silver import quarantine

_LONGEST = 200
"""Characters of the value that is shown."""


def found(lake: Lake, outcomes: Mapping[str, Outcome]) -> dict[str, str]:
    """By source, one line that says so. `outcomes`: of a run; what it decided of all of bronze is counted by source."""
    return {
        source: _line(lake, source, outcome)
        for source, outcome in _by_source(lake, outcomes)
        if holds(lake, outcome.records, outcome.quarantined)
    }


def holds(lake: Lake, records: int, quarantined: int) -> bool:
    """Whether so many quarantined of so many records are too many to be the records' fault."""
    own = lake.settings.run
    return records >= own.quarantine_from_records and quarantined >= own.quarantine_share * records


class Watch:
    """Finds the same in a stream, which has no end: a line once all of a source's records are quarantined for a while."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self._from: dict[str, Outcome] = {}
        self._told: set[str] = set()

    def look(self, outcomes: Mapping[str, Outcome]) -> list[str]:
        """What is to be told now. `outcomes`: since the stream started; by what the stream calls its sources together."""
        lines = []
        for name, now in outcomes.items():
            before = self._from.setdefault(name, Outcome())
            records, quarantined = now.records - before.records, now.quarantined - before.quarantined
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


def _by_source(lake: Lake, outcomes: Mapping[str, Outcome]) -> Iterator[tuple[str, Outcome]]:
    for name, outcome in outcomes.items():
        if name in lake.settings.sources:
            yield name, outcome
        elif name.endswith(" (all of bronze)") and outcome.quarantined:
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
    reasons = lake.query(
        "select reasons, count(*) from q where source = $source group by all", {"source": source}, q=quarantine.TABLE
    ).fetchall()
    outcome = Outcome(records=landed[0] if landed else 0, quarantined=sum(n for _, n in reasons))
    for names, n in reasons:
        outcome.reasons.update(dict.fromkeys(names, n))
    return outcome


def _line(lake: Lake, source: str, outcome: Outcome) -> str:
    reason, times = Counter(outcome.reasons).most_common(1)[0]
    how_many = "all" if outcome.quarantined == outcome.records else f"{outcome.quarantined:,} of"
    value = _example(lake, source, reason)
    return (
        f"source {source}: {how_many} {outcome.records:,} records of this run were quarantined, {times:,} of them for "
        f"{reason}{f' ({value})' if value else ''}: correct [sources.{source}] in {lake.settings.config_file}, then "
        "saleslake run --full-refresh; if the records are that bad, see run.quarantine_share"
    )


def _example(lake: Lake, source: str, reason: str) -> str:
    """What was found in a record for this reason; of those that this run landed, if it landed any of them."""
    row = lake.query(
        """select details[1] from q where source = $source and list_contains(reasons, $reason)
           order by run_id <> $run, len(reasons), record_id limit 1""",
        {"source": source, "reason": reason, "run": lake.run_id},
        q=quarantine.TABLE,
    ).fetchone()
    return str(row[0])[:_LONGEST] if row and row[0] else ""
