"""Up to which offset bronze has each partition of Kafka, by its control rows; and what the next control row says of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from saleslake.landing import iso, now
from saleslake.not_landed import NOTICED
from saleslake.stream.offsets import Gone

Entry = dict[str, Any]


class Positions:
    """`offsets`: place of a partition → greatest offset that bronze has, or has passed."""

    def __init__(self) -> None:
        self.offsets: dict[str, int] = {}
        self.labels: dict[str, str] = {}
        """Topic → its name in record ids, where that is another."""
        self._lost: dict[tuple[str, int], tuple[int, str]] = {}

    def place(self, topic: str, partition: int) -> str:
        """Where the records of a partition stand."""
        return f"kafka/{self.labels.get(topic, topic)}/{partition}"

    def remember(self, entry: Entry) -> None:
        """Take in what a control row says of offsets."""
        if "lost" in entry:
            self._lost[entry["file"], entry["from"]] = (entry["until"] + 1, entry["lost"])
        if entry.get("lost") != NOTICED:
            self.offsets[entry["file"]] = max(entry["until"], self.offsets.get(entry["file"], -1))

    def landing(self, found: Mapping[str, tuple[int, int, int]], ends: Mapping[str, int]) -> list[Entry]:
        """An entry for each partition that was read further: which offsets, and how many messages there were among them.

        `found`: place → (first offset, last offset, messages). `ends`: place → end of what was read, where that is past
        the last message.
        """
        entries = []
        for file in sorted(found.keys() | ends.keys()):
            _, last, count = found.get(file, (0, -1, 0))
            begin, until = self.offsets.get(file, -1) + 1, max(last, ends.get(file, 0) - 1)
            if until >= begin:
                entries.append(_entry(file, begin, until) | {"records": count})
        return entries

    def beginning(self, begun: Mapping[str, int]) -> list[Entry]:
        """An entry for each partition that bronze knows nothing of yet: where it begins."""
        return [_entry(file, at, at - 1) for file, at in begun.items()]

    def losing(self, gone: Iterable[Gone], how: str) -> list[Entry]:
        """An entry for each range of offsets that will never land, but for those noted so already."""
        return [
            _entry(one.file, one.first, one.end - 1) | {"lost": how}
            for one in gone
            if self._lost.get((one.file, one.first)) != (one.end, how)
        ]


def _entry(file: str, begin: int, until: int) -> Entry:
    said = {"unit": f"{file}/{begin}", "file": file, "sha256": "", "from": begin, "until": until}
    return said | {"records": 0, "landed_at": iso(now())}
