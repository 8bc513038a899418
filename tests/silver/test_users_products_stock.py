"""silver.users, products and stock: every rule alone, both severities; what sound rows become."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from saleslake.config import Settings
from saleslake.silver import products, stock, users
from tests.frames import expect, expect_columns
from tests.silver_support import MESSAGES, SETTINGS, Case, Record, clean, cleaned_row, cleaned_schema, expect_judgements

USERS, PRODUCTS, STOCK = (
    "user_id,email,created_at,country,updated_at",
    "sku,name,category,manufacturer,price,currency,updated_at",
    "product_id,on_hand,counted_at",
)


def sources(entity: str, version: str) -> str:
    """A CSV source `c` and a JSON source `j`; `c` with a version column."""
    place = '[sources.{}]\nentity = "{}"\nformat = "{}"\npath = "x"\n'
    return place.format("c", entity, "csv") + f'version = "{version}"\n' + place.format("j", entity, "jsonl")


READING = {
    entity: [
        *MESSAGES,
        Case("unreadable", "null", "record: json_invalid"),
        Case("unreadable", sound, "record: undecodable", header, "undecodable"),
        Case("extra_fields", sound + ",x", "more fields than the header", header),
        Case("short_fields", sound, "fewer fields than the header", header + ",more"),
    ]
    for entity, sound, header in (
        ("users", "u1,a@x.de,2025-01-01,DE,2025-01-02", USERS),
        ("products", "A,Anvil,tools,ACME,9.99,EUR,2025-01-02", PRODUCTS),
        ("stock", "A,3,2025-01-31", STOCK),
    )
}
VERSION = "version column missing or unreadable"
CASES = {
    "users": [
        *READING["users"],
        Case("key_missing", " ,a@x.de,2025-01-01,DE,2025-01-02", "key missing or unreadable", USERS),
        Case("created_at_unreadable", "u1,a@x.de,1/2/3,DE,2025-01-02", "created_at: '1/2/3' cannot be read", USERS),
        Case("version_unreadable", "u1,a@x.de,2025-01-01,DE,", VERSION, USERS),
    ],
    "products": [
        *READING["products"],
        Case("key_missing", ",Anvil,tools,ACME,9.99,EUR,2025-01-02", "key missing or unreadable", PRODUCTS),
        Case("number_overflow", "A,Anvil,tools,ACME,1e14,EUR,2025-01-02", "price: does not fit", PRODUCTS),
        Case("version_unreadable", "A,Anvil,tools,ACME,9.99,EUR,?", VERSION, PRODUCTS),
        Case("price_unreadable", 'A,Anvil,tools,ACME,"9,99",EUR,2025-01-02', "price: is no number", PRODUCTS),
        Case("price_missing", "A,Anvil,tools,ACME, ,EUR,2025-01-02", "price: missing", PRODUCTS),
        Case("negative_price", "A,Anvil,tools,ACME,-0.01,EUR,2025-01-02", "price: below zero", PRODUCTS),
        Case("rounded", "A,Anvil,tools,ACME,9.99999,EUR,2025-01-02", "price: more digits than are kept", PRODUCTS),
    ],
    "stock": [
        *READING["stock"],
        Case("key_missing", ",3,2025-01-31", "key missing or unreadable", STOCK),
        Case("counted_at_unreadable", "A,3,yesterday", "counted_at: 'yesterday' cannot be read", STOCK),
        Case("quantity_unreadable", "A,three,2025-01-31", "on_hand: 'three' cannot be read", STOCK),
        Case("quantity_unreadable", "A,,2025-01-31", "on_hand: missing", STOCK),
        Case("number_overflow", "A,1e15,2025-01-31", "on_hand: does not fit", STOCK),
        Case("negative_stock", "A,-1,2025-01-31", "on_hand: below zero", STOCK),
        Case("rounded", "A,0.0005,2025-01-31", "on_hand: more digits than are kept", STOCK),
    ],
}
RULES = {"users": users.RULES, "products": products.RULES, "stock": stock.RULES}
VERSIONS = {"users": "updated_at", "products": "updated_at", "stock": "counted_at"}
Make = Callable[[str], Settings]


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("entity", CASES)
def test_a_record_that_breaks_one_rule_is_judged_by_it_alone(
    entity: str, setting: str, spark: SparkSession, tmp_path: Path
) -> None:
    expect_judgements(spark, tmp_path, entity, sources(entity, VERSIONS[entity]), setting, CASES[entity])


@pytest.mark.parametrize("entity", CASES)
def test_every_rule_has_a_case(entity: str) -> None:
    assert {case.rule for case in CASES[entity]} == {info.name for info in RULES[entity]}


def cleaned(spark: SparkSession, settings: Settings, header: str, *lines: str) -> DataFrame:
    return clean(spark, settings, [Record(line, header) for line in lines])


def source(entity: str) -> str:
    return f'[sources.s]\nentity = "{entity}"\nformat = "csv"\npath = "x"\n'


def test_a_user_is_trimmed_and_may_lack_everything_but_the_key(spark: SparkSession, make_settings: Make) -> None:
    lines = [" u1 , a@x.de ,2025-01-01T10:00:00+02:00, DE ,", "u2,, ,,", ",a@x.de,1/2/3,DE,", "u4,a@x.de"]
    full, bare, rejected, short = (cleaned_row(n, Record(line, USERS)) for n, line in enumerate(lines, 1))
    expect(
        cleaned(spark, make_settings(source("users")), USERS, *lines),
        cleaned_schema(users.TABLE),
        [
            full
            | {"user_id": "u1", "key": "u1", "email": "a@x.de", "created_at": "2025-01-01 08:00:00", "country": "DE"},
            bare | {"user_id": "u2", "key": "u2"},
            rejected
            | {"email": "a@x.de", "country": "DE", "reasons": ["created_at_unreadable", "key_missing"]}
            | {"details": ["key missing or unreadable", "created_at: '1/2/3' cannot be read"]},
            short | {"user_id": "u4", "key": "u4", "email": "a@x.de", "warnings": ["short_fields"]},
        ],
    )


def test_a_product_keeps_its_name_byte_for_byte_and_its_price_half_up(spark: SparkSession, make_settings: Make) -> None:
    lines = [
        "A,  Anvil ,tools , ACME,9.99995,eur,2025-01-02",
        "B,,,,,euro,2025-01-02",
        "C,Cog,,,1e14,EUR,",
        "D,Drill,,,-0.00005,,2025-01-02",
        "E,Egg,,,0,,2025-01-02",
    ]
    full, bare, rejected, negative, gratis = (cleaned_row(n, Record(line, PRODUCTS)) for n, line in enumerate(lines, 1))
    versioned = {"version_time": "2025-01-02"}
    expect(
        cleaned(spark, make_settings(source("products") + 'version = "updated_at"\n'), PRODUCTS, *lines),
        cleaned_schema(products.TABLE),
        [
            full
            | versioned
            | {"sku": "A", "key": "A", "name": "  Anvil ", "category": "tools", "manufacturer": "ACME"}
            | {"price": 10, "currency": "EUR", "warnings": ["rounded"]},
            bare | versioned | {"sku": "B", "key": "B", "name": "", "warnings": ["price_missing"]},
            rejected
            | {"sku": "C", "key": "C", "name": "Cog", "currency": "EUR"}
            | {"reasons": ["number_overflow", "version_unreadable"]}
            | {"details": ["price: does not fit", "version column missing or unreadable"]},
            negative
            | versioned
            | {"sku": "D", "key": "D", "name": "Drill", "price": "-0.0001", "warnings": ["negative_price", "rounded"]},
            gratis | versioned | {"sku": "E", "key": "E", "name": "Egg", "price": 0},
        ],
    )


def test_the_version_of_a_stock_count_is_when_it_was_counted(spark: SparkSession, make_settings: Make) -> None:
    lines = ["A,1.5,2025-01-31T18:00:00Z", "B,0.0005,2025-01-31", "C,,", "D,-1,2025-01-31", "E,0,2025-01-31"]
    first, rounded, rejected, negative, none_left = (
        cleaned_row(n, Record(line, STOCK)) for n, line in enumerate(lines, 1)
    )
    evening, day = "2025-01-31 18:00:00", "2025-01-31"
    expect(
        cleaned(spark, make_settings(source("stock")), STOCK, *lines),
        cleaned_schema(stock.TABLE),
        [
            first | {"product_id": "A", "key": "A", "on_hand": "1.5", "counted_at": evening, "version_time": evening},
            rounded
            | {"product_id": "B", "key": "B", "on_hand": "0.001", "counted_at": day, "version_time": day}
            | {"warnings": ["rounded"]},
            rejected
            | {"product_id": "C", "key": "C", "reasons": ["counted_at_unreadable", "quantity_unreadable"]}
            | {"details": ["counted_at: '' cannot be read", "on_hand: missing"]},
            negative
            | {"product_id": "D", "key": "D", "on_hand": -1, "counted_at": day, "version_time": day}
            | {"warnings": ["negative_stock"]},
            none_left | {"product_id": "E", "key": "E", "on_hand": 0, "counted_at": day, "version_time": day},
        ],
    )


def test_defaults_fill_what_is_missing_and_never_hide_what_is_unreadable(
    spark: SparkSession, make_settings: Make
) -> None:
    settings = make_settings(source("products") + 'defaults = { currency = "EUR", price = "1.50" }\n')
    expect_columns(
        cleaned(spark, settings, "sku,price,currency", "A,,", "B,2,USD", "C,two,\t", "D"),
        cleaned_schema(products.TABLE),
        "sku price currency reasons",
        [
            ("A", "1.5", "EUR", []),
            ("B", 2, "USD", []),
            ("C", None, "EUR", ["price_unreadable"]),
            ("D", "1.5", "EUR", []),
        ],
    )
