"""The shipped Alertmanager configuration, and the alerts of the rules as Alertmanager sees them."""

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

import alert_table
from alertmanagers import CONFIG, Webhook, alertmanager
from programs import ROOT, Release, program

__all__ = ["CONFIG", "ROOT"]

Labels = dict[str, str]

_SCOPE: Final[Labels] = {"cluster": "eu-1", "namespace": "agents", "job": "electric-agents"}
_SERVER: Final[Labels] = {**_SCOPE, "server": "production"}
_RUNNER: Final[Labels] = {**_SERVER, "kind": "server", "runner_id": "worker-1"}
_BY_LAYER: Final[dict[str, Labels]] = {
    "exporter": _SCOPE,
    "server": _SERVER,
    "fleet": _SERVER,
    "runner": _RUNNER,
    "slo": _SERVER,
}
"""The labels that an alert's expression gives, by layer."""
_ON_SERVERS: Final = re.compile(r"instance_server:electric_agents_server_unwatched:timestamp")
"""What an alert on an exporter asks for, if it is an alert for each server that is not watched."""
_TOLD_APART_BY: Final = ("objective", "window", "share", "servers", "shard")
"""Labels in which alerts of one name and severity differ."""


@pytest.fixture(scope="session", params=Release, ids=lambda release: release.value)
def release(request: pytest.FixtureRequest) -> Release:
    """Whose Alertmanager and amtool: a test that has either is run with each."""
    given: Release = request.param
    return given


@pytest.fixture(scope="session")
def amtool(release: Release) -> Callable[..., str]:
    """Runs amtool; gives what it prints."""
    binary = program("amtool", release)

    def run(*arguments: str) -> str:
        done = subprocess.run([binary, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    running = Webhook()
    yield running
    running.close()


@pytest.fixture
def start(release: Release, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Starts an Alertmanager with a configuration, and gives its address when it is ready."""
    binary = program("prometheus-alertmanager", release)
    with ExitStack() as running:

        def run(config: Path, *options: str) -> str:
            return running.enter_context(
                alertmanager(binary, config, tmp_path / "storage", *options)
            )

        yield run


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
    """Give the labels of every alert of the rules with each severity that it may have.

    Those on servers that no exporter watches come twice: of all of it, and of a shard.
    """
    alerts = tuple(
        {**_seen(rule), "alertname": rule["alert"], **rule["labels"], "severity": severity}
        for rule in alert_table.alerts(rules())
        for severity in alert_table.severities(rule)
    )
    unwatched = (one for one in alerts if one["layer"] == "exporter" and "server" in one)
    return alerts + tuple({**one, "shard": "1"} for one in unwatched)


def _seen(rule: dict[str, Any]) -> Labels:
    if rule["expr"] == "vector(1)":
        return {}
    if rule["labels"].get("servers") == "many":
        return _SCOPE
    layer = rule["labels"]["layer"]
    return _SERVER if layer == "exporter" and _ON_SERVERS.search(rule["expr"]) else _BY_LAYER[layer]


def alert(name: str, severity: str, **labels: str) -> Labels:
    """Give one alert of the rules, with other labels where they are given; `""` leaves one out.

    Where several rules have that name and severity it is the one whose own labels are the given
    ones, else the first, and one on one server before one on many.
    """
    wanted = (f"ElectricAgents{name}", severity)
    found = [one for one in fired() if (one["alertname"], one["severity"]) == wanted]
    own = {key: labels[key] for key in _TOLD_APART_BY if key in labels}
    single = [one for one in found if "servers" not in one]
    exact = [one for one in found if own and own.items() <= one.items()]
    return {key: value for key, value in {**(exact or single)[0], **labels}.items() if value}


def called(labels: Labels) -> str:
    """Name an alert in short."""
    name = labels["alertname"].removeprefix(alert_table.PREFIX)
    own = (
        f"{key} {labels[key]}" if key == "shard" else labels[key]
        for key in _TOLD_APART_BY
        if key in labels
    )
    return " ".join((name, *own, labels["severity"]))
