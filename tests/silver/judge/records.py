"""Records of every entity and format, most of them odd in one or two places: what the judge is tried on.

The same for the same seed. Values are written as JSON tokens, so that spellings such as `1e5` and `-0` come as they are.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass

CONFIG = """
[run]
longest_key = 64
plausible_dates = ["2000-01-01", "2099-12-31"]
currencies = ["PTS"]
[channels]
"In-Store" = "store"
web = "online"
[rules.users]
extra_fields = "warn"
[sources.orders]
entity = "orders"
format = "jsonl"
path = "x"
[sources.orders_elsewhere]
entity = "orders"
format = "jsonl"
path = "x"
time_zone = "Europe/Berlin"
date_formats = ["iso", "dd/MM/yyyy", "MM/dd/yyyy HH:mm", "d MMM yyyy"]
version = "updated_at"
[sources.orders_elsewhere.lines_where]
"node.kind" = ["", "simple"]
[sources.orders_elsewhere.mapping]
status = "state"
"items.total" = "node.total"
order_id = "id"
user_id = "customer.id"
items = "lineItems.edges"
"items.sku" = "node.sku"
"items.qty" = "node.quantity"
"items.price" = "node.price.amount"
[sources.orders_elsewhere.defaults]
currency = "USD"
amount = "12.50"
[sources.orders_elsewhere.rules]
line_invalid = "warn"
price_unreadable = "warn"
items_empty = "warn"
amount_mismatch = "error"
[sources.orders_minor]
entity = "orders"
format = "jsonl"
path = "x"
null_values = ["n/a", "A"]
date_formats = ["iso", "epoch_ms"]
[sources.orders_minor.dialects.amount]
minor_units = true
[sources.orders_minor.dialects.items.price]
minor_units = true
[sources.orders_minor.defaults]
items = '[{"sku": "S", "qty": 1, "price": 500}]'
[sources.orders_csv]
entity = "orders"
format = "csv"
path = "x"
[sources.sales]
entity = "transactions"
format = "csv"
path = "x"
[sources.sales_by_line]
entity = "transactions"
format = "csv"
path = "x"
key = "line"
delimiter = ";"
quote = "'"
version = "updated_at"
date_formats = ["dd.MM.yyyy HH:mm", "iso"]
time_zone = "Europe/Berlin"
[sources.sales_by_line.defaults]
currency = "EUR"
quantity = "1"
[sources.sales_german]
entity = "transactions"
format = "csv"
path = "x"
delimiter = ";"
decimal = ","
thousands = "."
date_formats = ["dd.MM.yyyy HH:mm", "excel", "iso"]
time_zone = "Europe/Berlin"
[sources.sales_german.dialects.quantity]
decimal = "."
thousands = "'"
[sources.sales_json]
entity = "transactions"
format = "jsonl"
path = "x"
version = "sale_date"
mapping = { status = "status", order_id = "order" }
no_sales = ["on hold"]
[sources.users]
entity = "users"
format = "csv"
path = "x"
version = "created_at"
[sources.users_json]
entity = "users"
format = "jsonl"
path = "x"
[sources.products]
entity = "products"
format = "csv"
path = "x"
[sources.products_json]
entity = "products"
format = "jsonl"
path = "x"
version = "updated_at"
[sources.stock]
entity = "stock"
format = "csv"
path = "x"
[sources.stock_json]
entity = "stock"
format = "jsonl"
path = "x"
"""

NUMBERS = [
    "1", "2", "0", "-1", "1.5", "12.34567", "0.00005", "-0.00005", "1e5", "1E-5", "-0", "-0.0", "0.0", "99999999999999.9999",
    "99999999999999.99995", "1e14", "1e400", "1e-400", "1e999999", "123456789012345678901234567890", "0.1e1", "999999999999999.999",
    "999999999999999.9995", '"12.50"', '"12,50"', '" 7 "', '""', '" "', '"abc"', '"1_000"', '"１２"', '"1e3"', '"NaN"',
    '"Infinity"', '"-Infinity"', '"+5"', '".5"', '"5."', '"0x10"', '"1d"', "true", "false", "null", "[]", "{}", "[1]",
    '{"a":1}', '"1.00000000000000000001"', "0.00004999999999999999999", "20", "10.0", "10.00", "5", "7.25", "1.005",
]  # fmt: skip
WRITTEN = [
    '"1.234"', '"1.234,50"', '"1,234.50"', '"1 234,50"', '"1\u00a0234,5"', "\"1'234.50\"", '"1.23"', '"12.34,5"', '"20 €"', '"€20"',
    '"$20"', '"20,00 EUR"', '"USD 20.00"', '"20 PTS"', '"(20)"', '"20-"', '"\u221220"', '"-20-"', '"(€20.00)"', '"EUR -20"', '"\u00a020\u200b"',
    '{"amount": "20.00", "currencyCode": "EUR"}', '{"amount": 2000, "currency": "EUR"}', '{"Amount": "20", "CurrencyCode": "USD"}',
    '{"amount": 20, "currency": "PTS"}', '{"amount": "€20", "currency": "USD"}', '{"value": 20}', '{"amount": null, "currency": "EUR"}',
    '"n/a"', '"NULL"', '"#N/A"', "1299", '"1299"', "-2000", '"2000.5"',
]  # fmt: skip
"""Numbers as people and platforms write them."""
TEXTS = [
    '"A"', '" A "', '""', '" "', '"\u00a0A"', '"A\\nB"', '"null"', '"NULL"', "5", "5.0", "12345678901234567890", "true",
    '{"a":1}', "[1,2]", '"{x}"', '"[y"', '"ß"', '"\\u00e9"', '"a\\u2028b"', '"a\u0085b"', '"\\t"', "null", '"x\u200by"',
    '"\\ud83d\\ude00"', '"日本"', '"a,b"', '"a\\"b"', '"00123"', '"4.5E+11"', '"1.0"', '"=\\"00123\\""', "7.5",
    '"9007199254740993.0"', f'"{"k" * 65}"', f'"{"é" * 32}"', '"\u200bA\ufeff"', '"n/a"', '"1"', "1", "1.0",
]  # fmt: skip
TIMES = [
    '"2025-01-31T10:15:30Z"', '"2025-01-31"', '"2025-01-31 10:15"', '"2025-01-31T10:15:30.123456789+02:30"',
    '"2025-01-31T10:15:30 +0200"', '"2025-03-30T02:30:00"', '"2025-10-26T02:30:00"', '"0001-01-01T00:00:00+01:00"',
    '"0001-01-01"', '"9999-12-31T23:59:59.999999Z"', '"9999-12-31T23:59:59-01:00"', '"0000-12-31"', '"2025-02-29"',
    '"2024-02-29"', '"2025-01-31T24:00:00"', '"2025-01-31T10:60"', '"2025-01-31T10:15:60Z"', '"2025-01-31T10:15:30+18:00"',
    '"2025-01-31T10:15:30+18:30"', '"2025-01-31T10:15:30z"', '"31.01.2025 10:15"', '"31/01/2025"', '"05/06/2025"',
    '"06/13/2025 10:00"', '"5 Jan 2025"', '"20250131"', "1738317600", "20250131", '""', '" "', "null", '"soon"', "true", "{}",
    '" 2025-01-31 "', '"２０２５-01-31"', '"2025-1-31"', '"2025-01-31T10"', '"+2025-01-31"', '"2025-W05-5"', '"1738318530"',
    "1738318530123", '"1738318530123"', '"45688.427430555554"', '"45688"', '"60"', '"1899-12-30"', '"2100-01-01"',
    '"2025-01-31T10:15:30,5+02"', '"2025-01-31 10:15:30 UTC"', '"\u00a02025-01-31T24:00"', '"2025-01-31T24:00:01"',
]  # fmt: skip
CURRENCIES = [
    '"EUR"',
    '"eur"',
    '" usd "',
    '"euro"',
    '""',
    '"€"',
    '"ßE"',
    '"EUR\\n"',
    "978",
    "null",
    '"E R"',
    '"nan"',
    "{}",
    '"PTS"',
    '"JPY"',
    '"kwd"',
    '"XXX"',
    '"DEM"',
    '"\u00a0EUR"',
]
CHANNELS = ['"web"', '"In-Store"', '"in store"', '" Fax "', '""', "null", "7", '{"a":"b"}', '"IN_STORE"', '"wEb"']
WHOLE = [
    "",
    "null",
    "[]",
    "{",
    "42",
    '"x"',
    "{}",
    '{"a":1}{"b":2}',
    "[{}]",
    '{"order_id":NaN}',
    "\ufeff{}",
    "{'a':1}",
    '{"a":01}',
]


@dataclass(frozen=True)
class Text:
    """One landed record, as text."""

    source: str
    raw: str
    header: str | None = None
    defect: str | None = None


_HEADERS = {
    "orders_csv": ("order_id", "user_id", "amount", "currency", "created_at", "updated_at", "order_source", "promo", "items"),
    "sales": (
        "transaction_id", "customer_id", "product_id", "sale_date", "quantity", "total_price", "unit_price", "sales_channel",
        "currency",
    ),
    "users": ("user_id", "email", "created_at", "updated_at", "country"),
    "products": ("sku", "name", "category", "manufacturer", "price", "currency"),
    "stock": ("product_id", "on_hand", "counted_at"),
}  # fmt: skip
_HEADERS["sales_by_line"] = (*_HEADERS["sales"], "updated_at")
_HEADERS["sales_german"] = _HEADERS["sales"]
_DELIMITERS = {"sales_by_line": (";", "'"), "sales_german": (";", '"')}
_POOLS = {
    **dict.fromkeys(("amount", "quantity", "total_price", "unit_price", "price", "on_hand", "qty"), NUMBERS + WRITTEN),
    "created_at": TIMES, "updated_at": TIMES, "sale_date": TIMES, "counted_at": TIMES, "currency": CURRENCIES,
    "order_source": CHANNELS, "sales_channel": CHANNELS, "status": ['"paid"', '"On Hold "', '"cancelled"', *TEXTS],
}  # fmt: skip
_SOUND = {
    "amount": "20.00", "quantity": "2", "qty": "2", "total_price": "20", "unit_price": "10", "price": "10", "on_hand": "7",
    "created_at": '"2025-01-31T10:15:30Z"', "updated_at": '"2025-02-01T00:00:00Z"', "sale_date": '"2025-01-31T10:15:30Z"',
    "counted_at": '"2025-01-31T10:15:30Z"', "currency": '"EUR"', "order_source": '"web"', "sales_channel": '"web"',
}  # fmt: skip
_JSON = {
    "sales_json": (*_HEADERS["sales"], "status", "order"), "users_json": _HEADERS["users"], "products_json": (*_HEADERS["products"], "updated_at"),
    "stock_json": _HEADERS["stock"],
}  # fmt: skip


def records(seed: int, count: int) -> Iterator[Text]:
    """About so many records, spread over the sources of CONFIG."""
    chance = random.Random(seed)
    makers = [*_HEADERS, *_JSON, "orders", "orders", "orders_elsewhere", "orders_elsewhere", "orders_minor"]
    for n in range(count):
        source = makers[n % len(makers)]
        odd = chance.choice([0, 1, 1, 1, 2, 2, 9])
        if source in _HEADERS:
            yield _csv(chance, source, n, odd)
        elif source in _JSON:
            names = _JSON[source]
            yield _damaged(chance, Text(source, _object(chance, dict(_fields(chance, names, n, odd)))))
        else:
            yield _damaged(chance, Text(source, _order(chance, n, odd, source == "orders_elsewhere")))


def _fields(chance: random.Random, names: tuple[str, ...], n: int, odd: int) -> Iterator[tuple[str, str]]:
    strange = set(chance.sample(names, min(odd, len(names))))
    for name in names:
        if name not in strange:
            yield name, _SOUND.get(name, json.dumps(f"{name[0]}{n % 50}"))
        elif chance.random() < 0.9:
            yield name, chance.choice(_POOLS.get(name, TEXTS))


def _object(chance: random.Random, fields: dict[str, str]) -> str:
    members = [f"{json.dumps(name)}: {value}" for name, value in fields.items()]
    if chance.random() < 0.02:
        members.append(members[0])
    return "{" + ", ".join(members) + "}"


def _order(chance: random.Random, n: int, odd: int, elsewhere: bool) -> str:
    names = ("order_id", "user_id", "amount", "currency", "created_at", "updated_at")
    fields = dict(_fields(chance, names, n, odd if chance.random() < 0.6 else 0))
    lines = [_line(chance, n, odd, elsewhere) for _ in range(chance.choice([0, 1, 1, 2, 3]))]
    items = "[" + ", ".join(lines) + "]"
    if chance.random() < 0.05:
        items = chance.choice(["null", "{}", '{"edges": 1}', "7", '"[]"', '{"sku": "A"}'])
    metadata = _object(chance, {"source": chance.choice(CHANNELS), "promo": chance.choice(TEXTS)})
    fields["metadata"] = metadata if chance.random() < 0.95 else chance.choice(["null", "[]", "7", '"x"'])
    if elsewhere:
        fields = {{"order_id": "id"}.get(name, name): value for name, value in fields.items() if name != "user_id"}
        if chance.random() < 0.3:
            fields["state"] = chance.choice(['"paid"', '" Cancelled"', '"TEST"', "null", *TEXTS])
        fields["customer"] = f'{{"id": {chance.choice(TEXTS)}}}'
        more = chance.choice(
            ["", "", "", ', "pageInfo": {"hasNextPage": true}', ', "pageInfo": {"hasNextPage": false}']
        )
        items = f'{{"edges": {items}{more}}}'
        fields["lineItems"] = items if chance.random() < 0.95 else chance.choice(["null", "[]", "{}"])
    else:
        fields["items"] = items
        if chance.random() < 0.05:
            mark = chance.choice(["has_more", "next", "nextCursor"])
            fields[mark] = chance.choice(["true", "false", "null", '""', '"x"', "0", "[]", "1"])
        if chance.random() < 0.03:
            fields["refunds"] = chance.choice(['{"has_more": true}', "[]", '{"has_more": false}', "null"])
    return _object(chance, fields)


def _line(chance: random.Random, n: int, odd: int, elsewhere: bool) -> str:
    if odd and chance.random() < 0.04:
        return chance.choice(["null", "7", '"x"', "[]", "{}", "true"])
    fields = dict(_fields(chance, ("sku", "qty", "price"), n, odd if odd and chance.random() < 0.4 else 0))
    if elsewhere:
        node = {name: fields[ours] for ours, name in (("sku", "sku"), ("qty", "quantity")) if ours in fields}
        if chance.random() < 0.1:
            node["kind"] = chance.choice(['"simple"', '"gift"', "null", '{"a": 1}'])
        if "price" in fields:
            if chance.random() < 0.2:
                node["total"] = chance.choice(NUMBERS)
            node["price"] = f'{{"amount": {fields["price"]}}}'
        return f'{{"node": {_object(chance, node)}}}'
    return _object(chance, fields)


def _damaged(chance: random.Random, record: Text) -> Text:
    raw, draw = record.raw, chance.random()
    if draw < 0.01:
        raw = chance.choice(WHOLE)
    elif draw < 0.02:
        raw = raw[: chance.randrange(len(raw) + 1)]
    elif draw < 0.03:
        at = chance.randrange(len(raw))
        raw = raw[:at] + chance.choice('{}[]",:0x\\ \t\u00a0') + raw[at + 1 :]
    elif draw < 0.035:
        raw += chance.choice([" ", "\n", "x", "{}", ",", "\u00a0"])
    defect = chance.choice(["undecodable", "empty_message: K1", "registry_framing"]) if chance.random() < 0.01 else None
    return Text(record.source, raw, record.header, defect)


def _csv(chance: random.Random, source: str, n: int, odd: int) -> Text:
    delimiter, quote = _DELIMITERS.get(source, (",", '"'))
    names = list(_HEADERS[source])
    if chance.random() < 0.2:
        chance.shuffle(names)
    cells = []
    fields = dict(_fields(chance, tuple(name for name in names if name != "items"), n, odd))
    if "items" in names:
        lines = [_line(chance, n, odd, False) for _ in range(chance.choice([0, 1, 2]))]
        broken = chance.choice(["", "[]", "{}", "[", "null", "x"])
        fields["items"] = json.dumps("[" + ", ".join(lines) + "]" if chance.random() < 0.9 else broken)
    for name in names:
        cells.append(_cell(chance, fields.get(name, '""'), delimiter, quote))
    if chance.random() < 0.03:
        cells = cells[: chance.randrange(1, len(cells))] if chance.random() < 0.5 else [*cells, "more"]
    raw = delimiter.join(cells)
    if chance.random() < 0.01:
        at = chance.randrange(len(raw))
        raw = raw[:at] + chance.choice([quote, delimiter, "x"]) + raw[at:]
    defect = "unclosed_quote" if chance.random() < 0.003 else None
    return Text(source, raw, delimiter.join(names), defect)


def _cell(chance: random.Random, token: str, delimiter: str, quote: str) -> str:
    value = json.loads(token) if token.startswith('"') else "" if token == "null" else token
    text = str(value).replace("\n", " ")
    if delimiter in text or quote in text or chance.random() < 0.05:
        return quote + text.replace(quote, quote * 2) + quote
    return text
