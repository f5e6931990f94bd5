"""The shipped Alertmanager configuration, and the alerts of the rules as Alertmanager sees them."""

import os
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

import alert_table

ROOT: Final = Path(__file__).parents[2]
CONFIG: Final = ROOT / "alerts/alertmanager/alertmanager.yml"
TOOLS: Final = ROOT / ".venv/tools/usr/bin"

Labels = dict[str, str]

_BY_LAYER: Final[dict[str, Labels]] = {
    "exporter": {"job": "electric-agents"},
    "server": {"job": "electric-agents", "server": "production"},
    "fleet": {"job": "electric-agents", "server": "production"},
    "runner": {"job": "electric-agents", "server": "production", "runner_id": "worker-1"},
    "slo": {"job": "electric-agents", "server": "production"},
}
"""The labels that an alert's expression gives, by layer."""


def program(name: str) -> str:
    """Find a program on PATH or among those that scripts/tools fetched."""
    found = shutil.which(name) or shutil.which(name, path=str(TOOLS))
    if found is None:
        assert not os.environ.get("CI"), f"{name} is missing: run `make tools`"
        pytest.skip(f"{name} is missing: run `make tools`")
    return found


@pytest.fixture(scope="session")
def amtool() -> Callable[..., str]:
    """Runs amtool; gives what it prints."""
    binary = program("amtool")

    def run(*arguments: str) -> str:
        done = subprocess.run([binary, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@cache
def rules() -> dict[str, str]:
    """Read every rule file."""
    return {path.name: path.read_text() for path in sorted((ROOT / "alerts/rules").glob("*.yaml"))}


@cache
def settings() -> Any:  # noqa: ANN401  (a file is whatever it is)
    """Read the shipped configuration."""
    return yaml.safe_load(CONFIG.read_text())


@cache
def fired() -> tuple[Labels, ...]:
    """Give the labels of every alert of the rules with each severity that it may have."""
    return tuple(
        {**_seen(rule), "alertname": rule["alert"], **rule["labels"], "severity": severity}
        for rule in alert_table.alerts(rules())
        for severity in alert_table.severities(rule)
    )


def _seen(rule: dict[str, Any]) -> Labels:
    return {} if rule["expr"] == "vector(1)" else _BY_LAYER[rule["labels"]["layer"]]


def alert(name: str, severity: str, **labels: str) -> Labels:
    """Give one alert of the rules, with other labels where they are given; `""` leaves one out."""
    wanted = (f"ElectricAgents{name}", severity)
    first = next(one for one in fired() if (one["alertname"], one["severity"]) == wanted)
    return {key: value for key, value in {**first, **labels}.items() if value}


def called(labels: Labels) -> str:
    """Name an alert in short."""
    window = f" {labels['window']}" if "window" in labels else ""
    name = labels["alertname"].removeprefix(alert_table.PREFIX)
    return f"{name}{window} {labels['severity']}"
