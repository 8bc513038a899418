"""docs/cloud.md: what it names of ours exists, and its JSON and YAML can be read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from saleslake import __version__
from saleslake.config import Settings

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "cloud.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", TEXT, re.M | re.S)


def test_every_setting_it_names_is_one_that_saleslake_has() -> None:
    named = set(re.findall(r"SALESLAKE__(\w+?)(?==|\"|`)", TEXT))
    assert named
    for name in named:
        model: Any = Settings
        for part in name.lower().split("__"):
            assert part in model.model_fields, name
            model = model.model_fields[part].annotation


def test_every_job_make_target_and_file_it_names_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    assert set(re.findall(r"\bmake ([a-z][a-z0-9-]+)", TEXT)) <= targets
    jobs = set(re.findall(r"(?:/|\s)(jobs/\w+\.py)", TEXT))
    assert jobs
    assert all((ROOT / job).is_file() for job in jobs)
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", TEXT)
    assert links
    assert all((ROOT / "docs" / link).exists() for link in links)


def test_every_link_within_the_page_leads_to_a_heading() -> None:
    heads = {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in re.findall(r"^#+ (.*)", TEXT, re.M)}
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= heads


@pytest.mark.parametrize("kind", ["json", "yaml"])
def test_its_definitions_can_be_read(kind: str) -> None:
    found = [text for language, text in BLOCKS if language == kind]
    assert found
    for text in found:
        assert (json.loads if kind == "json" else yaml.safe_load)(text)


def test_json_within_command_lines_can_be_read() -> None:
    found = [match for _, text in BLOCKS for match in re.findall(r"'(\{.*?\})'", text, re.S)]
    assert len(found) == 2
    assert all(json.loads(text) for text in found)


def test_versions_are_those_of_the_project() -> None:
    pins = dict(re.findall(r'"(pyspark|delta-spark)==([\d.]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8")))
    assert f"Spark {pins['pyspark']}, Delta Lake {pins['delta-spark']}" in TEXT
    coordinates = re.findall(r"io\.delta:delta-spark_\S+?:[\d.]+", TEXT)
    assert coordinates
    assert all(name in (ROOT / "conf" / "jars.lock").read_text(encoding="utf-8") for name in coordinates)
    assert set(re.findall(r"saleslake-([\d.]+\d)-", TEXT)) == {__version__}
