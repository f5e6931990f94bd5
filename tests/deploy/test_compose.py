"""The compose file: what it mounts, in which versions, and that it works as it stands."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from composed import Composed, composed
from electric_agents_exporter.settings.loading import load
from electric_agents_exporter.settings.targets import HttpTarget
from programs import ROOT, Release, program
from release_tools import tool
from waiting import until

DEPLOY = ROOT / "deploy"
FILE = DEPLOY / "compose.yaml"
SERVICES: dict[str, Any] = yaml.safe_load(FILE.read_text())["services"]
PROMETHEUS: dict[str, Any] = yaml.safe_load((DEPLOY / "compose/prometheus.yml").read_text())
RULES = ROOT / "alerts/rules"


def mounted(service: str) -> dict[str, Path]:
    """Give what a service finds where: places in it, and what lies there."""
    volumes = [volume.split(":") for volume in SERVICES[service].get("volumes", ())]
    assert all(mode == "ro" for _, _, mode in volumes)
    return {target: (DEPLOY / source).resolve() for source, target, _ in volumes}


def in_repository(service: str, path: str) -> Path:
    """Find the file that a service reads at a path."""
    for target, source in mounted(service).items():
        if path == target or path.startswith(f"{target}/"):
            return source / path.removeprefix(target).lstrip("/")
    raise AssertionError(f"nothing is mounted at {path}")


def option(service: str, name: str) -> str:
    (found,) = [
        each.partition("=")[2] for each in SERVICES[service]["command"] if each.startswith(name)
    ]
    assert isinstance(found, str)
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_mounted_is_there(service: str) -> None:
    assert [path for path in mounted(service).values() if not path.exists()] == []


@pytest.mark.parametrize("service", SERVICES)
def test_ports_are_open_to_this_machine_alone(service: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[service].get("ports", ()))


def test_what_is_built_is_built_of_files_that_are_there() -> None:
    built = {name: each["build"] for name, each in SERVICES.items() if "build" in each}
    assert set(built) == {"agents-server", "exporter"}
    for each in built.values():
        context = DEPLOY / each["context"]
        assert (context / each.get("dockerfile", "Dockerfile")).is_file()


def tag(service: str) -> str:
    name, colon, found = SERVICES[service]["image"].partition(":")
    assert colon, f"{name} has no version"
    return str(found)


@pytest.mark.parametrize(
    "service, name", [("prometheus", "promtool"), ("alertmanager", "prometheus-alertmanager")]
)
def test_versions_are_those_that_rules_and_configuration_are_tried_with(
    service: str, name: str
) -> None:
    command = [program(name, Release.NEWER), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (version,) = re.findall(r"version (\d+\.\d+\.\d+)", done.stdout + done.stderr)
    assert tag(service) == f"v{version}"


def test_grafanas_version_is_one_whose_types_the_boards_are_held_to() -> None:
    types = json.loads((ROOT / "tests/dashboards/schema/package.json").read_text())
    held = {text.rpartition("@")[2] for text in types["dependencies"].values() if "grafana" in text}
    assert tag("grafana") in held


def test_promtool_has_nothing_against_prometheus_settings_and_the_rules(tmp_path: Path) -> None:
    (rules,) = PROMETHEUS["rule_files"]
    here = in_repository("prometheus", rules.removesuffix("/*.yaml"))
    assert here == RULES
    settings = in_repository("prometheus", option("prometheus", "--config.file"))
    copy = tmp_path / "prometheus.yml"
    copy.write_text(settings.read_text().replace(rules, f"{here}/*.yaml"))
    command = [program("promtool"), "check", "config", str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{len(list(RULES.iterdir()))} rule files found" in done.stdout


def test_amtool_has_nothing_against_the_alertmanagers_settings() -> None:
    settings = in_repository("alertmanager", option("alertmanager", "--config.file"))
    assert settings == ROOT / "alerts/alertmanager/alertmanager.yml"
    command = [program("amtool"), "check-config", str(settings)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_the_exporter_asks_the_simulated_server_as_the_owners_of_its_fleet() -> None:
    _, _, path = SERVICES["exporter"]["command"]
    (target,) = load(in_repository("exporter", path), {}, environ={}).targets
    assert isinstance(target, HttpTarget)
    listen = SERVICES["agents-server"]["command"][2]
    assert str(target.url) == f"http://agents-server:{listen.rpartition(':')[2]}"
    command = [sys.executable, "-m", "electric_agents_simulator", "scenarios", "--format", "json"]
    stories = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    (demo,) = [each for each in stories if each["name"] == "demo"]
    assert {str(each) for each in target.principals} == set(demo["principals"])


def test_grafana_finds_its_prometheus_and_every_board() -> None:
    provisioning = "/etc/grafana/provisioning"
    found = [in_repository("grafana", f"{provisioning}/{kind}/electric-agents.yaml")
             for kind in ("datasources", "dashboards")]  # fmt: skip
    sources, boards = (yaml.safe_load(path.read_text()) for path in found)
    assert sources["datasources"][0]["url"] == "http://prometheus:9090"
    folder = boards["providers"][0]["options"]["path"]
    assert in_repository("grafana", folder) == ROOT / "dashboards"
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert in_repository("grafana", home).is_file()


@pytest.mark.long
def test_the_file_is_of_compose_types() -> None:
    command = [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def entry_point(dockerfile: Path) -> list[str]:
    (found,) = re.findall(r"^ENTRYPOINT (.*)$", dockerfile.read_text(), re.MULTILINE)
    words: list[str] = json.loads(found)
    return [*words]


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.skipif(os.geteuid() != 0, reason="namespaces of its own need root's rights")
def test_all_of_it_works_with_the_very_files_that_are_mounted(tmp_path: Path) -> None:
    bin_ = Path(sys.executable).parent
    exporter, *_ = entry_point(ROOT / "Dockerfile")
    _, *simulator = entry_point(DEPLOY / "simulator.Dockerfile")
    programs = {
        "agents-server": [sys.executable, *simulator],
        "exporter": [str(bin_ / exporter)],
        "prometheus": [program("prometheus")],
        "alertmanager": [program("prometheus-alertmanager", Release.NEWER)],
    }
    with composed(FILE, programs, tmp_path) as services:
        until(lambda: scraped(services), "Prometheus scrapes the exporter")
        until(lambda: value(services, "sum(electric_agents_runners)"), "runners are seen")
        assert loaded(services) == {path.stem for path in RULES.iterdir()}
        until(lambda: delivered(services), "an alert reaches Alertmanager")
        (watched,) = services.ask("http://exporter:10437/api/v1/fleet")["targets"]
        assert watched["name"] == "demo"


def scraped(services: Composed) -> bool:
    answer = services.ask("http://prometheus:9090/api/v1/targets")
    return bool(answer) and [
        (target["labels"]["job"], target["health"]) for target in answer["data"]["activeTargets"]
    ] == [("electric-agents", "up")]


def value(services: Composed, query: str) -> float:
    answer = services.ask(f"http://prometheus:9090/api/v1/query?query={query}")
    return float(answer["data"]["result"][0]["value"][1]) if answer["data"]["result"] else 0.0


def loaded(services: Composed) -> set[str]:
    groups = services.ask("http://prometheus:9090/api/v1/rules")["data"]["groups"]
    return {Path(group["file"]).stem for group in groups}


def delivered(services: Composed) -> bool:
    alerts = services.ask("http://alertmanager:9093/api/v2/alerts")
    return any(each["labels"]["alertname"] == "ElectricAgentsWatchdog" for each in alerts or ())
