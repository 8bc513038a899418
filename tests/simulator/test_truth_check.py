"""The comparison finds what is missing, wrong or too much in gold, and nothing else; over small tables made here."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from saleslake.config import load
from saleslake.errors import SaleslakeError
from saleslake.lake import Lake
from saleslake.simulator.events import simulated
from saleslake.simulator.spec import Spec
from saleslake.simulator.truth import Truth
from saleslake.truth_check import SHOWN, WrongKey, compare
from tests.simulator.reading import Invalid, read

SOURCE = '[paths]\nroot = "."\n[sources.users]\nentity = "users"\nformat = "csv"\npath = "u.csv"\n'
SCHEMA = pa.schema(
    [
        ("source_system", pa.string()),
        ("order_id", pa.string()),
        ("quantity", pa.decimal128(18, 3)),
        ("line_amount", pa.decimal128(18, 4)),
        ("currency", pa.string()),
        ("date", pa.date32()),
        # Only there because views name them.
        ("purchase_id", pa.string()),
        ("is_refund", pa.bool_()),
        ("line_number", pa.int32()),
        ("user_id", pa.string()),
        ("sku", pa.string()),
        ("unit_price", pa.decimal128(18, 4)),
        ("created_at", pa.timestamp("us", "UTC")),
        ("channel", pa.string()),
        ("is_return", pa.bool_()),
        ("flags", pa.list_(pa.string())),
    ]
)
Row = dict[str, Any]


def line(key: str, quantity: str, amount: str | None, day: str = "2024-06-01", currency: str = "EUR") -> Row:
    """A line of the fact; its source by the letter in the key."""
    return {
        "source_system": "orders" if key.startswith("EVT-O") else "transactions",
        "order_id": key,
        "quantity": Decimal(quantity),
        "line_amount": None if amount is None else Decimal(amount),
        "currency": currency,
        "date": date.fromisoformat(day),
    }


def said(lines: int, units: str, net: str, day: str = "2024-06-01", currency: str = "EUR") -> Row:
    """What the truth says of a key."""
    version = f"{day}T10:00:00Z"
    return {"version": version, "date": day, "currency": currency, "lines": lines, "units": units, "net": net}


TRUTH: Row = {
    "seed": 9,
    "key_prefixes": ["EVT-O-9-", "EVT-T-9-", "EVT-X-9-"],
    "totals": {
        "EUR": {"net": "30.50", "lines": 3, "units": "4"},
        "JPY": {"net": "-900.00", "lines": 1, "units": "-1"},
    },
    "keys": {
        "orders": {"EVT-O-9-1": said(2, "3", "20.50"), "EVT-O-9-2": said(1, "1", "10.00")},
        "transactions": {"EVT-T-9-3": said(1, "-1", "-900.00", "2024-06-02", "JPY")},
    },
}
GOLD = (
    line("EVT-O-9-1", "1", "0.50"),
    line("EVT-O-9-1", "2", "20"),
    line("EVT-O-9-2", "1", "10"),
    line("EVT-T-9-3", "-1", "-900", "2024-06-02", "JPY"),
    line("TXN-1", "5", "55.55"),
    line("EVT-O-91-1", "5", "55.55"),
)

Make = Callable[[list[Row]], Lake]


@pytest.fixture
def make_gold(tmp_path: Path) -> Make:
    """A lakehouse whose fact has these rows, and nothing else."""

    def make(rows: list[Row]) -> Lake:
        (tmp_path / "saleslake.toml").write_text(SOURCE)
        lake = Lake(load(tmp_path / "saleslake.toml"))
        table = pa.Table.from_pylist(rows, SCHEMA)
        write_deltalake(lake.folder("tables", "gold", "fact_sales"), table, mode="overwrite", partition_by=["date"])
        return lake

    return make


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    return written(tmp_path, TRUTH)


def written(folder: Path, document: Row) -> Path:
    path = folder / "truth.json"
    path.write_text(json.dumps(document))
    return path


def test_gold_that_says_the_same_holds_whatever_else_is_in_it(make_gold: Make, truth: Path) -> None:
    report = compare(make_gold([*GOLD]), truth)
    assert report.holds
    assert report.keys == report.found == {"orders": 2, "transactions": 1}
    assert report.lines() == [
        "orders: 2 of 2 keys in gold.fact_sales",
        "transactions: 1 of 1 keys in gold.fact_sales",
        "EUR: net 30.5, 3 lines, 4 units",
        "JPY: net -900, 1 lines, -1 units",
        f"the truth in {truth} is exactly what gold says",
    ]


def test_a_missing_and_a_wrong_key_are_named_with_what_was_expected_and_found(make_gold: Make, truth: Path) -> None:
    rows = [row for row in GOLD if row["order_id"] != "EVT-T-9-3"]
    rows[1] = line("EVT-O-9-1", "2", "20.0001")
    report = compare(make_gold(rows), truth)
    assert not report.holds
    assert (report.missing, report.missing_keys) == (1, ["EVT-T-9-3"])
    expected, found = ("2024-06-01", "EUR", "2", "3", "20.5"), ("2024-06-01", "EUR", "2", "3", "20.5001")
    assert (report.wrong, report.wrong_keys) == (1, [WrongKey("orders", "EVT-O-9-1", expected, found)])
    text = "\n".join(report.lines())
    assert "transactions: 0 of 1 keys" in text
    assert "EVT-O-9-1: net 20.5, found 20.5001" in text
    assert "EUR: net 30.5, 3 lines, 4 units, but gold has net 30.5001, 3 lines, 4 units" in text
    assert "JPY: net -900, 1 lines, -1 units, but gold has net 0, 0 lines, 0 units" in text
    assert text.endswith("is NOT what gold says")


@pytest.mark.parametrize(
    ("instead", "difference"),
    [
        ([line("EVT-O-9-2", "1", "10", day="2024-06-02")], "date 2024-06-01, found 2024-06-02"),
        ([line("EVT-O-9-2", "1", "10", currency="USD")], "currency EUR, found USD"),
        ([line("EVT-O-9-2", "1.001", "10")], "units 1, found 1.001"),
        ([line("EVT-O-9-2", "1", None)], "net 10, found None"),
        ([line("EVT-O-9-2", "1", "10"), line("EVT-O-9-2", "0", "0")], "lines 1, found 2"),
        (
            [line("EVT-O-9-2", "1", "10"), line("EVT-O-9-2", "0", "0", day="2024-06-02")],
            "date 2024-06-01, found 2024-06-01+2024-06-02; lines 1, found 2",
        ),
    ],
)
def test_every_column_is_compared(make_gold: Make, truth: Path, instead: list[Row], difference: str) -> None:
    report = compare(make_gold([*(row for row in GOLD if row["order_id"] != "EVT-O-9-2"), *instead]), truth)
    assert not report.holds and report.wrong == 1
    assert f"  EVT-O-9-2: {difference}" in report.lines()


def test_a_malformed_event_that_got_into_gold_is_found(make_gold: Make, truth: Path) -> None:
    report = compare(make_gold([*GOLD, line("EVT-X-9-7", "1", "1")]), truth)
    assert (report.surplus, report.surplus_keys) == (1, ["EVT-X-9-7"])
    assert not report.holds


def test_all_keys_are_counted_and_the_first_listed(make_gold: Make, tmp_path: Path) -> None:
    keys = {f"EVT-O-9-{number:03d}": said(1, "1", "1.00") for number in range(50)}
    path = written(tmp_path, TRUTH | {"keys": {"orders": keys, "transactions": {}}})
    report = compare(make_gold([]), path)
    assert report.missing == 50 and report.missing_keys == sorted(keys)[:SHOWN]
    assert f"missing: 50 keys (the first {SHOWN})" in report.lines()


def test_what_the_simulator_writes_is_what_is_read(make_gold: Make, tmp_path: Path) -> None:
    truth = Truth(9, 1_717_200_000)
    lines: dict[tuple[str, str], tuple[str, Row]] = {}
    for event in simulated(Spec(3000, 9, 1_717_200_000)):
        truth.add(event)
        try:
            version = read(event.line)
        except Invalid:
            continue
        if lines.get((version.table, version.key), ("", {}))[0] < version.version:
            lines[version.table, version.key] = version.version, version.said
    truth.write(tmp_path / "truth.json", complete=True)
    rows = []
    for (_, key), (_, found) in lines.items():
        rows += [line(key, str(found["units"]), str(found["net"]), found["date"], found["currency"])]
        rows += [line(key, "0", "0", found["date"], found["currency"])] * (found["lines"] - 1)
    report = compare(make_gold(rows), tmp_path / "truth.json")
    assert report.holds, report.lines()
    assert sum(report.keys.values()) == len(lines) > 2000
    assert compare(make_gold(rows[1:]), tmp_path / "truth.json").holds is False


def test_a_truth_file_that_is_missing_or_none_is_one_clear_error(make_gold: Make, tmp_path: Path) -> None:
    lake = make_gold([*GOLD])
    with pytest.raises(SaleslakeError, match=r"no truth file at .*nowhere.json"):
        compare(lake, tmp_path / "nowhere.json")
    damaged: list[Any] = [
        "{",
        "[]",
        "{}",
        json.dumps(TRUTH | {"totals": {"EUR": {"net": "x", "lines": 1, "units": 1}}}),
        json.dumps(TRUTH | {"keys": {"orders": {"a": said(1, "many", "1")}}}),
        json.dumps(TRUTH | {"keys": {"orders": {"a": {"net": "1"}}}}),
    ]
    for text in damaged:
        (tmp_path / "truth.json").write_text(text)
        with pytest.raises(SaleslakeError, match=r"truth file .*truth.json is damaged, or none: ") as raised:
            compare(lake, tmp_path / "truth.json")
        assert "\n" not in str(raised.value)


def test_without_gold_the_error_says_what_to_run(truth: Path, tmp_path: Path) -> None:
    (tmp_path / "saleslake.toml").write_text(SOURCE)
    with pytest.raises(SaleslakeError, match="run `saleslake run` first"):
        compare(Lake(load(tmp_path / "saleslake.toml")), truth)
