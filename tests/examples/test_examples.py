"""Every example is short, says how it is run, loads, and is named in README.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from saleslake.config import PROJECT_ROOT
from saleslake.entry import open_settings
from tests.examples.support import EXAMPLES

NAMES = sorted(path.stem for path in EXAMPLES.glob("*.toml"))


@pytest.mark.parametrize("name", NAMES)
def test_an_example_loads_says_how_it_is_run_and_has_data_of_its_own(name: str) -> None:
    path = EXAMPLES / f"{name}.toml"
    text = path.read_text(encoding="utf-8")
    settings = open_settings(str(path))
    assert f"saleslake run --config conf/examples/{name}.toml\n" in text
    assert settings.data == str(PROJECT_ROOT / "data" / name)
    assert len(text.splitlines()) <= 80
    assert max(map(len, text.splitlines())) <= 130


def test_readme_names_every_example() -> None:
    readme = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
    named = [line.split("`")[1] for line in readme.splitlines() if line.startswith("| `") and ".toml` |" in line]
    assert sorted(named) == [f"{name}.toml" for name in NAMES]


def test_every_example_has_a_test_of_its_figures() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert [name for name in NAMES if f'run("{name}"' not in tests] == []
