"""The workflows: make targets, paths and services they name exist; actions are pinned; rights are few."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.containers.compose import services

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in FILES}
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))


def steps(name: str) -> list[dict[str, Any]]:
    return [step for job in yaml.safe_load(TEXTS[name])["jobs"].values() for step in job["steps"]]


def test_there_is_one_for_pushes_one_for_tags_and_one_for_the_night() -> None:
    assert set(TEXTS) == {"ci.yml", "nightly.yml", "release.yml"}
    on = {name: yaml.safe_load(text)[True] for name, text in TEXTS.items()}  # YAML takes `on` for true
    assert set(on["ci.yml"]) == {"push", "pull_request"}
    assert on["release.yml"] == {"push": {"tags": ["v*.*.*"]}}
    assert set(on["nightly.yml"]) == {"schedule", "workflow_dispatch"}
    assert "make test-deep" in TEXTS["nightly.yml"]


@pytest.mark.parametrize("name", TEXTS)
def test_every_make_target_is_one_of_the_makefile(name: str) -> None:
    named = {
        word
        for step in steps(name)
        for line in re.findall(r"\bmake ((?:[a-z-]+ ?)+)", step.get("run", ""))
        for word in line.split()
    }
    assert named
    assert named <= TARGETS


@pytest.mark.parametrize("name", TEXTS)
def test_every_action_is_pinned_to_a_commit_and_says_which_version_that_is(name: str) -> None:
    uses = re.findall(r"uses: (.*)", TEXTS[name])
    assert uses
    for action in uses:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


@pytest.mark.parametrize("name", TEXTS)
def test_a_job_may_read_and_what_it_may_write_it_says_itself(name: str) -> None:
    workflow = yaml.safe_load(TEXTS[name])
    assert workflow["permissions"] == {"contents": "read"}
    writes = {
        job: {k for k, v in (body.get("permissions") or {}).items() if v == "write"}
        for job, body in workflow["jobs"].items()
    }
    wanted = {"image": {"packages"}, "pypi": {"id-token"}, "github": {"contents"}} if name == "release.yml" else {}
    assert {job: rights for job, rights in writes.items() if rights} == wanted
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())


def test_caches_depend_on_files_that_exist() -> None:
    patterns = [
        word for call in re.findall(r"hashFiles\(([^)]*)\)", TEXTS["ci.yml"]) for word in re.findall(r"'([^']+)'", call)
    ]
    assert patterns
    assert all(list(ROOT.glob(pattern)) for pattern in patterns)


def test_services_named_on_command_lines_are_in_the_compose_file() -> None:
    known, named = services(), set()
    for step in steps("ci.yml"):
        for line in re.findall(r"docker compose .*", step.get("run", "")):
            words = re.sub(r"--(?:profile|wait-timeout|tail) \S+", "", line).split("&&")[0].split()[2:]
            if words[0] in ("up", "run"):
                rest = [word for word in words[1:] if not word.startswith("-")]
                named |= set(rest[:1] if words[0] == "run" else rest)
    assert named
    assert named <= set(known)


def test_both_ends_of_what_is_supported_are_tried() -> None:
    matrix = yaml.safe_load(TEXTS["ci.yml"])["jobs"]["checks"]["strategy"]["matrix"]["include"]
    assert {row["java"] for row in matrix} == {"17", "21"}
    assert {row["python"] for row in matrix} == {"3.11", "3.13"}
    assert 'requires-python = ">=3.11"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_a_release_builds_targets_that_the_dockerfile_has() -> None:
    matrix = yaml.safe_load(TEXTS["release.yml"])["jobs"]["image"]["strategy"]["matrix"]["include"]
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert all(re.search(rf"^FROM \S+ AS {row['target']}$", text, re.M) for row in matrix)
