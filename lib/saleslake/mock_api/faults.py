"""Faults on demand: which request fails, how, and how often.

A fault is written `kind[=value]@endpoint[:page][#nth][xtimes]`; several are separated by commas (so a value with
a comma, such as an HTTP date, can only be set in code or as JSON):

    500@orders:2          the first request for page 2 of /orders answers 500
    429=7@orders:1x2      the first two for page 1 answer 429 with `Retry-After: 7`
    slow=1.5@products     one answer of /products comes 1.5 s late
    reset@orders#3        the third request to /orders (counted from when the fault was set) is reset
    503@*x*               every request to every endpoint answers 503, for ever

`times` is 1 unless given; `x*` means always. With `#nth`, the fault begins at the nth matching request.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import Any

from saleslake.errors import ConfigError

ALWAYS = 0
"""`times` of a fault that never wears off."""

KINDS = {
    "truncated": "announces more bytes than it sends",
    "cut": "ends a chunked body before its last chunk",
    "invalid-json": "answers a whole body that is no JSON",
    "error": "answers 200 with an error in the body and no records",
    "html": "answers 200 with a page for people, as proxies do",
    "last-again": "answers a page past the last one with the last one's records, as Magento does",
    "slow": "waits `value` seconds (default 1) before it answers",
    "malformed": "adds elements that are no orders (a number, null, a text, a list, an empty object)",
    "duplicate": "answers the body it sent last from this endpoint once more",
    "loop": "links back to the page itself as the next one",
    "other-host": "links to `value` (default http://elsewhere.invalid) as the next page",
    "redirect": "answers 302 with `Location: value` (default http://elsewhere.invalid/)",
    "reset": "resets the connection instead of answering",
}
"""Kinds beside the HTTP statuses 400 to 599 (of which `value` is the Retry-After header, default 1 for 429)."""

_GRAMMAR = "kind[=value]@endpoint[:page][#nth][xtimes], such as 500@orders:2x3"
_SPEC = re.compile(
    r"(?P<kind>[a-z0-9-]+)(=(?P<value>[^@]+))?@(?P<endpoint>orders|products|\*)"
    r"(:(?P<page>[0-9]{1,9}))?(#(?P<nth>[0-9]{1,9}))?(x(?P<times>[0-9]{1,9}|\*))?"
)
_ENDPOINTS = ("orders", "products", "*")


@dataclass(frozen=True)
class Fault:
    """One way to fail. Raises ConfigError for a kind, endpoint or number that does not exist."""

    kind: str
    endpoint: str = "*"
    page: int | None = None
    nth: int = 1
    times: int = 1
    value: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS and not re.fullmatch("[45][0-9][0-9]", self.kind):
            raise ConfigError(f"unknown fault {self.kind!r}; there are the statuses 400 to 599 and {', '.join(KINDS)}")
        if self.endpoint not in _ENDPOINTS:
            raise ConfigError(f"fault {self.kind}: no endpoint {self.endpoint!r}; there are orders, products and *")
        if self.nth < 1 or self.times < ALWAYS or (self.page is not None and self.page < 1):
            raise ConfigError(f"fault {self.kind}: page and nth count from 1, times from 1 (0: always)")
        if self.kind == "slow" and not re.fullmatch(r"([0-9]{1,6}(\.[0-9]+)?)?", self.value):
            raise ConfigError(f"fault slow: {self.value!r} is no number of seconds")

    @property
    def status(self) -> int | None:
        return int(self.kind) if self.kind.isdecimal() else None


def parse_fault(spec: str) -> Fault:
    """Read one fault (grammar: this module's docstring). Raises ConfigError that quotes it."""
    found = _SPEC.fullmatch(spec.strip())
    if found is None:
        raise ConfigError(f"cannot read the fault {spec!r}: write {_GRAMMAR}")
    parts = found.groupdict()
    return Fault(
        kind=parts["kind"],
        endpoint=parts["endpoint"],
        page=int(parts["page"]) if parts["page"] else None,
        nth=int(parts["nth"] or 1),
        times=ALWAYS if parts["times"] == "*" else int(parts["times"] or 1),
        value=parts["value"] or "",
    )


def parse_faults(specs: str) -> list[Fault]:
    """Read faults separated by commas; an empty text has none."""
    return [parse_fault(spec) for spec in specs.split(",") if spec.strip()]


def faults_of_json(value: Any) -> list[Fault]:
    """Faults given as JSON: a spec, an object with a Fault's fields, or a list of these. Raises ConfigError."""
    if isinstance(value, list):
        return [fault for item in value for fault in faults_of_json(item)]
    if isinstance(value, str):
        return parse_faults(value)
    if not isinstance(value, dict):
        raise ConfigError(f"a fault is a text such as 500@orders:2 or an object, not {type(value).__name__}")
    wanted: dict[str, type] = {"kind": str, "endpoint": str, "page": int, "nth": int, "times": int, "value": str}
    wrong = [name for name, item in value.items() if name not in wanted or type(item) is not wanted[name]]
    if wrong or "kind" not in value:
        raise ConfigError(f"a fault has texts kind, endpoint, value and numbers page, nth, times; check {wrong}")
    return [Fault(**value)]


@dataclass
class _Armed:
    fault: Fault
    seen: int = 0
    fired: int = 0


@dataclass
class FaultBox:
    """The faults in force. Deterministic: what fires depends only on the order of requests."""

    _armed: list[_Armed] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, faults: list[Fault]) -> None:
        with self._lock:
            self._armed += [_Armed(fault) for fault in faults]

    def clear(self) -> None:
        with self._lock:
            self._armed.clear()

    def take(self, endpoint: str, page: int) -> list[Fault]:
        """The faults that strike this request, in the order set; each is used up by one."""
        with self._lock:
            return [armed.fault for armed in self._armed if self._strikes(armed, endpoint, page)]

    @staticmethod
    def _strikes(armed: _Armed, endpoint: str, page: int) -> bool:
        fault = armed.fault
        if fault.endpoint not in (endpoint, "*") or fault.page not in (page, None):
            return False
        armed.seen += 1
        if armed.seen < fault.nth or (fault.times != ALWAYS and armed.fired >= fault.times):
            return False
        armed.fired += 1
        return True
