"""The windows that an API was asked for, by bronze's control rows: which were complete, and whether the watermark passed others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from saleslake.bronze import Control
from saleslake.landing import iso

State = Literal["complete", "not complete", "unknown"]
"""unknown: asked before what a fetch came to was kept with the window."""


@dataclass(frozen=True)
class WindowOf:
    """One window (since, until] that brought something. `watermark`: where it moved it to, or None."""

    landed_at: str
    state: State
    since: str | None = None
    until: str | None = None
    watermark: str | None = None
    fetch: dict[str, Any] | None = None

    @property
    def shown(self) -> str:
        """The window and what is known of it, for a person."""
        return f"window ({self.since or 'the beginning'}, {self.until or 'open'}] landed at {self.landed_at}"

    @property
    def why(self) -> str:
        """Why it is not complete."""
        return str((self.fetch or {}).get("failure") or "no end was seen")


@dataclass
class Windows:
    """Those of one source that brought something, in landing order; `last`: the latest, whatever it brought, by its manifest."""

    all: list[WindowOf] = field(default_factory=list)
    last: dict[str, Any] | None = None

    def count(self, state: State) -> int:
        return sum(window.state == state for window in self.all)

    @property
    def not_complete(self) -> list[WindowOf]:
        return [window for window in self.all if window.state == "not complete"]


def of(controls: Sequence[Control], last: dict[str, Any] | None = None) -> Windows:
    """The windows of a source by its control rows."""
    found = [
        WindowOf(iso(row.landed_at), _state(row.fetch), row.since, row.until, row.watermark, row.fetch)
        for row in controls
    ]
    return Windows(found, last)


def passed(source: str, windows: Windows) -> list[str]:
    """One line for each window that the watermark passed though it was not complete, until a later one covers it.

    A window that did not move the watermark is passed by none: whoever moves it has to join on to where it stands.
    """
    lines = []
    for number, window in enumerate(windows.all):
        if window.watermark is None or window.state != "not complete":
            continue
        if not any(later.state == "complete" and _covers(later, window) for later in windows.all[number + 1 :]):
            lines.append(
                f"{source}: the watermark went to {window.watermark} by a {window.shown}, which was not complete: "
                f"{window.why}; saleslake run --refetch asks for everything again"
            )
    return lines


def _state(fetch: dict[str, Any] | None) -> State:
    if fetch is None:
        return "unknown"
    return "complete" if fetch.get("complete") else "not complete"


def _covers(later: WindowOf, window: WindowOf) -> bool:
    begins = later.since is None or (window.since is not None and later.since <= window.since)
    # An open window ended when it was fetched, so a later open one goes further.
    ends = later.until is None or (window.until is not None and later.until >= window.until)
    return begins and ends
