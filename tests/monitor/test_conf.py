"""The files of conf/ for Prometheus and Alertmanager, by the tools that come with them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from saleslake.config import PROJECT_ROOT

CONF = PROJECT_ROOT / "conf"
RULES = CONF / "prometheus" / "rules" / "saleslake.yml"
TESTS = RULES.with_name("saleslake_test.yml")

Programs = Callable[[str], Path]


def _run(program: Path, *arguments: str | Path) -> tuple[int, str]:
    """Exit code, and what it said."""
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def _alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def test_prometheus_takes_its_configuration_and_the_rules(prometheus_programs: Programs) -> None:
    promtool = prometheus_programs("promtool")
    code, said = _run(promtool, "check", "config", CONF / "prometheus" / "prometheus.yml")
    assert code == 0, said
    assert f"SUCCESS: {len(_alerts())} rules found" in said
    code, said = _run(promtool, "check", "rules", "--lint-fatal", RULES)
    assert code == 0, said


def test_alertmanager_takes_its_configuration(prometheus_programs: Programs) -> None:
    code, said = _run(prometheus_programs("amtool"), "check-config", CONF / "alertmanager" / "alertmanager.yml")
    assert code == 0, said
    assert "2 receivers" in said


def test_the_rules_pass_their_tests(prometheus_programs: Programs) -> None:
    code, said = _run(prometheus_programs("promtool"), "test", "rules", TESTS)
    assert code == 0, said
    assert "SUCCESS" in said


def test_every_alert_is_shown_to_fire_and_not_to_fire() -> None:
    fires: dict[str, set[bool]] = {}
    for test in yaml.safe_load(TESTS.read_text(encoding="utf-8"))["tests"]:
        for case in test["alert_rule_test"]:
            fires.setdefault(case["alertname"], set()).add(bool(case["exp_alerts"]))
    assert fires == {alert: {True, False} for alert in _alerts()}


def test_a_rule_that_is_broken_fails_its_test(prometheus_programs: Programs, tmp_path: Path) -> None:
    broken = RULES.read_text(encoding="utf-8").replace("> 86400", "> 864000")
    assert broken != RULES.read_text(encoding="utf-8")
    (tmp_path / RULES.name).write_text(broken, encoding="utf-8")
    tests = yaml.safe_load(TESTS.read_text(encoding="utf-8"))
    tests["tests"] = [test for test in tests["tests"] if test["name"].startswith("SaleslakeTableNotVerified")]
    (tmp_path / TESTS.name).write_text(yaml.safe_dump(tests), encoding="utf-8")
    code, said = _run(prometheus_programs("promtool"), "test", "rules", tmp_path / TESTS.name)
    assert code != 0
    assert "SaleslakeTableNotVerified" in said


def test_every_alert_says_what_to_do_and_how_bad_it_is() -> None:
    for name, rule in _alerts().items():
        assert rule["labels"]["severity"] in ("warning", "critical"), name
        assert set(rule["annotations"]) == {"summary", "fix"}, name


def test_what_inhibits_and_what_is_inhibited_exists() -> None:
    rules = yaml.safe_load((CONF / "alertmanager" / "alertmanager.yml").read_text(encoding="utf-8"))["inhibit_rules"]
    named = {
        alert
        for rule in rules
        for matcher in (*rule["source_matchers"], *rule["target_matchers"])
        for alert in matcher.split('"')[1].split("|")
    }
    assert named <= set(_alerts())


def test_no_secret_is_written_into_a_file() -> None:
    alertmanager = (CONF / "alertmanager" / "alertmanager.yml").read_text(encoding="utf-8")
    assert "smtp_auth_password_file:" in alertmanager
    assert "smtp_auth_password:" not in alertmanager
    sources = yaml.safe_load((CONF / "grafana/provisioning/datasources/saleslake.yml").read_text(encoding="utf-8"))
    for source in sources["datasources"]:
        assert all(value.startswith("$") for value in source.get("secureJsonData", {}).values())
