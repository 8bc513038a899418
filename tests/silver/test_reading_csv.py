"""CSV to named text: RFC 4180, cells found by header name, no line that crashes or costs a neighbour."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal as D

import pytest
from pyspark.sql import Row, SparkSession

from saleslake.config import Settings
from tests.silver_support import Record, item_tuples, read

Make = Callable[[str], Settings]
USERS = '[sources.s]\nentity = "users"\nformat = "csv"\npath = "x"\n'
ORDERS = '[sources.s]\nentity = "orders"\nformat = "csv"\npath = "x"\n'


def csv(spark: SparkSession, settings: Settings, header: str, *texts: str) -> list[Row]:
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
    rows = read(spark, make_settings(USERS), records)
    assert [(row["user_id"], row["email"], row["country"], row["short_fields"]) for row in rows] == [
        ("u1", "a@x", "DE", False),
        ("u2", "b@x", "FR", False),
        ("u3", None, None, False),
        ("u4", "c@x", None, False),
    ]


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
    rows = csv(spark, make_settings(USERS), "user_id,email", *QUOTED)
    found = {
        row["raw"]: None if row["unreadable"] == "csv_malformed" else (row["user_id"], row["email"]) for row in rows
    }
    assert found == QUOTED


def test_lines_longer_or_shorter_than_their_header_are_told(spark: SparkSession, make_settings: Make) -> None:
    rows = csv(spark, make_settings(USERS), "user_id,email", "u1,a,b", "u1", "u1,a", "u1,a,", 'u1,"a,b"')
    assert [(row["extra_fields"], row["short_fields"], row["email"]) for row in rows] == [
        (True, False, "a"),
        (False, True, None),
        (False, False, "a"),
        (True, False, "a"),
        (False, False, "a,b"),
    ]


@pytest.mark.parametrize(("delimiter", "quote"), [(";", "'"), ("\t", '"'), ("|", "~"), ("\\", '"'), (".", "*")])
def test_other_delimiters_and_quotes(delimiter: str, quote: str, spark: SparkSession, make_settings: Make) -> None:
    settings = make_settings(USERS + f"delimiter = {json.dumps(delimiter)}\nquote = {json.dumps(quote)}\n")
    (row,) = csv(spark, settings, f"user_id{delimiter}email", f"u1{delimiter}{quote}a{delimiter}{quote}{quote}b{quote}")
    assert (row["user_id"], row["email"], row["unreadable"]) == ("u1", f"a{delimiter}{quote}b", None)


def test_a_cell_of_a_hundred_thousand_characters_with_thousands_of_quotes_and_delimiters(
    spark: SparkSession, make_settings: Make
) -> None:
    cell = ('say ""hi"", ' * 8400)[:100_000]
    closed, unclosed = csv(spark, make_settings(USERS), "user_id,email", f'u1,"{cell}"', f'u1,"{cell}')
    assert closed["email"] == cell.replace('""', '"')
    assert unclosed["unreadable"] == "csv_malformed"


def test_orders_as_csv_carry_their_lines_as_json(spark: SparkSession, make_settings: Make) -> None:
    settings = make_settings(ORDERS)
    items = '"[{""sku"":""A"",""qty"":2,""price"":12345678901234.5678}, {""sku"":""B"",""qty"":0.5,""price"":""x""}]"'
    (row,) = csv(spark, settings, "order_id,amount,items", f"o1,1.5,{items}")
    assert (row["order_id"], row["amount"]) == ("o1", D("1.5"))
    assert item_tuples(row) == [
        ("A", D(2), None, D("12345678901234.5678"), None, True),
        ("B", D("0.5"), None, None, "x", True),
    ]
