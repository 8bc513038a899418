"""Sources as shops and spreadsheets export them: dialects, minor units, what stands for nothing, counted times."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from saleslake.config import Settings
from saleslake.errors import ConfigError
from saleslake.fingerprint import rules_fingerprint
from saleslake.silver.orders import TABLE as ORDERS_TABLE
from saleslake.silver.transactions import TABLE as SALES_TABLE
from tests.frames import expect_table
from tests.silver_support import Record, judge, judged_schema

Make = Callable[[str], Settings]
ORDERS = '[sources.s]\nentity = "orders"\nformat = "jsonl"\npath = "x"\n'
SALES = '[sources.s]\nentity = "transactions"\nformat = "csv"\npath = "x"\n'
STOCK = '[sources.s]\nentity = "stock"\nformat = "csv"\npath = "x"\n'
PRODUCTS = '[sources.s]\nentity = "products"\nformat = "csv"\npath = "x"\n'
ORDER = {"order_id": "o1", "user_id": "u1", "created_at": "2025-01-31", "items": [{"sku": "A", "qty": 2, "price": 5}]}
ROWS = {"orders": judged_schema(ORDERS_TABLE), "transactions": judged_schema(SALES_TABLE)}


def order(**fields: Any) -> str:
    return json.dumps({"amount": 10, "currency": "EUR"} | ORDER | fields, ensure_ascii=False)


HEADER = "transaction_id;sale_date;quantity;total_price;currency;customer_id;product_id"
OF = ";c1;p1"
EXPORTS = {
    "German": ('decimal = ","\nthousands = "."\n', "2.000", "1.234,50 €"),
    "German, without groups": ('decimal = ","\n', "2000", "1234,5"),
    "French": ('decimal = ","\nthousands = " "\n', "2\u202f000", "1\u00a0234,50 €"),
    "Swiss": ('thousands = "\'"\n', "2'000", "CHF 1’234.50"),
    "English": ('thousands = ","\n', "2,000", "1,234.50"),
    "as programs write": ('decimal = "."\n', "2000", "1234.50"),
}


@pytest.mark.parametrize("export", EXPORTS)
def test_an_export_of_a_country_reads_with_its_settings(export: str, make_settings: Make) -> None:
    setting, quantity, total = EXPORTS[export]
    currency = "CHF" if export == "Swiss" else "EUR"
    lines = [f"t1;2025-01-31;{quantity};{total};{currency}{OF}", f"t2;2025-01-31;1;({total});{currency}{OF}"]
    expect_table(
        judge(make_settings(SALES + 'delimiter = ";"\n' + setting), [Record(line, HEADER) for line in lines]),
        ROWS["transactions"],
        [("t1", 2000, "1234.5", [], []), ("t2", 1, "-1234.5", [], ["return_line"])],
        only="transaction_id quantity total_price reasons warnings",
    )


def test_an_export_that_mixes_dialects_has_them_by_column(make_settings: Make) -> None:
    text = SALES + 'delimiter = ";"\ndecimal = ","\nthousands = "."\n[sources.s.dialects.quantity]\ndecimal = "."\n'
    settings = make_settings(text.replace('decimal = "."\n', 'decimal = "."\nthousands = ","\n'))
    expect_table(
        judge(settings, [Record(f"t1;2025-01-31;1,000.5;1.000,5;EUR{OF}", HEADER)]),
        ROWS["transactions"],
        [("1000.5", "1000.5", [], [])],
        only="quantity total_price reasons warnings",
    )


@pytest.mark.parametrize("name", ["quantity", "qty"])
def test_lines_have_dialects_of_their_own(name: str, make_settings: Make) -> None:
    text = (
        ORDERS
        + f'[sources.s.dialects.items.{name}]\ndecimal = ","\n[sources.s.dialects."items.price"]\nthousands = ","\n'
    )
    lines = [{"sku": "A", "qty": "1,5", "price": "1,000.5"}, {"sku": "B", "qty": 1.5, "price": 1000.5}]
    expect_table(
        judge(make_settings(text), [order(items=lines, amount=3001.5)]),
        ROWS["orders"],
        [([(1, "A", "1.5", "1000.5", "1500.75", None), (2, "B", "1.5", "1000.5", "1500.75", None)], [], [])],
        only="items reasons warnings",
    )


def test_prices_of_shops_that_are_objects_read_with_their_currency(make_settings: Make) -> None:
    shopify = order(
        currency=None,
        amount={"amount": "10.00", "currencyCode": "CAD"},
        items=[{"sku": "A", "qty": 2, "price": {"amount": "5.0", "currencyCode": "CAD"}}],
    )
    marketplace = order(
        currency=None,
        amount={"Amount": "10.00", "CurrencyCode": "GBP"},
        items=[{"sku": "A", "qty": 2, "price": {"Amount": "5", "CurrencyCode": "GBP"}}],
    )
    mixed = order(amount={"amount": "10.00", "currencyCode": "EUR"}, items=[{"sku": "A", "qty": 2, "price": "£5"}])
    expect_table(
        judge(make_settings(ORDERS), [shopify, marketplace, mixed, order()]),
        ROWS["orders"],
        [
            ("CAD", 10, [(1, "A", 2, 5, 10, None)], []),
            ("GBP", 10, [(1, "A", 2, 5, 10, None)], []),
            ("EUR", 10, [(1, "A", 2, 5, 10, None)], ["currency_conflict"]),
            ("EUR", 10, [(1, "A", 2, 5, 10, None)], []),
        ],
        only="currency amount items reasons",
    )


def test_minor_units_are_those_of_the_currency_of_each_record(make_settings: Make) -> None:
    text = (
        ORDERS
        + "[sources.s.dialects.amount]\nminor_units = true\n[sources.s.dialects.items.price]\nminor_units = true\n"
    )
    records = [
        order(currency=None, amount={"amount": 1299, "currency": code}, items=[{"sku": "A", "qty": 1, "price": 1299}])
        for code in ("EUR", "JPY", "KWD")
    ]
    expect_table(
        judge(make_settings(text), records),
        ROWS["orders"],
        [
            ("EUR", "12.99", [(1, "A", 1, "12.99", "12.99", None)], [], []),
            ("JPY", 1299, [(1, "A", 1, 1299, 1299, None)], [], []),
            ("KWD", "1.299", [(1, "A", 1, "1.299", "1.299", None)], [], []),
        ],
        only="currency amount items reasons warnings",
    )


def test_one_bad_number_costs_no_neighbour_and_no_other_column(make_settings: Make) -> None:
    bad = ["12,50", "1.2.3", "(5", "9" * 400, "$5", "5 XYZ", "{}", "NaN", "nan"]
    lines = [line for each in bad for line in (f't;2025-01-31;2;"{each}";EUR{OF}', f"ok;2025-01-31;2;10;EUR{OF}")]
    rows = judge(make_settings(SALES + 'delimiter = ";"\n'), [Record(line, HEADER) for line in lines]).to_pylist()
    assert {(row["transaction_id"], str(row["total_price"]), *row["reasons"]) for row in rows[1::2]} == {
        ("ok", "10.0000")
    }
    assert [row["reasons"] for row in rows[::2]] == [
        *(["number_in_other_dialect"], ["price_unreadable"], ["price_unreadable"], ["number_overflow"]),
        *(["currency_conflict"], ["price_unreadable"], ["price_unreadable"], [], []),
    ]
    assert {str(row["quantity"]) for row in rows} == {"2.000"}


PRODUCT_HEADER = "sku,name,category,manufacturer,price,currency"
NOTHING = ["NULL", "\\N", "nan", "NaN", "None", "N/A", "#N/A", " NULL\u00a0"]


@pytest.mark.parametrize("text", NOTHING)
def test_what_stands_for_nothing_in_a_csv_is_nothing_but_in_texts_of_people(text: str, make_settings: Make) -> None:
    lines = [
        Record(f"A,{text},{text},{text},{text},{text}", PRODUCT_HEADER),
        Record(f"{text},,,,1,EUR", PRODUCT_HEADER),
    ]
    one, two = judge(make_settings(PRODUCTS + 'defaults = { currency = "USD" }\n'), lines).to_pylist()
    assert (one["name"], one["category"], one["manufacturer"]) == (text, text.strip(), text.strip())
    assert (one["price"], one["currency"], one["reasons"], one["warnings"]) == (None, "USD", [], ["price_missing"])
    assert two["reasons"] == ["key_missing"]


def test_what_stands_for_nothing_can_be_set_and_in_json_only_null_is_nothing(make_settings: Make) -> None:
    of_csv = make_settings(PRODUCTS + 'null_values = ["-", ""]\n')
    lines = [Record(f"{sku},,,,,", PRODUCT_HEADER) for sku in ("-", " - ", "--", "NULL")]
    assert [row["sku"] for row in judge(of_csv, lines).to_pylist()] == [None, None, "--", "NULL"]
    plain, told = make_settings(ORDERS), make_settings(ORDERS + 'null_values = ["n/a"]\n')
    record = order(user_id="NULL", items=[{"sku": "n/a", "qty": 2, "price": 5}], metadata={"promo": "n/a"})
    (as_is,), (emptied,) = judge(plain, [record]).to_pylist(), judge(told, [record]).to_pylist()
    assert (as_is["user_id"], as_is["reasons"], as_is["promo"]) == ("NULL", [], "n/a")
    assert (emptied["user_id"], emptied["details"], emptied["promo"]) == ("NULL", ["line 1: has no sku"], "n/a")


def test_lines_can_have_a_default_in_json_and_in_csv(make_settings: Make) -> None:
    default = 'defaults = { items = \'[{"sku": "FEE", "qty": 1, "price": 10}]\' }\n'
    records = [order(items=None), order(), order(items=[])]
    rows = judge(make_settings(ORDERS + default), records).to_pylist()
    assert [[line["sku"] for line in row["items"]] for row in rows] == [["FEE"], ["A"], []]
    in_csv = ORDERS.replace("jsonl", "csv") + default
    header = "order_id,items,amount,currency,created_at"
    (row,) = judge(make_settings(in_csv), [Record("o1,,10,EUR,2025-01-31", header)]).to_pylist()
    assert [line["sku"] for line in row["items"]] == ["FEE"]
    with pytest.raises(ConfigError, match=r"defaults\.items: '\[' is no JSON"):
        make_settings(ORDERS + 'defaults = { items = "[" }\n')


def test_who_is_nobody_is_no_customer_however_the_id_is_kept(make_settings: Make) -> None:
    nobody = 'no_customer = ["0", "guest"]\n'
    records = [order(user_id=each) for each in (0, "0", " 0 ", 0.0, "guest", "00", 10)]
    rows = judge(make_settings(ORDERS + nobody), records).to_pylist()
    assert [row["user_id"] for row in rows] == [None] * 5 + ["00", "10"]
    assert [row["warnings"] for row in rows] == [["user_missing"]] * 5 + [[], []]
    assert [row["user_id"] for row in judge(make_settings(ORDERS), records[:2]).to_pylist()] == ["0", "0"]
    lines = [Record(f"t{each};2025-01-31;1;5;EUR;{each};p1", HEADER) for each in ("0", "7")]
    found = judge(make_settings(SALES + 'delimiter = ";"\n' + nobody), lines).to_pylist()
    assert [(row["customer_id"], row["warnings"]) for row in found] == [(None, ["customer_missing"]), ("7", [])]
    with pytest.raises(ConfigError, match=r"no_customer is for orders and transactions, not for stock"):
        make_settings(STOCK + nobody)


def test_lines_without_a_sku_can_have_one_by_default(make_settings: Make) -> None:
    lines = [{"sku": sku, "qty": 1, "price": 5} for sku in (None, "", " ", "A")] + [{"qty": 1, "price": 5}]
    records = [order(items=lines, amount=25), order(items=[{"sku": None, "price": 5}])]
    default = 'defaults = { "items.sku" = "(unknown)" }\n'
    whole, without = judge(make_settings(ORDERS + default), records).to_pylist()
    assert [line["sku"] for line in whole["items"]] == ["(unknown)"] * 3 + ["A", "(unknown)"]
    assert (whole["reasons"], whole["warnings"], without["details"]) == ([], [], ["line 1: quantity: missing"])
    refused = judge(make_settings(ORDERS), records[:1]).to_pylist()[0]
    assert refused["details"] == ["line 1: has no sku; line 2: has no sku; line 3: has no sku; line 5: has no sku"]


TIMES: dict[str, dict[str, str | None]] = {
    '"epoch_s"': {
        "1738318530": "2025-01-31 10:15:30+00:00",
        "1738318530.25": "2025-01-31 10:15:30.250000+00:00",
        "-1": "1969-12-31 23:59:59+00:00",
        "0": "1970-01-01 00:00:00+00:00",
        "1738318530123": None,
        "1e9": None,
        "soon": None,
    },
    '"epoch_ms"': {"1738318530123": "2025-01-31 10:15:30.123000+00:00", "0,5": "1970-01-01 00:00:00.000500+00:00"},
    '"excel"': {
        "45688": "2025-01-31 00:00:00+00:00",
        "45688.0": "2025-01-31 00:00:00+00:00",
        "45688.42743055555": "2025-01-31 09:15:30+00:00",
        "45688,5": "2025-01-31 11:00:00+00:00",
        "61": "1900-03-01 00:00:00+00:00",
        "60": None,
        "-1": None,
        "99999999999": None,
    },
    '"iso", "excel"': {"45688": "2025-01-31 00:00:00+00:00", "2025-01-31": "2025-01-31 00:00:00+00:00"},
    '"iso", "epoch_s", "dd.MM.yyyy"': {
        "31.01.2025": "2025-01-31 00:00:00+00:00",
        "20250131": "1970-08-23 09:02:11+00:00",
    },
}


@pytest.mark.parametrize("formats", TIMES)
def test_times_that_are_counted_are_read_where_a_format_says_so(formats: str, make_settings: Make) -> None:
    settings = make_settings(STOCK + f'date_formats = [{formats}]\ntime_zone = "Europe/Berlin"\n')
    given = [Record(f'A,1,"{text}"', "product_id,on_hand,counted_at") for text in TIMES[formats]]
    found = [row["counted_at"] and str(row["counted_at"]) for row in judge(settings, given).to_pylist()]
    assert found == list(TIMES[formats].values())
    of_json = make_settings(STOCK.replace("csv", "jsonl") + f"date_formats = [{formats}]\n")
    for text in ("1738318530", "45688"):
        raw = '{"product_id": "A", "on_hand": 1, "counted_at": %s}'
        in_quotes, bare = judge(of_json, [raw % f'"{text}"', raw % text]).to_pylist()
        assert in_quotes["counted_at"] == bare["counted_at"]


def test_a_day_outside_the_plausible_ones_is_counted_and_kept(make_settings: Make) -> None:
    settings = make_settings('[run]\nplausible_dates = ["2020-01-01", "2025-12-31"]\n' + STOCK)
    days = ["2019-12-31T23:59:59.999999", "2020-01-01", "2025-12-31T23:59:59.999999", "2026-01-01"]
    rows = judge(settings, [Record(f"A,1,{day}", "product_id,on_hand,counted_at") for day in days]).to_pylist()
    assert [(row["warnings"], row["reasons"]) for row in rows] == [
        (["date_implausible"], []),
        ([], []),
        ([], []),
        (["date_implausible"], []),
    ]


def test_currencies_of_our_own_count_where_the_configuration_lists_them(make_settings: Make) -> None:
    text = '[run]\ncurrencies = ["PTS"]\n'
    given = [
        order(currency="pts"),
        order(currency="PTS", amount={"amount": 10, "currency": "pts"}),
        order(currency="XYZ"),
    ]
    ours, usual = (
        [row["currency"] for row in judge(make_settings(before + ORDERS), given).to_pylist()] for before in (text, "")
    )
    assert (ours, usual) == (["PTS", "PTS", None], [None, None, None])


REFUSED = {
    "the same mark twice": (
        SALES + 'decimal = ","\nthousands = ","\n',
        r"sources\.s: .*decimal and thousands are both ','",
    ),
    "thousands with the decimal point": (SALES + 'thousands = "."\n', r"sources\.s: .*both '\.': give decimal as well"),
    "the same mark through a column": (
        SALES + 'thousands = "."\ndecimal = ","\n[sources.s.dialects.quantity]\ndecimal = "."\n',
        r"sources\.s: .*decimal and thousands are both '\.'",
    ),
    "a mark that is none": (SALES + 'decimal = ";"\n', r"sources\.s\.decimal: "),
    "two counts": (SALES + 'date_formats = ["epoch_s", "excel"]\n', r"epoch_s and excel read the same numbers"),
    "a column that is none": (
        SALES + '[sources.s.dialects.price]\ndecimal = ","\n',
        r"sources\.s\.dialects\.price: transactions has no such column; it has: quantity, total_price, unit_price",
    ),
    "a column that is no number": (SALES + '[sources.s.dialects.sale_date]\ndecimal = ","\n', r"has no such column"),
    "minor units of a quantity": (
        SALES + "[sources.s.dialects.quantity]\nminor_units = true\n",
        r"sources\.s\.dialects\.quantity\.minor_units: quantity is no amount of money",
    ),
    "minor units of a quantity of lines": (
        ORDERS + "[sources.s.dialects.items.qty]\nminor_units = true\n",
        r"sources\.s\.dialects\.items\.qty\.minor_units: items\.qty is no amount of money",
    ),
    "a currency of our own that no column could hold": ('[run]\ncurrencies = ["pts"]\n' + SALES, r"run\.currencies"),
    "an id without room": ("[run]\nlongest_key = 8\n" + SALES, r"run\.longest_key"),
    "an id that no database could index": ("[run]\nlongest_key = 4096\n" + SALES, r"run\.longest_key"),
    "a dialect with a setting that is none": (
        SALES + '[sources.s.dialects.quantity]\ngroup = ","\n',
        r"sources\.s\.dialects\.quantity\.group: Extra inputs",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_settings_of_exports_that_cannot_be_meant_are_refused(what: str, make_settings: Make) -> None:
    text, message = REFUSED[what]
    with pytest.raises(ConfigError, match=message):
        make_settings(text)


@pytest.mark.parametrize(
    "setting",
    [
        SALES + 'decimal = ","\n',
        SALES + 'thousands = ","\n',
        SALES + 'null_values = ["-"]\n',
        SALES + 'no_customer = ["0"]\n',
        SALES + "[sources.s.dialects.total_price]\nminor_units = true\n",
        "[run]\nlongest_key = 64\n" + SALES,
        '[run]\ncurrencies = ["PTS"]\n' + SALES,
        '[run]\nplausible_dates = ["2020-01-01", "2030-01-01"]\n' + SALES,
    ],
)
def test_a_setting_that_changes_what_records_mean_changes_the_fingerprint_of_the_rules(
    setting: str, make_settings: Make
) -> None:
    assert rules_fingerprint(make_settings(setting)) != rules_fingerprint(make_settings(SALES))
