"""Scenarios of whole runs: files that appear, grow, shrink, change and change back, and the steps taken over them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import strategies as st

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
    """What is done to the files before it (path below the root → bytes), and what is done then."""

    files: dict[str, bytes]
    step: str


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
            {name: FEEDS[name] for name in self.feeds},
            RULES[self.rules],
            CHANNELS,
            self.missing_item_price,
            ("products_more", "products_csv"),
        )

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
            feed = FEEDS[name]
            lines += [
                f"[sources.{name}]",
                f'entity = "{feed.entity}"',
                f'format = "{feed.format}"',
                f'path = "in/{name}"',
                f'time_zone = "{feed.time_zone}"',
            ]
            lines += [f'key = "{feed.key}"'] if feed.key == "line" else []
            lines += feed.mapping
            lines += [f'defaults = {{ currency = "{feed.currency}" }}'] if feed.currency else []
        return "\n".join(lines)

    def __repr__(self) -> str:
        shown = [f"rules {self.rules}, missing_item_price {self.missing_item_price}, replayed in order {self.order}"]
        for n, run in enumerate(self.runs, 1):
            shown.append(f"run {n} ({run.step}):")
            shown += [
                f"  {path}:\n    " + "\n    ".join(content.decode().splitlines())
                for path, content in sorted(run.files.items())
            ]
        return "\n".join(shown)


CHANNELS = {"web": "web", "instore": "store", "pos": "store"}

_KEYS = {
    "orders_a": ("o", 9),
    "tx": ("t", 7),
    "tx_lines": ("", 5),
    "users": ("u", 4),
    "products_csv": ("s", 4),
    "products_more": ("s", 3),
    "stock": ("s", 4),
}


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Two to four runs over dozens of records. In one run alone nothing changes."""
    scenario = Scenario(draw(st.sampled_from(list(RULES))), draw(st.sampled_from(["zero", "catalogue"])))
    count = draw(st.integers(2, 4))
    rows = _spread(draw, count)
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
    scenario.order = draw(st.permutations(range(4 * len(FEEDS))))
    return scenario


def _bytes(path: str, lines: list[str], draw: st.DrawFn) -> bytes:
    source = path.split("/")[1]
    names = CSV_NAMES.get(source)
    text = "\n".join(([",".join(names)] if names else []) + lines)
    end = draw(st.sampled_from(["\n", "", "\n\n"]))
    return ("\ufeff" * (draw(st.integers(1, 4)) == 4) + text + (end if text else "")).encode()


def _spread(draw: st.DrawFn, count: int) -> list[dict[str, list[str]]]:
    """Per run and source the lines that are new in it; versions of one key come in the order of their history."""
    runs: list[dict[str, list[str]]] = [{} for _ in range(count)]
    for source, (prefix, keys) in _KEYS.items():
        entity = FEEDS[source].entity
        for n in range(1, keys + 1):
            at = 0
            for version in draw(
                histories.history(entity, f"{prefix}{n}", most=4 if source in ("orders_a", "tx") else 2)
            ):
                # Reference data settles early; sales go on coming.
                at = min(count - 1, at + draw(st.integers(0, 1 if source in ("orders_a", "tx", "tx_lines") else 3)))
                where = draw(st.sampled_from(["orders_a", "orders_a", "orders_b"])) if source == "orders_a" else source
                runs[at].setdefault(where, []).append(line_of(where, version))
    return runs


def line_of(source: str, version: Version) -> str:
    """A version as the line of its source's files. A quote that is not closed would take the lines after it along."""
    names = CSV_NAMES.get(source)
    mangled = version.mangled.replace("quote_open", "quote_text")
    return version.text if names is None else histories.csv_line(dict(version.cells), names, mangled)


def write(root: Path, run: Run) -> None:
    """Put the files of a run where the sources look, as producers do: whole, by renaming."""
    for source in FEEDS:
        (root / "in" / source).mkdir(parents=True, exist_ok=True)
    for path, content in run.files.items():
        partial = (root / path).with_name(f".{Path(path).name}.tmp")
        partial.write_bytes(content)
        partial.replace(root / path)
