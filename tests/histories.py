"""Hypothesis strategies: little histories of one key, as records' exact texts.

A history holds versions in landing order: fresh ones, exact repeats of earlier ones (duplicates, A → B → A), with
times from a small pool (equal timestamps, late old versions), and now and then one planted defect.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

Fields = dict[str, str]
"""JSON: name to the exact text of its value. CSV: name to the cell's value."""

DATES = [
    "2024-03-01",
    "2024-03-02T08:15:00Z",
    "2024-03-02 23:59:59.999999",
    "2024-03-03T01:30:00+02:00",
    "2024-03-05T10:00",
    "2024-02-29T12:00:00.5Z",
    "2024-03-05",
    "2023-12-31T23:30:00-01:00",
    "9999-12-31T23:59:59Z",
    "0024-03-01",
    "2024-03-05T24:00",
    "2024-03-02t08:15:00,25z",
    "2024-03-02 08:15:00.123456789 UTC",
    "\u00a02024-03-05T10:00+02\u200b",
    "2101-01-01",
]
BAD_DATES = [
    "2024-02-30",
    "soon",
    "01/02/2024",
    "2024-13-01T00:00:00Z",
    "0000-05-05",
    "9999-12-31T23:59:59-05:00",
    "0001-01-01T00:30:00+02:00",
    "2024-03-05T24:00:01",
    "9999-12-31T24:00:00",
    "2024-03-05T10:00:00+18:30",
]
CURRENCIES = ["EUR", "USD", " eur ", "JPY", "kwd", "\u00a0EUR"]
NO_CURRENCIES = ["EURO", "12", "€", "nan", "XXX", "XYZ"]
USERS = ["u1", "u2", "u3", " u1 ", "stranger", "\u200bu1\ufeff", "7.0", '="7"', "07"]
SKUS = ["s1", "s2", "s3", "s4", " s2 ", "uncatalogued", '="s3"', "\u00a0s4"]
NO_IDS = ["4.501E+11", "9007199254740992.0", "k" * 513, "é" * 257]
STATUSES = ["paid", "Paid ", "cancelled", "CANCELED", "Test", "on hold", " ", "NULL"]
CHANNELS = ["Web", "in store", "In-Store", "POS", "Pop up", " "]
GOOD_NUMBERS = ["1", "2", "2.50", "0.1", "10", "3.3333", "19.99"]
PECULIAR_NUMBERS = ["-1", "-2.5", "0", "0.00", "1e1", "1.00005", "-0.00005", "2.0005", "12345678901.1234"]
OVERFLOWING = ["1e15", "123456789012345678901234567890", "99999999999999.99995", "-1e30"]
NO_NUMBERS = ["ten", "1.2.3", "--1", "0x10", "-(1)", "5 stk"]
WRITTEN = [
    *(
        "1.234",
        "1,234",
        "1.234,5",
        "1,234.50",
        "1 234,50",
        "1\u202f234,5",
        "1'234.50",
        "12,50",
        "0.250",
        "1.23",
        "12.34,5",
    ),
    *("(5)", "5-", "\u22125", "- 5", "\u00a05", "+5", "(1.234)"),
    *("€5", "5 EUR", "5,00 €", "$5.00", "USD 5", "kr 5", "(€5)", "€-5", "-€5", "5 zł", "¥500", "5 XYZ"),
]
"""Numbers as exports write them."""
MONEY_OBJECTS = [
    *(
        '{"amount":"5.00","currencyCode":"EUR"}',
        '{"amount":5,"currency":"usd"}',
        '{"Amount":"5,00","CurrencyCode":"EUR"}',
    ),
    *('{"value":5}', '{"amount":"€5","currency":"USD"}', '{"amount":5,"currency":"points"}', '{"currency":"EUR"}'),
]


@dataclass(frozen=True)
class Version:
    """One version of a key: `text` of a JSON record, or `cells` of a CSV line and what is done to the line."""

    text: str = ""
    cells: tuple[tuple[str, str], ...] = ()
    mangled: str = ""


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _json(fields: Fields, spaced: bool) -> str:
    return ("{ " if spaced else "{") + (", " if spaced else ",").join(f'"{n}":{v}' for n, v in fields.items()) + "}"


def _pick(draw: st.DrawFn, usual: list[str], rare: list[str], one_in: int = 6) -> str:
    options = rare if rare and draw(st.integers(1, one_in)) == one_in else usual
    return draw(st.sampled_from(options))


def _number_token(draw: st.DrawFn) -> str:
    text = _pick(draw, GOOD_NUMBERS, PECULIAR_NUMBERS)
    kind = draw(st.integers(1, 8))
    return _quoted(draw(st.sampled_from(WRITTEN))) if kind == 8 else _quoted(text) if kind > 6 else text


# --- orders ----------------------------------------------------------------------------------------

MARKS = ["true", "1", '"abc"', '"/orders/7/lines?page=2"', '{"page":2}', "[0]"]
"""What says that lines are on another page."""
NO_REFUNDS = [
    "null",
    "[]",
    "{}",
    '" "',
    '"x"',
    "7",
    "[7]",
    "[null]",
    "[{}]",
    '{"next":null}',
    '{"has_more":true}',
    "false",
]
"""In place of refunds, or of the lines of one."""
ORDER_DEFECTS = (
    "no_key",
    "blank_key",
    "key_object",
    "no_date",
    "bad_date",
    "date_number",
    "bad_update",
    "no_currency",
    "bad_currency",
    "bad_key",
    "user_fraction",
    "money_object",
    "amount_missing",
    "amount_text",
    "amount_overflow",
    "amount_object",
    "no_items",
    "empty_items",
    "items_text",
    "items_object",
    "more_elsewhere",
    "nothing_elsewhere",
    "line_text",
    "line_null",
    "line_without_sku",
    "line_without_qty",
    "line_bad_sku",
    "line_money_object",
    "line_bad_qty",
    "line_qty_overflow",
    "line_bad_price",
    "line_price_overflow",
    "line_revenue_overflow",
    "metadata_text",
    "no_user",
    "user_object",
    "broken",
    "two_on_a_line",
    "array",
    "number",
    "null",
    "trailing",
)


@st.composite
def order(draw: st.DrawFn, key: str) -> Version:
    """One version of an order."""
    lines = draw(st.lists(_line(), min_size=1, max_size=3))
    fields: Fields = {"order_id": _quoted(draw(st.sampled_from([key, key, key, f" {key} "])))}
    fields["user_id"] = draw(st.sampled_from([_quoted(u) for u in USERS] + ["7", "7.0"]))
    fields["created_at"] = _quoted(draw(st.sampled_from(DATES)))
    if draw(st.booleans()):
        fields["updated_at"] = draw(st.sampled_from([_quoted(d) for d in DATES] + ["null", '""']))
    fields["currency"] = _quoted(draw(st.sampled_from(CURRENCIES)))
    fields["amount"] = _number_token(draw)
    if draw(st.integers(1, 5)) > 1:
        promo = draw(st.sampled_from(["null", '"SPRING"', '" a, \\"b\\" "', "5", '" "', '"NULL"']))
        fields["metadata"] = f'{{"source":{_quoted(draw(st.sampled_from(CHANNELS)))},"promo":{promo}}}'
    if draw(st.integers(1, 3)) == 3:
        fields["status"] = draw(st.sampled_from([*map(_quoted, STATUSES), "null", "7"]))
    if draw(st.integers(1, 3)) == 3:
        fields["refunds"] = _pick(draw, [_refunds(draw)], NO_REFUNDS, one_in=8)
    fields["extra"] = draw(st.sampled_from(["1", '{"a":[1,2]}']))
    defect = _pick(draw, [""], list(ORDER_DEFECTS), one_in=4)
    return Version(text=_spoilt_order(fields, lines, defect, draw))


@st.composite
def _line(draw: st.DrawFn) -> Fields:
    line = {"sku": _quoted(draw(st.sampled_from(SKUS))), "qty": _number_token(draw)}
    price = draw(st.integers(1, 6))
    if price < 5:
        line["price"] = _number_token(draw)
    elif price == 5:
        line["price"] = "null"
    if draw(st.integers(1, 6)) == 6:
        line["line_total"] = draw(
            st.sampled_from(["25.00", '"-25"', "0", "null", '" "', '"€ 5"', "1e15", '"x"', "0.00005"])
        )
    return line


def _refunds(draw: st.DrawFn) -> str:
    """Refunds of a shop; those of each version are others, so that they come, move and go."""
    refunds = []
    for _ in range(draw(st.integers(0, 2))):
        refund = {"created_at": _quoted(_pick(draw, DATES[:8], [*DATES[8:], *BAD_DATES], one_in=10))}
        lines = [_json(_refund_line(draw), spaced=False) for _ in range(draw(st.integers(1, 2)))]
        refund["lines"] = _pick(draw, ["[" + ",".join(lines) + "]"], NO_REFUNDS, one_in=8)
        refunds.append(_json(refund, spaced=False))
    return "[" + ",".join(refunds) + "]"


def _refund_line(draw: st.DrawFn) -> Fields:
    line = {"sku": _quoted(_pick(draw, SKUS, NO_IDS, one_in=20)), "quantity": _number_token(draw)}
    for name in draw(st.sampled_from([("subtotal",), ("subtotal",), ("price",), ("subtotal", "price"), ()])):
        line[name] = _number_token(draw)
    if draw(st.integers(1, 20)) == 20:
        line[draw(st.sampled_from(["quantity", "subtotal", "price"]))] = draw(
            st.sampled_from([*OVERFLOWING, *map(_quoted, NO_NUMBERS), "null", '" "', *MONEY_OBJECTS])
        )
    return line


def _spoilt_order(fields: Fields, lines: list[Fields], defect: str, draw: st.DrawFn) -> str:
    def overflow() -> str:
        return draw(st.sampled_from(OVERFLOWING))

    def no_number() -> str:
        return _quoted(draw(st.sampled_from(NO_NUMBERS)))

    last = lines[-1]
    for drop, name in (
        ("no_key", "order_id"),
        ("no_date", "created_at"),
        ("no_currency", "currency"),
        ("amount_missing", "amount"),
        ("no_user", "user_id"),
    ):
        if defect == drop:
            del fields[name]
    replaced = {
        "blank_key": ("order_id", '"  "'),
        "key_object": ("order_id", '{"id":1}'),
        "bad_date": ("created_at", _quoted(draw(st.sampled_from(BAD_DATES)))),
        "date_number": ("created_at", "1709290000"),
        "bad_update": ("updated_at", _quoted(draw(st.sampled_from(BAD_DATES)))),
        "bad_currency": ("currency", draw(st.sampled_from(["12", "null", *map(_quoted, NO_CURRENCIES)]))),
        "bad_key": ("order_id", _quoted(draw(st.sampled_from(NO_IDS)))),
        "user_fraction": ("user_id", "7.5"),
        "money_object": ("amount", draw(st.sampled_from(MONEY_OBJECTS))),
        "amount_text": ("amount", no_number()),
        "amount_overflow": ("amount", overflow()),
        "amount_object": ("amount", '{"x":1}'),
        "metadata_text": ("metadata", '"web"'),
        "user_object": ("user_id", '["u1"]'),
    }
    if defect in replaced:
        name, value = replaced[defect]
        fields[name] = value
    for wanted, name, value in (
        ("line_bad_qty", "qty", no_number()),
        ("line_qty_overflow", "qty", overflow()),
        ("line_bad_price", "price", no_number()),
        ("line_price_overflow", "price", overflow()),
        ("line_bad_sku", "sku", _quoted(draw(st.sampled_from(NO_IDS)))),
        ("line_money_object", "price", draw(st.sampled_from(MONEY_OBJECTS))),
    ):
        if defect == wanted:
            last[name] = value
    if defect == "line_revenue_overflow":
        last |= {"qty": "100000", "price": '"12345678901.5"'}
    if defect == "line_without_sku":
        del last["sku"]
    if defect == "line_without_qty":
        del last["qty"]
    texts = [_json(line, spaced=False) for line in lines]
    texts += {"line_text": ['"x"'], "line_null": ["null"]}.get(defect, [])
    items = {"empty_items": "[]", "items_text": '"none"', "items_object": '{"sku":"s1"}'}.get(
        defect, "[" + ",".join(texts) + "]"
    )
    if defect != "no_items":
        fields["items"] = items
    if defect == "more_elsewhere":
        fields[draw(st.sampled_from(["has_more", "next", "nextCursor"]))] = draw(st.sampled_from(MARKS))
    if defect == "nothing_elsewhere":
        fields["refunds"] = '{"has_more": ' + draw(st.sampled_from(["false", "0", "null", '""', "[ ]", "{}"])) + "}"
    text = _json(fields, spaced=draw(st.booleans()))
    broken = {
        "broken": text[: len(text) // 2],
        "two_on_a_line": text + text,
        "array": f"[{text}]",
        "number": "42",
        "null": "null",
        "trailing": text + " x",
    }
    return broken.get(defect, text)


# --- CSV -------------------------------------------------------------------------------------------

MANGLED = ("extra", "short", "quote_open", "quote_text")


@st.composite
def transaction(draw: st.DrawFn, key: str) -> Version:
    """One version of a sales transaction."""
    cells = {
        "transaction_id": draw(st.sampled_from([key, key, f" {key} "])),
        "customer_id": _pick(draw, USERS, ["", "  ", "NULL", "N/A"]),
        "product_id": _pick(draw, SKUS, ["", *NO_IDS[:2]]),
        "sale_date": _pick(draw, DATES, [*BAD_DATES, ""], one_in=10),
        "quantity": _pick(
            draw, GOOD_NUMBERS + PECULIAR_NUMBERS[:5], [*OVERFLOWING, *NO_NUMBERS, *WRITTEN, "", "NaN"], one_in=8
        ),
        "total_price": _pick(
            draw, [*GOOD_NUMBERS, *PECULIAR_NUMBERS, "", ""], [*OVERFLOWING, *NO_NUMBERS, *WRITTEN, "\\N"], one_in=6
        ),
        "unit_price": _pick(
            draw, ["", "", "", *GOOD_NUMBERS, "0"], [*OVERFLOWING, *NO_NUMBERS, *WRITTEN, "99999999999999"], one_in=8
        ),
        "sales_channel": draw(st.sampled_from([*CHANNELS, 'a "b", c'])),
        "currency": _pick(draw, [*CURRENCIES, ""], NO_CURRENCIES, one_in=10),
        "status": _pick(draw, ["", "paid"], STATUSES, one_in=3),
        "order_ref": _pick(draw, ["", "p1", " p1 ", "p2", "7.0"], NO_IDS, one_in=20),
        "updated_at": _pick(draw, DATES[:6], ["", "soon"], one_in=12),
    }
    if draw(st.integers(1, 25)) == 25:
        cells["transaction_id"] = ""
    return Version(cells=tuple(cells.items()), mangled=_pick(draw, [""], list(MANGLED), one_in=14))


@st.composite
def user(draw: st.DrawFn, key: str) -> Version:
    cells = {
        "user_id": _pick(draw, [key, f" {key}", f'="{key}"'], ["", "nan", *NO_IDS], one_in=15),
        "email": draw(st.sampled_from(["a@b.c", 'x, "y"', ""])),
        "created_at": _pick(draw, [*DATES[:6], ""], BAD_DATES, one_in=8),
        "country": draw(st.sampled_from(["NL", "JP ", ""])),
    }
    return Version(cells=tuple(cells.items()), mangled=_pick(draw, [""], list(MANGLED), one_in=14))


@st.composite
def product(draw: st.DrawFn, key: str) -> Version:
    """For CSV its cells, for JSON its text."""
    cells = {
        "sku": _pick(draw, [key, f" {key}"], [""], one_in=15),
        "name": draw(st.sampled_from(["Cup", " Cup ", 'Cup 3", blue', "", " ", "NULL"])),
        "category": draw(st.sampled_from(["Kitchen", "Sports ", ""])),
        "manufacturer": draw(st.sampled_from(["Acme", ""])),
        "price": _pick(
            draw,
            [*GOOD_NUMBERS, "", "-1", "0", "1.00005", "12345678901.1234"],
            [*OVERFLOWING, *NO_NUMBERS, *WRITTEN],
            one_in=4,
        ),
        "currency": draw(st.sampled_from(["EUR", "USD", "", "EURO", "nan"])),
    }
    json_fields = {n: _quoted(v) if v else "null" for n, v in cells.items()}
    return Version(_json(json_fields, spaced=False), tuple(cells.items()), _pick(draw, [""], list(MANGLED), one_in=14))


@st.composite
def stock(draw: st.DrawFn, key: str) -> Version:
    cells = {
        "product_id": _pick(draw, [key, f" {key}"], [""], one_in=15),
        "on_hand": _pick(draw, [*GOOD_NUMBERS, "100", "0", "-4"], [*OVERFLOWING, *NO_NUMBERS, *WRITTEN, ""], one_in=4),
        "counted_at": _pick(draw, [*DATES[:8], *DATES[10:]], [*BAD_DATES, ""], one_in=8),
    }
    return Version(cells=tuple(cells.items()), mangled=_pick(draw, [""], list(MANGLED), one_in=14))


ENTITIES = {"orders": order, "transactions": transaction, "users": user, "products": product, "stock": stock}


@st.composite
def history(draw: st.DrawFn, entity: str, key: str, most: int = 5) -> list[Version]:
    """Versions of one key in landing order."""
    versions: list[Version] = []
    for _ in range(draw(st.integers(1, most))):
        if versions and draw(st.integers(1, 3)) == 3:
            versions.append(draw(st.sampled_from(versions)))
        else:
            versions.append(draw(ENTITIES[entity](key)))
    return versions


# --- versions to text ------------------------------------------------------------------------------


def json_line(cells: dict[str, str]) -> str:
    """A CSV line's cells as a JSON record."""
    return _json({name: _quoted(cell) if cell else "null" for name, cell in cells.items()}, spaced=False)


def csv_line(cells: dict[str, str], names: list[str], mangled: str = "") -> str:
    """One CSV line under a header, as RFC 4180 writes it, then mangled."""
    parts = [_cell(cells.get(name, "")) for name in names]
    if mangled == "quote_open":
        parts[-1] = '"open'
    if mangled == "quote_text":
        parts[0] = '"ab"cd'
    if mangled == "short":
        parts = parts[:-1]
    if mangled == "extra":
        parts = [*parts, "more"]
    return ",".join(parts)


def _cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"') else text
