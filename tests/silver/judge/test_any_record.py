"""No record stops the judge, whatever its text is, and none costs a neighbour."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saleslake.config import Settings
from saleslake.entry import open_settings
from saleslake.silver.contract import severities
from saleslake.silver.judge.batches import judge_of, judged_rows, typing_of
from saleslake.silver.judge.rules import bench
from saleslake.silver.registry import ENTITIES
from tests.conftest import write_config
from tests.silver_support import Record, bronze_table, judge

EXAMPLES = 50 * int(os.environ.get("SALESLAKE_EXAMPLES", "1"))
DATE = "2025-01-31T10:00:00Z"
SOUND: dict[str, dict[str, Any]] = {
    "orders": {
        "order_id": "o1",
        "user_id": "u1",
        "amount": 10,
        "currency": "EUR",
        "created_at": DATE,
        "updated_at": DATE,
        "items": [{"sku": "A", "qty": 2, "price": 5}],
        "metadata": {"source": "web", "promo": None},
    },
    "transactions": {
        "transaction_id": "t1",
        "customer_id": "u1",
        "product_id": "A",
        "sale_date": DATE,
        "quantity": 1,
        "total_price": 5,
        "unit_price": 5,
        "sales_channel": "web",
        "currency": "EUR",
        "updated_at": DATE,
    },
    "users": {"user_id": "u1", "email": "e", "created_at": DATE, "updated_at": DATE, "country": "DE"},
    "products": {"sku": "A", "name": "N", "category": "C", "price": 5, "currency": "EUR", "updated_at": DATE},
    "stock": {"product_id": "A", "on_hand": 1, "counted_at": DATE},
}
"""A record of each entity by the usual names."""
PECULIAR = 'date_formats = ["iso", "dd.MM.yyyy HH:mm", "MM/dd/yyyy"]\ntime_zone = "Europe/Berlin"\n'


def config(entity: str, form: str) -> str:
    """Two sources: one with the usual settings, one with a version column and other dates."""
    source = f'entity = "{entity}"\nformat = "{form}"\npath = "x"\n'
    version = "counted_at" if entity == "stock" else "updated_at"
    return f'[sources.usual]\n{source}[sources.peculiar]\n{source}version = "{version}"\n{PECULIAR}'


def csv_line(cells: list[str]) -> str:
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="").writerow(cells)
    return written.getvalue()


def row_of(form: str, fields: dict[str, str]) -> Record:
    """A record with these fields, given as JSON; in CSV a text stands as it is, and anything else as JSON."""
    if form == "csv":
        cells = [json.loads(text) if text.startswith('"') else text for text in fields.values()]
        return Record(csv_line(cells), csv_line(list(fields)))
    return Record("{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in fields.items()) + "}")


def sound_row(entity: str, form: str, **changed: str) -> Record:
    return row_of(form, {name: json.dumps(value) for name, value in SOUND[entity].items()} | changed)


class Judge:
    """Judges records of one source, each by itself and between two sound ones."""

    def __init__(self, opened: Settings, source: str):
        of = opened.sources[source]
        self.sound = sound_row(of.entity, of.format)
        self._typed = typing_of(source, opened)
        self._verdict = bench(ENTITIES[of.entity].rules, severities(of.entity, of, opened))
        self._judge = judge_of(source, opened)
        (self._three,) = bronze_table([self.sound] * 3).to_batches()
        self._alone = self._judged(self.sound)
        assert [row["reasons"] for row in self._alone] == [[]] * 3, self._alone

    def _judged(self, row: Record) -> list[dict[str, Any]]:
        """A sound record, this one and a sound one."""
        batch, sound = self._three, self.sound
        for name in ("raw", "header", "defect"):
            texts = [getattr(each, name) for each in (sound, row, sound)]
            batch = batch.set_column(batch.schema.get_field_index(name), name, pa.array(texts, pa.string()))
        found: list[dict[str, Any]] = self._judge(batch).to_pylist()
        return found

    def look_at(self, row: Record) -> None:
        verdict = self._verdict(self._typed(row.raw, row.header, row.defect, "f.txt", 2))
        assert bool(verdict.reasons) == bool(verdict.details)
        before, found, after = self._judged(row)
        assert [before, after] == [self._alone[0], self._alone[2]]
        judgement = (found["reasons"], found["details"], found["warnings"])
        assert judgement == (verdict.reasons, verdict.details, verdict.warnings)
        assert (found["ordinal"], found["raw"]) == (2, row.raw)


Judges = Callable[[str, str], list[Judge]]


@pytest.fixture(scope="module")
def judges(tmp_path_factory: pytest.TempPathFactory) -> Judges:
    """The judges of both sources of an entity and a format."""

    def of(entity: str, form: str) -> list[Judge]:
        opened = open_settings(str(write_config(tmp_path_factory.mktemp("judges"), config(entity, form))))
        return [Judge(opened, source) for source in opened.sources]

    return of


TEXT = st.text() | st.text('{}[]",:\\/ \t\r\n\x00\x0b\x85\u2028\ufeff019.-+eEnutrTZ#', max_size=40)
NUMBERS = [
    *("0", "-0", "-0.0", "1e999999", "-1E+999999", "1e-999999", "0e99999999999999999999", "1e-99999999999999999999"),
    *("99999999999999.99995", "0.00005", "1e14", "-1e14", "12345678901234567890.5", "0." + "3" * 5_000, "7" * 4_000),
]
DATES = [DATE, "9999-12-31", "0001-01-01T00:00:00+18:00", "0000-01-01", "31.03.2024 02:30", "01/02/2024", "2024-02-30"]
PLAIN = st.one_of(
    st.sampled_from(["null", "true", "false", "[]", "{}", *NUMBERS]),
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["", " ", "NaN", "-Infinity", *NUMBERS, *DATES]).map(json.dumps),
    TEXT.map(json.dumps),
)


def _object(members: dict[str, str]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in members.items()) + "}"


NAMES = st.sampled_from(["sku", "qty", "price", "source", "promo", "next", "has_more", "pageInfo"]) | TEXT
NESTED = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda texts: "[" + ",".join(texts) + "]")
        | st.dictionaries(NAMES, inner, max_size=4).map(_object)
    ),
    max_leaves=12,
)
"""JSON of any value, as text."""
FORMS = [(entity, form) for entity in ENTITIES for form in ("csv", "jsonl")]


@pytest.mark.parametrize(("entity", "form"), FORMS)
def test_any_text_as_a_record_or_a_header_is_judged(entity: str, form: str, judges: Judges) -> None:
    of_entity = judges(entity, form)
    sound, header = of_entity[0].sound.raw, of_entity[0].sound.header
    places = st.integers(0, len(sound))
    beginnings, ends = places.map(lambda at: sound[:at]), places.map(lambda at: sound[at:])
    cut = st.tuples(beginnings, TEXT, ends).map("".join)
    headers = st.none() | st.just(header) | TEXT
    defects = st.sampled_from([None] * 5 + ["undecodable", "empty_message: A1", "registry_framing"])

    @settings(derandomize=True, deadline=None, max_examples=EXAMPLES)
    @given(st.builds(Record, TEXT | cut, headers, defects))
    def check(row: Record) -> None:
        for of_source in of_entity:
            of_source.look_at(row)

    check()


@pytest.mark.parametrize(("entity", "form"), FORMS)
def test_any_value_in_any_field_is_judged(entity: str, form: str, judges: Judges) -> None:
    of_entity = judges(entity, form)
    names = st.sampled_from([*SOUND[entity], "refunds", "next"])

    @settings(derandomize=True, deadline=None, max_examples=EXAMPLES)
    @given(st.dictionaries(names, NESTED, min_size=1, max_size=3))
    def check(changed: dict[str, str]) -> None:
        for of_source in of_entity:
            of_source.look_at(sound_row(entity, form, **changed))

    check()


BAD: dict[str, list[Record]] = {
    "jsonl": [
        *map(
            Record,
            ["", "{", "[]", "{}", '{"a":1}{"b":2}', '{"a":"\\ud800"}', "[" * 100_000, '{"a":' + "1" * 4_400 + "}"],
        ),
        Record("\\xff", None, "undecodable"),
        Record("", None, "empty_message: A1"),
        sound_row("orders", "jsonl", amount="1e999999"),
        sound_row("orders", "jsonl", items="[" + ",".join(['{"sku":"A","qty":1e99}'] * 3) + "]"),
        sound_row("orders", "jsonl", created_at='"9999-12-31T23:59:59-18:00"'),
        sound_row("orders", "jsonl", order_id="{}", currency="7", items="7"),
    ],
    "csv": [
        *(
            Record(raw, "order_id,items")
            for raw in ("", "o1", "o1,x,y", 'o1,"x', '"o1"x,y', "\x00", "o1,[NaN]", "," * 99_999)
        ),
        *(Record(raw, None) for raw in ("", "o1,x")),
        Record("o1,x", "a\rb"),
        Record("o1,\\xff", "order_id,items", "undecodable"),
        sound_row("orders", "csv", amount="1e999999"),
        sound_row("orders", "csv", created_at='"31.01.2025"'),
    ],
}


@pytest.mark.parametrize("form", BAD)
def test_bad_records_of_a_batch_cost_no_neighbour(form: str, make_settings: Callable[[str], Settings]) -> None:
    opened, good = make_settings(config("orders", form)), sound_row("orders", form)
    rows = judge(opened, [row for bad in BAD[form] for row in (good, bad)] + [good], "usual").to_pylist()
    assert len(rows) == 2 * len(BAD[form]) + 1
    assert [row["ordinal"] for row in rows] == list(range(1, len(rows) + 1))
    for row in rows[::2]:
        assert (row["reasons"], row["details"], row["warnings"]) == ([], [], [])
        assert (row["order_id"], [line["sku"] for line in row["items"]]) == ("o1", ["A"])
    for row, bad in zip(rows[1::2], BAD[form], strict=True):
        assert row["reasons"] and len(row["reasons"]) == len(row["details"]), bad
        assert (row["raw"], row["header"]) == (bad.raw, bad.header)


def test_a_batch_without_records_is_judged(make_settings: Callable[[str], Settings]) -> None:
    for entity, form in FORMS:
        assert judge(make_settings(config(entity, form)), [], "usual").num_rows == 0


@pytest.mark.parametrize(("entity", "form"), FORMS)
def test_a_record_without_a_text_is_judged_as_the_empty_one(
    entity: str, form: str, make_settings: Callable[[str], Settings]
) -> None:
    rows, opened = bronze_table([""]), make_settings(config(entity, form))
    without = rows.set_column(rows.schema.get_field_index("raw"), "raw", pa.nulls(1, pa.string()))
    found = judged_rows(without, "usual", opened)
    assert found == judged_rows(rows, "usual", opened)
    assert found["reasons"].to_pylist() != [[]]
