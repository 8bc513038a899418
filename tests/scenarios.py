"""Scenarios of whole runs: files that appear, grow, shrink, change and change back, and the steps taken over them.

Large ones hold dozens of keys of every source; small ones a few keys of two or three, so that hundreds can be tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import strategies as st

from saleslake.engine.interface import Name
from tests import histories
from tests.histories import Version
from tests.oracle import Feed, Setup

CSV_NAMES = {
    "tx": [
        "transaction_id",
        "customer_id",
        "product_id",
        "sale_date",
        "quantity",
        "total_price",
        "unit_price",
        "sales_channel",
        "currency",
        "status",
        "order_ref",
    ],
    "tx_lines": [
        "sale_date",
        "product_id",
        "quantity",
        "unit_price",
        "customer_id",
        "total_price",
        "sales_channel",
        "currency",
    ],
    "users": ["user_id", "email", "created_at", "country"],
    "products_csv": ["sku", "name", "category", "price", "currency"],
    "stock": ["product_id", "on_hand", "counted_at"],
}
FEEDS = {
    "orders_a": Feed("orders", "jsonl", has_status=True, has_totals=True, has_refunds=True),
    "orders_b": Feed("orders", "jsonl", currency="EUR", time_zone="Europe/Berlin"),
    "tx": Feed("transactions", "csv", currency="EUR", has_status=True, has_orders=True),
    "tx_lines": Feed("transactions", "csv", key="line", currency="USD"),
    "users": Feed("users", "csv"),
    "products_csv": Feed("products", "csv", currency="EUR"),
    "products_more": Feed("products", "jsonl"),
    "stock": Feed("stock", "csv"),
}
EVENTS = {
    "events_orders": Feed("orders", "jsonl"),
    "events_transactions": Feed("transactions", "jsonl", version="updated_at", currency="EUR"),
}
"""What the stream brings: lines of both in one file."""
ALL_FEEDS = FEEDS | EVENTS
STEPS = ("all", "land", "land and silver", "land, silver of some", "twice")
RULES = {
    "default": {},
    "lenient": {
        "orders": {
            "line_invalid": "warn",
            "refund_invalid": "warn",
            "items_empty": "warn",
            "user_missing": "error",
            "currency_unreadable": "discard",
        },
        "transactions": {"price_unreadable": "warn", "product_missing": "discard"},
    },
}


@dataclass
class Run:
    """What is done to the files before it (path below the root → bytes), and what is done then.

    `dies_at`: the kill point, or the write (`write:3`), at which it ends; nothing: it ends well. `engine`: the one that it takes.
    """

    files: dict[str, bytes]
    step: str
    dies_at: str = ""
    engine: Name = "embedded"


@dataclass
class Scenario:
    rules: str
    missing_item_price: str
    runs: list[Run] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    """In which the landing commits are replayed in another lakehouse."""
    feeds: tuple[str, ...] = tuple(FEEDS)

    @property
    def setup(self) -> Setup:
        return Setup(
            {name: ALL_FEEDS[name] for name in self.feeds},
            RULES[self.rules],
            CHANNELS,
            self.missing_item_price,
            ("products_more", "products_csv"),
            event_types=("order", "transaction") if self.streams else (),
        )

    @property
    def streams(self) -> list[str]:
        return [name for name in self.feeds if name in EVENTS]

    @property
    def of_files(self) -> list[str]:
        """The sources that the batch lands."""
        return [name for name in self.feeds if name in FEEDS]

    def toml(self) -> str:
        products = ", ".join(f'"{name}"' for name in ("products_more", "products_csv") if name in self.feeds)
        lines = [
            f'[gold]\nmissing_item_price = "{self.missing_item_price}"\nproduct_precedence = {{ default = [{products}] }}',
            "[channels]",
        ]
        lines += [f'{spelling} = "{name}"' for spelling, name in CHANNELS.items()]
        for entity, rules in RULES[self.rules].items():
            lines += [f"[rules.{entity}]", *[f'{name} = "{kind}"' for name, kind in rules.items()]]
        for name in self.feeds:
            feed = ALL_FEEDS[name]
            lines += [f"[sources.{name}]", f'entity = "{feed.entity}"', f'time_zone = "{feed.time_zone}"']
            if name in EVENTS:
                lines += ['format = "events"', f'event_type = "{feed.entity.removesuffix("s")}"']
            else:
                lines += [f'format = "{feed.format}"', f'path = "in/{name}"']
            lines += [f'version = "{feed.version}"'] if feed.version else []
            lines += [f'key = "{feed.key}"'] if feed.key == "line" else []
            lines += feed.mapping
            lines += [f'defaults = {{ currency = "{feed.currency}" }}'] if feed.currency else []
        lines += ["[stream.files]", 'path = "in/events"'] if self.streams else []
        return "\n".join(lines)

    def __repr__(self) -> str:
        shown = [
            f"{', '.join(self.feeds)}; rules {self.rules}, missing_item_price {self.missing_item_price}, replayed in order {self.order}"
        ]
        for n, run in enumerate(self.runs, 1):
            how = f"{run.step} on {run.engine}" + (f", dies at {run.dies_at}" if run.dies_at else "")
            shown.append(f"run {n} ({how}):")
            shown += [
                f"  {path}:\n    " + "\n    ".join(content.decode().splitlines())
                for path, content in sorted(run.files.items())
            ]
        return "\n".join(shown)


CHANNELS = {"web": "web", "instore": "store", "pos": "store"}

_PREFIXES = {"orders_b": "o", "events_orders": "o", "events_transactions": "t"}
_LIVELY = ("orders_a", "orders_b", "tx", *EVENTS)
"""Of these one key has more versions, and they go on coming."""
_KEYS = {
    "orders_a": ("o", 9),
    "tx": ("t", 7),
    "tx_lines": ("", 5),
    "users": ("u", 4),
    "products_csv": ("s", 4),
    "products_more": ("s", 3),
    "stock": ("s", 4),
}
_PREFIXES |= {name: prefix for name, (prefix, _) in _KEYS.items()}


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Two to four runs over dozens of records. In one run alone nothing changes."""
    scenario = Scenario(draw(st.sampled_from(list(RULES))), draw(st.sampled_from(["zero", "catalogue"])))
    count = draw(st.integers(2, 4))
    _fill(scenario, _spread(draw, count, _KEYS), draw)
    scenario.order = draw(st.permutations(range(4 * len(FEEDS))))
    return scenario


_GROUPS = (
    ("orders_a", "products_more"),
    ("orders_a", "orders_b", "users"),
    ("orders_a", "tx", "products_csv"),
    ("tx", "products_csv", "products_more"),
    ("tx_lines", "products_more", "stock"),
    ("tx", "tx_lines", "stock"),
    ("events_orders", "events_transactions"),
    ("events_orders", "events_transactions", "products_more"),
    ("events_orders", "orders_b", "products_csv"),
)
_FEW_KEYS = {"orders_a": 2, "orders_b": 1, "tx": 2, "tx_lines": 2, "events_orders": 2, "events_transactions": 2}
_SMALL_STEPS = ("publish", "publish", "publish", "land", "land", "land and silver", "all")
_LAST_STEPS = ("publish", "publish", "publish", "all")
_ENGINES: tuple[Name, ...] = ("embedded", "spark")
DEATHS = (
    *("after_landing:1", "before_bronze:1", "after_bronze:1", "after_bronze:2", "after_quarantine:1"),
    *("after_silver_write:1", "after_silver_write:2", "before_silver_progress:1", "between_silver_and_gold:1"),
    *("after_gold_write:1", "after_gold_write:3", "after_gold_write:6", "before_gold_progress:1"),
    *(f"write:{n}" for n in (2, 4, 5, 6, 7, 8, 10, 13, 16, 20, 25)),
)
"""Where runs die. A write dies before its commit: its files lie there, and no version names them."""


@st.composite
def small_scenarios(draw: st.DrawFn) -> Scenario:
    """One to three runs over a few keys, of which one in three dies; the last is complete."""
    rules, price = draw(st.sampled_from(list(RULES))), draw(st.sampled_from(["zero", "catalogue"]))
    scenario = Scenario(rules, price, feeds=draw(st.sampled_from(_GROUPS)))
    count = draw(st.integers(1, 3))
    keys = {name: (_PREFIXES[name], _FEW_KEYS.get(name, 2)) for name in scenario.feeds}
    _fill(scenario, _spread(draw, count, keys, [name for name in ("orders_a", "orders_b") if name in keys]), draw)
    for run in scenario.runs:
        is_last = run is scenario.runs[-1]
        run.step = draw(st.sampled_from(_LAST_STEPS if is_last else _SMALL_STEPS))
        if draw(st.integers(1, 3)) == 3:
            run.dies_at = draw(st.sampled_from(DEATHS))
    if scenario.runs[-1].dies_at:
        scenario.runs.append(Run({}, "publish"))
    return scenario


@st.composite
def shared_scenarios(draw: st.DrawFn) -> Scenario:
    """Runs over dozens of keys, which the engines take in turn, from any point of a run to any other; one in three dies."""
    scenario, turn = draw(scenarios()), draw(st.sampled_from([0, 1]))
    scenario.order = []
    last = scenario.runs[-1]
    scenario.runs = [run for run in scenario.runs if run is last or run.files][-3:]
    for n, run in enumerate(scenario.runs):
        run.engine = _ENGINES[(turn + n) % 2]
        run.step = "publish" if run is last else draw(st.sampled_from(("publish", "land", "land and silver")))
        if run is not last and draw(st.integers(1, 3)) == 3:
            run.dies_at = draw(st.sampled_from(DEATHS))
    return scenario


def _fill(scenario: Scenario, rows: list[dict[str, list[str]]], draw: st.DrawFn) -> None:
    """Bring the lines of each run into files: new ones, or such as grow, are replaced, shrink or are put back."""
    count = len(rows)
    folder: dict[str, list[str]] = {}
    former: dict[str, list[list[str]]] = {}
    for number, of_run in enumerate(rows):
        changed: dict[str, list[str]] = {}
        for source, lines in of_run.items():
            mine = [path for path in folder if path.startswith(f"in/{source}/")]
            how = draw(st.sampled_from(["new", "append", "replace", "shrink", "back"])) if mine else "new"
            path = (
                draw(st.sampled_from(mine))
                if mine and how != "new"
                else f"in/{source}/{draw(st.sampled_from('ab'))}{number}.x"
            )
            if how == "shrink":
                content = folder[path][: max(0, len(folder[path]) - 2)] + lines[:1]
            elif how == "back" and former.get(path):
                content = draw(st.sampled_from(former[path]))
            else:
                content = (folder.get(path, []) if how == "append" else []) + lines
            former.setdefault(path, []).append(content)
            folder[path] = changed[path] = content
        step = "all" if number == count - 1 else draw(st.sampled_from(STEPS))
        scenario.runs.append(Run({path: _bytes(path, lines, draw) for path, lines in changed.items()}, step))


def _bytes(path: str, lines: list[str], draw: st.DrawFn) -> bytes:
    source = path.split("/")[1]
    names = CSV_NAMES.get(source)
    text = "\n".join(([",".join(names)] if names else []) + lines)
    end = draw(st.sampled_from(["\n", "", "\n\n"]))
    return ("\ufeff" * (draw(st.integers(1, 4)) == 4) + text + (end if text else "")).encode()


def _spread(
    draw: st.DrawFn,
    count: int,
    keys_of: dict[str, tuple[str, int]],
    orders: Sequence[str] = ("orders_a", "orders_a", "orders_b"),
) -> list[dict[str, list[str]]]:
    """Per run and source the lines that are new in it; versions of one key come in the order of their history."""
    runs: list[dict[str, list[str]]] = [{} for _ in range(count)]
    for source, (prefix, keys) in keys_of.items():
        entity = ALL_FEEDS[source].entity
        for n in range(1, keys + 1):
            at = 0
            for version in draw(histories.history(entity, f"{prefix}{n}", most=4 if source in _LIVELY else 2)):
                # Reference data settles early; sales go on coming.
                at = min(count - 1, at + draw(st.integers(0, 1 if source in (*_LIVELY, "tx_lines") else 3)))
                where = draw(st.sampled_from(orders)) if source == "orders_a" else source
                line = _event(where, version, draw) if where in EVENTS else line_of(where, version)
                runs[at].setdefault("events" if where in EVENTS else where, []).append(line)
    return runs


def _event(source: str, version: Version, draw: st.DrawFn) -> str:
    """A version as the stream's line: told by its type, or by the key that it has."""
    text = version.text or histories.json_line(dict(version.cells))
    type_ = draw(st.sampled_from(["", "", EVENTS[source].entity.removesuffix("s"), "Order", "refund"]))
    return text.replace("{", f'{{"type":"{type_}",', 1) if type_ and text.startswith("{") else text


def line_of(source: str, version: Version) -> str:
    """A version as the line of its source's files. A quote that is not closed would take the lines after it along."""
    names = CSV_NAMES.get(source)
    mangled = version.mangled.replace("quote_open", "quote_text")
    return version.text if names is None else histories.csv_line(dict(version.cells), names, mangled)


def write(root: Path, run: Run) -> None:
    """Put the files of a run where the sources look, as producers do: whole, by renaming."""
    for source in (*FEEDS, "events"):
        (root / "in" / source).mkdir(parents=True, exist_ok=True)
    for path, content in run.files.items():
        partial = (root / path).with_name(f".{Path(path).name}.tmp")
        partial.write_bytes(content)
        partial.replace(root / path)
