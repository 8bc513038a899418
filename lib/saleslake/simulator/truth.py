"""What the events that were sent add up to: which version of each key wins, and what it says."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from saleslake.errors import SaleslakeError
from saleslake.simulator.contents import Fact
from saleslake.simulator.events import Event, prefixes
from saleslake.synthetic.orders import iso, money

TABLES = ("orders", "transactions")


class Truth:
    """Grows with every event sent. Money is counted in whole hundredths."""

    def __init__(self, seed: int, start: int):
        """`start`: event time of the first event, seconds since 1970 UTC."""
        self.seed, self.start = seed, start
        self.landed = 0
        self.counts: Counter[str] = Counter()
        self.details: Counter[tuple[str, str]] = Counter()
        self._winners: dict[str, dict[str, tuple[int, int, str, int, int, int]]] = {table: {} for table in TABLES}

    def add(self, event: Event) -> None:
        """Count an event that was sent, and let it win if its version is the greatest of its key so far."""
        self.landed += 1
        # A set: kind and role of a malformed event are the same word.
        self.counts.update({event.kind, event.role})
        self.counts["late"] += event.late
        self.counts["out_of_order"] += event.delayed
        if event.detail:
            self.details[event.role, event.detail] += 1
        if event.fact is None:
            return
        table, key, version, at, currency, lines, units, cents = event.fact
        winners = self._winners[table]
        if key not in winners or winners[key][0] < version:
            winners[key] = (version, at, currency, lines, units, cents)

    def winners(self) -> Iterator[Fact]:
        """The winning version of every key, orders first, in the order in which the keys were first sent."""
        for table, winners in self._winners.items():
            for key, said in winners.items():
                yield Fact(table, key, *said)

    def summary(self, *, complete: bool) -> dict[str, Any]:
        """Everything but the keys. `complete`: whether all events that were asked for were sent."""
        details = {
            role: {name: n for (of, name), n in sorted(self.details.items()) if of == role}
            for role in ("correction", "malformed")
        }
        return {
            "seed": self.seed,
            "start": iso(self.start),
            "complete": complete,
            "events": self.landed,
            "landed": self.landed,
            "counts": {
                "orders": self.counts["order"],
                "transactions": self.counts["transaction"],
                "originals": self.counts["original"],
                "duplicates": self.counts["duplicate"],
                "corrections": self.counts["correction"],
                "malformed": self.counts["malformed"],
                "late": self.counts["late"],
                "out_of_order": self.counts["out_of_order"],
                "corrections_by_kind": details["correction"],
                "malformed_by_kind": details["malformed"],
            },
            "quarantined": self.counts["malformed"],
            "key_prefixes": prefixes(self.seed),
            "distinct_keys": {table: len(winners) for table, winners in self._winners.items()},
            "totals": self._totals(),
        }

    def _totals(self) -> dict[str, dict[str, Any]]:
        """Per currency: net revenue, lines and units of all winners."""
        net: Counter[str] = Counter()
        lines: Counter[str] = Counter()
        units: Counter[str] = Counter()
        for fact in self.winners():
            net[fact.currency] += fact.cents
            lines[fact.currency] += fact.lines
            units[fact.currency] += fact.units
        return {c: {"net": money(net[c]), "lines": lines[c], "units": str(units[c])} for c in sorted(net)}

    def write(self, path: Path, *, complete: bool) -> None:
        """Replace the file by what is known now, in one step. Raises SaleslakeError where it cannot be written."""
        temporary = path.with_name(f".{path.name}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("w", encoding="utf-8") as file:
                file.writelines(self._text(complete))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError as e:
            raise SaleslakeError(f"--truth {path}: cannot be written: {e.strerror or e}") from None

    def _text(self, complete: bool) -> Iterator[str]:
        """The JSON document, a key a line: the keys of a long run are too many to be one text."""
        head = json.dumps(self.summary(complete=complete), indent=2)
        yield head.removesuffix("\n}") + ',\n  "keys": {'
        for place, (table, winners) in enumerate(self._winners.items()):
            yield f'{"," if place else ""}\n    "{table}": {{'
            for number, (key, (version, at, currency, lines, units, cents)) in enumerate(winners.items()):
                yield (
                    f'{"," if number else ""}\n      "{key}": {{"version": "{iso(version)}", "date": "{iso(at)[:10]}", '
                    f'"currency": "{currency}", "lines": {lines}, "units": "{units}", "net": "{money(cents)}"}}'
                )
            yield "\n    }"
        yield "\n  }\n}\n"
