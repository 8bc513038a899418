"""What is refused before a run writes anything, and what a run's row counts."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from saleslake.cli.app import app
from saleslake.config import Settings
from saleslake.entry import check_secrets, chosen_sources
from saleslake.errors import ConfigError
from saleslake.ingest.report import Landed
from saleslake.pipeline import Summary
from saleslake.publish import Outcome
from saleslake.session import build_session
from tests.conftest import write_config
from tests.lakes import SAMPLE, Sample

Make = Callable[[str], Settings]
USERS = '[sources.users]\nentity = "users"\nformat = "csv"\npath = "u.csv"\n'
SHOP = (
    '[sources.shop]\nentity = "orders"\nformat = "api"\n'
    '[sources.shop.api]\nurl = "https://shop.example/orders"\nauth = { kind = "bearer", token_env = "NO_SUCH_TOKEN" }\n'
)


def job(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[1] / "jobs"))
    return importlib.import_module(name)


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("land_api", ["--source", "users"], "its format is 'csv', so it is landed by jobs/land_files.py"),
        ("land_files", ["--source", "shop"], "its format is 'api', so it is landed by jobs/land_api.py"),
        ("land_files", ["--source", "nobody"], "no such source; there are: users, shop"),
        ("land_api", [], "NO_SUCH_TOKEN, which is not set"),
        ("silver", ["--full-refresh", "--source", "users"], "--full-refresh decides every source anew"),
    ],
)
def test_a_job_refuses_wrong_arguments_before_it_writes(
    name: str,
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = write_config(tmp_path, USERS + SHOP)
    assert job(name, monkeypatch).main(["--config", str(config), *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_the_gold_job_takes_no_source(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        job("gold", monkeypatch).main(["--source", "users"])
    assert ended.value.code == 2
    assert "--source" in capsys.readouterr().err


def test_sources_are_chosen_by_kind(make_settings: Make) -> None:
    settings = make_settings(USERS + SHOP)
    found = [chosen_sources(settings, None, api) for api in (None, True, False)]
    assert found == [["users", "shop"], ["shop"], ["users"]]
    assert chosen_sources(settings, ["shop"]) == ["shop"]


def test_every_secret_is_looked_up_at_the_start(make_settings: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = make_settings(USERS + SHOP)
    with pytest.raises(ConfigError, match=r"sources\.shop\.api\.auth\.token_env names .* NO_SUCH_TOKEN"):
        check_secrets(settings, ["users", "shop"])
    check_secrets(settings, ["users"])
    monkeypatch.setenv("NO_SUCH_TOKEN", "t")
    check_secrets(settings, ["users", "shop"])


@pytest.mark.parametrize(
    ("precedence", "said"),
    [
        ('{ colour = ["shop"] }', "colour: no such field; there are: default, name, category, manufacturer, price"),
        ('{ price = ["users"] }', "price: 'users' is no source of products; there are: none"),
    ],
)
def test_product_precedence_names_what_exists(precedence: str, said: str, make_settings: Make) -> None:
    with pytest.raises(ConfigError, match=said):
        make_settings(f"[gold]\nproduct_precedence = {precedence}\n{USERS}")


def test_settings_that_results_depend_on_cannot_be_overridden(make_settings: Make) -> None:
    settings = make_settings(f'[spark.conf]\n"spark.sql.ansi.enabled" = "false"\n{USERS}')
    with pytest.raises(ConfigError, match=r"spark\.conf\.spark\.sql\.ansi\.enabled = 'false': results depend on it"):
        build_session(settings)


def test_dot_env_in_the_root_overrides_the_file_and_the_environment_both(
    tmp_path: Path, make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("SALESLAKE__RUN__LOCK_TIMEOUT_SECONDS=7\nNO_SUCH_TOKEN=secret\n")
    assert make_settings(f"[run]\nlock_timeout_seconds = 5\n{USERS}").run.lock_timeout_seconds == 7
    monkeypatch.setenv("SALESLAKE__RUN__LOCK_TIMEOUT_SECONDS", "9")
    assert make_settings(USERS).run.lock_timeout_seconds == 9


def test_a_run_counts_what_silver_decided_and_a_landing_job_what_landed() -> None:
    summary = Summary(landed=[Landed("a", records=5), Landed("b", records=2)], outcomes={"a": Outcome(records=3)})
    assert summary.processed == 7
    summary.decided = True
    assert summary.processed == 3


def test_the_sample_is_served_to_the_sample_lakehouse_only(tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["run", "--demo", "--config", str(write_config(tmp_path, USERS + SHOP))])
    assert found.exit_code == 2
    assert "--demo would bring the sample's records into the lakehouse of" in found.output
    assert not (tmp_path / "data").exists()


def test_the_first_command_says_what_became_of_the_sample(sample: Sample) -> None:
    said = (sample.folder / "said.txt").read_text()
    for source, counts in json.loads((SAMPLE / "expected.json").read_text()).items():
        assert f"{counts['landed']:,}" in said, source
    assert "checks: 27 of 27 passed" in said


def test_an_empty_lakehouse_is_told_in_one_line(tmp_path: Path) -> None:
    config = str(write_config(tmp_path, USERS))
    checked = CliRunner().invoke(app, ["check", "--config", config])
    assert checked.exit_code == 1
    assert checked.stderr.strip() == f"error: no tables at {tmp_path}/data/tables: run `saleslake run` first"
    shown = CliRunner().invoke(app, ["status", "--config", config, "--json"])
    assert shown.exit_code == 0
    assert json.loads(shown.stdout)["tables"] == []
    assert "no run yet" in CliRunner().invoke(app, ["status", "--config", config]).stdout
