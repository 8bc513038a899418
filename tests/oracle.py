"""What saleslake promises, in plain Python: the state of every landed record, silver and gold.

Written from the design's text and without Spark, so that it shares no mistake with the code it judges. Slow and
simple on purpose: whole lists, exact fractions, `decimal` with half-up rounding.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

UNKNOWN = "(unknown)"
Row = dict[str, Any]


@dataclass(frozen=True)
class Landed:
    """One landed record, as bronze keeps it."""

    record_id: str
    source: str
    raw: str
    header: str | None
    file: str
    ordinal: int
    landed_at: datetime

    @property
    def content(self) -> tuple[str | None, str]:
        return (self.header, self.raw)


@dataclass(frozen=True)
class Feed:
    """A source as the configuration describes it."""

    entity: str
    format: str
    key: str = "default"
    version: str = ""
    currency: str | None = None
    time_zone: str = "UTC"


@dataclass(frozen=True)
class Setup:
    """The configuration: sources, `[rules.<entity>]`, `[channels]` and the choices of gold."""

    feeds: dict[str, Feed]
    rules: dict[str, dict[str, str]] = field(default_factory=dict)
    channels: dict[str, str] = field(default_factory=dict)
    missing_item_price: str = "zero"
    precedence: tuple[str, ...] = ()
    tolerance: Decimal = Decimal("0.005")
    event_types: tuple[str, ...] = ()
    """Of events: a JSON object whose `type` is none of them cannot be read."""


@dataclass
class Judged:
    """A record alone: its reasons if it is rejected, else its key, version time and silver row."""

    record: Landed
    entity: str
    reasons: list[str]
    warnings: list[str] = field(default_factory=list)
    key: tuple[str, ...] = ()
    version: datetime | None = None
    row: Row = field(default_factory=dict)

    @property
    def place(self) -> tuple[Any, ...]:
        """(version time, landed_at, file, ordinal); no version time is smallest."""
        r = self.record
        return (self.version is not None, self.version or datetime.min, r.landed_at, r.file, r.ordinal)


@dataclass
class Verdict:
    """Everything that follows from the landed records. Tables are lists of rows without lineage but `record_id`."""

    states: dict[str, str]
    tables: dict[str, list[Row]]


def decide(landed: Iterable[Landed], setup: Setup) -> Verdict:
    """The state of each record, and every silver and gold table."""
    with localcontext() as context:
        context.prec = 90
        context.rounding = ROUND_HALF_UP
        judged = [judge(record, setup) for record in landed]
        states = states_of(judged, setup)
        winners = [j for j in judged if states[j.record.record_id] == "applied"]
        tables: dict[str, list[Row]] = {
            f"silver.{entity}": [
                j.row | {"record_id": j.record.record_id, "source": j.record.source, "warnings": j.warnings}
                for j in winners
                if j.entity == entity
            ]
            for entity in ("orders", "transactions", "users", "products", "stock")
        }
        tables["silver.quarantine"] = [
            {
                "record_id": j.record.record_id,
                "entity": j.entity,
                "source": j.record.source,
                "reasons": j.reasons,
                "raw": j.record.raw,
                "header": j.record.header,
                "file": j.record.file,
                "ordinal": j.record.ordinal,
            }
            for j in judged
            if j.reasons
        ]
        return Verdict(states, tables | gold(tables, setup))


def states_of(judged: list[Judged], setup: Setup) -> dict[str, str]:
    """applied, duplicate, superseded or quarantined, for every record."""
    latest: dict[str, datetime] = {}
    for j in judged:
        if setup.feeds[j.record.source].key == "line":
            latest[j.record.file] = max(latest.get(j.record.file, j.record.landed_at), j.record.landed_at)
    states: dict[str, str] = {}
    versions: dict[tuple[str, tuple[str, ...]], list[Judged]] = defaultdict(list)
    for j in judged:
        if j.reasons:
            states[j.record.record_id] = "quarantined"
        elif setup.feeds[j.record.source].key == "line" and j.record.landed_at < latest[j.record.file]:
            states[j.record.record_id] = "superseded"
        else:
            versions[j.entity, j.key].append(j)
    for of_key in versions.values():
        ordered = sorted(of_key, key=lambda j: j.place)
        for n, j in enumerate(ordered):
            later = {other.record.content for other in ordered[n + 1 :]}
            state = "applied" if not later else "duplicate" if j.record.content in later else "superseded"
            states[j.record.record_id] = state
    return states


# --- text to values --------------------------------------------------------------------------------


class Number(str):
    """A JSON number, as its text."""


class Problem(str):
    """What is wrong with a value: `missing`, `unreadable` or `overflow`."""


MISSING, UNREADABLE, OVERFLOW = Problem("missing"), Problem("unreadable"), Problem("overflow")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?\s?(Z|[+-]\d\d:?\d\d)?)?")


def text_of(value: Any) -> str | None:
    """A JSON or CSV value as text; None: nothing stands there."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def trimmed(value: Any) -> str | None:
    text = text_of(value)
    return (text.strip(" \t\r\n") or None) if text is not None else None


def identifier(value: Any) -> str | None:
    return None if isinstance(value, dict | list) else trimmed(value)


def decimal_of(value: Any, scale: int) -> tuple[Decimal | Problem, bool]:
    """(the number rounded half-up to `scale`, 18 digits in all; or what is wrong with it), and whether it was rounded."""
    if value is None or (isinstance(value, str) and not value.strip(" \t\r\n")):
        return MISSING, False
    if not isinstance(value, str) or not _NUMBER.fullmatch(value.strip(" \t\r\n")):
        return UNREADABLE, False
    exact = Decimal(value.strip(" \t\r\n"))
    if exact.adjusted() > 40:
        return OVERFLOW, False
    kept = round_to(exact, scale)
    return (kept, kept != exact) if fits(kept, scale) else (OVERFLOW, False)


def round_to(number: Decimal, scale: int) -> Decimal:
    return number.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)


def fits(number: Decimal, scale: int, digits: int = 18) -> bool:
    return abs(number) < Decimal(10) ** (digits - scale)


def money(number: Decimal) -> Decimal | None:
    """Rounded half-up to DECIMAL(18,4); None if it does not fit."""
    kept = round_to(number, 4)
    return kept if fits(kept, 4) else None


def quotient(over: int | Decimal, under: int | Decimal, digits: int = 18) -> Decimal | None:
    """over / under rounded half-up to four places, exactly."""
    exact = abs(Fraction(over) / Fraction(under)) * 10_000
    whole = (exact.numerator * 2 + exact.denominator) // (exact.denominator * 2)
    sign = -1 if (over < 0) != (under < 0) else 1
    kept = Decimal(sign * whole).scaleb(-4)
    return kept if fits(kept, 4, digits) else None


def moment(value: Any, zone: str) -> datetime | None:
    """ISO 8601 as UTC, from year 1 to 9999; a time without zone is in `zone`, a day is that day whatever the zone."""
    text = trimmed(value)
    found = _MOMENT.fullmatch(text) if text else None
    if not found:
        return None
    day, hour, minute, second, fraction, offset = found.groups()
    try:
        start = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
        if hour is None:
            return start
        local = datetime(
            start.year,
            start.month,
            start.day,
            int(hour),
            int(minute),
            int(second or 0),
            int((fraction or "").ljust(6, "0")),
        )
        if offset is None:
            return local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        if offset == "Z":
            return local.replace(tzinfo=UTC)
        sign = -1 if offset[0] == "-" else 1
        away = timedelta(hours=int(offset[1:3]), minutes=int(offset[-2:]))
        return (local - sign * away).replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def currency_of(value: Any) -> str | None:
    text = (trimmed(value) or "").upper()
    return text if re.fullmatch("[A-Z]{3}", text) else None


def channel_of(value: Any, names: dict[str, str]) -> str:
    text = trimmed(value)
    if text is None:
        return "unknown"
    return names.get(re.sub(r"[\s_-]", "", text).lower(), text)


# --- records ---------------------------------------------------------------------------------------


def judge(record: Landed, setup: Setup) -> Judged:
    """Read one record and apply its entity's rules."""
    feed = setup.feeds[record.source]
    severity = setup.rules.get(feed.entity, {})
    broken: list[tuple[str, str]] = []

    def breaks(name: str, usual: str = "error") -> None:
        broken.append((name, severity.get(name, usual)))

    values = _csv_values(record, breaks) if feed.format == "csv" else _json_values(record)
    if values is None or _is_of_another_type(values, feed, setup):
        return Judged(record, feed.entity, ["unreadable"])
    if feed.currency and not trimmed(values.get("currency")):
        values["currency"] = feed.currency
    key, version, row = _READERS[feed.entity](values, record, feed, setup, breaks)
    if key is None:
        breaks("key_missing")
    reasons = sorted({name for name, kind in broken if kind == "error"})
    warnings = sorted({name for name, kind in broken if kind == "warn"})
    return Judged(record, feed.entity, reasons, warnings, key or (), version, row)


def _is_of_another_type(values: Row, feed: Feed, setup: Setup) -> bool:
    if not setup.event_types or feed.format == "csv":
        return False
    type_ = trimmed(values.get("type"))
    return type_ is not None and type_.lower() not in setup.event_types


def _json_values(record: Landed) -> Row | None:
    def refuse(name: str) -> NoReturn:
        raise ValueError(name)

    try:
        value = json.loads(record.raw, parse_int=Number, parse_float=Number, parse_constant=refuse)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _csv_values(record: Landed, breaks: Callable[..., None]) -> Row | None:
    cells, names = csv_cells(record.raw), csv_cells(record.header or "")
    if cells is None:
        return None
    assert names is not None
    if len(cells) > len(names):
        breaks("extra_fields")
    if len(cells) < len(names):
        breaks("short_fields", "warn")
    return dict(zip((name.strip() for name in names), cells, strict=False))


def csv_cells(line: str) -> list[str] | None:
    """The cells of one RFC 4180 line; None if text follows a closing quote or a quote is not closed."""
    cells, at = [], 0
    while True:
        if line[at : at + 1] == '"':
            cell, at, closed = "", at + 1, False
            while at < len(line) and not closed:
                if line[at : at + 2] == '""':
                    cell, at = cell + '"', at + 2
                elif line[at] == '"':
                    at, closed = at + 1, True
                else:
                    cell, at = cell + line[at], at + 1
            if not closed or line[at : at + 1] not in ("", ","):
                return None
        else:
            end = line.find(",", at)
            end = len(line) if end < 0 else end
            cell, at = line[at:end], end
        cells.append(cell)
        if at >= len(line):
            return cells
        at += 1


Reading = tuple["tuple[str, ...] | None", "datetime | None", Row]


_NO_MORE: tuple[Any, ...] = (None, False, "false", "0", "", [], {})
"""What a mark of more lines says where there are none."""


def _order(values: Row, record: Landed, feed: Feed, setup: Setup, breaks: Callable[..., None]) -> Reading:
    order_id = identifier(values.get("order_id"))
    metadata = values.get("metadata") if isinstance(values.get("metadata"), dict) else {}
    assert isinstance(metadata, dict)
    created, updated = (
        moment(values.get("created_at"), feed.time_zone),
        moment(values.get("updated_at"), feed.time_zone),
    )
    if created is None:
        breaks("created_at_unreadable")
    if updated is None and trimmed(values.get("updated_at")):
        breaks("updated_at_unreadable")
    currency = currency_of(values.get("currency"))
    if currency is None:
        breaks("currency_unreadable")
    user = identifier(values.get("user_id"))
    if user is None:
        breaks("user_missing", "warn")
    amount, amount_rounded = decimal_of(values.get("amount"), 4)
    lines, rounded = _lines(values.get("items"), setup, breaks)
    refunds = values.get("refunds")
    for holder in (values, refunds if isinstance(refunds, dict) else {}):
        if any(holder.get(mark) not in _NO_MORE for mark in ("has_more", "next", "nextCursor")):
            breaks("lines_incomplete")
    total = sum((line["quantity"] * (line["unit_price"] or 0) for line in lines), Decimal(0))
    if amount is OVERFLOW:
        breaks("number_overflow")
    elif isinstance(amount, Problem):
        breaks("amount_missing", "warn")
    elif abs(amount - total) > setup.tolerance:
        breaks("amount_mismatch", "warn")
    if any(line["quantity"] <= 0 or (line["unit_price"] or 0) < 0 for line in lines):
        breaks("return_line", "warn")
    if any(line["unit_price"] == 0 for line in lines if line["unit_price"] is not None):
        breaks("zero_price", "warn")
    if amount_rounded or rounded:
        breaks("rounded", "warn")
    row = {
        "order_id": order_id,
        "user_id": user,
        "amount": None if isinstance(amount, Problem) else amount,
        "currency": currency,
        "created_at": created,
        "updated_at": updated,
        "order_source": trimmed(metadata.get("source")),
        "channel": channel_of(metadata.get("source"), setup.channels),
        "promo": text_of(metadata.get("promo")),
        "items": lines,
        "date": created.date() if created else None,
    }
    return (order_id,) if order_id else None, updated or created, row


def _lines(items: Any, setup: Setup, breaks: Callable[..., None]) -> tuple[list[Row], bool]:
    """The lines that can be held, and whether a number in one was rounded."""
    kept: list[Row] = []
    rounded = False
    for number, item in enumerate(items if isinstance(items, list) else [], 1):
        if not isinstance(item, dict):
            breaks("line_invalid")
            continue
        sku = identifier(item.get("sku"))
        quantity, quantity_rounded = decimal_of(item.get("qty"), 3)
        price, price_rounded = decimal_of(item.get("price"), 4)
        rounded = rounded or quantity_rounded or price_rounded
        if sku is None or quantity in (MISSING, UNREADABLE):
            breaks("line_invalid")
        if price is UNREADABLE:
            breaks("price_unreadable")
        if quantity is OVERFLOW or price is OVERFLOW:
            breaks("number_overflow")
        if sku is None or isinstance(quantity, Problem) or price is OVERFLOW:
            continue
        given = None if isinstance(price, Problem) else price
        if given is not None and money(quantity * given) is None:
            breaks("number_overflow")  # the line's revenue is money too
            continue
        kept.append({"line_number": number, "sku": sku, "quantity": quantity, "unit_price": given})
    if isinstance(items, dict) and items:
        breaks("lines_incomplete")
    wanted = isinstance(items, list) and len(items) > 0
    if not wanted or (not kept and setup.rules.get("orders", {}).get("line_invalid") == "warn"):
        breaks("items_empty")
    return kept, rounded


def _transaction(values: Row, record: Landed, feed: Feed, setup: Setup, breaks: Callable[..., None]) -> Reading:
    by_line = feed.key == "line"
    given = identifier(values.get("transaction_id"))
    place = f"{record.file}#{record.ordinal}"
    key = place if by_line else given
    sold = moment(values.get("sale_date"), feed.time_zone)
    if sold is None:
        breaks("sale_date_unreadable")
    currency = currency_of(values.get("currency"))
    if currency is None:
        breaks("currency_unreadable")
    customer, product = identifier(values.get("customer_id")), identifier(values.get("product_id"))
    if customer is None:
        breaks("customer_missing", "warn")
    if product is None:
        breaks("product_missing", "warn")
    quantity, r1 = decimal_of(values.get("quantity"), 3)
    total, r2 = decimal_of(values.get("total_price"), 4)
    price, r3 = decimal_of(values.get("unit_price"), 4)
    if quantity in (MISSING, UNREADABLE):
        breaks("quantity_unreadable")
    if OVERFLOW in (quantity, total, price):
        breaks("number_overflow")
    if UNREADABLE in (total, price):
        breaks("price_unreadable")
    q, t, p = (None if isinstance(n, Problem) else n for n in (quantity, total, price))
    if q is not None and p is not None and t is None and money(q * p) is None:
        breaks("number_overflow")
    if (q is not None and q <= 0) or (t or 0) < 0 or (p or 0) < 0:
        breaks("return_line", "warn")
    if t == 0 or p == 0:
        breaks("zero_price", "warn")
    if r1 or r2 or r3:
        breaks("rounded", "warn")
    version = None
    if feed.version:
        version = sold if feed.version == "sale_date" else moment(values.get(feed.version), feed.time_zone)
        if version is None:
            breaks("version_unreadable")
    row = {
        "transaction_key": key,
        "transaction_id": (given or key) if by_line else given,
        "customer_id": customer,
        "product_id": product,
        "sale_date": sold,
        "quantity": q,
        "total_price": t,
        "unit_price": p,
        "channel": channel_of(values.get("sales_channel"), setup.channels),
        "currency": currency,
        "keyed_by_line": by_line,
        "date": sold.date() if sold else None,
        "_ordinal": record.ordinal,
        "_file": record.file,
    }
    return (key,) if key else None, version, row


def _user(values: Row, record: Landed, feed: Feed, setup: Setup, breaks: Callable[..., None]) -> Reading:
    user = identifier(values.get("user_id"))
    created = moment(values.get("created_at"), feed.time_zone)
    if created is None and trimmed(values.get("created_at")):
        breaks("created_at_unreadable")
    version = moment(values.get(feed.version), feed.time_zone) if feed.version else None
    if feed.version and version is None:
        breaks("version_unreadable")
    row = {
        "user_id": user,
        "email": trimmed(values.get("email")),
        "created_at": created,
        "country": trimmed(values.get("country")),
    }
    return (user,) if user else None, version, row


def _product(values: Row, record: Landed, feed: Feed, setup: Setup, breaks: Callable[..., None]) -> Reading:
    sku = identifier(values.get("sku"))
    price, rounded = decimal_of(values.get("price"), 4)
    if price is OVERFLOW:
        breaks("number_overflow")
    if price is UNREADABLE:
        breaks("price_unreadable")
    if price is MISSING:
        breaks("price_missing", "warn")
    held = None if isinstance(price, Problem) else price
    if (held or 0) < 0:
        breaks("negative_price", "warn")
    if rounded:
        breaks("rounded", "warn")
    version = moment(values.get(feed.version), feed.time_zone) if feed.version else None
    if feed.version and version is None:
        breaks("version_unreadable")
    row = {
        "sku": sku,
        "name": text_of(values.get("name")),
        "category": trimmed(values.get("category")),
        "manufacturer": trimmed(values.get("manufacturer")),
        "price": held,
        "currency": currency_of(values.get("currency")),
    }
    return (sku, record.source) if sku else None, version, row


def _stock(values: Row, record: Landed, feed: Feed, setup: Setup, breaks: Callable[..., None]) -> Reading:
    product = identifier(values.get("product_id"))
    counted = moment(values.get("counted_at"), feed.time_zone)
    if counted is None:
        breaks("counted_at_unreadable")
    on_hand, rounded = decimal_of(values.get("on_hand"), 3)
    if on_hand is OVERFLOW:
        breaks("number_overflow")
    elif isinstance(on_hand, Problem):
        breaks("quantity_unreadable")
    elif on_hand < 0:
        breaks("negative_stock", "warn")
    if rounded:
        breaks("rounded", "warn")
    row = {"product_id": product, "on_hand": on_hand, "counted_at": counted}
    return (product,) if product else None, counted, row


_READERS: dict[str, Callable[..., Reading]] = {
    "orders": _order,
    "transactions": _transaction,
    "users": _user,
    "products": _product,
    "stock": _stock,
}


# --- gold ------------------------------------------------------------------------------------------


def gold(silver: dict[str, list[Row]], setup: Setup) -> dict[str, list[Row]]:
    """Every gold table from the silver rows."""
    catalogue = _catalogue(silver["silver.products"], setup)
    fact = [*_order_lines(silver["silver.orders"], catalogue, setup), *_sales(silver["silver.transactions"], catalogue)]
    orders = [
        {
            **{n: o[n] for n in ("order_id", "amount", "currency", "promo", "created_at", "warnings", "date")},
            "user_id": o["user_id"] or UNKNOWN,
            "source": o["order_source"],
        }
        for o in silver["silver.orders"]
    ]
    revenue = _revenue(fact)
    users = {u["user_id"]: u for u in silver["silver.users"]}
    buyers = {r["user_id"] for r in (*fact, *orders)} | {UNKNOWN}
    skus = {line["sku"] for line in fact} | {UNKNOWN}
    products = [{"sku": sku, **fields, "is_inferred": False} for sku, fields in catalogue.items()]
    products += [{"sku": sku, **dict.fromkeys(_PRODUCT_FIELDS), "is_inferred": True} for sku in skus - catalogue.keys()]
    return {
        "gold.fact_sales": fact,
        "gold.dim_order": orders,
        "gold.product_revenue": revenue,
        "gold.channel_performance": _channels(fact),
        "gold.customer_purchase_frequency": _frequency(fact),
        "gold.inventory_valuation": _inventory(products, silver["silver.stock"], revenue),
        "gold.dim_product": products,
        "gold.dim_user": [
            {
                "user_id": u,
                **{n: users[u][n] if u in users else None for n in ("email", "created_at", "country")},
                "is_inferred": u not in users,
            }
            for u in users.keys() | buyers
        ],
        "gold.dim_date": [{"date": d} for d in {r["date"] for r in (*fact, *orders)}],
    }


_PRODUCT_FIELDS = ("name", "category", "manufacturer", "price", "price_currency")


def _catalogue(products: list[Row], setup: Setup) -> dict[str, Row]:
    """Per sku each field of the most trusted source that has it; the currency comes with the price."""
    sources = sorted(name for name, feed in setup.feeds.items() if feed.entity == "products")
    trust = list(dict.fromkeys([*setup.precedence, *sources]))
    found: dict[str, Row] = {}
    for sku in {p["sku"] for p in products}:
        of_sku = sorted((p for p in products if p["sku"] == sku), key=lambda p: trust.index(p["source"]))
        fields: Row = dict.fromkeys(_PRODUCT_FIELDS)
        for name in ("name", "category", "manufacturer", "price"):
            given = [p for p in of_sku if p[name] is not None]
            holder = next((p for p in given if p[name] != ""), given[0] if given else None)
            if holder is not None:
                fields[name] = holder[name]
                if name == "price":
                    fields["price_currency"] = holder["currency"]
        found[sku] = fields
    return found


def _base_price(sku: str, currency: str, catalogue: dict[str, Row]) -> Decimal | None:
    product = catalogue.get(sku)
    if product is None or product["price_currency"] not in (None, currency):
        return None
    price: Decimal | None = product["price"]
    return price


def _order_lines(orders: list[Row], catalogue: dict[str, Row], setup: Setup) -> list[Row]:
    lines = []
    for order in orders:
        for item in order["items"]:
            price, flags = item["unit_price"], []
            if price is None:
                base = (
                    _base_price(item["sku"], order["currency"], catalogue)
                    if setup.missing_item_price == "catalogue"
                    else None
                )
                if base is not None and money(base * item["quantity"]) is not None:
                    price, flags = base, ["catalogue_price"]
                else:
                    price, flags = Decimal(0), ["price_missing"]
            lines.append(
                {
                    "source_system": "orders",
                    "order_id": order["order_id"],
                    "line_number": item["line_number"],
                    "line_file": "",
                    "user_id": order["user_id"] or UNKNOWN,
                    "sku": item["sku"],
                    "quantity": item["quantity"],
                    "unit_price": price,
                    "line_amount": money(price * item["quantity"]),
                    "channel": order["channel"],
                    "currency": order["currency"],
                    "is_return": item["quantity"] <= 0 or price < 0,
                    "flags": flags,
                    "created_at": order["created_at"],
                    "date": order["date"],
                    "record_id": order["record_id"],
                }
            )
    return lines


def _sales(transactions: list[Row], catalogue: dict[str, Row]) -> list[Row]:
    lines = []
    for t in transactions:
        sku, quantity, total, mapped = t["product_id"] or UNKNOWN, t["quantity"], t["total_price"], t["unit_price"]
        flags: list[str] = []
        price = mapped
        if total is not None:
            amount = total
            if price is None and quantity != 0:
                price = quotient(total, quantity)
        elif mapped is not None:
            amount = money(mapped * quantity)
        else:
            base = _base_price(sku, t["currency"], catalogue)
            amount = money(base * quantity) if base is not None else None
            price, flags = (base, ["base_price"]) if amount is not None else (None, ["unpriced"])
        lines.append(
            {
                "source_system": "transactions",
                "order_id": t["transaction_id"],
                "line_number": t["_ordinal"] if t["keyed_by_line"] else 1,
                "line_file": t["_file"] if t["keyed_by_line"] else "",
                "user_id": t["customer_id"] or UNKNOWN,
                "sku": sku,
                "quantity": quantity,
                "unit_price": price,
                "line_amount": amount,
                "channel": t["channel"],
                "currency": t["currency"],
                "is_return": quantity <= 0 or (total or 0) < 0 or (price or 0) < 0,
                "flags": flags,
                "created_at": t["sale_date"],
                "date": t["date"],
                "record_id": t["record_id"],
            }
        )
    return lines


def _grouped(fact: list[Row], *names: str) -> dict[tuple[Any, ...], list[Row]]:
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for line in fact:
        groups[tuple(line[name] for name in names)].append(line)
    return groups


def _sum(numbers: Iterable[Decimal | None]) -> Decimal:
    return sum((n for n in numbers if n is not None), Decimal(0))


def _revenue(fact: list[Row]) -> list[Row]:
    return [
        {
            "date": day,
            "sku": sku,
            "currency": currency,
            "gross": _sum(x["line_amount"] for x in lines if not x["is_return"]),
            "returns": _sum(x["line_amount"] for x in lines if x["is_return"]),
            "net": _sum(x["line_amount"] for x in lines),
            "units": _sum(x["quantity"] for x in lines),
            "unpriced_lines": sum(x["line_amount"] is None for x in lines),
        }
        for (day, sku, currency), lines in _grouped(fact, "date", "sku", "currency").items()
    ]


def _orders_in(lines: list[Row]) -> int:
    return len({(line["source_system"], line["order_id"]) for line in lines})


def _channels(fact: list[Row]) -> list[Row]:
    return [
        {
            "date": day,
            "channel": channel,
            "currency": currency,
            "orders": _orders_in(lines),
            "customers": len({x["user_id"] for x in lines} - {UNKNOWN}),
            "units": _sum(x["quantity"] for x in lines),
            "net": _sum(x["line_amount"] for x in lines),
            "average_order_value": quotient(_sum(x["line_amount"] for x in lines), _orders_in(lines)),
        }
        for (day, channel, currency), lines in _grouped(fact, "date", "channel", "currency").items()
    ]


def _frequency(fact: list[Row]) -> list[Row]:
    rows, micro = [], timedelta(microseconds=1)
    for (user,), lines in _grouped(fact, "user_id").items():
        if user == UNKNOWN:
            continue
        orders, first, last = (
            _orders_in(lines),
            min(x["created_at"] for x in lines),
            max(x["created_at"] for x in lines),
        )
        day, span = timedelta(days=1) // micro, (last - first) // micro
        rows.append(
            {
                "user_id": user,
                "orders": orders,
                "first_purchase_at": first,
                "last_purchase_at": last,
                "mean_days_between": quotient(span, (orders - 1) * day) if orders > 1 else None,
                "orders_per_30_days": quotient(orders * 30 * day, max(day, span)),
                "is_repeat_buyer": orders > 1,
            }
        )
    return rows


def _inventory(products: list[Row], stock: list[Row], revenue: list[Row]) -> list[Row]:
    known = {p["sku"]: p for p in products}
    counts = {s["product_id"]: s for s in stock}
    rows = []
    for sku in (known.keys() | counts.keys()) - {UNKNOWN}:
        product, count = known.get(sku, {}), counts.get(sku)
        price = product.get("price")
        sold = _sum(r["units"] for r in revenue if count and r["sku"] == sku and r["date"] > count["counted_at"].date())
        left = count["on_hand"] - sold if count else None
        value = round_to(left * price, 4) if left is not None and price is not None else None
        rows.append(
            {
                "sku": sku,
                "category": product.get("category"),
                "currency": product.get("price_currency"),
                "on_hand": count["on_hand"] if count else None,
                "counted_at": count["counted_at"] if count else None,
                "units_sold_since": sold,
                "units_left": left,
                "base_price": price,
                "stock_value": value,
                "status": "no_count" if count is None else "no_price" if value is None else "valued",
            }
        )
    return rows
