"""Where each partition of Kafka goes on: what bronze has, compared with what the broker still has. Plain Python.

A partition's name is where its records stand in bronze: `kafka/<topic>@<id>/<partition>`. The id is the topic's own, so
a topic that was deleted and made anew under its name is another one, whose offsets begin again. Records that landed
before ids were kept, and those of a broker that gives none, stand at `kafka/<topic>/<partition>`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from saleslake.errors import SaleslakeError
from saleslake.not_landed import shown

_FILE = re.compile(r"kafka/([^/@]+)(?:@([^/]+))?/([0-9]+)")


@dataclass(frozen=True)
class Held:
    """What the broker has of a partition: [earliest, end); below `readable` every transaction has ended."""

    earliest: int
    readable: int
    end: int


@dataclass(frozen=True)
class Topic:
    """A topic as the broker tells of it. `id` is empty where it gives none."""

    name: str
    id: str
    partitions: dict[int, Held]

    @property
    def label(self) -> str:
        """Its name in records: with the id, where there is one."""
        return f"{self.name}@{self.id}" if self.id else self.name

    def file(self, partition: int) -> str:
        return f"kafka/{self.label}/{partition}"


@dataclass(frozen=True)
class Gone:
    """Offsets [first, end) that bronze lacks and the broker has no more."""

    file: str
    first: int
    end: int

    @property
    def text(self) -> str:
        return f"{shown(self.file)} [{self.first}, {self.end})"


@dataclass
class Plan:
    """From which offset each partition is read, and what bronze is to note first."""

    starts: dict[str, dict[int, int]] = field(default_factory=dict)
    """topic → partition → next offset, past what is gone."""
    begun: dict[str, int] = field(default_factory=dict)
    """Partitions of topics that bronze does not know yet → offset that they are read from."""
    gone: list[Gone] = field(default_factory=list)
    made_anew: list[str] = field(default_factory=list)


def plan(offsets: Mapping[str, int], topics: Iterable[Topic], begin: str) -> Plan:
    """`offsets`: the greatest offset that bronze has of each partition, by its name. `begin`: `earliest` or `latest`.

    Raises SaleslakeError for a topic that ends before what bronze has of it.
    """
    made = Plan()
    for topic in topics:
        known = {p: offsets[topic.file(p)] + 1 for p in topic.partitions if topic.file(p) in offsets}
        of_name = {file: found for file in offsets if (found := _FILE.fullmatch(file)) and found[1] == topic.name}
        is_known = any((found[2] or "") == topic.id for found in of_name.values())
        if is_known:
            _check_end(topic, known)
            starts = {p: known.get(p, 0) for p in topic.partitions}
        else:
            starts = _first(topic, {f: offsets[f] + 1 for f in of_name}, begin, made)
            made.begun |= {topic.file(p): start for p, start in starts.items()}
        for p, start in sorted(starts.items()):
            if start < topic.partitions[p].earliest:
                made.gone.append(Gone(topic.file(p), start, topic.partitions[p].earliest))
        made.starts[topic.name] = {p: max(start, topic.partitions[p].earliest) for p, start in starts.items()}
    return made


def _first(topic: Topic, former: Mapping[str, int], begin: str, made: Plan) -> dict[int, int]:
    """Where a topic begins that bronze has nothing of by its id. `former`: next offsets of its name, under other ids or none."""
    earliest = {p: held.earliest for p, held in topic.partitions.items()}
    if not former:
        return earliest if begin == "earliest" else {p: held.readable for p, held in topic.partitions.items()}
    without_id = {int(file.rpartition("/")[2]): at for file, at in former.items() if "@" not in file}
    fits = all(p in topic.partitions and at <= topic.partitions[p].end for p, at in without_id.items())
    if len(without_id) == len(former) and fits:
        # Landed before ids were kept: nothing speaks against its being the same topic.
        return earliest | without_id
    made.made_anew.append(topic.name)
    return dict.fromkeys(topic.partitions, 0)


def _check_end(topic: Topic, known: Mapping[int, int]) -> None:
    """A message under an offset that bronze has counts as landed, so one that was written there since would be lost."""
    for p, at in known.items():
        end = topic.partitions[p].end
        if at > end:
            what = "the broker lost messages" if topic.id else "the topic was made anew, or the broker lost messages"
            raise SaleslakeError(
                f"stream.kafka.topics: {topic.name}/{p} ends at offset {end}, but bronze has it up to {at}: {what}, and "
                "new ones would count as landed. Produce to a topic of another name, or to this one made anew on a "
                "broker that gives topics ids (Kafka 2.8 and later), and start again"
            )
