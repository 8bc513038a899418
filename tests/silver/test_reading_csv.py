"""CSV to named text: RFC 4180, cells found by header name, no line that crashes or costs a neighbour."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from saleslake.config import Settings
from tests.frames import expect, expect_columns
from tests.silver_support import Record, read, read_schema

Make = Callable[[str], Settings]
USERS = '[sources.s]\nentity = "users"\nformat = "csv"\npath = "x"\n'
ORDERS = '[sources.s]\nentity = "orders"\nformat = "csv"\npath = "x"\n'
AS_USERS, AS_ORDERS = read_schema("users"), read_schema("orders")


def csv(spark: SparkSession, settings: Settings, header: str, *texts: str) -> DataFrame:
    return read(spark, settings, [Record(text, header) for text in texts])


def test_csv_cells_are_found_by_header_name_in_every_order_within_one_batch(
    spark: SparkSession, make_settings: Make
) -> None:
    records = [
        Record("u1,a@x,DE", "user_id,email,country"),
        Record("FR,u2,b@x", "country,user_id,email"),
        Record("u3", " user_id "),
        Record("c@x,u4", '"email","user_id"'),
    ]
    expect_columns(
        read(spark, make_settings(USERS), records),
        AS_USERS,
        "user_id email country short_fields",
        [
            ("u1", "a@x", "DE", False),
            ("u2", "b@x", "FR", False),
            ("u3", None, None, False),
            ("u4", "c@x", None, False),
        ],
    )


QUOTED = {
    'u1,"a,b"': ("u1", "a,b"),
    'u1,"say ""hi"""': ("u1", 'say "hi"'),
    'u1,5" pipe': ("u1", '5" pipe'),
    'u1,a"b"c': ("u1", 'a"b"c'),
    'u1,""': ("u1", ""),
    "u1,": ("u1", ""),
    ",": ("", ""),
    'u1,""""': ("u1", '"'),
    '"u1","a"",""b"': ("u1", 'a","b'),
    'u1, "x"': ("u1", ' "x"'),
    'u1,"open': None,
    'u1,"a"b': None,
    'u1,"a" ': None,
    'u1,"a""': None,
    '"u1,a': None,
}


def test_quotes_are_read_as_rfc_4180_has_them_or_the_line_is_malformed(
    spark: SparkSession, make_settings: Make
) -> None:
    built = csv(spark, make_settings(USERS), "user_id,email", *QUOTED)
    well = F.col("unreadable").isNull()
    cells = [F.when(well, F.col(name)).alias(name) for name in ("user_id", "email")]
    expect(
        built.select("raw", "unreadable", *cells),
        "raw string, unreadable string, user_id string, email string",
        [(raw, None, *cells) if cells else (raw, "csv_malformed", None, None) for raw, cells in QUOTED.items()],
    )


def test_lines_longer_or_shorter_than_their_header_are_told(spark: SparkSession, make_settings: Make) -> None:
    expect_columns(
        csv(spark, make_settings(USERS), "user_id,email", "u1,a,b", "u1", "u1,a", "u1,a,", 'u1,"a,b"'),
        AS_USERS,
        "ordinal extra_fields short_fields email",
        [
            (1, True, False, "a"),
            (2, False, True, None),
            (3, False, False, "a"),
            (4, True, False, "a"),
            (5, False, False, "a,b"),
        ],
    )


@pytest.mark.parametrize(("delimiter", "quote"), [(";", "'"), ("\t", '"'), ("|", "~"), ("\\", '"'), (".", "*")])
def test_other_delimiters_and_quotes(delimiter: str, quote: str, spark: SparkSession, make_settings: Make) -> None:
    settings = make_settings(USERS + f"delimiter = {json.dumps(delimiter)}\nquote = {json.dumps(quote)}\n")
    expect_columns(
        csv(spark, settings, f"user_id{delimiter}email", f"u1{delimiter}{quote}a{delimiter}{quote}{quote}b{quote}"),
        AS_USERS,
        "user_id email unreadable",
        [("u1", f"a{delimiter}{quote}b", None)],
    )


def test_a_cell_of_a_hundred_thousand_characters_with_thousands_of_quotes_and_delimiters(
    spark: SparkSession, make_settings: Make
) -> None:
    cell = ('say ""hi"", ' * 8400)[:100_000]
    built = csv(spark, make_settings(USERS), "user_id,email", f'u1,"{cell}"', f'u1,"{cell}')
    email = F.when(F.col("unreadable").isNull(), F.col("email")).alias("email")
    expect(
        built.select("ordinal", "unreadable", email),
        "ordinal long, unreadable string, email string",
        [(1, None, cell.replace('""', '"')), (2, "csv_malformed", None)],
    )


def test_orders_as_csv_carry_their_lines_as_json(spark: SparkSession, make_settings: Make) -> None:
    items = '"[{""sku"":""A"",""qty"":2,""price"":12345678901234.5678}, {""sku"":""B"",""qty"":0.5,""price"":""x""}]"'
    lines = [("A", 2, None, "12345678901234.5678", None, True), ("B", "0.5", None, None, "x", True)]
    expect_columns(
        csv(spark, make_settings(ORDERS), "order_id,amount,items", f"o1,1.5,{items}", "o2,x,"),
        AS_ORDERS,
        "order_id amount amount_text items",
        [("o1", "1.5", None, lines), ("o2", None, "x", None)],
    )
