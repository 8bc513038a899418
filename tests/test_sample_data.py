"""The sample is what its script writes, and its README tells the truth about it."""

from __future__ import annotations

import json
import re
import runpy
import sys
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "sample_data"
CSV_FILES = ("transactions.csv", "users.csv", "products.csv", "stock.csv")


def elements() -> list[Any]:
    loaded: list[Any] = json.loads((SAMPLE / "api_orders.json").read_text(encoding="utf-8"))
    return loaded


def planted(name: str) -> dict[int, tuple[str, str, str]]:
    """The README's table of one file: place to (key, kind, state)."""
    section = (SAMPLE / "README.md").read_text(encoding="utf-8").split(f"### {name}\n")[1].split("###")[0]
    rows = re.findall(r"^\| (\d+) \| (.+?) \| (\w+) \| (\w+) \|", section, re.MULTILINE)
    return {int(place): (key, kind, state) for place, key, kind, state in rows}


def version_time(order: dict[str, Any]) -> datetime:
    text = order.get("updated_at") or order["created_at"]
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def test_the_script_writes_the_files_that_are_in_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(SAMPLE))
    monkeypatch.setattr(sys, "argv", ["make_sample.py", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SAMPLE / "make_sample.py"), run_name="__main__")
    assert ended.value.code == 0
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(written) == 8
    assert written == {name: (SAMPLE / name).read_bytes() for name in written}


def test_the_greatest_version_of_every_order_is_the_one_said_to_be_applied() -> None:
    stated, versions = planted("api_orders.json"), defaultdict(list)
    for place, order in enumerate(elements(), start=1):
        _, _, state = stated.get(place, ("", "", "applied"))
        if state != "quarantined":
            versions[order["order_id"].strip()].append((version_time(order), place, state, order))
    for key, found in versions.items():
        *others, winner = sorted(found, key=lambda version: version[:2])
        assert winner[2] == "applied", key
        for number, (_, _, state, order) in enumerate(others):
            again = any(later[3] == order for later in [*others[number + 1 :], winner])
            assert state == ("duplicate" if again else "superseded"), key


def test_expected_counts_follow_from_the_readme_and_the_files() -> None:
    expected = json.loads((SAMPLE / "expected.json").read_text(encoding="utf-8"))["api_orders.json"]
    states = Counter(state for _, _, state in planted("api_orders.json").values())
    plain = len(elements()) - sum(states.values())
    assert expected == {"landed": len(elements()), **states, "applied": states["applied"] + plain}
    for counts in json.loads((SAMPLE / "expected.json").read_text(encoding="utf-8")).values():
        assert counts.pop("landed") == sum(counts.values())


@pytest.mark.parametrize("name", CSV_FILES)
def test_every_planted_csv_line_stands_where_the_readme_says(name: str) -> None:
    lines = (SAMPLE / name).read_text(encoding="utf-8-sig").split("\n")
    assert planted(name)
    for place, (key, kind, _) in planted(name).items():
        assert lines[place - 1].split(",")[0].strip() == key.replace("–", ""), (place, kind)


def test_every_planted_element_stands_where_the_readme_says() -> None:
    for place, (key, kind, _) in planted("api_orders.json").items():
        element = elements()[place - 1]
        found = (element.get("order_id") or "").strip() if isinstance(element, dict) else ""
        assert found == key.replace("–", ""), (place, kind)
