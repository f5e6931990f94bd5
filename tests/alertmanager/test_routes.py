"""Where each alert goes, and that no route waits for one that there is not."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from amlint.routing import Router, route_coverage
from tests.alertmanager.conftest import CONFIG, ROOT, Labels, called, fired, settings

RECEIVERS = {"critical": "pager", "warning": "tickets", "info": "nowhere", "none": "dead-man"}


def amlint(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "amlint.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_amtool_finds_no_fault_in_the_configuration(amtool: Callable[..., str]) -> None:
    assert "1 templates" in amtool("check-config", str(CONFIG))


def test_amlint_finds_nothing_but_the_receiver_that_is_empty_on_purpose() -> None:
    amlint(
        "check", "--strict", "--ignore", "empty-receiver", "--rules", "alerts/rules/*.yaml",
        str(CONFIG),
    )  # fmt: skip


def test_the_routes_and_inhibitions_that_are_written_down_as_cases_hold() -> None:
    cases = Path(__file__).with_name("cases.yml")
    amlint("test", "--fail-under", "100", str(CONFIG), str(cases))


@pytest.mark.parametrize("labels", fired(), ids=called)
def test_every_alert_goes_to_the_receiver_of_its_severity(
    labels: Labels, amtool: Callable[..., str]
) -> None:
    amtool(
        "config", "routes", "test", f"--config.file={CONFIG}",
        f"--verify.receivers={RECEIVERS[labels['severity']]}",
        *(f"{name}={value}" for name, value in labels.items()),
    )  # fmt: skip


def test_no_route_is_without_an_alert() -> None:
    router = Router(settings()["route"])
    assert route_coverage(router, [router.match(labels) for labels in fired()]).uncovered == []


def test_an_alert_of_somebody_else_is_a_ticket() -> None:
    router = Router(settings()["route"])
    assert [match.receiver for match in router.match({"alertname": "DiskFull"})] == ["tickets"]


def test_a_severity_that_nobody_knows_yet_is_a_ticket() -> None:
    router = Router(settings()["route"])
    labels = {"service": "electric-agents", "severity": "bad"}
    assert [match.receiver for match in router.match(labels)] == ["tickets"]


@pytest.mark.parametrize("labels", fired(), ids=called)
def test_ten_runners_are_one_message(labels: Labels) -> None:
    (match,) = Router(settings()["route"]).match(labels)
    grouped = set(match.opts.group_by)
    assert "alertname" in grouped
    assert not grouped & {"runner_id", "window", "principal", "field"}
    if labels["layer"] == "exporter":
        assert "server" not in grouped
    else:
        assert "server" in grouped


def test_a_page_is_repeated_sooner_than_a_ticket() -> None:
    router = Router(settings()["route"])
    repeated = {
        labels["severity"]: router.match(labels)[0].opts.repeat_interval for labels in fired()
    }
    assert repeated == {"critical": "4h", "warning": "24h", "info": "24h", "none": "5m"}
