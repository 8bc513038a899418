"""Made-up sales data of any size, the same for the same seed, with a stated number of every defect.

`generate` writes a whole set, `generate_increment` what a source would bring the day after. Both write `defects.json`:
every planted kind with its count, and the records and distinct keys of every file.
"""

from __future__ import annotations

import heapq
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path

from saleslake.errors import ConfigError
from saleslake.synthetic import catalogue, peculiar, plan, tables
from saleslake.synthetic.orders import DAY, OrderSpec, drafts, render, seconds_of
from saleslake.synthetic.transactions import TRANSACTIONS, transaction_rows

ORDERS = "orders.jsonl"
PRODUCTS_API = "products_api.json"
REPORT = "defects.json"
UNREADABLE_KEY = ("missing_order_id", "truncated_line", "not_an_object")


@dataclass(frozen=True)
class GenerateReport:
    """What was written: the arguments, and per file the planted kinds, records and distinct readable keys."""

    seed: int
    orders: int
    users: int
    products: int
    transactions: int
    start: str
    days: int
    defects: float
    duplicates: float
    corrections: float
    planted: dict[str, dict[str, int]] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)
    distinct_keys: dict[str, int] = field(default_factory=dict)

    def add(self, file: str, planted: dict[str, int], written: tables.Written) -> None:
        """Note what went into one file."""
        self.planted[file] = planted
        self.records[file] = written.records
        self.distinct_keys[file] = written.distinct_keys

    def write(self, out: Path) -> None:
        """Write `defects.json` into the folder of the data."""
        (out / REPORT).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @staticmethod
    def read(folder: Path) -> GenerateReport:
        """The report of an earlier run. Raises ConfigError where the folder holds none."""
        try:
            return GenerateReport(**json.loads((folder / REPORT).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as e:
            raise ConfigError(f"{folder / REPORT} is not the report of a generated set: {e}") from None


def generate(
    orders: int,
    seed: int,
    out: Path,
    *,
    defects: float = 0.02,
    duplicates: float = 0.03,
    corrections: float = 0.02,
    start: date = date(2024, 1, 1),
    days: int = 90,
    users: int | None = None,
    products: int | None = None,
    transactions: int | None = None,
) -> GenerateReport:
    """Write `orders` distinct orders and the files that go with them into `out`.

    `defects`, `duplicates` and `corrections` are shares of the distinct orders (and of the rows of the CSV files).
    The lines of `orders.jsonl` are more than `orders` by duplicates and corrections.
    Raises ConfigError when a number is out of range.
    """
    _check(orders, days, defects, duplicates, corrections)
    out.mkdir(parents=True, exist_ok=True)
    users = users or max(1, orders // 10)
    products = products or min(5000, max(20, orders // 200))
    transactions = orders // 5 if transactions is None else transactions
    report = GenerateReport(
        seed=seed, orders=orders, users=users, products=products, transactions=transactions,
        start=start.isoformat(), days=days, defects=defects, duplicates=duplicates, corrections=corrections,
    )  # fmt: skip
    goods = catalogue.products(products, str(seed))
    counts = plan.order_counts(orders, defects, duplicates, corrections)
    planted = plan.draw(counts, orders, f"{seed}:plan")
    report.add(ORDERS, counts, _write_orders(out / ORDERS, _order_spec(report, goods), planted))
    _write_tables(report, goods, out)
    report.write(out)
    return report


def generate_increment(
    base: Path, orders: int, seed: int, out: Path, *, corrected: float = 0.1, defects: float = 0.02
) -> GenerateReport:
    """Write `orders` records that follow the set in `base` into `out/orders.jsonl`.

    New orders (numbered on from the base) of its last two days and the day after, and a share `corrected` of
    corrections of its orders of the last seven days, each order at most once. `seed` tells increments apart.
    Raises ConfigError when `base` holds no report, or too few orders to correct.
    """
    old = GenerateReport.read(base)
    _check(orders, old.days, defects, 0, corrected)
    out.mkdir(parents=True, exist_ok=True)
    goods = catalogue.products(old.products, str(old.seed))
    base_spec = _order_spec(old, goods)
    end = base_spec.begin + base_spec.seconds
    corrections = round(orders * corrected)
    new = orders - corrections
    spec = replace(
        base_spec,
        seed=f"{old.seed}:{seed}:increment",
        first=old.orders,
        count=new,
        begin=end - 2 * DAY,
        seconds=3 * DAY,
    )
    counts = {kind: count for kind, count in plan.allocate(round(new * defects), plan.ORDER_DEFECTS).items() if count}
    later = _corrections_of(base_spec, old, corrections, random.Random(f"{spec.seed}:corrections"))
    written = _write_orders(out / ORDERS, spec, plan.draw(counts, new, f"{spec.seed}:plan"), later)
    report = replace(
        old, seed=seed, orders=new, transactions=0, defects=defects, duplicates=0, corrections=corrected,
        planted={}, records={}, distinct_keys={},
    )  # fmt: skip
    report.add(ORDERS, counts | {"correction_quantity": corrections}, written)
    report.write(out)
    return report


def _check(orders: int, days: int, *shares: float) -> None:
    if orders < 1 or days < 1:
        raise ConfigError(f"orders and days must be at least 1; got {orders} and {days}")
    if any(share < 0 for share in shares) or sum(shares) > 0.9:
        raise ConfigError(f"defects, duplicates and corrections are shares that add up to at most 0.9; got {shares}")


def _order_spec(report: GenerateReport, goods: list[catalogue.Product]) -> OrderSpec:
    return OrderSpec(
        seed=f"{report.seed}:orders",
        first=0,
        count=report.orders,
        begin=seconds_of(date.fromisoformat(report.start)),
        seconds=report.days * DAY,
        user_ids=catalogue.user_ids(report.users),
        skus=[product.sku for product in goods],
        cents=[product.cents for product in goods],
    )


def _write_tables(report: GenerateReport, goods: list[catalogue.Product], out: Path) -> None:
    """Write the CSV files and the product document, and add them to the report."""
    seed, start, days = str(report.seed), date.fromisoformat(report.start), report.days
    ids = catalogue.user_ids(report.users)
    files: dict[str, tuple[catalogue.Row, Iterable[catalogue.Row]]] = {
        "users.csv": (catalogue.USERS, catalogue.users(report.users, seed, start)),
        "products.csv": (catalogue.PRODUCTS, catalogue.product_rows(goods)),
        "stock.csv": (catalogue.STOCK, catalogue.stock_rows(goods, seed, start, days)),
        "transactions.csv": (
            TRANSACTIONS,
            transaction_rows(report.transactions, seed, (start, days), ids, goods),
        ),
    }
    for name, (header, rows) in files.items():
        listed = list(rows)
        counts = tables.counts(name, len(listed), report.defects, report.duplicates, report.corrections)
        planted = plan.draw(counts, len(listed), f"{seed}:{name}")
        report.add(name, counts, tables.write_csv(out / name, header, listed, planted))
    documents = list(catalogue.product_documents(goods))
    counts = tables.counts(PRODUCTS_API, len(documents), report.defects, 0, 0)
    planted = plan.draw(counts, len(documents), f"{seed}:{PRODUCTS_API}")
    report.add(PRODUCTS_API, counts, tables.write_document(out / PRODUCTS_API, documents, planted))


def _write_orders(
    path: Path, spec: OrderSpec, planted: plan.Plan, later: Sequence[peculiar.Line] = ()
) -> tables.Written:
    """Write every order at its place and its repetitions some orders later; `later` are corrections to mix in."""
    records = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        for line in _lines(spec, planted, later):
            file.write(line)
            records += 1
    unreadable = sum(kind in UNREADABLE_KEY for kind in planted.values())
    return tables.Written(records, spec.count - unreadable + len(later))


def _lines(spec: OrderSpec, planted: plan.Plan, later: Sequence[peculiar.Line]) -> Iterator[str]:
    rng = random.Random(f"{spec.seed}:peculiar")
    end = spec.begin + spec.seconds
    waiting = list(later)
    heapq.heapify(waiting)
    for position, draft in enumerate(drafts(spec)):
        while waiting and waiting[0][0] <= position:
            yield heapq.heappop(waiting)[1] + "\n"
        kind = planted.get(position)
        if kind is None:
            yield render(draft) + "\n"
            continue
        for delay, text in peculiar.lines_of(kind, draft, end, rng):
            if delay:
                heapq.heappush(waiting, (position + delay, text))
            else:
                yield text + "\n"
    while waiting:
        yield heapq.heappop(waiting)[1] + "\n"


def _corrections_of(spec: OrderSpec, old: GenerateReport, wanted: int, rng: random.Random) -> list[peculiar.Line]:
    """Corrections, later than any of the base, of plain orders of its last seven days, with their places."""
    counts = plan.order_counts(old.orders, old.defects, old.duplicates, old.corrections)
    planted = plan.draw(counts, old.orders, f"{old.seed}:plan")
    first = spec.count - spec.count * min(7, old.days) // old.days
    plain = [draft for position, draft in enumerate(drafts(spec, first), start=first) if position not in planted]
    if wanted > len(plain):
        raise ConfigError(f"the last seven days of the base hold {len(plain)} orders to correct, {wanted} are wanted")
    end = spec.begin + spec.seconds
    return [
        (
            rng.randrange(1, 10 * wanted),
            peculiar.correct(draft, "correction_quantity", end + 1 + rng.randrange(DAY - 1)),
        )
        for draft in rng.sample(plain, wanted)
    ]
