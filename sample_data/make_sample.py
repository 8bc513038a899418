"""Writes the files of this folder, and its README, anew: `python sample_data/make_sample.py [FOLDER]`.

Plain records come from saleslake's generator; the peculiar ones are planted by hand (`planted_orders.py`,
`planted_rows.py`).
The same files come out every time. `expected.json` holds, per file, how many records end in which state.
"""

from __future__ import annotations

import copy
import csv
import io
import json
import sys
from collections import Counter
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from planted_orders import CASES, NOT_OBJECTS, Record
from planted_rows import FILES

from saleslake.synthetic import catalogue
from saleslake.synthetic.orders import DAY, Draft, OrderSpec, drafts, render, seconds_of
from saleslake.synthetic.transactions import TRANSACTIONS, transaction_rows

HERE = Path(__file__).resolve().parent
SEED = "sample"
START, DAYS = date(2024, 2, 1), 30
ORDERS, USERS, PRODUCTS, SALES = 600, 60, 40, 400
STATES = ("applied", "duplicate", "superseded", "quarantined")
BOM = "\ufeff"


class Line(NamedTuple):
    """One record of a file; `kind` is empty for plain ones."""

    text: str
    key: str = ""
    kind: str = ""
    state: str = "applied"
    effect: str = ""


def order_lines(plain: list[Draft]) -> list[Line]:
    """The elements of `api_orders.json`: every eleventh order or so is a case of its own."""
    placed: list[tuple[float, Line]] = []
    cases = list(CASES)
    for position, draft in enumerate(plain):
        record: Record = json.loads(render(draft))
        is_place = position % 11 == 5 and draft.currency != "JPY"  # planted prices have cents, yen have none
        fits = next((c for c in cases if len(draft.items) >= c.lines), None) if is_place else None
        if fits is None:
            placed.append((position, Line(_json(record), draft.order_id)))
            continue
        cases.remove(fits)
        for order, version in enumerate(fits.versions):
            changed = copy.deepcopy(record)
            version.edit(changed)
            key = str(changed.get("order_id") or "–").strip() or "–"
            line = Line(_json(changed), key, fits.kind, version.state, version.effect)
            placed.append((position + version.delay + (order + 1) / 10, line))
    if cases:
        raise ValueError(f"no room for {[case.kind for case in cases]}")
    for number, (value, effect) in enumerate(NOT_OBJECTS):
        place = 100.95 + 120 * number
        placed.append((place, Line(_json(value), "–", "element_not_object", "quarantined", effect)))
    return [line for _, line in sorted(placed, key=lambda entry: entry[0])]


def table_lines(name: str, plain: Iterable[Line]) -> list[Line]:
    """Plain records with the planted ones in their places."""
    placed = [(float(position), line) for position, line in enumerate(plain, start=1)]
    for number, extra in enumerate(FILES[name]):
        key = _key_of(extra.text)
        line = Line(extra.text, key, extra.kind, extra.state, extra.effect)
        placed.append((extra.after + 0.5 + number / 1000, line))
    return [line for _, line in sorted(placed, key=lambda entry: entry[0])]


def _key_of(text: str) -> str:
    if text.startswith("{"):
        return str(json.loads(text)["product_id"] or "–")
    return "–" if text.startswith('"') else text.partition(",")[0].strip() or "–"


def csv_line(row: list[str]) -> Line:
    """A plain row, quoted where needed."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow(row)
    return Line(buffer.getvalue(), row[0])


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def build() -> tuple[dict[str, str], dict[str, list[Line]]]:
    """The text of every file, and the records in it."""
    goods = catalogue.products(PRODUCTS, SEED)
    ids = catalogue.user_ids(USERS)
    spec = OrderSpec(
        SEED,
        0,
        ORDERS,
        seconds_of(START),
        DAYS * DAY,
        ids,
        [good.sku for good in goods],
        [good.cents for good in goods],
    )
    sales = transaction_rows(SALES, SEED, (START, DAYS), ids, goods)
    rows: dict[str, tuple[list[str], Iterable[list[str]]]] = {
        "transactions.csv": (TRANSACTIONS, sales),
        "users.csv": (catalogue.USERS, catalogue.users(USERS, SEED, START)),
        "products.csv": (catalogue.PRODUCTS, catalogue.product_rows(goods)),
        "stock.csv": (catalogue.STOCK, stock_rows(goods)),
    }
    lines = {"api_orders.json": order_lines(list(drafts(spec)))}
    documents = (Line(_json(document)) for document in catalogue.product_documents(goods))
    lines["api_products.json"] = table_lines("api_products.json", documents)
    texts = {name: "[\n" + ",\n".join(line.text for line in elements) + "\n]\n" for name, elements in lines.items()}
    for name, (header, plain) in rows.items():
        lines[name] = table_lines(name, map(csv_line, plain))
        mark = BOM if name == "users.csv" else ""
        texts[name] = mark + "\n".join([",".join(header), *(line.text for line in lines[name])]) + "\n"
    return texts, lines


def stock_rows(goods: list[catalogue.Product]) -> list[list[str]]:
    """Stock counts; where a product was counted twice, both stand in the file."""
    return list(catalogue.stock_rows(goods, SEED, START, DAYS))


def recounted(lines: list[Line]) -> list[Line]:
    """Plain stock counts that a later plain count of the same product supersedes get that state."""
    last = {line.key: number for number, line in enumerate(lines) if not line.kind}
    return [
        line if line.kind or last[line.key] == number else line._replace(state="superseded")
        for number, line in enumerate(lines)
    ]


def accounts(lines: dict[str, list[Line]]) -> dict[str, dict[str, int]]:
    """Per file: records, and how many end in each state."""
    counted: dict[str, dict[str, int]] = {}
    for name, records in lines.items():
        states = Counter(line.state for line in records)
        counted[name] = {"landed": len(records)} | {state: states[state] for state in STATES}
    return counted


def planted_table(name: str, records: list[Line]) -> str:
    """The README's table of one file. CSV: line of the file, the header being line 1; JSON: element from 1."""
    first = 2 if name.endswith(".csv") else 1
    unit = "line" if name.endswith(".csv") else "element"
    out = [f"### {name}", "", f"| {unit} | key | kind | state | what happens |", "|---:|---|---|---|---|"]
    for number, line in enumerate(records, start=first):
        if line.kind:
            out.append(f"| {number} | {line.key} | {line.kind} | {line.state} | {line.effect} |")
    return "\n".join(out) + "\n"


def readme(lines: dict[str, list[Line]]) -> str:
    """The README: introduction, accounts, and every planted record."""
    head = (HERE / "README.head.md").read_text(encoding="utf-8")
    table = ["| file | landed | " + " | ".join(STATES) + " |", "|---|" + "---:|" * 5]
    for name, counts in accounts(lines).items():
        table.append(f"| {name} | " + " | ".join(str(count) for count in counts.values()) + " |")
    tables = [planted_table(name, records) for name, records in lines.items()]
    return head.replace("{accounts}", "\n".join(table)).replace("{planted}", "\n".join(tables).rstrip())


def main(argv: list[str]) -> int:
    """Write everything into the folder named, or into this one."""
    out = Path(argv[0]) if argv else HERE
    out.mkdir(parents=True, exist_ok=True)
    texts, lines = build()
    lines["stock.csv"] = recounted(lines["stock.csv"])
    texts["README.md"] = readme(lines)
    texts["expected.json"] = json.dumps(accounts(lines), indent=2) + "\n"
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
