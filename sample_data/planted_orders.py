"""What is planted by hand in `api_orders.json`: every version of every peculiar order, its state and why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from saleslake.synthetic.peculiar import sum_up

Record = dict[str, Any]
Edit = Callable[[Record], Any]


class Version(NamedTuple):
    """One element: how many orders later it stands, what differs from the plain order, where it ends and why."""

    delay: int
    edit: Edit
    state: str
    effect: str


class Case(NamedTuple):
    """One peculiar order; `lines` is how many lines it needs at least."""

    kind: str
    versions: list[Version]
    lines: int = 1


def put(**values: Any) -> Edit:
    """Set fields of the order."""
    return lambda record: record.update(values)


def drop(name: str) -> Edit:
    """Leave a field of the order out."""
    return lambda record: record.pop(name)


def first(**values: Any) -> Edit:
    """Set fields of the first line; the amount follows."""

    def edit(record: Record) -> None:
        record["items"][0].update(values)
        sum_up(record)

    return edit


def first_without(name: str) -> Edit:
    """Leave a field of the first line out; the amount follows."""

    def edit(record: Record) -> None:
        del record["items"][0][name]
        sum_up(record)

    return edit


def also(sku: str | None = None, **values: Any) -> Edit:
    """Add a line like the first; the amount follows."""

    def edit(record: Record) -> None:
        record["items"].append({**record["items"][0], **({"sku": sku} if sku else {}), **values})
        sum_up(record)

    return edit


def after(hours: int, *edits: Edit) -> Edit:
    """A correction so many hours after the order."""

    def edit(record: Record) -> None:
        created = datetime.fromisoformat(record["created_at"].replace("Z", "+00:00"))
        changed = (created + timedelta(hours=hours)).isoformat().replace("+00:00", "Z")
        record["updated_at"] = changed
        for each in edits:
            each(record)

    return edit


def as_is(record: Record) -> None:
    """The plain order."""


def shrink(record: Record) -> None:
    """Only the first line stays."""
    record["items"] = record["items"][:1]
    sum_up(record)


def add_to_amount(record: Record) -> None:
    """An amount that is not the sum of the lines."""
    record["amount"] = round(record["amount"] + 7.5, 2)


def as_text(record: Record) -> None:
    """Every number as a JSON string."""
    record["amount"] = f"{record['amount']:.2f}"
    for item in record["items"]:
        item["qty"], item["price"] = str(item["qty"]), f"{item['price']:.2f}"


def pad(record: Record) -> None:
    """Blanks around the keys."""
    record["order_id"], record["items"][0]["sku"] = f" {record['order_id']} ", f"{record['items'][0]['sku']}  "


def day_before(record: Record) -> None:
    """The order's date was wrong by one day."""
    created = datetime.fromisoformat(record["created_at"].replace("Z", "+00:00"))
    record["created_at"] = (created - timedelta(days=1)).isoformat().replace("+00:00", "Z")


def in_india(record: Record) -> None:
    """Half past two at night, in Indian time."""
    record["created_at"] = record["created_at"][:10] + "T02:30:00+05:30"


def without_zone(record: Record) -> None:
    """A time without a zone."""
    record["created_at"] = record["created_at"].rstrip("Z")


def extra(record: Record) -> None:
    """Fields nobody knows yet."""
    record["loyalty"] = {"tier": "gold", "points": 12}
    record["items"][0]["gift_wrap"] = True


def _bad(kind: str, edit: Edit, effect: str) -> Case:
    return Case(kind, [Version(0, edit, "quarantined", effect)])


def _kept(kind: str, edit: Edit, effect: str) -> Case:
    return Case(kind, [Version(0, edit, "applied", effect)])


QUARANTINED = [
    _bad("missing_order_id", drop("order_id"), "no key"),
    _bad("missing_order_id", put(order_id=None), "no key"),
    _bad("missing_order_id", put(order_id="  "), "keys are trimmed: no key"),
    _bad("missing_created_at", drop("created_at"), "no date"),
    _bad("unreadable_created_at", put(created_at="2024-02-30T10:00:00Z"), "no such day"),
    _bad("unreadable_created_at", put(created_at="yesterday"), "no date"),
    _bad("missing_currency", drop("currency"), "no currency, unless the source sets `defaults.currency`: then applied"),
    _bad("unreadable_currency", put(currency="12"), "not a currency code"),
    _bad("items_empty", put(items=[], amount=0), "no lines (a setting keeps the header)"),
    _bad("items_missing", drop("items"), "no lines (a setting keeps the header)"),
    _bad("items_not_array", put(items="SKU-00001 x 2"), "no lines can be read"),
    _bad(
        "item_not_object",
        lambda r: r["items"].append("SKU-00003 x 1"),
        "the line is named (a setting keeps the others)",
    ),
    _bad("item_without_sku", first_without("sku"), "the line is named (a setting keeps the others)"),
    _bad("quantity_missing", first_without("qty"), "the line is named (a setting keeps the others)"),
    _bad("quantity_unreadable", first(qty="two"), "the line is named (a setting keeps the others)"),
    _bad("overflow", put(amount=10**15), "amount does not fit DECIMAL(18,4)"),
    _bad("overflow", first(qty=1, price=10**15), "price and amount do not fit DECIMAL(18,4)"),
]

KEPT = [
    _kept("missing_user_id", drop("user_id"), "warn; unknown member in gold, not a customer of any metric"),
    _kept("missing_user_id", put(user_id=""), "warn; unknown member in gold, not a customer of any metric"),
    _kept("amount_mismatch", add_to_amount, "warn; counted in the revenue check; revenue comes from the lines"),
    _kept("amount_missing", drop("amount"), "warn; counted in the revenue check"),
    _kept("zero_price", first(price=0), "warn; the line is worth nothing"),
    _kept("price_missing", first_without("price"), "gold: 0.00, flagged `price_missing` (or the catalogue price)"),
    _kept("unknown_user", put(user_id="USR-000999"), "gold: warn; dim_user gets a row with the id only"),
    _kept("unknown_product", first(sku="SKU-00999"), "gold: warn; dim_product gets a row with the sku only"),
    _kept("return_line", first(qty=-1), "`is_return`: out of gross, in net"),
    _kept("return_line", first(qty=-2), "`is_return`: out of gross, in net"),
    _kept("zero_quantity", first(qty=0), "`is_return`: out of gross, in net"),
    _kept("negative_price", also(qty=1, price=-5.0), "a voucher as a line: `is_return`, out of gross, in net"),
    _kept("repeated_sku", also(), "two lines of the fact; one row in the view fact_order"),
    _kept("fractional_quantity", first(qty=0.5, price=12.4), "quantity is DECIMAL(18,3)"),
    _kept("rounded_price", first(qty=1, price=3.33335), "3.3334, half-up; warn `rounded`"),
    _kept("numbers_as_strings", as_text, "read like numbers"),
    _kept("extra_fields", extra, "kept in raw; reported as drift"),
    _kept("padded_keys", pad, "trimmed"),
    _kept("year_9999", put(created_at="9999-12-31T23:59:59Z"), "a date of its own; moves no watermark past the fetch"),
    _kept("time_with_offset", in_india, "02:30 at +05:30 is 21:00 of the day before in UTC: that is its date"),
    _kept("time_without_zone", without_zone, "in the source's time zone (default UTC)"),
]

_SAME = "the same key and content stands again later"
_OLDER = "a later version of the order is applied"

VERSIONS = [
    Case("duplicate", [Version(0, as_is, "duplicate", _SAME), Version(4, as_is, "applied", "the last of two")]),
    Case("duplicate", [Version(0, as_is, "duplicate", _SAME), Version(0, as_is, "applied", "next to each other")]),
    Case("duplicate", [
        Version(0, as_is, "duplicate", _SAME), Version(9, as_is, "duplicate", _SAME),
        Version(40, as_is, "applied", "the last of three"),
    ]),
    Case("correction_quantity", [
        Version(0, as_is, "superseded", _OLDER), Version(7, after(5, first(qty=3)), "applied", "newest `updated_at`"),
    ]),
    Case("correction_shrunk", [
        Version(0, as_is, "superseded", _OLDER),
        Version(11, after(20, shrink), "applied", "one line left: the others leave the fact"),
    ], lines=3),
    Case("correction_moved_date", [
        Version(0, as_is, "superseded", _OLDER),
        Version(15, after(30, day_before), "applied", "moves to the partition of the day before, and is there once"),
    ]),
    Case("correction_there_and_back", [
        Version(0, first(price=10.0), "superseded", _OLDER),
        Version(5, after(2, first(price=12.0)), "superseded", _OLDER),
        Version(14, after(6, first(price=10.0)), "applied", "price 10 → 12 → 10 ends at 10"),
    ]),
    Case("late_old_version", [
        Version(0, after(8, first(qty=5)), "applied", "newest `updated_at`, though it comes first"),
        Version(25, as_is, "superseded", "an old version that comes late overwrites nothing"),
    ]),
    Case("same_time_correction", [
        Version(0, as_is, "superseded", _OLDER),
        Version(3, first(qty=4), "applied", "same version time: the one that landed later wins"),
    ]),
    Case("broken_correction", [
        Version(0, as_is, "applied", "the good version stays, though an invalid one is newer"),
        Version(10, after(12, first(qty="n/a")), "quarantined", "quantity unreadable"),
    ]),
    Case("repaired", [
        Version(0, first(qty="?"), "quarantined", "quantity unreadable; superseded in the view of open quarantine"),
        Version(18, after(9), "applied", "the repair"),
    ]),
    Case("user_filled_in", [
        Version(0, put(user_id=None), "superseded", _OLDER),
        Version(6, after(1), "applied", "the same order, now with its customer"),
    ]),
]  # fmt: skip

CASES = [*QUARANTINED, *KEPT, *VERSIONS]

NOT_OBJECTS: list[tuple[object, str]] = [
    (None, "element is null"),
    ("ORD-00000100", "element is a string"),
    (42, "element is a number"),
    ([], "element is an array"),
]
"""Elements of the array that are no objects: each is one quarantined record and costs no neighbour."""
