"""The rules before promtool: they are well formed, and every test case comes true.

With two versions of it. All cases take minutes on each: `make verify` tries on the newer one those
that have an alert from before it fires until it ends, `make versions` all.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from programs import Release
from promtool_runs import promtool, written
from rule_files import ALERTS, Rule, alert_rules, promtool_files

pytestmark = pytest.mark.timeout(600)

_NO_EXPORTER = {"Watchdog"}
"""Alerts that read no series of an exporter, so that replicas do not matter."""


def _whole_cases(file: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Give the cases that have an alert from before it fires until it ends."""
    return [case for case in file["tests"] if "fires" in _parts_of(case)]


def _parts_of(case: Mapping[str, Any]) -> list[str]:
    """Give what a case is about: `ALERT / PART, PART: why`."""
    name: str = case["name"]
    return name.partition(" / ")[2].partition(":")[0].split(", ")


def _with_whole_cases() -> list[str]:
    return [name for name, file in promtool_files().items() if _whole_cases(file)]


@pytest.mark.parametrize("release", Release, ids=lambda release: release.value)
def test_rule_files_have_nothing_that_promtool_warns_of(release: Release) -> None:
    files = sorted((ALERTS / "rules").glob("*.yaml"))

    code, text = promtool("check", "rules", "--lint=all", "--lint-fatal", *files, release=release)

    assert code == 0, text


@pytest.mark.parametrize("name", promtool_files())
def test_every_case_comes_true(name: str) -> None:
    code, text = promtool("test", "rules", written(name))

    assert code == 0, text


@pytest.mark.parametrize("name", _with_whole_cases())
def test_an_alert_comes_and_goes_on_the_newer_version_too(name: str, tmp_path: Path) -> None:
    file = promtool_files()[name]
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps({**file, "tests": _whole_cases(file)}))

    code, text = promtool("test", "rules", path, release=Release.NEWER)

    assert code == 0, text


@pytest.mark.long
@pytest.mark.parametrize("name", promtool_files())
def test_every_case_comes_true_on_the_newer_version_too(name: str) -> None:
    code, text = promtool("test", "rules", written(name), release=Release.NEWER)

    assert code == 0, text


def test_alerts_have_a_case_for_all_that_is_said_of_them() -> None:
    parts = _parts()
    lacking = {
        rule.id: left
        for rule in alert_rules()
        if (left := _needed(rule) - parts.get(rule.id, set()))
    }

    assert lacking == {}, "add these cases to alerts/alert_cases"


def _needed(rule: Rule) -> set[str]:
    needed = {"fires", *(f"guard {name}" for name in rule.guards)}
    if rule.name != "ElectricAgentsWatchdog":
        needed.add("before")
    if rule.id not in _NO_EXPORTER:
        needed.add("replicas")
    if "keep_firing_for" in rule.raw:
        needed.update({f"held for {_words(rule.raw['keep_firing_for'])}", "ends"})
    return needed


def test_no_case_is_of_an_alert_or_guard_that_is_not_there() -> None:
    guards = {rule.id: {f"guard {name}" for name in rule.guards} for rule in alert_rules()}
    parts = {name: part for name, part in _parts().items() if not name.startswith("records")}

    assert parts.keys() - guards.keys() == set()
    assert {
        name: unknown
        for name, part in parts.items()
        if (unknown := {one for one in part if one.startswith("guard ")} - guards[name])
    } == {}


def test_every_case_checks_something_and_has_a_name_of_its_own() -> None:
    cases = [case for file in promtool_files().values() for case in file["tests"]]

    assert all(case["alert_rule_test"] or case["promql_expr_test"] for case in cases)
    names = [case["name"] for case in cases]
    assert sorted(names) == sorted(set(names))


def test_a_case_checks_the_alert_that_it_is_named_for() -> None:
    names = {rule.id: rule.name for rule in alert_rules()}
    for file in promtool_files().values():
        for case in file["tests"]:
            checked = {check["alertname"] for check in case["alert_rule_test"]}
            assert checked <= {names.get(case["name"].split(" / ")[0])}, case["name"]


def _parts() -> dict[str, set[str]]:
    """Give what the cases of each alert are about."""
    found: dict[str, set[str]] = {}
    for file in promtool_files().values():
        for case in file["tests"]:
            rule = case["name"].partition(" / ")[0]
            found.setdefault(rule, set()).update(_parts_of(case))
    return found


def _words(span: str) -> str:
    return f"{span.removesuffix('m')} minutes"
