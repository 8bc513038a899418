"""docker-compose.yml: every file, command, port, variable and service it names is there, and means what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from saleslake import config
from saleslake.cli.app import app
from tests.containers.compose import ROOT, TEXT, VARIABLE, example_lines, ours, raw, services
from tools import dockerfile

SERVICES = services()


def bind_mounts() -> list[str]:
    return sorted(
        {
            volume.split(":")[0]
            for service in SERVICES.values()
            for volume in service.get("volumes", [])
            if volume.startswith("./")
        }
    )


@pytest.mark.parametrize("path", bind_mounts())
def test_every_file_that_is_mounted_is_in_the_repository(path: str) -> None:
    assert (ROOT / path).exists()


def test_every_volume_is_declared_and_every_declared_one_is_used() -> None:
    used = {
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
        if not volume.startswith(".")
    }
    assert used == set(raw()["volumes"])


def test_every_variable_is_in_env_example_and_every_line_there_is_used() -> None:
    named = {match[1] for match in VARIABLE.finditer(TEXT)} | {
        secret["environment"] for secret in raw()["secrets"].values()
    }
    offered = {**example_lines(commented=True), **example_lines()}
    assert named | {"COMPOSE_PROFILES"} == set(offered)


def test_no_password_is_written_into_the_file() -> None:
    for line in TEXT.splitlines():
        name, _, value = line.strip().partition(": ")
        if re.search(r"(PASSWORD|TOKEN|SECRET)$", name):
            assert re.fullmatch(r"\$\{\w+:-\}|\w+_(PASSWORD|TOKEN)", value), line


def test_every_port_is_on_the_loopback_address_by_a_variable_of_its_own() -> None:
    ports = [port for service in raw()["services"].values() for port in service.get("ports", [])]
    found = [re.fullmatch(r"127\.0\.0\.1:\$\{(\w+):-(\d+)\}:(\d+)", port) for port in ports]
    assert all(found), ports
    outside = [(match[1], match[2]) for match in found if match]
    assert len({name for name, _ in outside}) == len({port for _, port in outside}) == len(ports)
    assert all(example_lines()[name] == port for name, port in outside)


def test_profiles_are_the_ones_described_and_a_service_brings_what_it_depends_on() -> None:
    assert {p for service in SERVICES.values() for p in service["profiles"]} == {
        "core", "stream", "observability", "simulate",
    }  # fmt: skip
    for name, service in SERVICES.items():
        for other in service.get("depends_on", {}):
            missing = set(service["profiles"]) - set(SERVICES[other]["profiles"])
            assert not missing, f"{name} depends on {other}, which is not in {missing}"


def test_who_waits_for_health_waits_for_a_service_with_a_health_check() -> None:
    for service in SERVICES.values():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other], other
            else:  # it ends by itself
                assert how["condition"] == "service_completed_successfully"
                assert "restart" not in SERVICES[other], other


def test_every_server_has_a_health_check_and_every_service_a_memory_limit_or_a_short_life() -> None:
    stages = dockerfile.read((ROOT / "Dockerfile").read_text(encoding="utf-8"))
    for name, service in SERVICES.items():
        if "build" in service:
            assert dockerfile.setting(stages, service["build"]["target"], "HEALTHCHECK")
        elif "restart" in service:
            assert "healthcheck" in service, name
        if name != "kafka-topic":
            assert service["deploy"]["resources"]["limits"]["memory"], name


@pytest.mark.parametrize("name", [n for n, s in SERVICES.items() if "build" not in s])
def test_images_of_others_are_pinned_to_a_full_version(name: str) -> None:
    assert re.search(r":v?\d+\.\d+(\.\d+)?$", SERVICES[name]["image"])


@pytest.mark.parametrize("name", sorted(ours()))
def test_the_command_of_each_of_our_services_is_one_that_is_understood(name: str) -> None:
    command = SERVICES[name]["command"]
    if name == "airflow":
        assert command[:2] == ["sh", "-euc"]
        assert command[2].rstrip().splitlines()[-1].startswith("exec ")  # so that SIGTERM gets there
        return
    parse(command)


@pytest.mark.parametrize(
    "line", sorted(set(re.findall(r"docker compose run --rm app (saleslake [^\n`]*?)(?: {2,}|`|$)", TEXT, re.M)))
)
def test_commands_named_in_comments_are_understood(line: str) -> None:
    parse([word for word in shlex.split(line) if word != "…"])


def parse(command: list[str]) -> None:
    """Raises click's error for a command or option that saleslake does not have."""
    assert command[0] == "saleslake"
    group: Any = typer.main.get_command(app)
    with typer.Context(group) as context:
        if command[1:]:
            found = group.get_command(context, command[1])
            assert found is not None, command
            found.make_context(command[1], list(command[2:]), parent=context)


@pytest.mark.parametrize("name", sorted(ours()))
def test_every_setting_given_to_a_service_is_one_that_saleslake_knows(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = SERVICES[name].get("environment") or {}
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    settings = config.load(config.DEFAULT_CONFIG)
    for variable, value in given.items():
        if variable.startswith("SALESLAKE__"):
            found: Any = settings
            for part in variable.removeprefix("SALESLAKE__").lower().split("__"):
                found = found[part] if isinstance(found, dict) else getattr(found, part)
            assert str(found) == value


def test_an_address_from_the_environment_leaves_the_rest_of_the_source_as_the_file_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SALESLAKE__SOURCES__ORDERS_API__API__URL", raising=False)
    before = config.load(config.DEFAULT_CONFIG).sources["orders_api"]
    address = SERVICES["app"]["environment"]["SALESLAKE__SOURCES__ORDERS_API__API__URL"]
    monkeypatch.setenv("SALESLAKE__SOURCES__ORDERS_API__API__URL", address)
    after = config.load(config.DEFAULT_CONFIG).sources["orders_api"]
    assert before.api is not None
    assert after == before.model_copy(update={"api": before.api.model_copy(update={"url": address})})
    assert before.api.url != address


def test_addresses_between_services_are_those_of_services_that_listen_there() -> None:
    """What Prometheus scrapes and our settings name: host and port."""
    listening = {
        "mock-api:8088": "--port 8088", "kafka:9092": "INTERNAL://:9092", "stream:9464": "9464", "stream:4040": "4040",
    }  # fmt: skip
    elsewhere = {"pushgateway:9091", "alertmanager:9093", "prometheus:9090", "postgres:5432"}
    named = set(re.findall(rf"(?:http://|@|- |=)((?:{'|'.join(SERVICES)}):\d+)", TEXT))
    scraped = yaml.safe_load((ROOT / "conf" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    for job in scraped["scrape_configs"]:
        named |= {target for group in job["static_configs"] for target in group["targets"]}
    for address in named - elsewhere:
        host = address.split(":")[0]
        assert listening[address] in shlex.join(
            [*SERVICES[host].get("command", []), *map(str, SERVICES[host].get("environment", {}).values())]
        )
    for address in named & elsewhere:
        host, port = address.split(":")
        assert str(SERVICES[host]["ports"][0]).endswith(f":{port}")


def test_the_pool_that_the_dags_use_is_made_before_airflow_starts() -> None:
    dags = ROOT / "airflow" / "dags" / "lakehouse" / "settings.py"
    pool = re.search(r'^POOL = "(\w+)"', dags.read_text(encoding="utf-8"), re.M)
    slots = re.search(r"^WHOLE_POOL = (\d+)", dags.read_text(encoding="utf-8"), re.M)
    assert pool
    assert slots
    assert f"airflow pools set {pool[1]} {slots[1]} " in SERVICES["airflow"]["command"][2]


def test_secrets_are_mounted_where_alertmanager_reads_them() -> None:
    text = (ROOT / "conf" / "alertmanager" / "alertmanager.yml").read_text(encoding="utf-8")
    read = set(re.findall(r"/run/secrets/(\w+)", text))
    assert read == set(SERVICES["alertmanager"]["secrets"]) == set(raw()["secrets"])


def test_grafana_finds_its_dashboards_and_the_variables_its_data_sources_name() -> None:
    mounts = dict(volume.split(":")[:2] for volume in SERVICES["grafana"]["volumes"])
    provisioning = ROOT / mount_of(mounts, "/etc/grafana/provisioning")
    folders = re.findall(r"path: (\S+)", "".join(f.read_text() for f in (provisioning / "dashboards").glob("*.yml")))
    assert folders
    assert all(list((ROOT / mount_of(mounts, folder)).glob("*.json")) for folder in folders)
    sources = "".join(f.read_text() for f in (provisioning / "datasources").glob("*.yml"))
    assert set(re.findall(r"\$(\w+)", re.sub(r"#.*", "", sources))) <= set(SERVICES["grafana"]["environment"])


def mount_of(mounts: dict[str, str], target: str) -> Path:
    return Path(next(source for source, where in mounts.items() if where == target))
