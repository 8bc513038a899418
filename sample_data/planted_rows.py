"""What is planted by hand in the CSV files and the product document: extra records, their states and why.

A CSV line is written as it stands here. `after` is the plain record it follows (0: at the top, 10**6: at the end).
"""

from __future__ import annotations

from typing import NamedTuple


class Extra(NamedTuple):
    """A planted record."""

    after: int
    text: str
    kind: str
    state: str
    effect: str


Q, A, D, S = "quarantined", "applied", "duplicate", "superseded"
END = 10**6

TRANSACTIONS = [
    Extra(5, ",USR-000003,SKU-00002,2024-02-01,1,24.90,Online", "missing_transaction_id", Q, "no key"),
    Extra(20, "TXN-90000001,USR-000004,SKU-00002,2024-02-30,1,24.90,Online", "bad_sale_date", Q, "no such day"),
    Extra(25, "TXN-90000002,USR-000004,SKU-00002,,1,24.90,Online", "missing_sale_date", Q, "no date"),
    Extra(33, "TXN-90000003,USR-000005,SKU-00004,15.02.2024,2,39.80,In-store", "other_date_format", Q,
          "no listed format reads it; with `dd.MM.yyyy` in `date_formats` it is applied"),
    Extra(41, "TXN-90000004,USR-000005,SKU-00004,03/02/2024,2,39.80,In-store", "ambiguous_date", Q,
          "no listed format reads it; with both dd/MM/yyyy and MM/dd/yyyy listed they disagree: still quarantined"),
    Extra(55, "TXN-90000005,USR-000006,SKU-00001,2024-02-05,3 pcs,59.70,Online", "quantity_unreadable", Q, "quantity"),
    Extra(56, "TXN-90000006,USR-000006,SKU-00001,2024-02-05,,59.70,Online", "quantity_missing", Q, "quantity"),
    Extra(70, "TXN-90000007,USR-000007,SKU-00003,2024-02-06,1,12.00,Online,surplus", "extra_field", Q,
          "more fields than the header (a setting keeps it, the rest in raw)"),
    Extra(71, "TXN-90000008,USR-000007", "missing_fields", Q, "date and quantity are missing"),
    Extra(80, 'TXN-90000009,"USR"-000007,SKU-00003,2024-02-06,1,12.00,Online', "broken_quoting", Q,
          "text stands behind a closing quote: the line has no cells that anyone could name; the next one is not harmed"),
    Extra(95, "TXN-90000010,,SKU-00005,2024-02-08,1,19.90,In-store", "missing_customer_id", A, "warn; unknown member"),
    Extra(96, "TXN-90000011,USR-000008,SKU-00005,2024-02-08,2,,Online", "total_price_missing", A,
          "gold: base price × quantity, flagged"),
    Extra(97, "TXN-90000012,USR-000008,SKU-00998,2024-02-08,2,,Online", "unpriced", A,
          "gold: no total and an unknown product: `unpriced`, out of revenue, counted"),
    Extra(110, "TXN-90000013,USR-000009,SKU-00006,2024-02-09,1,0.00,Mobile app", "zero_total", A, "warn"),
    Extra(130, "TXN-90000014,USR-000010,SKU-00006,2024-02-10,-2,-31.80,In-Store", "return_row", A,
          "`is_return`: out of gross, in net"),
    Extra(131, "TXN-90000015,USR-000998,SKU-00006,2024-02-10,1,15.90,in store", "unknown_customer", A,
          "gold: warn; dim_user gets a row with the id only"),
    Extra(132, "TXN-90000016,USR-000010,SKU-00997,2024-02-10,1,15.90,in store", "unknown_product", A,
          "gold: warn; dim_product gets a row with the sku only"),
    Extra(150, 'TXN-90000017, USR-000011 ,SKU-00007,2024-02-12,1,"1,5",Online', "total_price_unreadable", Q,
          "a decimal comma: no number, until the setting `decimal` says so"),
    Extra(151, 'TXN-90000018,USR-000011,SKU-00007,2024-02-12,1,18.00,"In-store, ""north"" counter"', "odd_channel", A,
          "quotes and comma inside a quoted field; no mapping for this channel"),
    Extra(200, "TXN-90000019,USR-000012,SKU-00008,2024-02-15,1,21.00,Online", "duplicate", D, "the same again later"),
    Extra(201, "TXN-90000019,USR-000012,SKU-00008,2024-02-15,1,21.00,Online", "duplicate", A, "the last of two"),
    Extra(220, "TXN-90000020,USR-000013,SKU-00009,2024-02-17,1,14.00,Mobile app", "correction", S, "a later line wins"),
    Extra(260, "TXN-90000020,USR-000013,SKU-00009,2024-02-16,2,28.00,Mobile app", "correction", A,
          "landing order decides; it moves to another date"),
    Extra(280, "TXN-90000021,USR-000014,SKU-00010,2024-02-20,1,10.00,Online", "there_and_back", D, "the same again"),
    Extra(281, "TXN-90000021,USR-000014,SKU-00010,2024-02-20,1,12.00,Online", "there_and_back", S, "a later line wins"),
    Extra(282, "TXN-90000021,USR-000014,SKU-00010,2024-02-20,1,10.00,Online", "there_and_back", A, "price ends at 10"),
]  # fmt: skip

USERS = [
    Extra(10, ",nobody@example.com,2023-05-05,DE", "missing_user_id", Q, "no key"),
    Extra(15, "USR-900001,late@example.com,31.02.2023,DE", "bad_created_at", Q, "no date"),
    Extra(20, "USR-900002,two@example.com,2023-06-01,DE,DE", "extra_field", Q, "more fields than the header"),
    Extra(25, "USR-900003,,2023-07-01,", "missing_email", A, "email and country are optional"),
    Extra(30, 'USR-900004,"=HYPERLINK(""http://evil.example"")",2023-07-02,US', "formula", A,
          "free text stays byte for byte; CSV exports write it with a leading '"),
    Extra(35, " USR-900005 ,padded@example.com,2023-07-03, NL ", "padded_keys", A, "keys are trimmed"),
    Extra(40, "USR-900006,moved@example.com,2023-08-01,FR", "correction", S, "a later line wins"),
    Extra(41, "USR-900007,twice@example.com,2023-08-02,IT", "duplicate", D, "the same again later"),
    Extra(END, "USR-900006,moved@example.com,2023-08-01,ES", "correction", A, "landing order decides"),
    Extra(END, "USR-900007,twice@example.com,2023-08-02,IT", "duplicate", A, "the last of two"),
]  # fmt: skip

PRODUCTS = [
    Extra(8, ",Nameless Mug,Kitchen,9.90", "missing_sku", Q, "no key"),
    Extra(
        12,
        "SKU-90001,Travel Mug, red,Kitchen,11.90",
        "extra_field",
        Q,
        "a comma nobody quoted: more fields than the header",
    ),
    Extra(
        14,
        'SKU-90002,Monitor 27" curved,Electronics,249.00',
        "inner_quote",
        A,
        "a quote inside an unquoted field is a literal",
    ),
    Extra(16, "SKU-90003,Gift Box,Stationery,", "missing_price", A, "kept; sales without a total stay `unpriced`"),
    Extra(18, "SKU-90004,Tea Towel,Kitchen,20.00", "there_and_back", D, "the same again later"),
    Extra(24, "SKU-90004,Tea Towel,Kitchen,22.00", "there_and_back", S, "a later line wins"),
    Extra(END, "SKU-90004,Tea Towel,Kitchen,20.00", "there_and_back", A, "A → B → A ends at A"),
]

STOCK = [
    Extra(4, ",12,2024-02-10", "missing_product_id", Q, "no key"),
    Extra(9, "SKU-90002,plenty,2024-02-10", "on_hand_unreadable", Q, "no quantity"),
    Extra(10, "SKU-90004,40,last week", "bad_counted_at", Q, "no date"),
    Extra(
        15,
        "SKU-00990,7,2024-02-12",
        "unknown_product",
        A,
        "gold: a row of inventory_valuation with `no_price`, no value; dim_product knows skus catalogued or sold",
    ),
    Extra(20, "SKU-90003,80,2024-02-20", "late_old_version", A, "newest `counted_at`"),
    Extra(END, "SKU-90003,95,2024-02-05", "late_old_version", S, "an older count that comes late"),
]

API_PRODUCTS = [
    Extra(6, '"SKU-00006: Jigsaw Puzzle"', "element_not_object", Q, "one record of its own; costs no neighbour"),
    Extra(11, '{"product_id": null, "product_name": "Ghost", "category": "Toys", "base_price": 5}',
          "missing_product_id", Q, "no key"),
    Extra(17, '{"product_id": "SKU-90002", "product_name": "Monitor 27\\" curved", "category": "Electronics", '
          '"manufacturer": "Bright", "base_price": "239.00", "weight": {"kg": 5.4}}', "extra_fields", A,
          "price as a string; `weight` is drift; the API's 239.00 goes before the CSV's 249.00"),
]  # fmt: skip

FILES = {
    "transactions.csv": TRANSACTIONS,
    "users.csv": USERS,
    "products.csv": PRODUCTS,
    "stock.csv": STOCK,
    "api_products.json": API_PRODUCTS,
}
