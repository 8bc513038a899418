"""What saleslake promises, in plain Python: the state of every landed record, silver and gold.

Written from the design's text and without Spark, so that it shares no mistake with the code it judges. Slow and
simple on purpose: whole lists, exact fractions, `decimal` with half-up rounding.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from fractions import Fraction
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

UNKNOWN = "(unknown)"
REFUNDS = {"refunds": "refunds", "refunds.items": "lines", "refunds.quantity": "quantity", "refunds.amount": "subtotal"}
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
    decimal: str | None = None
    thousands: str | None = None
    has_status: bool = False
    """Whether `status` is mapped, to that name."""
    has_totals: bool = False
    """Orders: whether `items.total` is mapped, to `line_total`."""
    has_refunds: bool = False
    """Orders: whether `refunds` are mapped, to names like a shop's."""
    has_orders: bool = False
    """Transactions: whether `order_id` is mapped, to `order_ref`."""

    @property
    def mapping(self) -> list[str]:
        """The same as a configuration says it; nothing where nothing is mapped."""
        mapped = {"status": "status"} if self.has_status else {}
        mapped |= {"items.total": "line_total"} if self.has_totals else {}
        mapped |= REFUNDS if self.has_refunds else {}
        mapped |= {"order_id": "order_ref"} if self.has_orders else {}
        pairs = ", ".join(f'"{ours}" = "{theirs}"' for ours, theirs in mapped.items())
        return [f"mapping = {{ {pairs} }}"] if mapped else []


@dataclass(frozen=True)
class OwnRule:
    """A rule of the project's own, by its condition in SQL and again in Python: None where that is unknown, which holds."""

    name: str
    severity: str
    condition: str
    holds: Callable[[Row], bool | None]


@dataclass(frozen=True)
class Setup:
    """The configuration: sources, `[rules.<entity>]`, `[channels]` and the choices of gold."""

    feeds: dict[str, Feed]
    rules: dict[str, dict[str, str]] = field(default_factory=dict)
    channels: dict[str, str] = field(default_factory=dict)
    missing_item_price: str = "zero"
    precedence: tuple[str, ...] = ()
    tolerance: Decimal = Decimal("0.005")
    longest_key: int = 512
    plausible: tuple[date, date] = (date(1970, 1, 1), date(2100, 12, 31))
    own: dict[str, tuple[OwnRule, ...]] = field(default_factory=dict)
    """`[[rules.<entity>.custom]]`."""
    event_types: tuple[str, ...] = ()
    """Of events: a JSON object whose `type` is none of them cannot be read."""


@dataclass
class Judged:
    """A record alone: its reasons if it is rejected, else its key, version time and silver row."""

    record: Landed
    entity: str
    reasons: list[str]
    discarded_by: list[str] = field(default_factory=list)
    """Those of the reasons that say discard."""
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
                "discarded_by": j.discarded_by,
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
    """applied, duplicate, superseded or quarantined, for every record; discarded for a quarantined one that a rule closed."""
    latest: dict[str, datetime] = {}
    for j in judged:
        if setup.feeds[j.record.source].key == "line":
            latest[j.record.file] = max(latest.get(j.record.file, j.record.landed_at), j.record.landed_at)
    states: dict[str, str] = {}
    versions: dict[tuple[str, tuple[str, ...]], list[Judged]] = defaultdict(list)
    for j in judged:
        if j.reasons:
            states[j.record.record_id] = "discarded" if j.discarded_by else "quarantined"
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
    """What is wrong with a value."""


MISSING, UNREADABLE, OVERFLOW, ELSEWHERE = map(Problem, ("missing", "unreadable", "overflow", "of another dialect"))
UNSEEN = "\u00ad\u061c\u180e\ufeff" + "".join(
    map(chr, (*range(0x200B, 0x2010), *range(0x2028, 0x202F), *range(0x2060, 0x2070)))
)
"""Of Unicode's format characters those that show nothing; a few places among them that it has not given away yet."""
NULLS = {"NULL", "\\N", "nan", "NaN", "None", "N/A", "#N/A"}
NO_SALES = {"cancelled", "canceled", "voided", "failed", "expired", "rejected", "declined", "draft", "pending", "test"}
FREE = {"promo", "name", "category", "manufacturer"}
CODES = {"EUR", "USD", "JPY", "GBP", "CHF", "KWD", "CLP", "PLN", "SEK", "NOK", "DKK", "CNY", "CAD", "AUD", "XOF", "DEM"}
"""The currencies of the histories."""
SIGNS = {
    "€": {"EUR"}, "$": {"USD", "CAD", "AUD", "CLP"}, "US$": {"USD"}, "£": {"GBP"}, "¥": {"JPY", "CNY"}, "kr": {"SEK", "NOK", "DKK"},
    "zł": {"PLN"}, "Fr.": {"CHF"},
}  # fmt: skip
BLANKS = " \u00a0\u2009\u202f"


def bare(text: str) -> str:
    """Without what nobody sees at its ends."""
    shown = [
        n for n, c in enumerate(text) if unicodedata.category(c) not in ("Zs", "Zl", "Zp", "Cc") and c not in UNSEEN
    ]
    return text[shown[0] : shown[-1] + 1] if shown else ""


def text_of(value: Any) -> str | None:
    """A JSON or CSV value as text; None: nothing stands there."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def trimmed(value: Any) -> str | None:
    text = text_of(value)
    return (bare(text) or None) if text is not None else None


def as_written(value: Any) -> str | None:
    """A text of people: every character of it, or nothing."""
    return text_of(value) if trimmed(value) else None


def identifier(value: Any) -> tuple[str | None, bool]:
    """(the id, whether it lost digits). Two ids are equal if their digits are: 1, 1.0, "1" and ="1" are."""
    if value is None or isinstance(value, dict | list):
        return None, False
    text = trimmed(value)
    if text is None:
        return None, False
    is_number = isinstance(value, Number)
    if is_number and not text.lstrip("-").isdigit():
        exact = Fraction(text)
        return (str(exact), False) if exact.denominator == 1 and abs(exact) < 2**53 else (text, True)
    if text.startswith('="') and text.endswith('"') and text.count('"') == 2:
        text = bare(text[2:-1])
    mantissa, e, power = text.upper().partition("E+")
    first, _, rest = mantissa.lstrip("+-").replace(",", ".").partition(".")
    if e and len(first) == 1 and (first + rest + power).isdecimal() and len(power) in (2, 3):
        return text, True
    if text.endswith(".0") and text[:-2].removeprefix("-").isdecimal():
        return (text[:-2], False) if abs(int(text[:-2])) < 2**53 else (text, True)
    return text or None, False


@dataclass(frozen=True)
class Amount:
    """A number as read, and what is to be said of it."""

    value: Decimal | Problem
    rounded: bool = False
    ambiguous: bool = False
    currencies: frozenset[str] | None = None
    exact: Decimal | None = None
    """With all its digits."""


def number_of(value: Any, scale: int, feed: Feed, *, money: bool = False) -> Amount:
    """The number rounded half-up to `scale`, 18 digits in all; or what is wrong with it."""
    if money and isinstance(value, dict):
        return _amount_object(value, scale, feed)
    if value is None or (isinstance(value, str) and not bare(value)):
        return Amount(MISSING)
    if isinstance(value, Number):
        return _held(Decimal(value), scale)
    if not isinstance(value, str):
        return Amount(UNREADABLE)
    taken = _digits_and_beside(bare(value), money)
    if taken is None:
        return Amount(UNREADABLE)
    negative, core, currencies = taken
    found = plain_number(core, feed.decimal or ".", feed.thousands)
    if found is None:
        others = [(mark, sep) for mark in ".," for sep in (None, ".", ",", " ", "'") if sep != mark]
        is_one = any(plain_number(core, mark, sep) for mark, sep in others)
        return Amount(ELSEWHERE if is_one else UNREADABLE)
    held = _held(Decimal(f"-{found}" if negative else found), scale)
    whole, _, part = core.partition(".")
    no_setting = feed.decimal is None and feed.thousands is None
    could_be_thousands = 1 <= len(whole) <= 3 and whole[0] != "0" and len(part) == 3 and (whole + part).isdecimal()
    is_ambiguous = no_setting and could_be_thousands and not held.rounded and not isinstance(held.value, Problem)
    return Amount(held.value, held.rounded, is_ambiguous, currencies, held.exact)


def _amount_object(value: Row, scale: int, feed: Feed) -> Amount:
    names = {re.sub("[ _-]", "", name).lower(): member for name, member in value.items()}
    amount = names.get("amount", names.get("value"))
    if amount is None or isinstance(amount, dict):
        return Amount(MISSING if amount is None and {"amount", "value"} & names.keys() else UNREADABLE)
    found = number_of(amount, scale, feed, money=True)
    stated = trimmed(names.get("currency", names.get("currencycode")))
    if stated is None:
        return found
    both = frozenset((stated.upper(),)) & (found.currencies or frozenset((stated.upper(),)))
    return Amount(found.value, found.rounded, found.ambiguous, both, found.exact)


def _held(exact: Decimal, scale: int) -> Amount:
    if exact.adjusted() > 40:
        return Amount(OVERFLOW)
    kept = round_to(exact, scale)
    return Amount(kept, kept != exact, exact=exact) if fits(kept, scale) else Amount(OVERFLOW)


def _digits_and_beside(text: str, money: bool) -> tuple[bool, str, frozenset[str] | None] | None:
    """(below zero, the digits and what stands between them, currencies meant); None: something else stands there, too."""
    digits = [n for n, c in enumerate(text) if c in "0123456789"]
    if not digits:
        return None
    start, end = digits[0], digits[-1] + 1
    if start and text[start - 1] in ".," and not (start > 1 and text[start - 2].isalpha()):
        start -= 1
    if text[end : end + 1] in (".", ","):
        end += 1
    around = [text[:start].replace("\u2212", "-"), text[end:].replace("\u2212", "-")]
    signs = [c for c in around[0] if c in "+-("] + [c for c in around[1] if c in "-)"]
    if signs not in ([], ["+"], ["-"], ["(", ")"]):
        return None
    words = [word for side in around if (word := bare(side.translate(dict.fromkeys(map(ord, "+-()")))))]
    if "+" in around[1] or ")" in around[0] or "(" in around[1] or len(words) > 1 or (words and not money):
        return None
    meant = [SIGNS.get(word) or ({word.upper()} if word.upper() in CODES else None) for word in words]
    if meant == [None]:
        return None
    return signs not in ([], ["+"]), text[start:end], frozenset(meant[0] or ()) if meant else None


def plain_number(core: str, mark: str, sep: str | None) -> str | None:
    """Digits with this decimal mark, and this between groups of three, as Python writes them; None if they are not."""
    mantissa, e, power = core.replace("E", "e").partition("e")
    if e and not power.removeprefix("-").removeprefix("+" if power[:1] == "+" else "").isdecimal():
        return None
    whole, has_mark, part = mantissa.partition(mark)
    if not (whole + part).isascii() and sep is None:
        return None
    marks = {"'": "'’"}.get(sep or "", BLANKS if sep and sep in BLANKS else sep or "")
    groups = re.split(f"[{re.escape(marks)}]", whole) if marks else [whole]
    if len(groups) > 1 and (e or not 1 <= len(groups[0]) <= 3 or any(len(group) != 3 for group in groups[1:])):
        return None
    if not all(group.isdecimal() for group in groups if group or len(groups) > 1) or (part and not part.isdecimal()):
        return None
    if not whole and not part:
        return None
    return f"{''.join(groups) or '0'}.{part or '0'}{e}{power}" if has_mark or part else "".join(groups) + e + power


def round_to(number: Decimal, scale: int) -> Decimal:
    return number.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP) + 0  # -0 is 0


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


_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?: ?(Z|z|UTC|GMT|[+-]\d\d(?::?\d\d)?))?)?",
    re.ASCII,
)


def moment(value: Any, zone: str) -> datetime | None:
    """ISO 8601 as UTC, from year 1 to 9999; a time without zone is in `zone`, a day is that day whatever the zone."""
    text = trimmed(value)
    found = _MOMENT.fullmatch(text) if text else None
    if not found:
        return None
    day, hour, minute, second, fraction, offset = found.groups()
    try:
        start = datetime.combine(date.fromisoformat(day), datetime.min.time())
        if hour is None:
            return start.replace(tzinfo=UTC)
        if hour == "24":
            # The end of the day is the beginning of the next.
            if int(minute + (second or "0") + (fraction or "0")):
                return None
            start, hour = start + timedelta(days=1), "00"
        micros = int((fraction or "").ljust(6, "0")[:6])
        local = start.replace(hour=int(hour), minute=int(minute), second=int(second or 0), microsecond=micros)
        if offset is None:
            return local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        if offset.upper() in ("Z", "UTC", "GMT"):
            return local.replace(tzinfo=UTC)
        hours, minutes = int(offset[1:3]), int(offset[3:].removeprefix(":") or 0)
        if minutes > 59 or hours * 60 + minutes > 18 * 60:
            return None
        away = timedelta(hours=hours, minutes=minutes)
        return (local + away if offset[0] == "-" else local - away).replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def currency_of(feed: Feed, value: Any, *amounts: Any) -> str | None:
    """The record's own, else the one that an amount of it names, else the source's."""
    text = (trimmed(value) or "").upper()
    if text in CODES:
        return text
    for amount in amounts if not text else ():
        if isinstance(amount, dict):
            names = {re.sub("[ _-]", "", name).lower(): member for name, member in amount.items()}
            meant = {(trimmed(names.get("currency", names.get("currencycode"))) or "").upper()} & CODES
        elif isinstance(amount, str) and not isinstance(amount, Number):
            word = "".join(c for c in bare(amount) if c.isalpha() or c in "€$£¥")
            meant = SIGNS.get(word) or ({word.upper()} & CODES)
        else:
            meant = set()
        if len(meant) == 1:
            return next(iter(meant))
    return feed.currency if not text else None


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
    if values is not None and feed.format == "csv":
        values = {
            name: None if name not in FREE and bare(cell or "") in NULLS else cell for name, cell in values.items()
        }
    if values is None or _is_of_another_type(values, feed, setup):
        closed = ["unreadable"] if severity.get("unreadable") == "discard" else []
        return Judged(record, feed.entity, ["unreadable"], closed)
    key, version, row = _READERS[feed.entity](values, record, feed, setup, breaks)
    if key is None:
        breaks("key_missing")
    for own in setup.own.get(feed.entity, ()):
        if own.holds(row) is False:
            breaks(own.name, own.severity)
    reasons = sorted({name for name, kind in broken if kind != "warn"})
    discards = sorted({name for name, kind in broken if kind == "discard"})
    warnings = sorted({name for name, kind in broken if kind == "warn"})
    return Judged(record, feed.entity, reasons, discards, warnings, key or (), version, row)


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
    if len(cells) == len(names) + 1 and not cells[-1]:
        cells.pop()
    if len(cells) > len(names):
        breaks("extra_fields")
    if len(cells) < len(names):
        breaks("short_fields", "warn")
    bare_names = [name.strip() for name in names]
    return dict.fromkeys(bare_names) | dict(zip(bare_names, cells, strict=False))


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
Breaks = Callable[..., None]


def _id(value: Any, setup: Setup, breaks: Breaks) -> str | None:
    text, is_mangled = identifier(value)
    if is_mangled:
        breaks("key_mangled")
    elif text is not None and len(text.encode("utf-8", "surrogatepass")) > setup.longest_key:
        breaks("key_too_long")
    return text


def _number(value: Any, scale: int, feed: Feed, breaks: Breaks) -> Amount:
    return _said(number_of(value, scale, feed), breaks)


def _money(value: Any, currency: str | None, feed: Feed, breaks: Breaks) -> Amount:
    found = number_of(value, 4, feed, money=True)
    if found.currencies is not None and currency is not None and currency not in found.currencies:
        breaks("currency_conflict")
    return _said(found, breaks)


def _said(found: Amount, breaks: Breaks) -> Amount:
    for is_so, rule, usual in (
        (found.value is OVERFLOW, "number_overflow", "error"),
        (found.value is ELSEWHERE, "number_in_other_dialect", "error"),
        (found.ambiguous, "number_ambiguous", "warn"),
        (found.rounded, "rounded", "warn"),
    ):
        if is_so:
            breaks(rule, usual)
    return found


def sold_for(quantity: Amount, price: Amount, total: Amount) -> Decimal | None:
    """What a line or sale was sold for: its total, else the exact product, rounded once; None: not told, or beyond MONEY."""
    if not isinstance(total.value, Problem):
        return total.value
    if quantity.exact is None or price.exact is None:
        return None
    with localcontext(Context(prec=60)):
        return money(quantity.exact * price.exact)


def _has_column(values: Row, feed: Feed, name: str) -> bool:
    """Whether the file of a CSV record has the column: if not, no record of it can be blamed."""
    return feed.format != "csv" or name in values


def _status(values: Row, feed: Feed, breaks: Breaks) -> tuple[str | None, bool]:
    """(status, whether it is one of a sale)."""
    status = trimmed(values.get("status")) if feed.has_status else None
    is_sale = status is None or re.sub(r"[\s_-]", "", status).lower() not in NO_SALES
    if not is_sale:
        breaks("no_sale", "warn")
    return status, is_sale


def _plausible(setup: Setup, breaks: Breaks, *times: datetime | None) -> None:
    first, last = setup.plausible
    if any(at is not None and not first <= at.date() <= last for at in times):
        breaks("date_implausible", "warn")


_NO_MORE: tuple[Any, ...] = (None, False, "false", "0", "", [], {})
"""What a mark of more lines says where there are none."""


def _order(values: Row, record: Landed, feed: Feed, setup: Setup, breaks: Breaks) -> Reading:
    order_id = _id(values.get("order_id"), setup, breaks)
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
    _plausible(setup, breaks, created, updated)
    currency = currency_of(feed, values.get("currency"), values.get("amount"))
    if currency is None:
        breaks("currency_unreadable")
    user = _id(values.get("user_id"), setup, breaks)
    if user is None and _has_column(values, feed, "user_id"):
        breaks("user_missing", "warn")
    amount = _money(values.get("amount"), currency, feed, breaks).value
    status, is_sale = _status(values, feed, breaks)
    lines = _lines(values.get("items"), currency, feed, setup, breaks)
    refunds = values.get("refunds")
    for holder in (values, refunds if isinstance(refunds, dict) else {}):
        if any(holder.get(mark) not in _NO_MORE for mark in ("has_more", "next", "nextCursor")):
            breaks("lines_incomplete")
    refunded = _refunds(refunds, values, created, currency, feed, setup, breaks) if feed.has_refunds else []
    days = [line["refunded_at"].date() for line in refunded]
    total = sum((line["amount"] or 0 for line in lines), Decimal(0))
    if amount in (MISSING, UNREADABLE) and _has_column(values, feed, "amount"):
        breaks("amount_missing", "warn")
    elif not isinstance(amount, Problem) and abs(amount - total) > setup.tolerance:
        breaks("amount_mismatch", "warn")
    if any(line["quantity"] <= 0 or (line["unit_price"] or 0) < 0 or (line["amount"] or 0) < 0 for line in lines):
        breaks("return_line", "warn")
    if any(line["unit_price"] == 0 for line in lines if line["unit_price"] is not None):
        breaks("zero_price", "warn")
    row = {
        "order_id": order_id,
        "user_id": user,
        "amount": None if isinstance(amount, Problem) else amount,
        "currency": currency,
        "created_at": created,
        "updated_at": updated,
        "order_source": trimmed(metadata.get("source")),
        "channel": channel_of(metadata.get("source"), setup.channels),
        "promo": as_written(metadata.get("promo")),
        "status": status,
        "is_sale": is_sale,
        "items": lines + refunded,
        "first_refund_date": min(days, default=None),
        "last_refund_date": max(days, default=None),
        "date": created.date() if created else None,
    }
    return (order_id,) if order_id else None, updated or created, row


def _lines(items: Any, currency: str | None, feed: Feed, setup: Setup, breaks: Breaks) -> list[Row]:
    """The lines that can be held."""
    kept: list[Row] = []
    left_out = False
    for number, item in enumerate(items if isinstance(items, list) else [], 1):
        if not isinstance(item, dict):
            breaks("line_invalid")
            left_out = True
            continue
        sku = _id(item.get("sku"), setup, breaks)
        quantity = _number(item.get("qty"), 3, feed, breaks)
        price = _money(item.get("price"), currency, feed, breaks)
        total = _money(item.get("line_total") if feed.has_totals else None, currency, feed, breaks)
        if sku is None or quantity.value in (MISSING, UNREADABLE):
            breaks("line_invalid")
            left_out = True
        if UNREADABLE in (price.value, total.value):
            breaks("price_unreadable")
        amount = sold_for(quantity, price, total)
        if amount is None and quantity.exact is not None and price.exact is not None:
            breaks("number_overflow")  # the line's revenue is money too
        if sku is None or isinstance(quantity.value, Problem):
            continue
        given = None if isinstance(price.value, Problem) else price.value
        kept.append(
            {
                "line_number": number,
                "sku": sku,
                "quantity": quantity.value,
                "unit_price": given,
                "amount": amount,
                "refunded_at": None,
            }
        )
    if isinstance(items, dict) and items:
        breaks("lines_incomplete")
    wanted = isinstance(items, list) and len(items) > 0
    if not wanted or (left_out and not kept and setup.rules.get("orders", {}).get("line_invalid") == "warn"):
        breaks("items_empty")
    return kept


def _refunds(
    found: Any, order: Row, created: datetime | None, currency: str | None, feed: Feed, setup: Setup, breaks: Breaks
) -> list[Row]:
    """The lines of its refunds that can be held, numbered after the order's own."""
    kept: list[Row] = []
    number = len(order["items"]) if isinstance(order.get("items"), list) else 0
    for refund in _array(found, breaks):
        if not isinstance(refund, dict):
            breaks("refund_invalid")
            continue
        at = moment(refund.get("created_at"), feed.time_zone)
        _plausible(setup, breaks, at)
        if at is None:
            breaks("refund_invalid")
        elif created is not None and at.date() < created.date():
            breaks("refund_before_order", "warn")
        lines = refund.get("lines")
        for holder in (refund, lines if isinstance(lines, dict) else {}):
            if any(holder.get(mark) not in _NO_MORE for mark in ("has_more", "next", "nextCursor")):
                breaks("lines_incomplete")
        if lines is None or lines in ([], {}) or (isinstance(lines, str) and not bare(lines)):
            breaks("refund_without_lines", "warn")
        for line in _array(lines, breaks):
            number += 1
            held = _refund_line(line, currency, feed, setup, breaks)
            if held is not None and at is not None:
                kept.append({"line_number": number, **held, "refunded_at": at})
    return kept


def _array(found: Any, breaks: Breaks) -> list[Any]:
    if isinstance(found, list):
        return found
    if found is not None and found != {} and not (isinstance(found, str) and not bare(found)):
        breaks("refund_invalid")
    return []


def _refund_line(line: Any, currency: str | None, feed: Feed, setup: Setup, breaks: Breaks) -> Row | None:
    if not isinstance(line, dict):
        breaks("refund_invalid")
        return None
    sku = _id(line.get("sku"), setup, breaks)
    quantity = _number(line.get("quantity"), 3, feed, breaks)
    price, amount = (_money(line.get(name), currency, feed, breaks) for name in ("price", "subtotal"))
    paid = None if isinstance(amount.value, Problem) else amount.value
    if amount.value is MISSING and quantity.exact is not None and price.exact is not None:
        with localcontext(Context(prec=60)):
            paid = money(quantity.exact * price.exact)
        if paid is None:
            breaks("number_overflow")
    if sku is None or quantity.value in (MISSING, UNREADABLE) or amount.value is UNREADABLE:
        breaks("refund_invalid")
    if amount.value is MISSING and price.value in (MISSING, UNREADABLE):
        breaks("refund_invalid")
    if sku is None or isinstance(quantity.value, Problem) or paid is None:
        return None
    each = None if isinstance(price.value, Problem) else abs(price.value)
    return {"sku": sku, "quantity": 0 - abs(quantity.value), "unit_price": each, "amount": 0 - abs(paid)}


def _transaction(values: Row, record: Landed, feed: Feed, setup: Setup, breaks: Breaks) -> Reading:
    by_line = feed.key == "line"
    given = _id(values.get("transaction_id"), setup, breaks)
    place = f"{record.file}#{record.ordinal}"
    key = place if by_line else given
    sold = moment(values.get("sale_date"), feed.time_zone)
    if sold is None:
        breaks("sale_date_unreadable")
    currency = currency_of(feed, values.get("currency"), values.get("total_price"), values.get("unit_price"))
    if currency is None:
        breaks("currency_unreadable")
    customer, product = (_id(values.get(name), setup, breaks) for name in ("customer_id", "product_id"))
    if customer is None and _has_column(values, feed, "customer_id"):
        breaks("customer_missing", "warn")
    if product is None and _has_column(values, feed, "product_id"):
        breaks("product_missing", "warn")
    quantity = _number(values.get("quantity"), 3, feed, breaks)
    total, price = (_money(values.get(name), currency, feed, breaks) for name in ("total_price", "unit_price"))
    if quantity.value in (MISSING, UNREADABLE):
        breaks("quantity_unreadable")
    if UNREADABLE in (total.value, price.value):
        breaks("price_unreadable")
    q, t, p = (None if isinstance(n.value, Problem) else n.value for n in (quantity, total, price))
    amount = sold_for(quantity, price, total)
    if amount is None and q is not None and p is not None:
        breaks("number_overflow")
    status, is_sale = _status(values, feed, breaks)
    order = _id(values.get("order_ref"), setup, breaks) if feed.has_orders else None
    if (q is not None and q <= 0) or (t or 0) < 0 or (p or 0) < 0:
        breaks("return_line", "warn")
    if t == 0 or p == 0:
        breaks("zero_price", "warn")
    version = None
    if feed.version:
        version = sold if feed.version == "sale_date" else moment(values.get(feed.version), feed.time_zone)
        if version is None:
            breaks("version_unreadable")
    _plausible(setup, breaks, sold, version)
    row = {
        "transaction_key": key,
        "transaction_id": (given or key) if by_line else given,
        "customer_id": customer,
        "product_id": product,
        "sale_date": sold,
        "quantity": q,
        "total_price": t,
        "unit_price": p,
        "amount": amount,
        "order_id": order,
        "status": status,
        "is_sale": is_sale,
        "channel": channel_of(values.get("sales_channel"), setup.channels),
        "currency": currency,
        "keyed_by_line": by_line,
        "date": sold.date() if sold else None,
        "_ordinal": record.ordinal,
        "_file": record.file,
    }
    return (key,) if key else None, version, row


def _user(values: Row, record: Landed, feed: Feed, setup: Setup, breaks: Breaks) -> Reading:
    user = _id(values.get("user_id"), setup, breaks)
    created = moment(values.get("created_at"), feed.time_zone)
    if created is None and trimmed(values.get("created_at")):
        breaks("created_at_unreadable")
    version = moment(values.get(feed.version), feed.time_zone) if feed.version else None
    if feed.version and version is None:
        breaks("version_unreadable")
    _plausible(setup, breaks, created, version)
    row = {
        "user_id": user,
        "email": trimmed(values.get("email")),
        "created_at": created,
        "country": trimmed(values.get("country")),
    }
    return (user,) if user else None, version, row


def _product(values: Row, record: Landed, feed: Feed, setup: Setup, breaks: Breaks) -> Reading:
    sku = _id(values.get("sku"), setup, breaks)
    currency = currency_of(feed, values.get("currency"), values.get("price"))
    price = _money(values.get("price"), currency, feed, breaks).value
    if price is UNREADABLE:
        breaks("price_unreadable")
    if price is MISSING and _has_column(values, feed, "price"):
        breaks("price_missing", "warn")
    held = None if isinstance(price, Problem) else price
    if (held or 0) < 0:
        breaks("negative_price", "warn")
    version = moment(values.get(feed.version), feed.time_zone) if feed.version else None
    if feed.version and version is None:
        breaks("version_unreadable")
    _plausible(setup, breaks, version)
    row = {
        "sku": sku,
        "name": as_written(values.get("name")),
        "category": trimmed(values.get("category")),
        "manufacturer": trimmed(values.get("manufacturer")),
        "price": held,
        "currency": currency,
    }
    return (sku, record.source) if sku else None, version, row


def _stock(values: Row, record: Landed, feed: Feed, setup: Setup, breaks: Breaks) -> Reading:
    product = _id(values.get("product_id"), setup, breaks)
    counted = moment(values.get("counted_at"), feed.time_zone)
    if counted is None:
        breaks("counted_at_unreadable")
    on_hand = _number(values.get("on_hand"), 3, feed, breaks).value
    if on_hand in (MISSING, UNREADABLE):
        breaks("quantity_unreadable")
    elif not isinstance(on_hand, Problem) and on_hand < 0:
        breaks("negative_stock", "warn")
    _plausible(setup, breaks, counted)
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
            **{n: o[n] for n in _OF_ORDER},
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


_OF_ORDER = ("order_id", "amount", "currency", "promo", "created_at", "status", "is_sale", "warnings", "date")
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
        for item in order["items"] if order["is_sale"] else ():
            price, amount, flags = item["unit_price"], item["amount"], []
            if amount is not None:
                price = price if price is not None else quotient(amount, item["quantity"]) if item["quantity"] else None
            else:
                base = (
                    _base_price(item["sku"], order["currency"], catalogue)
                    if setup.missing_item_price == "catalogue"
                    else None
                )
                if base is not None and money(base * item["quantity"]) is not None:
                    price, flags = base, ["catalogue_price"]
                else:
                    price, flags = Decimal(0), ["price_missing"]
                amount = money(price * item["quantity"])
            lines.append(
                {
                    "source_system": "orders",
                    "order_id": order["order_id"],
                    "purchase_id": order["order_id"],
                    "line_number": item["line_number"],
                    "line_file": "",
                    "user_id": order["user_id"] or UNKNOWN,
                    "sku": item["sku"],
                    "quantity": item["quantity"],
                    "unit_price": price,
                    "line_amount": amount,
                    "channel": order["channel"],
                    "currency": order["currency"],
                    "is_return": item["quantity"] <= 0 or (price or 0) < 0 or amount < 0,
                    "is_refund": item["refunded_at"] is not None,
                    "flags": flags,
                    "created_at": item["refunded_at"] or order["created_at"],
                    "date": item["refunded_at"].date() if item["refunded_at"] else order["date"],
                    "record_id": order["record_id"],
                }
            )
    return lines


def _sales(transactions: list[Row], catalogue: dict[str, Row]) -> list[Row]:
    lines = []
    for t in transactions:
        if not t["is_sale"]:
            continue
        sku, quantity, amount, price = t["product_id"] or UNKNOWN, t["quantity"], t["amount"], t["unit_price"]
        flags: list[str] = []
        if amount is not None:
            if price is None and quantity != 0:
                price = quotient(amount, quantity)
        else:
            base = _base_price(sku, t["currency"], catalogue)
            amount = money(base * quantity) if base is not None else None
            price, flags = (base, ["base_price"]) if amount is not None else (None, ["unpriced"])
        lines.append(
            {
                "source_system": "transactions",
                "order_id": t["transaction_id"] if t["keyed_by_line"] else t["transaction_key"],
                "purchase_id": t["order_id"] or t["transaction_id"],
                "line_number": t["_ordinal"] if t["keyed_by_line"] else 1,
                "line_file": t["_file"] if t["keyed_by_line"] else "",
                "user_id": t["customer_id"] or UNKNOWN,
                "sku": sku,
                "quantity": quantity,
                "unit_price": price,
                "line_amount": amount,
                "channel": t["channel"],
                "currency": t["currency"],
                "is_return": quantity <= 0 or (amount or 0) < 0 or (price or 0) < 0,
                "is_refund": False,
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
    return len({(line["source_system"], line["purchase_id"]) for line in lines})


def _channels(fact: list[Row]) -> list[Row]:
    return [
        {
            "date": day,
            "channel": channel,
            "currency": currency,
            "orders": _orders_in(bought),
            "customers": len({x["user_id"] for x in bought} - {UNKNOWN}),
            "units": _sum(x["quantity"] for x in lines),
            "net": _sum(x["line_amount"] for x in lines),
            "refunded": _sum(x["line_amount"] for x in lines if x["is_refund"]),
            "average_order_value": quotient(_sum(x["line_amount"] for x in bought), _orders_in(bought))
            if bought
            else None,
        }
        for (day, channel, currency), lines in _grouped(fact, "date", "channel", "currency").items()
        for bought in [[line for line in lines if not line["is_refund"]]]
    ]


def _frequency(fact: list[Row]) -> list[Row]:
    rows, micro = [], timedelta(microseconds=1)
    for (user,), lines in _grouped([line for line in fact if not line["is_refund"]], "user_id").items():
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
