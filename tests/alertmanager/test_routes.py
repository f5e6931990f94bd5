"""Where each alert goes, and that no route is without one."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

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


def test_every_alert_goes_to_the_receiver_of_its_severity(amtool: Callable[..., str]) -> None:
    faults = [
        (called(labels), receiver)
        for labels in fired()
        if (receiver := _receiver(labels, amtool)) != RECEIVERS[labels["severity"]]
    ]

    assert faults == []


def _receiver(labels: Labels, amtool: Callable[..., str]) -> str:
    matched = (f"{name}={value}" for name, value in labels.items())
    return amtool("config", "routes", "test", f"--config.file={CONFIG}", *matched).strip()


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


def test_ten_runners_and_ten_tenants_are_one_message_and_two_clusters_are_two() -> None:
    router = Router(settings()["route"])
    place = ("alertname", "cluster", "namespace", "job")
    faults = [
        (called(labels), grouped)
        for labels in fired()
        for grouped in (router.match(labels)[0].opts.group_by,)
        if labels["alertname"] != "ElectricAgentsWatchdog"
        and grouped != (place if labels["layer"] == "exporter" else (*place, "server"))
    ]
    assert faults == []


def test_a_page_waits_ten_seconds_and_what_something_may_mute_long_enough_for_that() -> None:
    router = Router(settings()["route"])
    waits = {
        (labels["severity"], labels["layer"] == "server"): router.match(labels)[0].opts.group_wait
        for labels in fired()
    }
    pages = {("critical", False): "10s", ("critical", True): "45s"}
    others = {("warning", False): "1m", ("warning", True): "1m", ("info", False): "1m"}
    assert waits == {**pages, **others, ("none", False): "0s"}


def test_a_page_is_repeated_sooner_than_a_ticket() -> None:
    router = Router(settings()["route"])
    repeated = {
        labels["severity"]: router.match(labels)[0].opts.repeat_interval for labels in fired()
    }
    assert repeated == {"critical": "4h", "warning": "24h", "info": "24h", "none": "5m"}
