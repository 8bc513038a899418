"""silver.users, products and stock: every rule alone, both severities; what sound rows become."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal as D

import pytest
from pyspark.sql import Row, SparkSession

from saleslake.config import Settings
from saleslake.silver import products, stock, users
from tests.silver_support import MESSAGES, Case, Record, clean, expected, judged, utc, verdicts

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
Found = dict[str, dict[tuple[str, str, str], Row]]


@pytest.fixture(scope="module")
def found(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Found:
    return {
        e: verdicts(spark, tmp_path_factory.mktemp(e), e, sources(e, VERSIONS[e]), cases) for e, cases in CASES.items()
    }


@pytest.mark.parametrize(
    ("entity", "case"),
    [pytest.param(e, case, id=f"{e} {case.rule}: {case.raw}") for e, cases in CASES.items() for case in cases],
)
def test_a_record_that_breaks_one_rule_is_judged_by_it_alone(entity: str, case: Case, found: Found) -> None:
    if case.rule == "rounded" and entity == "stock":
        assert found[entity]["usual", "rounded", case.raw]["on_hand"] == D("0.001")
    assert judged(case, found[entity]) == expected(case, RULES[entity])


@pytest.mark.parametrize("entity", CASES)
def test_every_rule_has_a_case(entity: str) -> None:
    assert {case.rule for case in CASES[entity]} == {info.name for info in RULES[entity]}


def rows_of(spark: SparkSession, settings: Settings, header: str, *lines: str) -> list[Row]:
    return clean(spark, settings, [Record(line, header) for line in lines])


def source(entity: str) -> str:
    return f'[sources.s]\nentity = "{entity}"\nformat = "csv"\npath = "x"\n'


def test_a_user_is_trimmed_and_may_lack_everything_but_the_key(
    spark: SparkSession, make_settings: Callable[[str], Settings]
) -> None:
    full, bare = rows_of(
        spark, make_settings(source("users")), USERS, " u1 , a@x.de ,2025-01-01T10:00:00+02:00, DE ,", "u2,, ,,"
    )
    assert [full[c] for c in ("user_id", "email", "country", "version_time", "reasons", "warnings", "key")] == [
        "u1",
        "a@x.de",
        "DE",
        None,
        [],
        [],
        "u1",
    ]
    assert utc(full["created_at"]) == datetime(2025, 1, 1, 8)
    assert [bare[c] for c in users.TABLE.column_names[:4]] == ["u2", None, None, None]
    assert bare["reasons"] == []


def test_a_product_keeps_its_name_byte_for_byte_and_its_price_half_up(
    spark: SparkSession, make_settings: Callable[[str], Settings]
) -> None:
    full, bare = rows_of(
        spark,
        make_settings(source("products") + 'version = "updated_at"\n'),
        PRODUCTS,
        "A,  Anvil ,tools , ACME,9.99995,eur,2025-01-02",
        "B,,,,,euro,2025-01-02",
    )
    assert [full[c] for c in products.TABLE.column_names[:7]] == [
        "A",
        "  Anvil ",
        "tools",
        "ACME",
        D("10.0000"),
        "EUR",
        ["rounded"],
    ]
    assert utc(full["version_time"]) == datetime(2025, 1, 2)
    assert [bare[c] for c in products.TABLE.column_names[:7]] == ["B", "", None, None, None, None, ["price_missing"]]


def test_the_version_of_a_stock_count_is_when_it_was_counted(
    spark: SparkSession, make_settings: Callable[[str], Settings]
) -> None:
    (row,) = rows_of(spark, make_settings(source("stock")), STOCK, "A,1.5,2025-01-31T18:00:00Z")
    assert (row["product_id"], row["on_hand"], row["warnings"], row["reasons"]) == ("A", D("1.500"), [], [])
    assert utc(row["counted_at"]) == utc(row["version_time"]) == datetime(2025, 1, 31, 18)


def test_defaults_fill_what_is_missing_and_never_hide_what_is_unreadable(
    spark: SparkSession, make_settings: Callable[[str], Settings]
) -> None:
    settings = make_settings(source("products") + 'defaults = { currency = "EUR", price = "1.50" }\n')
    rows = rows_of(spark, settings, "sku,price,currency", "A,,", "B,2,USD", "C,two,\t", "D")
    assert [(r["price"], r["currency"], r["reasons"]) for r in rows] == [
        (D("1.5000"), "EUR", []),
        (D("2.0000"), "USD", []),
        (None, "EUR", ["price_unreadable"]),
        (D("1.5000"), "EUR", []),
    ]
