"""Runs an example of conf/examples as a data engineer would, up to the judge: no Spark, real sockets and files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from saleslake import bronze
from saleslake.config import PROJECT_ROOT, Settings
from saleslake.entry import open_settings
from saleslake.ingest import api, files
from saleslake.ingest.commit import commit
from saleslake.ingest.report import Landed
from saleslake.ingest.window import Window, parse_window
from saleslake.lake import Lake
from saleslake.silver.judge.batches import NEEDED, judged_rows
from tests.api_support import Reply, Script, answering

EXAMPLES = PROJECT_ROOT / "conf" / "examples"
FIXTURES = Path(__file__).parent
TOKEN = "a-token-of-the-test"


@dataclass(frozen=True)
class Asked:
    """A request: its path, its parameters, its headers by lower-case names."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


Answer = Callable[[Asked], Reply]


@contextmanager
def served(answer: Answer) -> Iterator[Script]:
    """A server of one platform."""

    def of_query(_: dict[str, str]) -> Reply:
        seen = script.seen[-1]
        parts = urlsplit(seen["path"])
        return answer(Asked(parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)), seen))

    with answering(of_query) as script:
        yield script


def records(name: str) -> list[dict[str, Any]]:
    """The records of a fixture, a JSON array."""
    found: list[dict[str, Any]] = json.loads((FIXTURES / name).read_text(encoding="utf-8"))
    return found


@dataclass(frozen=True)
class Figures:
    """What the sales in one currency come to. `sales`: orders or transactions; days in UTC."""

    sales: int
    lines: int
    units: str
    net: str
    customers: int
    days: tuple[str, str]


@dataclass
class Came:
    """What came of one source: the report of landing, and its records as judged."""

    landed: Landed
    rows: list[dict[str, Any]]
    keys: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.keys = [row["key"] for row in self.rows]

    @property
    def figures(self) -> dict[str, Figures]:
        """Of the records that are kept and are sales, by currency."""
        by_currency: dict[str, list[dict[str, Any]]] = {}
        for row in self.rows:
            if not row["reasons"] and row["is_sale"]:
                by_currency.setdefault(row["currency"], []).append(row)
        return {currency: _figures(rows) for currency, rows in by_currency.items()}

    @cached_property
    def quarantined(self) -> dict[str, list[str]]:
        """Reasons of the records that are not kept, by their keys."""
        return {row["key"]: row["reasons"] for row in self.rows if row["reasons"]}

    @property
    def no_sales(self) -> list[str]:
        """Keys of the records that are kept and are no sales."""
        return [row["key"] for row in self.rows if not row["reasons"] and not row["is_sale"]]

    @property
    def warnings(self) -> Counter[str]:
        """How many records that are kept have each of the warnings."""
        return Counter(name for row in self.rows if not row["reasons"] for name in row["warnings"])


def _figures(rows: Sequence[Mapping[str, Any]]) -> Figures:
    of_orders = "items" in rows[0]
    lines = [line for row in rows for line in row["items"]] if of_orders else rows
    customers = {row["user_id" if of_orders else "customer_id"] for row in rows} - {None}
    days = sorted(str(row["date"]) for row in rows)
    return Figures(
        len(rows),
        len(lines),
        _plain(sum((line["quantity"] for line in lines), Decimal())),
        _plain(sum((line["amount"] for line in lines if line["amount"] is not None), Decimal())),
        len(customers),
        (days[0], days[-1]),
    )


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def settings_of(name: str, data: Path, server: str = "") -> Settings:
    """An example's settings: its data in a folder and its addresses on the test's server."""
    path = EXAMPLES / f"{name}.toml"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SALESLAKE__PATHS__DATA", str(data))
        for source, each in open_settings(str(path)).sources.items():
            if each.api is not None:
                url = server + urlsplit(each.api.url).path
                patch.setenv(f"SALESLAKE__SOURCES__{source.upper()}__API__URL", url)
        return open_settings(str(path))


def run(name: str, data: Path, server: str = "", *window: str, **environment: str) -> dict[str, Came]:
    """Land every source of an example and judge what landed: what a first run does, without gold. `window`: since and until."""
    settings = settings_of(name, data, server)
    lake = Lake(settings)
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in environment.items():
            patch.setenv(variable, value)
        asked = parse_window(*window) if window else Window()
        return {source: _came(lake, source, asked) for source in settings.sources}


def _came(lake: Lake, source: str, window: Window) -> Came:
    report = Landed(source)
    if lake.settings.sources[source].format == "api":
        api.extract(lake, source, window, [], report, refetch=False, say=lambda _: None)
    else:
        commit(lake, source, files.extract(lake, source, [], report, refetch=False), report)
    assert report.failed == []
    if not report.records:
        return Came(report, [])
    found = lake.query(
        "select * from t where kind = 'record' order by landed_at, file, ordinal", t=bronze.table_of(source)
    )
    return Came(report, judged_rows(found.to_arrow_table().select(NEEDED), source, lake.settings).to_pylist())
