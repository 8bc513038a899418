"""Events in the order they are sent: the same for the same seed and start, whatever they are sent to.

Each event has a slot, which is its place in time; most are sent at that place, some later. A correction's version is
greater than all versions of its key before it, so which version wins does not depend on what arrives when.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from saleslake.simulator.contents import (
    PRODUCTS,
    REVISIONS,
    Content,
    Fact,
    Sale,
    fact_of,
    order_text,
    orders,
    revise,
    sale_cells,
    sale_json,
    sales,
)
from saleslake.simulator.malformed import KINDS, Case, malformed
from saleslake.simulator.spec import Spec
from saleslake.synthetic import catalogue
from saleslake.synthetic.plan import draw

ORDERS = 0.7
"""Share of orders among originals; the others are transactions."""
WITHOUT_TYPE = 0.15
"""Share of order events that do not say what they are."""
AS_CSV = 0.2
"""Share of transaction events that are a CSV line."""
HOUR = 3600
LATE_HOURS = (2, 48)
LONGEST_DELAY = 300
"""Places by which an event may be sent later than its time."""
REMEMBERED = 5000
"""Events and keys among which those to repeat and to correct are chosen: recent ones more often, old ones too."""

T = TypeVar("T")


class Event(NamedTuple):
    """One line to send. `key` partitions a topic; `fact` is what a good event says, None for a malformed one.

    `kind`: order, transaction or malformed. `role`: original, duplicate, correction or malformed; `detail`: which kind
    of the last two. `late`: its time lies hours behind. `delayed`: it is sent after events of later times.
    """

    line: str
    key: str
    kind: str
    role: str
    detail: str = ""
    late: bool = False
    delayed: bool = False
    fact: Fact | None = None


@dataclass
class _Key:
    """An order or a sale as its latest version has it. `before`: what a later correction turns it back to."""

    content: Content
    version: int
    before: Content | None = None


def prefixes(seed: int) -> list[str]:
    """What the ids of a seed's orders, transactions and malformed events begin with."""
    return [f"EVT-{letter}-{seed}-" for letter in "OTX"]


def simulated(spec: Spec) -> Iterator[Event]:
    """Exactly `spec.events` events, in the order they are sent. Raises ConfigError where the spec is out of range."""
    spec.check()
    return _Simulation(spec).events()


class _Simulation:
    def __init__(self, spec: Spec):
        self.spec = spec
        self.rng = random.Random(f"{spec.seed}:events")
        self.goods = catalogue.products(PRODUCTS, f"{spec.seed}:events")
        self.orders = orders(spec.seed, spec.events, self.goods)
        self.sales = sales(spec.seed, self.goods)
        self.ids = prefixes(spec.seed)
        self.sent_before: list[Event] = []
        self.keys: list[_Key] = []
        self.owed: list[_Key] = []
        """Keys that are to be turned back to what they were."""
        self.waiting: list[tuple[int, int, Event, _Key | None]] = []
        """Heap of delayed events: place at which each is sent, slot, event and the key it is the original of."""
        self.broken = 0

    def events(self) -> Iterator[Event]:
        """Every event at its place: after `delay` others, where it is one of the delayed."""
        spec = self.spec
        # From slot 1 on: the first event is a plain original.
        roles = draw(spec.planted(), spec.events - 1, f"{spec.seed}:events:roles") if spec.events > 1 else {}
        chosen = random.Random(f"{spec.seed}:events:delays")
        delayed = set(chosen.sample(range(spec.events - 1), spec.delayed))
        for slot in range(spec.events):
            while self.waiting and self.waiting[0][0] <= slot:
                yield heapq.heappop(self.waiting)[2]
            event, key = self._event(slot, roles.get(slot - 1, "original"))
            if slot in delayed:
                place = slot + 1 + int(chosen.random() * LONGEST_DELAY)
                heapq.heappush(self.waiting, (place, slot, event._replace(delayed=True), key))
            else:
                yield event
        while self.waiting:
            yield heapq.heappop(self.waiting)[2]

    def _event(self, slot: int, role: str) -> tuple[Event, _Key | None]:
        """The event of a slot, and its key where it is an original."""
        if role == "duplicate":
            return self.rng.choice(self.sent_before)._replace(
                role="duplicate", detail="", late=False, delayed=False
            ), None
        if role == "malformed":
            return self._malformed(slot), None
        if role == "correction":
            event = self._correction(slot)
            self._remember(self.sent_before, event)
            return event, None
        key = self._new_key(slot, late=role == "late")
        event = self._written(key, None)._replace(late=role == "late")
        self._remember(self.sent_before, event)
        self._remember(self.keys, key)
        return event, key

    def _new_key(self, slot: int, *, late: bool) -> _Key:
        at = self.spec.time(slot)
        if late:
            first, last = LATE_HOURS
            at -= first * HOUR + int(self.rng.random() * (last - first) * HOUR)
        if self.rng.random() < ORDERS:
            return _Key(next(self.orders)._replace(order_id=f"{self.ids[0]}{slot:08d}", created=at), at)
        return _Key(next(self.sales)._replace(sale_id=f"{self.ids[1]}{slot:08d}", sold=at), at)

    def _correction(self, slot: int) -> Event:
        """A later version of a key: at times of one whose original is still to be sent."""
        rng = self.rng
        if self.owed and rng.random() < 0.5:
            key, kind = self.owed.pop(0), "back"
            assert key.before is not None
            key.content, key.before = key.before, None
        else:
            unsent = [key for *_, key in self.waiting if key is not None] if rng.random() < 0.3 else []
            key, kind = rng.choice(unsent or self.keys), rng.choice(REVISIONS)
            if key.before is not None:
                # It is on its way back; anything else it might become would be lost by that.
                self.owed.remove(key)
                key.before = None
            if kind == "there_and_back":
                key.before = key.content
                self.owed.append(key)
            key.content = revise(key.content, kind, rng)
        # At its time, but after the version before it, however close in time they are.
        key.version = max(self.spec.time(slot), key.version + 1)
        return self._written(key, key.version)._replace(role="correction", detail=kind)

    def _written(self, key: _Key, updated: int | None) -> Event:
        content, fact = key.content, fact_of(key.content, key.version)
        if not isinstance(content, Sale):
            text = order_text(content, updated, typed=self.rng.random() >= WITHOUT_TYPE)
            return Event(text, fact.key, "order", "original", fact=fact)
        as_csv = self.rng.random() < AS_CSV
        text = ",".join(sale_cells(content, key.version)) if as_csv else sale_json(content, key.version)
        return Event(text, fact.key, "transaction", "original", fact=fact)

    def _malformed(self, slot: int) -> Event:
        kinds = list(KINDS)
        kind, ident, at = kinds[self.broken % len(kinds)], f"{self.ids[2]}{slot:08d}", self.spec.time(slot)
        order = next(self.orders)._replace(order_id=ident, created=at)
        sale = next(self.sales)._replace(sale_id=ident, sold=at)
        line = malformed(kind, Case(ident, order, sale, self.broken // len(kinds)))
        self.broken += 1
        return Event(line, ident, "malformed", "malformed", kind)

    def _remember(self, known: list[T], one: T) -> None:
        """Keep `one`, in the place of any other once there are enough."""
        if len(known) < REMEMBERED:
            known.append(one)
        else:
            known[int(self.rng.random() * REMEMBERED)] = one
