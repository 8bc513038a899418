"""Where conf/, sql/ and sample_data/ are found: in a checkout, a wheel, a zip for --py-files, or $SALESLAKE_HOME."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest

from saleslake import project
from tests.processes import Done, Processes
from tools import pyfiles

SAMPLE = "sample_data/api_orders.json"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, session_processes: Processes) -> dict[str, Path]:
    """Suffix → file: the sdist, the wheel and the zip. Setuptools runs as a process of its own."""
    files = pyfiles.build(tmp_path_factory.mktemp("dist"))
    return {"".join(path.suffixes[-2:]) if path.name.endswith(".tar.gz") else path.suffix: path for path in files}


def run(processes: Processes, path: Path, code: str, **more: str) -> Done:
    """Python with the package from `path` alone, and the libraries of this environment."""
    return processes.run("python", "-c", code, cwd=path.parent, PYTHONPATH=str(path), **more)


def test_home_goes_before_the_checkout_and_the_checkout_before_what_is_carried(tmp_path: Path) -> None:
    package = tmp_path / "lib" / "saleslake"
    assert project.find(None, package) == package / "_project"
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "saleslake.toml").write_text("")
    assert project.find(None, package) == tmp_path
    assert project.find(str(tmp_path / "elsewhere"), package) == tmp_path / "elsewhere"


def test_a_wheel_carries_what_the_package_reads_and_none_of_what_it_does_not(built: dict[str, Path]) -> None:
    names = zipfile.ZipFile(built[".whl"]).namelist()
    carried = {name.removeprefix("saleslake/_project/") for name in names if name.startswith("saleslake/_project/")}
    assert {
        "conf/saleslake.toml",
        "conf/jars.lock",
        "sql/views.sql",
        "sql/questions.sql",
        SAMPLE,
        "jobs/gold.py",
    } <= carried
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".env"))]
    packages = {name.split("/")[0] for name in names}
    assert {name for name in packages if not name.endswith(".dist-info")} == {"saleslake"}
    ours = {str(p.relative_to(pyfiles.ROOT / "lib")) for p in (pyfiles.ROOT / "lib" / "saleslake").rglob("*.py")}
    assert ours <= set(names)


def test_the_sdist_has_what_the_wheel_is_made_from(built: dict[str, Path]) -> None:
    with tarfile.open(built[".tar.gz"]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"setup.py", "pyproject.toml", "sql/views.sql", SAMPLE, "lib/saleslake/project.py"} <= names


def test_an_installed_wheel_finds_its_settings_views_and_questions(
    built: dict[str, Path], tmp_path: Path, processes: Processes
) -> None:
    zipfile.ZipFile(built[".whl"]).extractall(tmp_path / "site")
    done = run(
        processes,
        tmp_path / "site",
        "from saleslake import config, machine, project; from saleslake.serve import ddl, duck, questions; "
        "print(project.ROOT, sorted(config.load().sources)[0], len(duck.view_statements(*duck.VIEWS)), "
        "'top_users' in questions.questions(), ddl.path('duckdb').is_file())",
    )
    assert done.stdout.split() == [
        str(tmp_path / "site" / "saleslake" / "_project"), "events_orders", "6", "True", "True",
    ], done.stderr  # fmt: skip


def test_the_zip_for_py_files_is_imported_as_it_is_and_reads_its_views_from_inside(
    built: dict[str, Path], processes: Processes
) -> None:
    done = run(
        processes,
        built[".zip"],
        "import saleslake.pipeline, saleslake.stream.run; from saleslake.serve import duck, questions; "
        "print(saleslake.__file__, len(duck.view_statements(*duck.VIEWS)), 'top_users' in questions.questions())",
    )
    assert done.stdout.split() == [str(built[".zip"] / "saleslake" / "__init__.py"), "6", "True"], done.stderr


def test_a_new_home_gets_what_the_wheel_carries_and_keeps_what_it_has(
    built: dict[str, Path], tmp_path: Path, processes: Processes
) -> None:
    zipfile.ZipFile(built[".whl"]).extractall(tmp_path / "site")
    home, package = tmp_path / "home", tmp_path / "site" / "saleslake"
    (home / "conf").mkdir(parents=True)
    (home / "conf" / "saleslake.toml").write_text("# my own")
    assert project.lay_out(home, package) == ["sql", "sample_data", "jobs", "streaming"]
    assert (home / "conf" / "saleslake.toml").read_text() == "# my own"
    assert (home / SAMPLE).read_bytes() == (pyfiles.ROOT / SAMPLE).read_bytes()
    assert project.lay_out(home, package) == []
    assert project.lay_out(pyfiles.ROOT, pyfiles.ROOT / "lib" / "saleslake") == []  # a checkout has it all already
    shown = run(
        processes,
        tmp_path / "site",
        "from saleslake import config; print(config.DEFAULT_CONFIG)",
        SALESLAKE_HOME=str(home),
    )
    assert shown.stdout.strip() == str(home / "conf" / "saleslake.toml")
