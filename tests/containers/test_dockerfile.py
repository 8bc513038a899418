"""The Dockerfile: what it copies is let in and there, it runs as nobody special, and what it names exists."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from saleslake.project import FOLDERS
from tools import dockerfile

ROOT = Path(__file__).resolve().parents[2]
STAGES = dockerfile.read((ROOT / "Dockerfile").read_text(encoding="utf-8"))
CONTEXT = dockerfile.context(ROOT)
IMAGES = ("app", "airflow")


def copies() -> list[str]:
    texts = [text for stage in STAGES.values() for kind, text in stage.steps if kind == "COPY"]
    return sorted({s for text in texts if not dockerfile.copy_of(text).stage for s in dockerfile.copy_of(text).sources})


@pytest.mark.parametrize("source", copies())
def test_what_is_copied_is_in_the_repository_and_let_into_the_build(source: str) -> None:
    assert (ROOT / source).exists()
    assert source == "." or any(path == source or path.startswith(f"{source}/") for path in CONTEXT)


def test_stages_are_copied_from_and_built_upon_by_names_that_exist() -> None:
    froms = {
        dockerfile.copy_of(text).stage for stage in STAGES.values() for kind, text in stage.steps if kind == "COPY"
    }
    assert froms - {None} <= set(STAGES)
    assert {stage.base for stage in STAGES.values()} - set(STAGES) == {"debian:12.15-slim"}
    assert list(STAGES)[-1] == "app"  # what `docker build .` makes


def test_neither_secrets_nor_data_nor_tests_get_into_a_build(tmp_path: Path) -> None:
    for name in (".env", "data/tables/x", "tests/test_x.py", ".git/config", "lib/saleslake/__pycache__/x.pyc", "x.key"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "lib/saleslake/here.py").write_text("")
    (tmp_path / ".dockerignore").write_text((ROOT / ".dockerignore").read_text())
    assert dockerfile.context(tmp_path) == ["lib/saleslake/here.py"]


def test_everything_a_wheel_is_made_of_is_let_in() -> None:
    for name in ("lib/saleslake/config.py", "pyproject.toml", "setup.py", "README.md", *FOLDERS):
        assert any(path == name or path.startswith(f"{name}/") for path in CONTEXT), name


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_runs_as_a_user_without_rights_and_by_commands_that_signals_reach(image: str) -> None:
    assert dockerfile.setting(STAGES, image, "USER") == "10001:10001"
    assert dockerfile.command(dockerfile.setting(STAGES, image, "ENTRYPOINT") or "") == ["/usr/bin/tini", "--"]
    assert dockerfile.command(dockerfile.setting(STAGES, image, "CMD") or "")[0] in ("saleslake", "airflow")
    assert dockerfile.setting(STAGES, image, "VOLUME")


@pytest.mark.parametrize("image", IMAGES)
def test_the_health_check_runs_a_module_of_the_package(image: str) -> None:
    words = dockerfile.command(dockerfile.setting(STAGES, image, "HEALTHCHECK") or "")
    assert words[:2] == ["python3", "-m"]
    assert importlib.util.find_spec(words[2])


def test_files_and_modules_named_in_steps_exist() -> None:
    steps = " ".join(text for stage in STAGES.values() for kind, text in stage.steps if kind == "RUN")
    for lock in re.findall(r"--requirement (\S+)", steps):
        assert (ROOT / lock.removeprefix("/src/")).is_file(), lock
    assert re.findall(r"python3 -m (saleslake\.\w+)", steps) == [
        "saleslake.install",
        "saleslake.s3_install",
        "saleslake.install",
    ]
    assert "--require-hashes" in steps


def test_the_projects_python_comes_before_airflows_on_the_path() -> None:
    path = dockerfile.environment(STAGES, "airflow")["PATH"].split(":")
    assert path.index("/opt/saleslake/bin") < path.index("/usr/bin") < path.index("/opt/airflow/bin")


@pytest.mark.parametrize("image", IMAGES)
def test_the_home_of_the_image_is_its_working_folder_with_the_data_in_it(image: str) -> None:
    assert dockerfile.environment(STAGES, image)["SALESLAKE_HOME"] == "/app"
    assert dockerfile.setting(STAGES, image, "WORKDIR") == "/app"
    volumes = [text for stage in dockerfile.lineage(STAGES, image) for kind, text in stage.steps if kind == "VOLUME"]
    assert "/app/data" in volumes


def test_instructions_of_several_lines_are_read_as_one_without_their_comments() -> None:
    stages = dockerfile.read(
        "FROM a AS b\n# no\nRUN x \\\n    # nor this\n    && y\nFROM b AS c\nENV P=/n:$P Q='a b'\n"
    )
    assert stages["b"].steps == [("RUN", "x && y")]
    assert dockerfile.assignments(stages["c"].steps[0][1], {"P": "/old"}) == {"P": "/n:/old", "Q": "a b"}


def test_an_instruction_nobody_thought_of_is_an_error_and_so_is_the_shell_form() -> None:
    with pytest.raises(ValueError, match="'ADD'"):
        dockerfile.read("FROM a\nADD x y\n")
    with pytest.raises(ValueError, match="no exec form"):
        dockerfile.command(shlex.join(["saleslake", "run"]))
