"""silver.users, products and stock: every rule alone, both severities; what sound rows become."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from saleslake.config import Settings
from saleslake.silver import products, stock, users
from tests.frames import expect_table
from tests.silver_support import (
    MESSAGES,
    SETTINGS,
    Case,
    Example,
    Record,
    by_source,
    expect_agreement,
    expect_judgements,
    expect_on_spark,
    judge,
    judged_schema,
    rows_of,
)

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
MANGLED = "'4.501E+11' is no id any more but a rounded number: export the column as text"
TOO_LONG = "513 bytes, more than run.longest_key = 512"
CASES = {
    "users": [
        *READING["users"],
        Case("key_missing", " ,a@x.de,2025-01-01,DE,2025-01-02", "key missing or unreadable", USERS),
        Case("created_at_unreadable", "u1,a@x.de,1/2/3,DE,2025-01-02", "created_at: '1/2/3' cannot be read", USERS),
        Case("version_unreadable", "u1,a@x.de,2025-01-01,DE,", VERSION, USERS),
        Case("key_mangled", "4.501E+11,a@x.de,2025-01-01,DE,2025-01-02", f"user_id: {MANGLED}", USERS),
        Case("key_too_long", "u" * 513 + ",a@x.de,2025-01-01,DE,2025-01-02", f"user_id: {TOO_LONG}", USERS),
        Case(
            "date_implausible",
            "u1,a@x.de,1900-01-01,DE,2101-01-01",
            "created_at: outside run.plausible_dates; version: outside run.plausible_dates",
            USERS,
        ),
    ],
    "products": [
        *READING["products"],
        Case("key_missing", ",Anvil,tools,ACME,9.99,EUR,2025-01-02", "key missing or unreadable", PRODUCTS),
        Case("number_overflow", "A,Anvil,tools,ACME,1e14,EUR,2025-01-02", "price: does not fit", PRODUCTS),
        Case("version_unreadable", "A,Anvil,tools,ACME,9.99,EUR,?", VERSION, PRODUCTS),
        Case("price_unreadable", "A,Anvil,tools,ACME,free,EUR,2025-01-02", "price: is no number", PRODUCTS),
        Case(
            "number_in_other_dialect",
            'A,Anvil,tools,ACME,"9,99",EUR,2025-01-02',
            "price: '9,99' reads with another decimal or thousands",
            PRODUCTS,
        ),
        Case(
            "number_ambiguous",
            "A,Anvil,tools,ACME,9.990,EUR,2025-01-02",
            "price: '9.990' is one number with a decimal point, another without",
            PRODUCTS,
        ),
        Case(
            "currency_conflict",
            "A,Anvil,tools,ACME,£9.99,EUR,2025-01-02",
            "price: '£9.99' is no amount in EUR",
            PRODUCTS,
        ),
        Case("key_mangled", "4.501E+11,Anvil,tools,ACME,9.99,EUR,2025-01-02", f"sku: {MANGLED}", PRODUCTS),
        Case("key_too_long", "A" * 513 + ",Anvil,tools,ACME,9.99,EUR,2025-01-02", f"sku: {TOO_LONG}", PRODUCTS),
        Case(
            "date_implausible",
            "A,Anvil,tools,ACME,9.99,EUR,1969-12-31",
            "version: outside run.plausible_dates",
            PRODUCTS,
        ),
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
        Case(
            "number_in_other_dialect",
            'A,"1,5",2025-01-31',
            "on_hand: '1,5' reads with another decimal or thousands",
            STOCK,
        ),
        Case(
            "number_ambiguous",
            "A,1.500,2025-01-31",
            "on_hand: '1.500' is one number with a decimal point, another without",
            STOCK,
        ),
        Case("key_mangled", "4.501E+11,3,2025-01-31", f"product_id: {MANGLED}", STOCK),
        Case("key_too_long", "A" * 513 + ",3,2025-01-31", f"product_id: {TOO_LONG}", STOCK),
        Case("date_implausible", "A,3,2101-01-01", "counted_at: outside run.plausible_dates", STOCK),
        Case("negative_stock", "A,-1,2025-01-31", "on_hand: below zero", STOCK),
        Case("rounded", "A,0.0005,2025-01-31", "on_hand: more digits than are kept", STOCK),
    ],
}
RULES = {"users": users.RULES, "products": products.RULES, "stock": stock.RULES}
VERSIONS = {"users": "updated_at", "products": "updated_at", "stock": "counted_at"}
Make = Callable[[str], Settings]


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("entity", CASES)
def test_a_record_that_breaks_one_rule_is_judged_by_it_alone(entity: str, setting: str, tmp_path: Path) -> None:
    expect_judgements(tmp_path, entity, sources(entity, VERSIONS[entity]), setting, CASES[entity])


@pytest.mark.parametrize("entity", CASES)
def test_every_rule_has_a_case(entity: str) -> None:
    assert {case.rule for case in CASES[entity]} == {rule.name for rule in RULES[entity]}


def in_csv(header: str, line: str, **fields: Any) -> Example:
    return Record(line, header), fields


DAY, EVENING, MORNING = "2025-01-31", "2025-01-31 18:00:00", "2025-01-01 08:00:00"
JSON_INVALID = {"reasons": ["unreadable"], "details": ["record: json_invalid"]}
GIVEN: dict[str, dict[str, list[Example]]] = {
    "users": {
        "c": [
            in_csv(
                USERS,
                " u1 , a@x.de ,2025-01-01T10:00:00+02:00, DE ,",
                user_id="u1",
                key="u1",
                email="a@x.de",
                created_at=MORNING,
                country="DE",
            ),
            in_csv(USERS, "u2,, ,,", user_id="u2", key="u2"),
            in_csv(
                USERS,
                ",a@x.de,1/2/3,DE,",
                email="a@x.de",
                country="DE",
                reasons=["created_at_unreadable", "key_missing"],
                details=["key missing or unreadable", "created_at: '1/2/3' cannot be read"],
            ),
            in_csv(USERS, "u4,a@x.de", user_id="u4", key="u4", email="a@x.de", warnings=["short_fields"]),
        ],
        "j": [
            (
                '{"user_id": 7, "email": " a@x.de ", "created_at": "2025-01-01T08:00:00Z", "country": "DE"}',
                {"user_id": "7", "key": "7", "email": "a@x.de", "created_at": MORNING, "country": "DE"},
            ),
            (
                '{"user_id": "u2", "created_at": "soon"}',
                {"user_id": "u2", "key": "u2", "reasons": ["created_at_unreadable"]}
                | {"details": ["created_at: 'soon' cannot be read"]},
            ),
            ('{"user_id": "u3"', JSON_INVALID),
        ],
    },
    "products": {
        "c": [
            in_csv(
                PRODUCTS,
                "A,  Anvil ,tools , ACME,9.99995,eur,2025-01-02",
                version_time="2025-01-02",
                sku="A",
                key="A",
                name="  Anvil ",
                category="tools",
                manufacturer="ACME",
                price=10,
                currency="EUR",
                warnings=["rounded"],
            ),
            in_csv(
                PRODUCTS,
                "B,,,,,euro,2025-01-02",
                version_time="2025-01-02",
                sku="B",
                key="B",
                warnings=["price_missing"],
            ),
            in_csv(
                PRODUCTS,
                "C,Cog,,,1e14,EUR,",
                sku="C",
                key="C",
                name="Cog",
                currency="EUR",
                reasons=["number_overflow", "version_unreadable"],
                details=["version column missing or unreadable", "price: does not fit"],
            ),
            in_csv(
                PRODUCTS,
                "D,Drill,,,-0.00005,,2025-01-02",
                version_time="2025-01-02",
                sku="D",
                key="D",
                name="Drill",
                price="-0.0001",
                warnings=["negative_price", "rounded"],
            ),
            in_csv(
                PRODUCTS,
                "E,Egg,,,0,,2025-01-02",
                version_time="2025-01-02",
                sku="E",
                key="E",
                name="Egg",
                price=0,
            ),
        ],
        "j": [
            (
                '{"sku": "A", "name": " Anvil", "price": 9.99, "currency": "EUR", "category": null}',
                {"sku": "A", "key": "A", "name": " Anvil", "price": "9.99", "currency": "EUR"},
            ),
            ('{"sku": "B", "price": ""}', {"sku": "B", "key": "B", "warnings": ["price_missing"]}),
            (
                '{"sku": ["C"], "price": true, "currency": "EUR"}',
                {"currency": "EUR", "reasons": ["key_missing", "price_unreadable"]}
                | {"details": ["key missing or unreadable", "price: is no number"]},
            ),
            ("[]", JSON_INVALID),
        ],
    },
    "stock": {
        "c": [
            in_csv(
                STOCK,
                "A,1.5,2025-01-31T18:00:00Z",
                product_id="A",
                key="A",
                on_hand="1.5",
                counted_at=EVENING,
                version_time=EVENING,
            ),
            in_csv(
                STOCK,
                "B,0.0005,2025-01-31",
                product_id="B",
                key="B",
                on_hand="0.001",
                counted_at=DAY,
                version_time=DAY,
                warnings=["rounded"],
            ),
            in_csv(
                STOCK,
                "C,,",
                product_id="C",
                key="C",
                reasons=["counted_at_unreadable", "quantity_unreadable"],
                details=["counted_at: missing", "on_hand: missing"],
            ),
            in_csv(
                STOCK,
                "D,-1,2025-01-31",
                product_id="D",
                key="D",
                on_hand=-1,
                counted_at=DAY,
                version_time=DAY,
                warnings=["negative_stock"],
            ),
            in_csv(STOCK, "E,0,2025-01-31", product_id="E", key="E", on_hand=0, counted_at=DAY, version_time=DAY),
        ],
        "j": [
            (
                '{"product_id": "A", "on_hand": 1.0005, "counted_at": "2025-01-31T18:00:00Z"}',
                {"product_id": "A", "key": "A", "on_hand": "1.001", "counted_at": EVENING, "version_time": EVENING}
                | {"warnings": ["rounded"]},
            ),
            (
                '{"product_id": "B", "on_hand": {"n": 1}, "counted_at": "2025-01-31"}',
                {"product_id": "B", "key": "B", "counted_at": DAY, "version_time": DAY}
                | {"reasons": ["quantity_unreadable"], "details": ["on_hand: '{\"n\":1}' cannot be read"]},
            ),
            ("7", JSON_INVALID),
        ],
    },
}
"""By entity and source the records, each with what it becomes: sound, bare and rejected ones."""
ORDERED_BY = {"users": "", "products": "updated_at", "stock": ""}
SCHEMAS = {"users": judged_schema(users.TABLE), "products": judged_schema(products.TABLE)} | {
    "stock": judged_schema(stock.TABLE)
}


@pytest.mark.parametrize("source", ["c", "j"])
@pytest.mark.parametrize("entity", GIVEN)
def test_records_become_these_rows_trimmed_typed_and_rounded_half_up(
    entity: str, source: str, make_settings: Make
) -> None:
    given = GIVEN[entity][source]
    settings = make_settings(sources(entity, ORDERED_BY[entity]))
    expect_table(judge(settings, [record for record, _ in given], source), SCHEMAS[entity], rows_of(given, source))


@pytest.mark.parametrize("entity", GIVEN)
def test_on_spark_they_become_the_same_rows(entity: str, spark: SparkSession, make_settings: Make) -> None:
    settings = make_settings(sources(entity, ORDERED_BY[entity]))
    records = {source: [record for record, _ in given] for source, given in GIVEN[entity].items()}
    rows = [row for source, given in GIVEN[entity].items() for row in rows_of(given, source)]
    expect_on_spark(spark, settings, records, rows)


@pytest.mark.parametrize("entity", CASES)
def test_spark_and_memory_agree_on_every_case(entity: str, spark: SparkSession, make_settings: Make) -> None:
    expect_agreement(spark, make_settings(sources(entity, VERSIONS[entity])), by_source(CASES[entity]))


def test_defaults_fill_what_is_missing_and_never_hide_what_is_unreadable(make_settings: Make) -> None:
    text = '[sources.s]\nentity = "products"\nformat = "csv"\npath = "x"\n'
    settings = make_settings(text + 'defaults = { currency = "EUR", price = "1.50" }\n')
    lines = ["A,,", "B,2,USD", "C,two,\t", "D"]
    expect_table(
        judge(settings, [Record(line, "sku,price,currency") for line in lines]),
        SCHEMAS["products"],
        [
            ("A", "1.5", "EUR", []),
            ("B", 2, "USD", []),
            ("C", None, "EUR", ["price_unreadable"]),
            ("D", "1.5", "EUR", []),
        ],
        only="sku price currency reasons",
    )
